//! Blocks that differ, for people and as JSON.

use std::cmp::Reverse;

use serde::Serialize;

use crate::blocks::{Figures, Side, by_directory, by_kind};
use crate::cli::shown::differences;
use crate::cli::shown::text::{counted, printable, thousands};
use crate::pipeline::BlockDifferences;
use crate::units::ByteSize;

/// How many directories people are shown; JSON has all.
const SHOWN_DIRECTORIES: usize = 20;
/// The width of a size, as in `1023.9 MiB`.
const SIZE_WIDTH: usize = 10;

/// The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownBlocks<'a> {
    a: &'a str,
    b: &'a str,
    equal: bool,
    a_bytes: u64,
    b_bytes: u64,
    /// `null` where it holds no filesystem that can be read.
    a_filesystem_type: Option<&'static str>,
    b_filesystem_type: Option<&'static str>,
    block_bytes: u64,
    total_blocks: u64,
    differing_blocks: u64,
    differing_bytes: u64,
    kinds: Vec<ShownKind>,
    directories: Vec<ShownDirectory>,
    ranges: Vec<ShownRange>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ShownKind {
    kind: &'static str,
    differing_blocks: u64,
    differing_bytes: u64,
}

#[derive(Debug, Serialize)]
struct ShownDirectory {
    path: String,
    differing_blocks: u64,
    differing_bytes: u64,
}

#[derive(Debug, Serialize)]
struct ShownRange {
    offset_bytes: u64,
    length_bytes: u64,
    differing_bytes: u64,
    kind: &'static str,
    /// `null` for what is no file's, or of one that no name leads to.
    path: Option<String>,
}

impl<'a> ShownBlocks<'a> {
    pub fn of(differences: &'a BlockDifferences, depth: usize) -> Self {
        let BlockDifferences { sides, ranges, .. } = differences;
        let [before, after] = sides;
        let all = Figures::of(ranges);
        let is_equal = differences.is_equal();
        let kind_of = |side: &Side| side.filesystem.as_ref().ok().map(|kind| kind.name());
        let unread = sides
            .iter()
            .filter_map(|side| side.filesystem.as_ref().err());
        let warnings = unread.filter(|_| !is_equal).map(|why| {
            format!("{why}; its bytes are compared, and not told what they are part of")
        });
        let kinds = by_kind(ranges).into_iter().map(|(kind, sum)| ShownKind {
            kind: kind.name(),
            differing_blocks: sum.blocks,
            differing_bytes: sum.bytes,
        });
        let directories = by_directory(ranges, depth).into_iter();
        let directories = directories.map(|(path, sum)| ShownDirectory {
            path: differences::path(path),
            differing_blocks: sum.blocks,
            differing_bytes: sum.bytes,
        });
        let ranges = ranges.iter().map(|range| ShownRange {
            offset_bytes: range.offset_bytes,
            length_bytes: range.length_bytes,
            differing_bytes: range.differing_bytes,
            kind: range.kind.name(),
            path: range.path.as_deref().map(differences::path),
        });
        Self {
            a: &before.name,
            b: &after.name,
            equal: is_equal,
            a_bytes: before.bytes,
            b_bytes: after.bytes,
            a_filesystem_type: kind_of(before),
            b_filesystem_type: kind_of(after),
            block_bytes: differences.block_bytes,
            total_blocks: differences.blocks,
            differing_blocks: all.blocks,
            differing_bytes: all.bytes,
            kinds: kinds.collect(),
            directories: directories.collect(),
            ranges: ranges.collect(),
            warnings: warnings.collect(),
        }
    }

    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().map(String::as_str)
    }

    /// For people: nothing where the files are equal.
    pub fn text(&self) -> String {
        if self.equal {
            return String::new();
        }
        let mut text = format!("--- {}\n+++ {}\n", printable(self.a), printable(self.b));
        if self.a_filesystem_type.is_some() || self.b_filesystem_type.is_some() {
            text.push_str(&head("part of"));
            for kind in &self.kinds {
                let name = kind.kind.replace('_', " ");
                text.push_str(&row(kind.differing_blocks, kind.differing_bytes, &name));
            }
        }
        text.push_str(&self.directories_text());
        let percent = self.differing_blocks as f64 * 100.0 / self.total_blocks.max(1) as f64;
        text.push_str(&format!(
            "{} of {} of {} ({percent:.2} %), {} in them\n",
            counted(self.differing_blocks, "block differs", "blocks differ"),
            thousands(self.total_blocks),
            ByteSize(self.block_bytes),
            ByteSize(self.differing_bytes)
        ));
        text
    }

    /// Those with most, and the rest as one.
    fn directories_text(&self) -> String {
        if self.directories.is_empty() {
            return String::new();
        }
        let mut directories: Vec<_> = self.directories.iter().collect();
        // What is equal stays in its order.
        directories.sort_by_key(|directory| {
            Reverse((directory.differing_blocks, directory.differing_bytes))
        });
        let (shown, rest) = directories.split_at(directories.len().min(SHOWN_DIRECTORIES));
        let mut text = head("directory");
        for directory in shown {
            let (blocks, bytes) = (directory.differing_blocks, directory.differing_bytes);
            text.push_str(&row(blocks, bytes, &directory.path));
        }
        if !rest.is_empty() {
            let sum = |of: fn(&ShownDirectory) -> u64| rest.iter().map(|rest| of(rest)).sum();
            let others = counted(rest.len() as u64, "other", "others");
            text.push_str(&row(
                sum(|rest| rest.differing_blocks),
                sum(|rest| rest.differing_bytes),
                &format!("({others})"),
            ));
        }
        text
    }
}

fn head(last: &str) -> String {
    format!("{:>10}  {:>SIZE_WIDTH$}  {last}\n", "blocks", "bytes")
}

fn row(blocks: u64, bytes: u64, last: &str) -> String {
    let (blocks, bytes) = (thousands(blocks), ByteSize(bytes).to_string());
    format!("{blocks:>10}  {bytes:>SIZE_WIDTH$}  {last}\n")
}
