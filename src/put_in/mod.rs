//! What is put into the tree from elsewhere than the image: the host's directories, files and tars,
//! and what the options themselves hold.
//!
//! ```text
//! start    the image's start configuration as a document
//! host     what comes of the host's disk, freed of what is of that host alone
//! digest   what names all of it
//! ```
//!
//! All of it becomes [`PutIn`](crate::layers::PutIn)s behind the layers, in the fixed order of edits
//! (see [`crate::edits`]); how each is applied says `tree`.

mod digest;
mod host;
mod start;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use self::digest::put_in_digest;
use self::host::{Given, names};
pub use self::start::{START_PATH, start_document};
use crate::edits::{Add, Edits, MakeDirectory, Mode, Overlay, Owner, TreePath};
use crate::error::{Error, Result, escape_path};
use crate::layers::{Existing, Layers, Made, PutInReader};
use crate::oci::{Digest, RuntimeConfig};
use crate::pinned::Reach;
use crate::progress::Reporter;
use crate::region::{Content, Data};
use crate::source::{Beside, BesideKind, BesideOptions, OpenOptions};
use crate::spool::Spool;
use crate::tar::EntryKind;
use crate::units::FileFlags;

/// The directories that a system mounts something on before all else, with their usual modes.
const MOUNT_POINTS: [(&str, u16); 5] = [
    ("dev", 0o755),
    ("proc", 0o555),
    ("sys", 0o555),
    ("run", 0o755),
    ("tmp", 0o1777),
];

/// Reads all that `edits` put in and hangs it behind the layers; `start` is how the image's
/// containers start, and paths
/// of the host begin where `reach` says.
///
/// # Errors
/// Naming the option: [`Error::Io`] for what cannot be read or changes meanwhile,
/// [`Error::Unsupported`] for what is no file, directory or tar, [`Error::BadImage`] for a tar that is
/// wrong and for what is beyond a limit, where the layers' use counts, too.
pub fn read(
    edits: &Edits,
    start: &RuntimeConfig,
    open: &OpenOptions,
    reach: &Reach,
    layers: &mut Layers,
    reporter: &dyn Reporter,
) -> Result<()> {
    if !puts_in(edits) {
        return Ok(());
    }
    let reader = PutInReader::behind(layers, &open.limits);
    let texts = Spool::new(&open.work_dir, "what is put in")?;
    let options = BesideOptions {
        open,
        reach,
        keeps_attributes: edits.keep_attributes,
    };
    let mut putting = Putting {
        reader,
        texts,
        options,
        reporter,
        made: Vec::new(),
    };
    for overlay in &edits.overlay {
        let name = format!("--overlay {}", shown(&overlay.source));
        let put = putting.overlay(overlay, &name);
        put.map_err(|error| error.in_image(&name))?;
    }
    for directory in &edits.mkdir {
        putting.directory(directory)?;
    }
    for add in &edits.add {
        let name = format!("--add {}", shown(&add.source));
        let put = putting.add(add, &name);
        put.map_err(|error| error.in_image(&name))?;
    }
    for link in &edits.symlink {
        let kind = EntryKind::Symlink(link.target.as_bytes().into());
        putting.one("--symlink", &link.path, made(&link.path, kind, 0o777))?;
    }
    for file in &edits.file {
        let kind = putting.text(file.text.as_bytes())?;
        let mut made = made(&file.path, kind, mode(file.mode, 0o644));
        (made.uid, made.gid) = owner(file.owner);
        putting.one("--file", &file.path, made)?;
    }
    if edits.mount_points {
        for (path, mode) in MOUNT_POINTS {
            let made = Made {
                existing: Existing::Spared,
                path: path.as_bytes().into(),
                ..made(&TreePath::default(), EntryKind::Directory, mode)
            };
            putting.names("--mount-points", vec![made])?;
        }
    }
    if let Some(path) = &edits.config_file {
        let kind = putting.text(&start_document(start)?)?;
        putting.one("--config-file", path, made(path, kind, 0o644))?;
    }
    putting.finish(layers)
}

/// Looks whether all is there that would be read from the host's disk, before an image is.
///
/// # Errors
/// Naming the option: [`Error::Io`] for what is not there, [`Error::Unsupported`] for what can be no
/// file, directory or tar.
pub fn check(edits: &Edits, reach: &Reach) -> Result<()> {
    let named = |option: &str, source: &Path, found: Result<()>| {
        let name = format!("{option} {}", shown(source));
        found.map_err(|error| match error {
            Error::Io { what, source } => Error::Io {
                what: format!("{name}: {what}"),
                source,
            },
            other => other.in_image(&name),
        })
    };
    for Overlay { source, .. } in &edits.overlay {
        named("--overlay", source, Beside::check_tree(source, reach))?;
    }
    for Add { source, .. } in &edits.add {
        named(
            "--add",
            source,
            Beside::check_file_or_directory(source, reach),
        )?;
    }
    Ok(())
}

/// The digest of what would be put in now, read without an image's layers.
///
/// # Errors
/// As [`read`].
pub fn digest_now(
    edits: &Edits,
    start: &RuntimeConfig,
    open: &OpenOptions,
    reach: &Reach,
    reporter: &dyn Reporter,
) -> Result<Digest> {
    let mut layers = Layers::none();
    read(edits, start, open, reach, &mut layers, reporter)?;
    let digest = put_in_digest(&layers)?;
    // What is read where it is must have stayed as it was.
    layers.verifying.finish()?;
    Ok(digest)
}

