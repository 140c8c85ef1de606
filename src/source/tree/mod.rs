//! A directory tree becomes a tar: the same tree the same bytes, whoever reads it.
//!
//! What a tar of a tree usually varies by is left out: access and change times, inode numbers,
//! the order of the directory, the names of users and groups.

mod sparse;
mod xattrs;

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::spool::{SpoolWriter, Spooled, Spooler};
use crate::error::{Error, Result};
use crate::page_buffer::PageBuffer;
use crate::pax::{self, Entry, Kind};
use crate::progress::{Meter, Unit};
use crate::units::Timestamp;
use crate::warnings::Warnings;

const BUFFER_BYTES: usize = 256 << 10;

/// Writes everything below `root`, and its own attributes, into a spooled tar. Symbolic links are
/// kept and never followed; other filesystems mounted inside belong to the tree.
///
/// # Errors
/// [`Error::Io`] naming the path that cannot be read, or that changed while it was read.
pub(super) fn write(
    root: &Path,
    spooler: &Spooler<'_>,
    warnings: &mut Warnings,
) -> Result<Spooled> {
    let name = format!("read {}", root.display());
    let meter = spooler.reporter.begin(&name, Unit::Bytes, None);
    let mut writer = TreeWriter {
        root,
        spool: spooler.writer()?,
        meter: &*meter,
        linked: HashMap::new(),
        buffer: PageBuffer::new(BUFFER_BYTES),
    };
    let limits = spooler.limits;
    let mut entries = 0_u64;
    // Names below the root, in reverse: the next is the last.
    let mut to_do = vec![PathBuf::new()];
    while let Some(name) = to_do.pop() {
        entries += 1;
        if entries > limits.max_entries {
            return Err(Error::bad_image(format!(
                "more than {} entries (--max-entries raises the limit)",
                limits.max_entries
            )));
        }
        if name.components().count() > limits.max_path_depth {
            return Err(Error::bad_image(format!(
                "more than {} directories deep (--max-path-depth raises the limit)",
                limits.max_path_depth
            ))
            .in_entry(name.as_os_str().as_bytes()));
        }
        if writer.entry(&name, warnings)? {
            to_do.extend(writer.children(&name)?.into_iter().rev());
        }
    }
    writer.spool.write_all(&[0; 1024])?;
    meter.finish("read");
    writer.spool.finish()
}

struct TreeWriter<'a> {
    root: &'a Path,
    spool: SpoolWriter<'a>,
    meter: &'a dyn Meter,
    /// The first name of what has several, by device and inode.
    linked: HashMap<(u64, u64), Vec<u8>>,
    buffer: PageBuffer,
}

