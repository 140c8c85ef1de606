//! What changed between two filesystems: entry by entry, in bytes, and by directory.
//!
//! Works on listings alone; where they come from, an image read back or a container image's tree,
//! is no matter here.

mod directories;

use std::collections::{BTreeMap, BTreeSet};

pub use directories::{Counts, by_directory};

use crate::listing::{
    Difference, Field, Kind, Line, Links, Listing, Owner, compare, smallest_names,
};
use crate::units::LOST_FOUND;

/// What became of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Only the later filesystem has it.
    Added,
    /// Only the earlier one has it.
    Removed,
    /// Both have it, and it is not the same.
    Changed,
}

/// A name that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What became of it.
    pub fate: Fate,
    /// The two lines, `expected` being the earlier one, and the fields in which they differ.
    pub difference: Difference,
    /// Bytes of content that the name stood for before: a regular file's length, counted once
    /// for all names of a hard-link group.
    pub bytes_before: u64,
    /// The same afterwards.
    pub bytes_after: u64,
}

/// How `after` differs from `before`, ascending by path; differences in `ignored` fields alone are
/// none. What either listing does not know is equal.
///
/// An inode's count of its names is left out: where it differs, so do names or hard-link groups.
pub fn changes(before: &Listing, after: &Listing, ignored: &BTreeSet<Field>) -> Vec<Change> {
    let is_told = |field: &Field| *field != Field::LinkCount && !ignored.contains(field);
    let links_count = !ignored.contains(&Field::Links);
    let (owners_before, owners_after) = (owners(before, after), owners(after, before));
    let mut changes = Vec::new();
    for mut difference in compare(before, after) {
        difference.fields.retain(is_told);
        let fate = match (&difference.expected, &difference.found) {
            (None, _) => Fate::Added,
            (_, None) => Fate::Removed,
            _ if difference.fields.is_empty() => continue,
            _ => Fate::Changed,
        };
        let bytes = |line: &Option<Line>, owners| {
            let line = line.as_ref();
            line.map_or(0, |line| bytes_of(line, owners, links_count))
        };
        changes.push(Change {
            fate,
            bytes_before: bytes(&difference.expected, &owners_before),
            bytes_after: bytes(&difference.found, &owners_after),
            difference,
        });
    }
    changes
}

/// Which name of each hard-link group stands for its content: the smallest that the other listing
/// has as well. Then a name that comes or goes while others stay moves no bytes.
fn owners<'a>(listing: &'a Listing, other: &Listing) -> BTreeMap<&'a [u8], &'a [u8]> {
    let lines = listing.lines().iter();
    smallest_names(lines.filter(|line| other.find(&line.path).is_some()))
}

/// The bytes that a line stands for, where it has any.
fn bytes_of(line: &Line, owners: &BTreeMap<&[u8], &[u8]>, links_count: bool) -> u64 {
    let is_owner = match &line.links {
        Links::Group(group) if links_count => {
            let owner = owners.get(&**group).copied();
            owner.unwrap_or(group) == &*line.path
        }
        _ => true,
    };
    let size = line.size_bytes.filter(|_| line.kind == Some(Kind::Regular));
    size.filter(|_| is_owner).unwrap_or(0)
}

/// Takes `lost+found` out of both listings where each has none or one as mke2fs makes it: root's,
/// of mode 0700, empty.
pub fn leave_out_lost_found(before: &mut Listing, after: &mut Listing) {
    if is_absent_or_own(before) && is_absent_or_own(after) {
        before.remove(LOST_FOUND);
        after.remove(LOST_FOUND);
    }
}

