//! One entry of a tar, freed of the format.

use crate::region::{Content, Data};
use crate::units::{FileFlags, Timestamp};

/// An entry as the tar gives it; paths are not yet resolved and whiteouts not yet recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path's bytes as stored, possibly with a leading `./` or `/` or a trailing `/`.
    pub path: Box<[u8]>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission, setuid, setgid and sticky bits: `0o7777` at most.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Timestamp,
    /// Extended attributes by full name (`security.capability`), sorted by name, each name once.
    pub xattrs: Box<[Xattr]>,
    /// What chattr sets (`SCHILY.fflags`).
    pub file_flags: FileFlags,
    /// Where the entry's header starts in the uncompressed tar, for error texts.
    pub header_offset: u64,
}

impl Entry {
    /// How much memory it takes beyond its fixed size.
    pub fn index_bytes(&self) -> u64 {
        let kind = match &self.kind {
            EntryKind::Symlink(target) | EntryKind::HardLink(target) => target.len(),
            EntryKind::Regular(content) => match &content.data {
                Data::Sparse(extents) => size_of_val(&**extents),
                Data::Contiguous { .. } => 0,
            },
            _ => 0,
        };
        let xattrs: usize = self
            .xattrs
            .iter()
            .map(|xattr| size_of_val(xattr) + xattr.name.len() + xattr.value.len())
            .sum();
        (self.path.len() + kind + xattrs) as u64
    }
}

/// An entry's type, with what belongs to that type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file, its content in the tar's bytes.
    Regular(Content),
    /// A directory.
    Directory,
    /// A symbolic link and its target, which may be any bytes without NUL.
    Symlink(Box<[u8]>),
    /// A further name for what stands at this path, counted from the image's root.
    HardLink(Box<[u8]>),
    /// A character device.
    CharacterDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A FIFO.
    Fifo,
}

/// A device's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Up to 12 bits on ext.
    pub major: u32,
    /// Up to 20 bits on ext.
    pub minor: u32,
}

/// An extended attribute in its user-space form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Xattr {
    /// The full name with its prefix, as `user.comment`.
    pub name: Box<[u8]>,
    /// The value as `getxattr` returns it.
    pub value: Box<[u8]>,
}
