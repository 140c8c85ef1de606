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

/// From so many runs more on, reading the files asks a device noticeably more often.
const NOTICEABLE_RUNS: u64 = 16;

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
    /// Blocks of files and directories that lie where they lay: the n-th of one where its n-th was.
    pub in_place_blocks: u64,
    /// The same in a fresh layout of this size.
    pub fresh_in_place_blocks: u64,
}

impl Figures {
    /// Whether a filesystem that is laid out like no other pays.
    ///
    /// What an update carries either way (what is new, or of another size) speaks for neither layout.
    /// What keeping places saves is the blocks that lie where they lay and would not in a fresh layout;
    /// what it costs is the runs of blocks beyond those of a fresh layout, be they of this update or
    /// taken over from the earlier filesystem: each is a request more to whoever reads the files. A
    /// fresh layout pays where it has noticeably fewer runs, 16 at least, and their share of a fresh
    /// layout's runs is a quarter or more of the share of all blocks that is saved: where everything
    /// stays, if the files lie in a quarter more runs; where a tenth stays, if they lie in a fortieth
    /// more; and where nothing is saved, always.
    pub fn fresh_pays(&self) -> bool {
        let more_runs = self.runs.saturating_sub(self.fresh_runs);
        let costs = u128::from(more_runs) * u128::from(self.blocks());
        let saves = u128::from(self.fresh_runs) * u128::from(self.saved_blocks());
        more_runs >= NOTICEABLE_RUNS && 4 * costs >= saves
    }

    /// Blocks that differ at their place in a fresh layout only.
    pub fn saved_blocks(&self) -> u64 {
        self.in_place_blocks
            .saturating_sub(self.fresh_in_place_blocks)
    }

    /// All blocks of the tree.
    pub fn blocks(&self) -> u64 {
        self.kept.blocks + self.moved.blocks + self.new.blocks
    }

    /// Where nothing of so much could be kept.
    pub fn all_new(inodes: u64, blocks: u64) -> Self {
        Self {
            new: Tally { inodes, blocks },
            ..Self::default()
        }
    }
}

/// Inodes and blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Inodes, each once whatever its names.
    pub inodes: u64,
    /// Blocks of 4 KiB.
    pub blocks: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 10,000 blocks: so many new ones, saved ones, and in so many runs, 1000 of them in a fresh
    /// layout.
    fn fresh_pays(new: u64, saved: u64, runs: u64) -> bool {
        let tally = |blocks| Tally { inodes: 1, blocks };
        let figures = Figures {
            kept: tally(saved),
            moved: tally(10_000 - new - saved),
            new: tally(new),
            runs,
            fresh_runs: 1000,
            in_place_blocks: saved + 7,
            fresh_in_place_blocks: 7,
            ..Figures::default()
        };
        figures.fresh_pays()
    }

    #[test]
    fn a_fresh_layout_pays_by_the_runs_that_it_has_less_for_the_blocks_that_it_changes_more() {
        for (what, new, saved, runs, pays) in [
            ("a tiny change", 1, 9_998, 1003, false),
            ("the same after many", 1, 9_998, 1_249, false),
            ("and too many", 1, 9_998, 1_250, true),
            ("mostly added", 9_000, 1_000, 1_000, false),
            ("added where others were", 9_000, 1_000, 1_024, false),
            ("added in pieces", 9_000, 1_000, 1_025, true),
            ("mostly rewritten", 0, 500, 1_000, false),
            ("rewritten between what stays", 0, 500, 1_015, false),
            ("the same in more pieces", 0, 500, 1_016, true),
            ("nothing saved nor lost", 0, 0, 1_000, false),
            ("nothing saved", 0, 0, 1_016, true),
            ("better than fresh", 0, 500, 900, false),
        ] {
            assert_eq!(fresh_pays(new, saved, runs), pays, "{what}");
        }
    }

    #[test]
    fn nothing_pays_where_there_is_nothing() {
        assert!(!Figures::default().fresh_pays());
        assert!(!Figures::all_new(9, 9).fresh_pays());
    }
}