fn puts_in(edits: &Edits) -> bool {
    let Edits {
        overlay,
        mkdir,
        add,
        symlink,
        file,
        ..
    } = edits;
    let is_something = !overlay.is_empty()
        || !mkdir.is_empty()
        || !add.is_empty()
        || !symlink.is_empty()
        || !file.is_empty();
    is_something || edits.mount_points || edits.config_file.is_some()
}

/// The paths of all that is read from the host's disk, where they begin as `reach` says.
pub fn sources(edits: &Edits, reach: &Reach) -> Vec<PathBuf> {
    let overlays = edits.overlay.iter().map(|overlay| &overlay.source);
    let sources = overlays.chain(edits.add.iter().map(|add| &add.source));
    sources.map(|source| reach.at(source)).collect()
}

struct Putting<'a> {
    reader: PutInReader<'a>,
    /// The texts of files that options hold; they are the last of all regions.
    texts: Spool<'a>,
    options: BesideOptions<'a>,
    reporter: &'a dyn Reporter,
    /// What waits for the region of the texts.
    made: Vec<(String, Vec<Made>)>,
}

impl Putting<'_> {
    fn overlay(&mut self, overlay: &Overlay, name: &str) -> Result<()> {
        let beside = Beside::tree(&overlay.source, self.options, self.reporter)?;
        self.reader.warnings().merge(beside.warnings);
        // What is added has a path of its own, where a layout may well be kept.
        if let Some(what) = beside.looks_like {
            let path = overlay.source.as_os_str().as_bytes();
            self.reader.warnings().count(what, path);
        }
        let taken = self.reader.tar(beside.tar)?;
        match beside.kind {
            BesideKind::Tar => self
                .reader
                .put_tar(name.to_owned(), taken, overlay.at.as_bytes()),
            BesideKind::Directory | BesideKind::File { .. } => {
                let given = Given {
                    at: overlay.at.as_bytes(),
                    keeps_attributes: self.options.keeps_attributes,
                    mode: None,
                    owner: None,
                };
                let names = names(taken, &given, self.reader.warnings())?;
                self.reader.put_names(name.to_owned(), names, true);
            }
        }
        Ok(())
    }

    fn add(&mut self, add: &Add, name: &str) -> Result<()> {
        let beside = Beside::file_or_directory(&add.source, self.options, self.reporter)?;
        self.reader.warnings().merge(beside.warnings);
        let taken = match beside.kind {
            BesideKind::File {
                bytes,
                content,
                is_in_place,
            } => {
                let source = shown(&add.source);
                let watched = is_in_place.then_some(&*source);
                self.reader.file(&beside.tar, &content, bytes, watched)?
            }
            BesideKind::Tar | BesideKind::Directory => self.reader.tar(beside.tar)?,
        };
        let given = Given {
            at: add.path.as_bytes(),
            keeps_attributes: self.options.keeps_attributes,
            mode: add.mode,
            owner: add.owner,
        };
        let names = names(taken, &given, self.reader.warnings())?;
        self.made.push((name.to_owned(), names));
        Ok(())
    }

    fn directory(&mut self, directory: &MakeDirectory) -> Result<()> {
        let MakeDirectory { path, mode, owner } = directory;
        let mut made = made(path, EntryKind::Directory, self::mode(*mode, 0o755));
        (made.uid, made.gid) = self::owner(*owner);
        if mode.is_some() {
            made.existing = Existing::Changed {
                owner: owner.is_some(),
            };
        }
        self.one("--mkdir", path, made)
    }

    /// A name that an option alone makes.
    fn one(&mut self, option: &str, path: &TreePath, made: Made) -> Result<()> {
        let name = format!("{option} {}", escape_path(path.as_bytes()));
        self.names(&name, vec![made])
    }

    fn names(&mut self, name: &str, made: Vec<Made>) -> Result<()> {
        for made in &made {
            let counted = self.reader.count(&made.path);
            counted.map_err(|error| error.in_image(name))?;
        }
        self.made.push((name.to_owned(), made));
        Ok(())
    }

    /// A file with this text.
    fn text(&mut self, text: &[u8]) -> Result<EntryKind> {
        let offset_bytes = self.texts.written_bytes();
        self.texts.write(text)?;
        Ok(EntryKind::Regular(Content {
            size_bytes: text.len() as u64,
            data: Data::Contiguous { offset_bytes },
        }))
    }

    fn finish(mut self, layers: &mut Layers) -> Result<()> {
        let texts = self.reader.bytes(self.texts.finish(), None)?;
        for (name, mut made) in self.made {
            for made in &mut made {
                if made.region == OF_TEXTS {
                    made.region = texts;
                }
            }
            self.reader.put_names(name, made, false);
        }
        self.reader.finish(layers);
        Ok(())
    }
}

/// Stands for the region of the texts until that is there.
const OF_TEXTS: u32 = u32::MAX;

/// A name as options make it.
fn made(path: &TreePath, kind: EntryKind, mode: u16) -> Made {
    Made {
        path: path.as_bytes().into(),
        kind,
        region: OF_TEXTS,
        mode,
        uid: 0,
        gid: 0,
        mtime: None,
        xattrs: Box::default(),
        file_flags: FileFlags::default(),
        existing: Existing::Kept,
    }
}

fn mode(given: Option<Mode>, usual: u16) -> u16 {
    given.map_or(usual, Mode::bits)
}

fn owner(given: Option<Owner>) -> (u32, u32) {
    given.map_or((0, 0), |owner| (owner.uid, owner.gid))
}

fn shown(path: &Path) -> String {
    escape_path(path.as_os_str().as_bytes())
}
