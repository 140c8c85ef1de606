//! What differs, summed up by kind and by directory.

use std::collections::BTreeMap;

use super::{BlockKind, DifferingRange};

/// How much differs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figures {
    /// Blocks.
    pub blocks: u64,
    /// Bytes of them that differ.
    pub bytes: u64,
}

impl Figures {
    /// The sum of ranges.
    pub fn of<'a>(ranges: impl IntoIterator<Item = &'a DifferingRange>) -> Self {
        let mut sum = Self::default();
        ranges.into_iter().for_each(|range| sum.add(range));
        sum
    }

    fn add(&mut self, range: &DifferingRange) {
        self.blocks += range.blocks;
        self.bytes += range.differing_bytes;
    }
}

/// The sums by what blocks are part of; none of what does not differ.
pub fn by_kind(ranges: &[DifferingRange]) -> BTreeMap<BlockKind, Figures> {
    let mut kinds: BTreeMap<BlockKind, Figures> = BTreeMap::new();
    for range in ranges {
        kinds.entry(range.kind).or_default().add(range);
    }
    kinds
}

/// The sums by directory, ascending by path: of what is a path's, in the directory that its name is
/// in, a directory's own in itself, or in that directory's ancestor `depth` components below the
/// root.
pub fn by_directory(ranges: &[DifferingRange], depth: usize) -> BTreeMap<&[u8], Figures> {
    let mut directories: BTreeMap<&[u8], Figures> = BTreeMap::new();
    for range in ranges {
        if let Some(path) = &range.path {
            let directory = directory_of(path, range.is_directory, depth);
            directories.entry(directory).or_default().add(range);
        }
    }
    directories
}

fn directory_of(path: &[u8], is_directory: bool, depth: usize) -> &[u8] {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let ends = slashes.map(|(at, _)| at);
    let own = is_directory.then_some(path.len());
    &path[..ends.chain(own).take(depth).last().unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(
        path: Option<&str>,
        is_directory: bool,
        blocks: u64,
        kind: BlockKind,
    ) -> DifferingRange {
        DifferingRange {
            offset_bytes: 0,
            length_bytes: blocks * 4096,
            differing_bytes: blocks * 10,
            blocks,
            kind,
            path: path.map(|path| path.as_bytes().to_vec()),
            is_directory,
        }
    }

    #[test]
    fn blocks_count_in_their_directory_down_to_the_depth_and_a_directorys_in_itself() {
        for (path, is_directory, depth, directory) in [
            ("", true, 2, ""),
            ("a", false, 2, ""),
            ("a", true, 2, "a"),
            ("a/b", false, 2, "a"),
            ("a/b", true, 2, "a/b"),
            ("a/b", true, 1, "a"),
            ("a/b/c/d", false, 2, "a/b"),
            ("a/b", true, 0, ""),
        ] {
            let found = directory_of(path.as_bytes(), is_directory, depth);
            assert_eq!(found, directory.as_bytes(), "{path} {depth}");
        }
    }

    #[test]
    fn kinds_sum_up_to_the_whole_and_directories_to_what_has_a_path() {
        let ranges = [
            range(None, false, 1, BlockKind::Superblocks),
            range(Some("usr/bin/a"), false, 2, BlockKind::Content),
            range(Some("usr/bin"), true, 4, BlockKind::Directories),
            range(Some("top"), false, 8, BlockKind::Content),
        ];
        let sum = |figures: Vec<Figures>| figures.iter().map(|figures| figures.blocks).sum::<u64>();
        let kinds = by_kind(&ranges);
        assert_eq!(
            kinds[&BlockKind::Content],
            Figures {
                blocks: 10,
                bytes: 100
            }
        );
        assert_eq!(sum(kinds.into_values().collect()), 15);
        assert_eq!(Figures::of(&ranges).bytes, 150);
        let directories = by_directory(&ranges, 2);
        let found: Vec<_> = directories
            .iter()
            .map(|(path, sum)| (*path, sum.blocks))
            .collect();
        let expected: [(&[u8], u64); 2] = [(b"", 8), (b"usr/bin", 6)];
        assert_eq!(found, expected);
    }
}
