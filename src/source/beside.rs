//! What this machine's disk has to be put in behind an image's layers: directories, files and tars.
//!
//! All of it is read once, where it stays as it was: in a spool, or in a file that nobody but this
//! user may write and that is held against a change at the end.

use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::open::{OpenOptions, uncompressed};
use super::spooler::Spooler;
use super::{recognise, tree};
use crate::error::{Error, Result};
use crate::pinned::{Pinned, Reach};
use crate::progress::Reporter;
use crate::region::{Content, FileRegion};
use crate::spool::Spool;
use crate::warnings::Warnings;

/// How it is read.
#[derive(Debug, Clone, Copy)]
pub struct BesideOptions<'a> {
    /// As the image, but for where paths begin.
    pub open: &'a OpenOptions,
    /// Where paths begin.
    pub reach: &'a Reach,
    /// Whether extended attributes, flags and holes of directories and files are read.
    pub keeps_attributes: bool,
}

/// Something of the host's disk.
#[derive(Debug)]
pub struct Beside {
    /// A tar of its names: its own, or one of what a directory holds; of a file one with a single
    /// entry without content.
    pub tar: FileRegion,
    /// What it is.
    pub kind: BesideKind,
    /// The warning that it is an image's archive or layout, where it looks like one: files of it are
    /// what nobody wants in a tree's root.
    pub looks_like: Option<&'static str>,
    /// What was noticed.
    pub warnings: Warnings,
}

/// What something of the host's disk is.
#[derive(Debug)]
pub enum BesideKind {
    /// A tar.
    Tar,
    /// A directory.
    Directory,
    /// A file.
    File {
        /// What its content is a region of.
        bytes: FileRegion,
        /// Where it is in them.
        content: Content,
        /// Whether those are the file itself, which must not change until all is done.
        is_in_place: bool,
    },
}

impl Beside {
    /// Whether [`Self::tree`] could begin: nothing is read.
    ///
    /// # Errors
    /// [`Error::Io`] for what is not there, [`Error::Unsupported`] for a device or a socket.
    pub fn check_tree(path: &Path, reach: &Reach) -> Result<()> {
        refuse_no_tree(&pinned(path, reach)?, reach)
    }

    /// The same for [`Self::file_or_directory`].
    ///
    /// # Errors
    /// As [`Self::check_tree`], for a pipe, too.
    pub fn check_file_or_directory(path: &Path, reach: &Reach) -> Result<()> {
        refuse_no_file(&pinned(path, reach)?)
    }

    /// A directory, or a tar by itself or from a pipe, compressed or not.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, or changes meanwhile; [`Error::Unsupported`] for what is
    /// neither; [`Error::BadImage`] beyond a limit.
    pub fn tree(path: &Path, options: BesideOptions<'_>, reporter: &dyn Reporter) -> Result<Self> {
        let pinned = pinned(path, options.reach)?;
        refuse_no_tree(&pinned, options.reach)?;
        let file_type = pinned.metadata.file_type();
        let spooler = spooler(options, reporter);
        if file_type.is_dir() {
            return Self::directory(path, options, &spooler);
        }
        let name = path.display().to_string();
        let file = if file_type.is_fifo() {
            // As a shell's <(command) gives it.
            File::open(options.reach.at(path))
        } else {
            pinned.open(options.reach.directory(), path)
        };
        let file = file.map_err(|error| Error::path("open", path, error))?;
        let tar = uncompressed(file, &name, &spooler)?;
        recognise::check_overlay(&tar)?;
        let looks_like = recognise::misnamed(&tar.region, &options.open.limits)?;
        Ok(Self {
            tar: spooler.own(tar, &name)?.region,
            kind: BesideKind::Tar,
            looks_like: looks_like.map(|what| what.as_put_in),
            warnings: Warnings::default(),
        })
    }

    /// A directory or a regular file, where `path` may be a link to either.
    ///
    /// # Errors
    /// As [`Self::tree`].
    pub fn file_or_directory(
        path: &Path,
        options: BesideOptions<'_>,
        reporter: &dyn Reporter,
    ) -> Result<Self> {
        let pinned = pinned(path, options.reach)?;
        refuse_no_file(&pinned)?;
        let spooler = spooler(options, reporter);
        if pinned.metadata.is_dir() {
            return Self::directory(path, options, &spooler);
        }
        let mut warnings = Warnings::default();
        let work_dir = &options.open.work_dir;
        let taking = taking(options);
        let root = tree::Root {
            path,
            reach: options.reach,
        };
        let file = tree::HostFile::take(&pinned, root, taking, work_dir, reporter, &mut warnings)?;
        let mut header = Spool::new(work_dir, "what is put in")?;
        header.write(&file.header)?;
        Ok(Self {
            tar: header.finish(),
            kind: BesideKind::File {
                bytes: file.bytes,
                content: file.content,
                is_in_place: file.is_in_place,
            },
            looks_like: None,
            warnings,
        })
    }

    fn directory(path: &Path, options: BesideOptions<'_>, spooler: &Spooler<'_>) -> Result<Self> {
        let mut warnings = Warnings::default();
        let root = tree::Root {
            path,
            reach: options.reach,
        };
        let tar = tree::write(root, taking(options), spooler, &mut warnings)?;
        let looks_like = recognise::misnamed_directory(&options.reach.at(path));
        Ok(Self {
            tar: tar.region,
            kind: BesideKind::Directory,
            looks_like: looks_like.map(|what| what.as_put_in),
            warnings,
        })
    }
}

fn pinned(path: &Path, reach: &Reach) -> Result<Pinned> {
    reach
        .pin(path)
        .map_err(|error| Error::path("open", path, error))
}

fn refuse_no_tree(pinned: &Pinned, reach: &Reach) -> Result<()> {
    let file_type = pinned.metadata.file_type();
    let is_pipe = file_type.is_fifo() && !reach.is_confined();
    if file_type.is_dir() || file_type.is_file() || is_pipe {
        return Ok(());
    }
    Err(Error::unsupported(
        "expected a directory or a tar, found a device or a socket",
    ))
}

fn refuse_no_file(pinned: &Pinned) -> Result<()> {
    if pinned.metadata.is_dir() || pinned.metadata.is_file() {
        return Ok(());
    }
    Err(Error::unsupported(
        "expected a file or a directory, found a device, a pipe or a socket",
    ))
}

fn taking(options: BesideOptions<'_>) -> tree::Taking<'_> {
    tree::Taking {
        output: options.open.held_against.as_deref(),
        written: &options.open.written,
        attributes: options.keeps_attributes,
        flags: options.open.file_flags,
        one_file_system: options.open.one_file_system,
    }
}

fn spooler<'a>(options: BesideOptions<'a>, reporter: &'a dyn Reporter) -> Spooler<'a> {
    Spooler {
        work_dir: &options.open.work_dir,
        limits: &options.open.limits,
        reporter,
        hashes: false,
    }
}
