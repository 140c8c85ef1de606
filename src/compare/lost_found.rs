//! mke2fs's own directory, which says nothing about what a filesystem holds.

use crate::listing::{Kind, Line, Listing, Owner};
use crate::units::LOST_FOUND;

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

    fn listing(mode: u16, more: &[&str]) -> Listing {
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
        let own = || listing(0o700, &["lost+found-not", "lost+founds"]);
        assert_eq!(names_left(own(), Listing::default()), (2, 0));
        assert_eq!(names_left(Listing::default(), own()), (0, 2));
        assert_eq!(names_left(own(), own()), (2, 2));
        assert_eq!(names_left(own(), listing(0o755, &[])), (3, 1));
        assert_eq!(
            names_left(listing(0o700, &["lost+found/#12"]), own()),
            (2, 3)
        );
        let mut unlisted = own();
        unlisted.leave_unlisted(LOST_FOUND);
        assert_eq!(names_left(unlisted, own()), (3, 3));
    }
}