impl TreeWriter<'_> {
    /// Where `name` is; the root itself is named by nothing.
    fn path(&self, name: &Path) -> PathBuf {
        if name.as_os_str().is_empty() {
            self.root.join(".")
        } else {
            self.root.join(name)
        }
    }

    /// A directory's children by the bytes of their names.
    fn children(&self, name: &Path) -> Result<Vec<PathBuf>> {
        let path = self.path(name);
        let cannot_list = |error| Error::path("list", &path, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(cannot_list)? {
            names.push(entry.map_err(cannot_list)?.file_name());
        }
        names.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
        Ok(names.into_iter().map(|child| name.join(child)).collect())
    }

    /// Writes one entry; whether it is a directory with children to come.
    fn entry(&mut self, name: &Path, warnings: &mut Warnings) -> Result<bool> {
        let path = self.path(name);
        let metadata =
            fs::symlink_metadata(&path).map_err(|error| Error::path("read", &path, error))?;
        let file_type = metadata.file_type();
        if file_type.is_socket() {
            let name = name.as_os_str().as_bytes();
            warnings.count("a socket cannot be in an image and was left out", name);
            return Ok(false);
        }
        let mut entry = Entry {
            path: tar_name(name, file_type.is_dir()),
            link: Vec::new(),
            kind: Kind::Directory,
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            mtime: mtime(&metadata),
            size_bytes: 0,
            device: (0, 0),
            records: Vec::new(),
        };
        if metadata.nlink() > 1 && !file_type.is_dir() {
            let key = (metadata.dev(), metadata.ino());
            if let Some(first) = self.linked.get(&key) {
                entry.kind = Kind::HardLink;
                entry.link = first.clone();
                return self.spool.write_all(&entry.encode()).map(|()| false);
            }
            self.linked.insert(key, entry.path.clone());
        }
        entry.records = xattrs::records(&path)?;
        if file_type.is_file() {
            return self.regular(entry, &path, &metadata).map(|()| false);
        }
        let rdev = metadata.rdev();
        let device = (rustix::fs::major(rdev), rustix::fs::minor(rdev));
        if file_type.is_symlink() {
            let target = fs::read_link(&path).map_err(|error| Error::path("read", &path, error))?;
            entry.kind = Kind::Symlink;
            entry.link = target.into_os_string().into_vec();
        } else if file_type.is_fifo() {
            entry.kind = Kind::Fifo;
        } else if file_type.is_char_device() {
            (entry.kind, entry.device) = (Kind::CharacterDevice, device);
        } else if file_type.is_block_device() {
            (entry.kind, entry.device) = (Kind::BlockDevice, device);
        }
        self.spool.write_all(&entry.encode())?;
        Ok(file_type.is_dir())
    }

    fn regular(&mut self, mut entry: Entry, path: &Path, expected: &Metadata) -> Result<()> {
        let cannot_read = |error| Error::path("read", path, error);
        let file = File::options()
            .read(true)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
            .open(path)
            .map_err(cannot_read)?;
        let is_expected = |found: &Metadata| {
            let identity = |metadata: &Metadata| (metadata.dev(), metadata.ino(), metadata.len());
            identity(found) == identity(expected) && mtime(found) == mtime(expected)
        };
        let changed = || cannot_read(io::Error::other("changed while it was read"));
        if !is_expected(&file.metadata().map_err(cannot_read)?) {
            return Err(changed());
        }
        entry.kind = Kind::Regular;
        let size_bytes = expected.len();
        let extents = sparse::extents(&file, expected).map_err(cannot_read)?;
        let data_bytes = match &extents {
            None => {
                entry.size_bytes = size_bytes;
                self.spool.write_all(&entry.encode())?;
                self.copy(&file, path, 0, size_bytes)?;
                size_bytes
            }
            Some(extents) => {
                let map = pax::encode_sparse_map(extents, size_bytes);
                let data_bytes: u64 = extents.iter().map(|extent| extent.1).sum();
                entry.make_sparse(size_bytes, map.len() as u64 + data_bytes);
                self.spool.write_all(&entry.encode())?;
                self.spool.write_all(&map)?;
                for &(offset, length) in extents {
                    self.copy(&file, path, offset, length)?;
                }
                data_bytes
            }
        };
        // The map is whole blocks already.
        self.spool
            .write_all(&[0; 512][..pax::padding(data_bytes)])?;
        let beyond = file.read_at(&mut [0], size_bytes).map_err(cannot_read)?;
        if beyond != 0 || !is_expected(&file.metadata().map_err(cannot_read)?) {
            return Err(changed());
        }
        Ok(())
    }

    fn copy(&mut self, file: &File, path: &Path, mut offset: u64, mut left: u64) -> Result<()> {
        while left > 0 {
            let want = usize::try_from(left).map_or(BUFFER_BYTES, |left| left.min(BUFFER_BYTES));
            let part = &mut self.buffer[..want];
            file.read_exact_at(part, offset)
                .map_err(|error| Error::path("read", path, error))?;
            self.spool.write_all(&self.buffer[..want])?;
            self.meter.add(want as u64);
            offset += want as u64;
            left -= want as u64;
        }
        Ok(())
    }
}

fn mtime(metadata: &Metadata) -> Timestamp {
    Timestamp {
        seconds: metadata.mtime(),
        // The kernel keeps it below a thousand million.
        nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
    }
}

/// The root is `./`, a directory's name ends in a slash.
fn tar_name(name: &Path, is_directory: bool) -> Vec<u8> {
    let mut bytes = name.as_os_str().as_bytes().to_vec();
    if bytes.is_empty() {
        bytes.push(b'.');
    }
    if is_directory {
        bytes.push(b'/');
    }
    bytes
}