fn is_absent_or_own(listing: &Listing) -> bool {
    let Some(line) = listing.find(LOST_FOUND) else {
        return true;
    };
    let is_below = |line: &Line| line.path.starts_with(b"lost+found/");
    let next = listing
        .lines()
        .partition_point(|line| *line.path < b"lost+found/"[..]);
    line.kind == Some(Kind::Directory)
        && line.mode == Some(0o700)
        && line.owner == Some(Owner { uid: 0, gid: 0 })
        && !listing.lines().get(next).is_some_and(is_below)
        && !listing.is_hidden(b"lost+found/x")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Body;

    pub(super) fn file(path: &str, size_bytes: u64) -> Line {
        Line {
            kind: Some(Kind::Regular),
            mode: Some(0o644),
            size_bytes: Some(size_bytes),
            ..Line::unknown(path.as_bytes())
        }
    }

    pub(super) fn listing(lines: &[(&str, u64, u64)]) -> Listing {
        let line = |(path, size, inode): &(&str, u64, u64)| (file(path, *size), Some(*inode));
        Listing::new(lines.iter().map(line))
    }

    fn told(before: &Listing, after: &Listing) -> Vec<(String, Fate, i64)> {
        let told = |change: &Change| {
            let path = String::from_utf8(change.difference.path().to_vec()).unwrap();
            let delta = change.bytes_after as i64 - change.bytes_before as i64;
            (path, change.fate, delta)
        };
        changes(before, after, &BTreeSet::new())
            .iter()
            .map(told)
            .collect()
    }

    #[test]
    fn names_come_go_and_change_with_their_bytes() {
        let before = listing(&[("a", 10, 1), ("b", 20, 2), ("c", 5, 3)]);
        let after = listing(&[("b", 25, 2), ("c", 5, 3), ("d", 7, 4)]);
        assert_eq!(
            told(&before, &after),
            [
                ("a".to_owned(), Fate::Removed, -10),
                ("b".to_owned(), Fate::Changed, 5),
                ("d".to_owned(), Fate::Added, 7)
            ]
        );
        assert_eq!(told(&before, &before), []);
    }

    #[test]
    fn a_hard_links_bytes_are_counted_once_and_move_with_no_name() {
        let both = listing(&[("a", 10, 1), ("b", 10, 1)]);
        let one = listing(&[("b", 10, 1)]);
        assert_eq!(told(&both, &one), [("a".to_owned(), Fate::Removed, 0)]);
        assert_eq!(told(&one, &both), [("a".to_owned(), Fate::Added, 0)]);
        let apart = listing(&[("a", 10, 1), ("b", 10, 2)]);
        assert_eq!(told(&both, &apart), [("b".to_owned(), Fate::Changed, 10)]);
        let none = listing(&[]);
        let deltas: Vec<_> = told(&none, &both).into_iter().map(|told| told.2).collect();
        assert_eq!(deltas, [10, 0]);
    }

    #[test]
    fn what_is_ignored_is_no_change_beside_what_is_not() {
        let before = listing(&[("a", 10, 1)]);
        let mut line = file("a", 11);
        line.mode = Some(0o600);
        line.body = Body::Unknown;
        let after = Listing::new([(line, Some(1))]);
        let fields = |ignored: &[Field]| {
            let ignored = ignored.iter().copied().collect();
            let changes = changes(&before, &after, &ignored);
            changes
                .into_iter()
                .flat_map(|change| change.difference.fields)
                .collect::<Vec<_>>()
        };
        assert_eq!(fields(&[]), [Field::Mode, Field::Size]);
        assert_eq!(fields(&[Field::Mode]), [Field::Size]);
        assert_eq!(fields(&[Field::Mode, Field::Size]), []);
    }

    fn with_lost_found(mode: u16, more: &[&str]) -> Listing {
        let directory = |path: &str, mode| Line {
            kind: Some(Kind::Directory),
            mode: Some(mode),
            owner: Some(Owner { uid: 0, gid: 0 }),
            ..Line::unknown(path.as_bytes())
        };
        let more = more.iter().map(|path| (directory(path, 0o755), None));
        Listing::new(
            [(directory("lost+found", mode), None)]
                .into_iter()
                .chain(more),
        )
    }

    fn names_left(mut before: Listing, mut after: Listing) -> (usize, usize) {
        leave_out_lost_found(&mut before, &mut after);
        (before.lines().len(), after.lines().len())
    }

    #[test]
    fn only_an_empty_directory_as_mke2fs_makes_it_is_left_out() {
        let own = || with_lost_found(0o700, &["lost+found-not", "lost+founds"]);
        assert_eq!(names_left(own(), Listing::default()), (2, 0));
        assert_eq!(names_left(Listing::default(), own()), (0, 2));
        assert_eq!(names_left(own(), own()), (2, 2));
        assert_eq!(names_left(own(), with_lost_found(0o755, &[])), (3, 1));
        assert_eq!(
            names_left(with_lost_found(0o700, &["lost+found/#12"]), own()),
            (2, 3)
        );
        let mut unlisted = own();
        unlisted.leave_unlisted(LOST_FOUND);
        assert_eq!(names_left(unlisted, own()), (3, 3));
    }
}
