//! How much a filesystem is like the one that it was laid out like, for people to judge.

use std::fmt;

use serde::Serialize;

/// What became of a wish to lay a filesystem out like an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likeness {
    /// Whether it has the earlier one's size, inodes and journal.
    pub layout: Layout,
    /// What of the tree stays where it was.
    pub figures: Figures,
}

/// Whether sizes are the earlier filesystem's. Places are kept either way, as far as they are free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// They are.
    Kept,
    /// They are not, and what mke2fs puts elsewhere for it wins over what was there.
    Fresh(WhyFresh),
}

/// Why sizes are not the earlier filesystem's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyFresh {
    /// Others were asked for.
    Given,
    /// The tree does not fit.
    TooSmall {
        /// Of what there is too little: `blocks`, `inodes`.
        what: &'static str,
        /// How many are needed.
        needed: u64,
        /// How many the earlier filesystem's size leaves free.
        free: u64,
    },
    /// mke2fs makes no such filesystem as it is asked here: a sentence with what differs.
    Unlike(String),
}

impl fmt::Display for WhyFresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("another size, free inodes or journal were asked for"),
            Self::TooSmall { what, needed, free } => write!(
                f,
                "{needed} {what} are needed, {free} are free in the earlier filesystem's size"
            ),
            Self::Unlike(why) => f.write_str(why),
        }
    }
}

/// What of a tree stays where it was in the earlier filesystem. The names are those of the JSON form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Figures {
    /// Inodes that keep their number and all blocks of their content, and all blocks that are kept,
    /// those of maps and attributes among them.
    pub kept: Tally,
    /// Inodes that were there and are of another number of blocks now, or whose place is not free; and
    /// the blocks that they take anew.
    pub moved: Tally,
    /// Inodes that were not there, and their blocks.
    pub new: Tally,
    /// Of the moved inodes those of another number of blocks.
    pub resized_inodes: u64,
    /// Files in more runs of blocks than a fresh layout would give them.
    pub split_files: u64,
    /// Runs of blocks in which the content of all files lies.
    pub runs: u64,
    /// The same in a fresh layout of this size.
    pub fresh_runs: u64,
}

/// Inodes and blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Inodes, each once whatever its names.
    pub inodes: u64,
    /// Blocks of 4 KiB.
    pub blocks: u64,
}
