//! One entry of a layer's tar, freed of the tar format.

use crate::units::Timestamp;

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
    /// Where the entry's header starts in the uncompressed tar, for error texts.
    pub header_offset: u64,
}

/// An entry's type, with what belongs to that type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
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

/// Where a regular file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The file's length in bytes, holes included.
    pub size_bytes: u64,
    /// Where in the layer's uncompressed tar its data is.
    pub data: Data,
}

/// A file's data: all of it in one place, or in pieces with holes between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// `size_bytes` bytes from this offset of the uncompressed tar.
    Contiguous {
        /// The offset.
        offset_bytes: u64,
    },
    /// A sparse file: what no extent covers reads as zeros. Ascending, not overlapping, none empty.
    Sparse(Box<[DataExtent]>),
}

/// A piece of a sparse file that has data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataExtent {
    /// Where the piece belongs in the file.
    pub file_offset_bytes: u64,
    /// How long it is.
    pub length_bytes: u64,
    /// Where it is in the uncompressed tar.
    pub offset_bytes: u64,
}
