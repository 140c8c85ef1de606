//! A directory tree becomes a tar: the same tree the same bytes, whoever reads it.
//!
//! What a tar of a tree usually varies by is left out: access and change times, inode numbers,
//! the order of the directory, the names of users and groups. Where a file has holes is kept as its
//! filesystem tells it, and filesystems differ in that.

mod attributes;
mod file;
mod linked;
mod mounts;
mod own;
mod walk;

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use self::attributes::{Holder, Record};
use self::linked::{DirectoryNumber, Link, Linked};
use self::mounts::{Mounted, Mounts};
use self::own::OwnFiles;
use self::walk::{Met, Walk};
use super::spooler::{SpoolWriter, Spooled, Spooler};
use crate::error::{Error, Result};
use crate::page_buffer::PageBuffer;
use crate::pinned::{Identity, Pinned, Reach, identity};
use crate::progress::{Meter, Phase, Task};
use crate::tar::write::{self, Entry, Kind};
use crate::units::{FileFlags, Timestamp};
use crate::warnings::Warnings;
pub(super) use file::HostFile;

const BUFFER_BYTES: usize = 256 << 10;

/// What is taken of a tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taking<'a> {
    /// What is to be made is no part of it, should it lie inside.
    pub(super) output: Option<&'a Path>,
    /// Nor is what else the run writes.
    pub(super) written: &'a [PathBuf],
    /// Extended attributes, flags and holes; else names, types, modes, owners, times and content
    /// alone.
    pub(super) attributes: bool,
    /// The flags that chattr sets, where attributes are; else they are counted in a warning.
    pub(super) flags: bool,
    /// Nothing of other filesystems that are mounted inside.
    pub(super) one_file_system: bool,
}

/// The directory that is read, and where its path begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Root<'a> {
    pub(super) path: &'a Path,
    pub(super) reach: &'a Reach,
}

/// Writes everything below `root`, and its own attributes, into a spooled tar. Symbolic links are
/// kept and never followed, and nothing outside is reached, whatever others do to the tree
/// meanwhile. Other filesystems mounted inside belong to the tree unless `taking` says otherwise, but
/// for those in which the running kernel speaks.
///
/// # Errors
/// [`Error::Io`] naming the path that cannot be read, or that changed while it was read.
pub(super) fn write(
    root: Root<'_>,
    taking: Taking<'_>,
    spooler: &Spooler<'_>,
    warnings: &mut Warnings,
) -> Result<Spooled> {
    let name = format!("read {}", root.path.display());
    let meter = spooler
        .reporter
        .begin(Task::bytes(Phase::Find, &name, None));
    let spool = spooler.writer()?;
    let own_spool = spool.identity()?;
    let own_files = OwnFiles::of(taking.output, taking.written);
    let (mut walk, pinned) = Walk::start(root.path, root.reach)?;
    let mut writer = TreeWriter {
        spool,
        meter: &*meter,
        linked: Linked::default(),
        mounts: Mounts::default(),
        numbers: Vec::new(),
        taking,
        device: pinned.metadata.dev(),
        buffer: PageBuffer::new(BUFFER_BYTES),
    };
    writer.root(&mut walk, &pinned, warnings)?;
    let limits = spooler.limits;
    let (mut entries, mut name_bytes) = (1_u64, 0_u64);
    loop {
        let mut is_wanted = |directory: Identity, name: &std::ffi::OsStr, path: &Path| {
            let is_own = own_files.are(directory, name);
            if is_own {
                let path = path.as_os_str().as_bytes();
                warnings.count("the output lies in the tree and was left out", path);
            }
            !is_own
        };
        let Some(met) = walk.next(&mut is_wanted)? else {
            break;
        };
        // Where there are no unnamed files, ours may have a name all the same.
        if identity(&met.pinned.metadata) == own_spool {
            continue;
        }
        entries += 1;
        if entries > limits.max_entries {
            return Err(Error::bad_image(format!(
                "more than {} entries (--max-entries raises the limit)",
                limits.max_entries
            )));
        }
        let path = met.path.as_os_str().as_bytes();
        if walk.depth() > limits.max_path_depth {
            return Err(Error::bad_image(format!(
                "more than {} directories deep (--max-path-depth raises the limit)",
                limits.max_path_depth
            ))
            .in_entry(path));
        }
        // The next step would refuse them too, having taken the memory.
        name_bytes += path.len() as u64;
        if name_bytes > limits.max_index_bytes {
            return Err(Error::bad_image(format!(
                "names of more than {} bytes (--max-index-bytes raises the limit)",
                limits.max_index_bytes
            )));
        }
        writer.entry(&mut walk, met, warnings)?;
    }
    writer.spool.write_all(&write::END)?;
    writer.mounts.warn(warnings);
    meter.finish("read");
    Ok(writer.spool.finish())
}

struct TreeWriter<'a> {
    spool: SpoolWriter<'a>,
    meter: &'a dyn Meter,
    linked: Linked,
    mounts: Mounts,
    /// Of the directories from the root down to where the walk is.
    numbers: Vec<DirectoryNumber>,
    taking: Taking<'a>,
    /// Of the root's filesystem.
    device: u64,
    buffer: PageBuffer,
}

