//! Two files held against each other block by block, at the same offsets: what an update in place
//! moves. Where a side holds an ext filesystem, each block that differs is told by what it is part of.
//!
//! ```text
//! stretches (where either has data, holes unread) → claimed (what is part of what) → tally → summed
//! ```
//!
//! Contents are read once, as far as either file has data; what blocks are part of is read from the
//! tables and maps of each side. Memory grows with files, runs and names, not with content: a
//! hostile map may claim no more than what its file really holds can say.

mod claimed;
mod stretches;
mod sums;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use claimed::Claimed;
use stretches::Pair;
pub use sums::{Figures, by_directory, by_kind};
use tally::Tally;

use crate::error::{Error, Result};
use crate::listing::Kind;
use crate::ondisk::features::FilesystemType;
use crate::progress::Reporter;
use crate::units::InodeNumber;
use crate::view::{Part, View};

/// The block that is counted by where neither file is a filesystem, in bytes.
pub const BLOCK_BYTES: u64 = 4096;

/// What a block is part of, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockKind {
    /// The superblock and its copies, and what is before it.
    Superblocks,
    /// Group descriptors, their copies and their room to grow.
    Descriptors,
    /// Bitmaps of blocks and of inodes.
    Bitmaps,
    /// Inode tables.
    InodeTables,
    /// The journal.
    Journal,
    /// Directories.
    Directories,
    /// Indirect blocks and blocks of extents.
    BlockMaps,
    /// Extended attributes, in blocks or inodes of their own.
    Attributes,
    /// Files' contents, and targets of symbolic links.
    Content,
    /// Nothing: free blocks.
    Free,
    /// What lies behind the filesystem, as a hash tree does.
    BehindFilesystem,
    /// Anything else: files of the filesystem's own, what cannot be read, and all of a file that is
    /// no filesystem.
    Other,
}

impl BlockKind {
    /// As JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Superblocks => "superblocks",
            Self::Descriptors => "descriptors",
            Self::Bitmaps => "bitmaps",
            Self::InodeTables => "inode_tables",
            Self::Journal => "journal",
            Self::Directories => "directories",
            Self::BlockMaps => "block_maps",
            Self::Attributes => "attributes",
            Self::Content => "content",
            Self::Free => "free",
            Self::BehindFilesystem => "behind_filesystem",
            Self::Other => "other",
        }
    }

    fn of(part: &Part) -> Self {
        match part {
            Part::Superblock(_) => Self::Superblocks,
            Part::Descriptors(_) | Part::RoomToGrow => Self::Descriptors,
            Part::BlockBitmap(_) | Part::InodeBitmap(_) => Self::Bitmaps,
            Part::InodeTable(..) => Self::InodeTables,
            Part::Journal => Self::Journal,
            Part::Directory(_) => Self::Directories,
            Part::BlockMap => Self::BlockMaps,
            Part::Attributes => Self::Attributes,
            Part::Content(_) | Part::Target => Self::Content,
            Part::Free => Self::Free,
            Part::System | Part::Unknown => Self::Other,
        }
    }
}

/// For people: the same in words.
impl fmt::Display for BlockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name().replace('_', " "))
    }
}

/// One of the two files.
#[derive(Debug)]
pub struct Side {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// What filesystem it holds; why it cannot be told what its blocks are part of, where it holds
    /// none that can be read.
    pub filesystem: Result<FilesystemType>,
}

/// Bytes behind each other that differ and are part of the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferingRange {
    /// Where it begins, in bytes; a block does, or the shorter file ends.
    pub offset_bytes: u64,
    /// Its length in bytes.
    pub length_bytes: u64,
    /// How many of these bytes differ.
    pub differing_bytes: u64,
    /// How many blocks it has; one that two ranges share is the first one's.
    pub blocks: u64,
    /// What it is part of: of the later file where that says it, else of the earlier.
    pub kind: BlockKind,
    /// Whose it is, in the later filesystem, else in the earlier: the path without a leading `/`.
    /// `None` for what is no file's and what no name leads to.
    pub path: Option<Vec<u8>>,
    /// Whether that is a directory.
    pub is_directory: bool,
}

/// How two files differ.
#[derive(Debug)]
pub struct BlockDifferences {
    /// The earlier and the later file.
    pub sides: [Side; 2],
    /// Bytes of a block: the smaller of the two filesystems' own.
    pub block_bytes: u64,
    /// How many blocks the longer file has.
    pub blocks: u64,
    /// All that differs, ascending. Where one file is longer, all behind the end of the other does.
    pub ranges: Vec<DifferingRange>,
    /// Bytes that were read of the files to compare them.
    pub bytes_read: u64,
}

impl BlockDifferences {
    /// Whether the files are the same bytes.
    pub fn is_equal(&self) -> bool {
        self.ranges.is_empty()
    }
}

/// Whose blocks are: 0 the earlier, 1 the later side's inode.
type Holder = (usize, InodeNumber);

/// Compares the files, or block devices.
///
/// # Errors
/// [`Error::Io`] when one cannot be read, [`Error::Unsupported`] for what is no file.
pub fn compare_blocks(
    before: &Path,
    after: &Path,
    reporter: &dyn Reporter,
) -> Result<BlockDifferences> {
    let paths = [before, after];
    let mut pair = Pair::open(paths)?;
    let views = pair.views();
    let own_blocks = views.iter().flatten().map(View::block_bytes);
    let block_bytes = own_blocks.min().unwrap_or(BLOCK_BYTES);
    let mut tally = Tally::new(
        [0, 1].map(|side| views[side].as_ref().ok().map(Claimed::of)),
        pair.lengths(),
        block_bytes,
    );
    pair.compare(block_bytes, reporter, |range, differing_bytes| {
        tally.differs(range, differing_bytes);
    })?;
    let lengths = pair.lengths();
    let found = tally.found();
    let paths_of = |side: usize| match &views[side] {
        Ok(view) => {
            let holders = found.iter().filter_map(|(_, holder)| *holder);
            let of_side = holders.filter(|(of, _)| *of == side);
            view.first_paths(of_side.map(|(_, inode)| inode).collect::<BTreeSet<_>>())
        }
        Err(_) => BTreeMap::new(),
    };
    let names = [0, 1].map(paths_of);
    let ranges = found.into_iter().map(|(mut range, holder)| {
        if let Some((path, kind)) = holder.and_then(|(side, inode)| names[side].get(&inode)) {
            range.path = Some(path.clone());
            range.is_directory = *kind == Kind::Directory;
        }
        range
    });
    let [before, after] = views;
    let side = |path: &Path, bytes, view: Result<View>| Side {
        name: path.display().to_string(),
        bytes,
        filesystem: view.map(|view| view.filesystem_type()),
    };
    Ok(BlockDifferences {
        ranges: ranges.collect(),
        blocks: lengths[0].max(lengths[1]).div_ceil(block_bytes),
        block_bytes,
        bytes_read: pair.bytes_read,
        sides: [
            side(paths[0], lengths[0], before),
            side(paths[1], lengths[1], after),
        ],
    })
}

/// What is no file cannot be compared byte by byte.
fn expect_file(file: &File, path: &Path) -> Result<()> {
    let metadata = file
        .metadata()
        .map_err(|error| Error::path("read", path, error))?;
    let kind = metadata.file_type();
    if kind.is_file() || kind.is_block_device() {
        return Ok(());
    }
    let found = if kind.is_dir() {
        "a directory"
    } else {
        "something else"
    };
    let what = format!("expected a file or a block device to compare by blocks, found {found}");
    Err(Error::unsupported(what).in_image(&path.display().to_string()))
}
