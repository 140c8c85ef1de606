//! Changes summed up by directory.

use std::collections::BTreeMap;

use super::{Change, Fate};

/// How many names changed, and by how many bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Names that came.
    pub added: u64,
    /// Names that went.
    pub removed: u64,
    /// Names that stayed and are not the same.
    pub changed: u64,
    /// Bytes of content of all these names before.
    pub bytes_before: u64,
    /// The same afterwards.
    pub bytes_after: u64,
}

impl Counts {
    /// The sum of changes.
    pub fn of<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut counts = Self::default();
        changes.into_iter().for_each(|change| counts.add(change));
        counts
    }

    fn add(&mut self, change: &Change) {
        *match change.fate {
            Fate::Added => &mut self.added,
            Fate::Removed => &mut self.removed,
            Fate::Changed => &mut self.changed,
        } += 1;
        // A listing's sizes are an image's word and may be any number.
        self.bytes_before = self.bytes_before.saturating_add(change.bytes_before);
        self.bytes_after = self.bytes_after.saturating_add(change.bytes_after);
    }
}

/// The sums by directory, ascending by path: each change counts in the directory that its name is
/// in, or in that directory's ancestor `depth` components below the root.
pub fn by_directory(changes: &[Change], depth: usize) -> BTreeMap<&[u8], Counts> {
    let mut directories: BTreeMap<&[u8], Counts> = BTreeMap::new();
    for change in changes {
        let path = change.difference.path();
        let directory = directory_of(path, depth);
        directories.entry(directory).or_default().add(change);
    }
    directories
}

fn directory_of(path: &[u8], depth: usize) -> &[u8] {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let end = slashes.map(|(index, _)| index).take(depth).last();
    &path[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::super::changes;
    use super::super::tests::listing;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_count_in_their_directory_down_to_the_depth() {
        for (path, depth, directory) in [
            ("a", 2, ""),
            ("a/b", 2, "a"),
            ("a/b/c", 2, "a/b"),
            ("a/b/c/d", 2, "a/b"),
            ("a/b/c", 0, ""),
            ("", 1, ""),
        ] {
            assert_eq!(
                directory_of(path.as_bytes(), depth),
                directory.as_bytes(),
                "{path}"
            );
        }
    }

    #[test]
    fn directories_sum_up_to_the_whole() {
        let before = listing(&[
            ("a/x", 10, 1),
            ("a/y", 20, 2),
            ("b/c/z", 5, 3),
            ("top", 1, 4),
        ]);
        let after = listing(&[
            ("a/x", 11, 1),
            ("b/c/w", 7, 5),
            ("b/c/z", 5, 3),
            ("top", 2, 4),
        ]);
        let changes = changes(&before, &after, &BTreeSet::new());
        let counts = |added, removed, changed, bytes_before, bytes_after| Counts {
            added,
            removed,
            changed,
            bytes_before,
            bytes_after,
        };
        let expected: [(&[u8], _); 3] = [
            (b"", counts(0, 0, 1, 1, 2)),
            (b"a", counts(0, 1, 1, 30, 11)),
            (b"b", counts(1, 0, 0, 0, 7)),
        ];
        assert!(by_directory(&changes, 1).into_iter().eq(expected));
        assert_eq!(Counts::of(&changes), counts(1, 1, 2, 31, 20));
    }
}