impl TreeWriter<'_> {
    fn root(
        &mut self,
        walk: &mut Walk<'_>,
        pinned: &Pinned,
        warnings: &mut Warnings,
    ) -> Result<()> {
        let number = self.linked.directory(0, "".as_ref());
        self.directory(walk, pinned, Path::new(""), number, warnings)
    }

    /// Writes one entry, and goes into it where it is a directory.
    fn entry(&mut self, walk: &mut Walk<'_>, met: Met, warnings: &mut Warnings) -> Result<()> {
        let Met { pinned, name, path } = &met;
        self.numbers.truncate(walk.depth());
        let above = self.numbers.last().copied().unwrap_or_default();
        let metadata = &pinned.metadata;
        let file_type = metadata.file_type();
        if file_type.is_dir() {
            if self.is_kernels(walk, pinned, path)? {
                return Ok(());
            }
            let number = self.linked.directory(above, name);
            return self.directory(walk, pinned, path, number, warnings);
        }
        let bytes = path.as_os_str().as_bytes();
        if file_type.is_socket() {
            warnings.count("a socket cannot be in an image and was left out", bytes);
            return Ok(());
        }
        if !file_type.is_symlink() && self.is_kernels_file(walk, pinned, bytes, warnings) {
            return Ok(());
        }
        let mut entry = entry_of(path, metadata);
        match self.linked.meet(above, name, metadata) {
            Link::To(first) => {
                entry.kind = Kind::HardLink;
                entry.link = first;
                return self.spool.write_all(&entry.encode());
            }
            // Numbers that are not unique are of files with one name each.
            Link::Changed if metadata.nlink() > 1 => {
                return Err(changed(&walk.shown(path)));
            }
            Link::New | Link::Changed => {}
        }
        if file_type.is_file() {
            return self.regular(walk, &met, entry, warnings);
        }
        let shown = walk.shown(path);
        match self.records(Holder::Held(pinned), &shown)? {
            Some(records) => entry.records = records,
            None => warnings.count(
                "extended attributes of links and special files are not to be had without /proc",
                bytes,
            ),
        }
        entry
            .records
            .extend(self.flags(Holder::Held(pinned), path, warnings));
        let rdev = metadata.rdev();
        let device = (rustix::fs::major(rdev), rustix::fs::minor(rdev));
        if file_type.is_symlink() {
            let target = rustix::fs::readlinkat(pinned.fd(), c"", Vec::new())
                .map_err(|error| Error::path("read", &shown, error.into()))?;
            entry.kind = Kind::Symlink;
            entry.link = target.into_bytes();
        } else if file_type.is_fifo() {
            entry.kind = Kind::Fifo;
        } else if file_type.is_char_device() {
            (entry.kind, entry.device) = (Kind::CharacterDevice, device);
        } else if file_type.is_block_device() {
            (entry.kind, entry.device) = (Kind::BlockDevice, device);
        }
        self.spool.write_all(&entry.encode())
    }

    fn directory(
        &mut self,
        walk: &mut Walk<'_>,
        pinned: &Pinned,
        path: &Path,
        number: DirectoryNumber,
        warnings: &mut Warnings,
    ) -> Result<()> {
        let fd = walk.open(pinned, path)?;
        let mut entry = entry_of(path, &pinned.metadata);
        // What is open always gives them.
        let records = self.records(Holder::Open(fd.as_fd()), &walk.shown(path))?;
        entry.records = records.unwrap_or_default();
        entry
            .records
            .extend(self.flags(Holder::Open(fd.as_fd()), path, warnings));
        self.spool.write_all(&entry.encode())?;
        self.numbers.push(number);
        walk.enter(pinned, fd, path.to_owned())
    }

    /// Writes an empty directory for one in which the kernel speaks. What it covers is not to be
    /// seen, so it gets what such a directory has everywhere.
    fn is_kernels(&mut self, walk: &Walk<'_>, pinned: &Pinned, path: &Path) -> Result<bool> {
        let Some((device_above, mtime_above)) = walk.parent() else {
            return Ok(false);
        };
        let bytes = path.as_os_str().as_bytes();
        match self.mounts.of(pinned, device_above) {
            Mounted::Nothing => Ok(false),
            Mounted::Files(name) if self.is_other_filesystem(&pinned.metadata) => {
                self.mounts.is_other(bytes, &name);
                let entry = Entry {
                    mtime: mtime_above,
                    ..entry_of(path, &pinned.metadata)
                };
                self.spool.write_all(&entry.encode()).map(|()| true)
            }
            Mounted::Files(name) => {
                self.mounts.is_packed(bytes, &name);
                Ok(false)
            }
            Mounted::Kernel(name) => {
                self.mounts.is_left_out(bytes, &name);
                let entry = Entry {
                    mode: 0o755,
                    uid: 0,
                    gid: 0,
                    mtime: mtime_above,
                    ..entry_of(path, &pinned.metadata)
                };
                self.spool.write_all(&entry.encode()).map(|()| true)
            }
        }
    }

    /// Whether a file is one that the kernel makes up, mounted over another. What else is mounted so
    /// is packed and told: in a chroot that was worked in, this machine's `/etc/resolv.conf` is.
    fn is_kernels_file(
        &mut self,
        walk: &Walk<'_>,
        pinned: &Pinned,
        path: &[u8],
        warnings: &mut Warnings,
    ) -> bool {
        let metadata = &pinned.metadata;
        let device_above = walk.parent().map_or(metadata.dev(), |(device, _)| device);
        match self.mounts.of(pinned, device_above) {
            Mounted::Nothing => false,
            Mounted::Kernel(_) if metadata.is_file() => {
                warnings.count(
                    "a file of a kernel filesystem is mounted in the tree and was left out",
                    path,
                );
                true
            }
            Mounted::Files(name) if self.is_other_filesystem(metadata) => {
                self.mounts.is_other(path, &name);
                true
            }
            // A device node is one wherever it is from.
            Mounted::Files(name) | Mounted::Kernel(name) => {
                self.mounts.is_packed(path, &name);
                false
            }
        }
    }

    fn regular(
        &mut self,
        walk: &Walk<'_>,
        met: &Met,
        mut entry: Entry,
        warnings: &mut Warnings,
    ) -> Result<()> {
        let path = &walk.shown(&met.path);
        let expected = &met.pinned.metadata;
        let cannot_read = |error| Error::path("read", path, error);
        let opened = met.pinned.open(walk.directory()?, &met.name);
        let file = opened.map_err(cannot_read)?;
        // What is open always gives them.
        let records = self.records(Holder::Open(file.as_fd()), path)?;
        entry.records = records.unwrap_or_default();
        entry
            .records
            .extend(self.flags(Holder::Open(file.as_fd()), &met.path, warnings));
        let is_expected = |found: &Metadata| file::state(found) == file::state(expected);
        if !is_expected(&file.metadata().map_err(cannot_read)?) {
            return Err(changed(path));
        }
        let size_bytes = expected.len();
        let extents = match self.taking.attributes {
            true => file::extents(&file, expected).map_err(cannot_read)?,
            false => vec![(0, size_bytes)],
        };
        self.spool
            .write_all(&entry.encode_file(size_bytes, &extents))?;
        for &(offset, length) in &extents {
            self.copy(&file, path, offset, length)?;
        }
        let data_bytes = extents.iter().map(|(_, length)| length).sum();
        self.spool.write_all(write::padding(data_bytes))?;
        let beyond = file.read_at(&mut [0], size_bytes).map_err(cannot_read)?;
        if beyond != 0 || !is_expected(&file.metadata().map_err(cannot_read)?) {
            return Err(changed(path));
        }
        Ok(())
    }

    /// Whether what is mounted is of another filesystem than the root and no part of the tree.
    fn is_other_filesystem(&self, metadata: &Metadata) -> bool {
        self.taking.one_file_system && metadata.dev() != self.device
    }

    /// The records of extended attributes, where those are taken.
    fn records(&self, of: Holder<'_>, path: &Path) -> Result<Option<Vec<Record>>> {
        match self.taking.attributes {
            true => attributes::records(of, path),
            false => Ok(Some(Vec::new())),
        }
    }

    /// The record of flags, where there are any and they are kept.
    fn flags(&self, of: Holder<'_>, path: &Path, warnings: &mut Warnings) -> Option<Record> {
        if !self.taking.attributes {
            return None;
        }
        let flags = attributes::flags(of);
        if !self.taking.flags && !flags.is_empty() {
            let path = path.as_os_str().as_bytes();
            warnings.count_with(FileFlags::NOT_KEPT, || flags.told_of(path));
            return None;
        }
        write::flags_record(flags)
    }

    fn copy(&mut self, file: &File, path: &Path, mut offset: u64, mut left: u64) -> Result<()> {
        while left > 0 {
            let want = usize::try_from(left).map_or(BUFFER_BYTES, |left| left.min(BUFFER_BYTES));
            let part = &mut self.buffer[..want];
            file.read_exact_at(part, offset)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => changed(path),
                    _ => Error::path("read", path, error),
                })?;
            self.spool.write_all(&self.buffer[..want])?;
            self.meter.add(want as u64);
            offset += want as u64;
            left -= want as u64;
        }
        Ok(())
    }
}

fn changed(path: &Path) -> Error {
    Error::path("read", path, io::Error::other("changed while it was read"))
}

/// What is the same for all types; a directory so far or a regular file.
fn entry_of(path: &Path, metadata: &Metadata) -> Entry {
    let is_directory = metadata.is_dir();
    Entry {
        path: write::name(path.as_os_str().as_bytes(), is_directory),
        link: Vec::new(),
        kind: if is_directory {
            Kind::Directory
        } else {
            Kind::Regular
        },
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: Timestamp::of_change(metadata),
        size_bytes: 0,
        device: (0, 0),
        records: Vec::new(),
    }
}
