//! What a block can be part of.

use std::fmt;

/// What a block is part of. Groups, blocks of a file and inodes are counted as the kernel does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A group's superblock; group 0 has the one that counts.
    Superblock(u32),
    /// Group descriptors, in this group.
    Descriptors(u32),
    /// What is kept for further group descriptors.
    RoomToGrow,
    /// A file of the filesystem's own that is neither that nor the journal: quotas, bad blocks.
    System,
    /// A group's bitmap of blocks.
    BlockBitmap(u32),
    /// A group's bitmap of inodes.
    InodeBitmap(u32),
    /// A group's inode table: its first and last inode in this block.
    InodeTable(u32, u32, u32),
    /// The journal.
    Journal,
    /// A file's content: which block of it.
    Content(u64),
    /// A directory: which block of it.
    Directory(u64),
    /// A symbolic link's target.
    Target,
    /// The pointers or extents that say where content is.
    BlockMap,
    /// Extended attributes.
    Attributes,
    /// Nothing: the block is free.
    Free,
    /// It is in use by what cannot be read.
    Unknown,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superblock(0) => f.write_str("superblock"),
            Self::Superblock(group) => write!(f, "superblock's copy in group {group}"),
            Self::Descriptors(0) => f.write_str("group descriptors"),
            Self::Descriptors(group) => write!(f, "group descriptors' copy in group {group}"),
            Self::RoomToGrow => f.write_str("room for further group descriptors"),
            Self::System => f.write_str("a file of the filesystem's own"),
            Self::BlockBitmap(group) => write!(f, "block bitmap of group {group}"),
            Self::InodeBitmap(group) => write!(f, "inode bitmap of group {group}"),
            Self::InodeTable(group, first, last) => {
                write!(f, "inode table of group {group}, inodes {first} to {last}")
            }
            Self::Journal => f.write_str("journal"),
            Self::Content(block) => write!(f, "block {block} of the file"),
            Self::Directory(block) => write!(f, "block {block} of the directory"),
            Self::Target => f.write_str("the symbolic link's target"),
            Self::BlockMap => f.write_str("its block map"),
            Self::Attributes => f.write_str("its extended attributes"),
            Self::Free => f.write_str("a free block"),
            Self::Unknown => f.write_str("a block of what cannot be read"),
        }
    }
}
