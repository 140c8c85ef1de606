//! One listing for every view of a filesystem: a line for each name, in one order and one form.
//!
//! The tree that is to be written, an image read back, a mounted filesystem and an unpacked
//! directory are all turned into a [`Listing`], so that any two of them can be compared line by
//! line. A view that cannot see a field leaves it unknown, and what is unknown equals everything.
//! No I/O happens here.

mod compare;
mod content;
mod line;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

pub use compare::{Difference, compare, smallest_names};
pub use content::{CONTENT_BLOCK_SIZE, ContentDigest, ContentHasher};
pub use line::{Attribute, Body, Field, Kind, Line, Links, Owner};

/// Every name of a filesystem, ascending by the bytes of the paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    lines: Vec<Line>,
    unlisted: BTreeSet<Box<[u8]>>,
}

impl Listing {
    /// A listing of `names`. The number beside a line says which inode it leads to: lines with the
    /// same number become one hard-link group, `None` leaves it unknown. Directories never
    /// form groups, since each has one name.
    pub fn new(names: impl IntoIterator<Item = (Line, Option<u64>)>) -> Self {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
        let can_share = |line: &Line| line.kind != Some(Kind::Directory);
        let countable = names.iter().filter(|(line, _)| can_share(line));
        let mut inodes: Vec<u64> = countable.filter_map(|(_, inode)| *inode).collect();
        inodes.sort_unstable();
        // Almost all inodes have one name: only the others cost a place in the map.
        let mut groups: BTreeMap<u64, Option<Arc<[u8]>>> = inodes
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| (pair[0], None))
            .collect();
        for (line, inode) in &mut names {
            let group = inode
                .filter(|_| can_share(line))
                .and_then(|inode| groups.get_mut(&inode));
            line.links = match (&inode, group) {
                (None, _) => Links::Unknown,
                (Some(_), None) => Links::Alone,
                (Some(_), Some(smallest)) => {
                    let smallest = smallest.get_or_insert_with(|| Arc::from(&*line.path));
                    Links::Group(Arc::clone(smallest))
                }
            };
        }
        Self {
            lines: names.into_iter().map(|(line, _)| line).collect(),
            unlisted: BTreeSet::new(),
        }
    }

    /// Notes a directory whose children this view could not list: whatever is below it is unknown,
    /// not missing.
    pub fn leave_unlisted(&mut self, directory: &[u8]) {
        self.unlisted.insert(directory.into());
    }

    /// All lines, ascending by path.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Adds a line at its place.
    pub fn insert(&mut self, line: Line) {
        let index = self.lines.partition_point(|other| other.path < line.path);
        self.lines.insert(index, line);
    }

    /// Takes a line out.
    pub fn remove(&mut self, path: &[u8]) -> Option<Line> {
        self.index_of(path).map(|index| self.lines.remove(index))
    }

    /// Takes one attribute out of what is known of a path.
    pub fn leave_out_attribute(&mut self, path: &[u8], name: &[u8]) {
        if let Some(index) = self.index_of(path)
            && let Some(xattrs) = &mut self.lines[index].xattrs
        {
            let kept = xattrs.iter().filter(|xattr| *xattr.name != *name);
            *xattrs = kept.cloned().collect();
        }
    }

    /// All lines, for filling in what was unknown. Paths must stay as they are.
    pub fn lines_mut(&mut self) -> impl Iterator<Item = &mut Line> {
        self.lines.iter_mut()
    }

    /// The line of a path; one of them where a damaged directory has a name twice.
    pub fn find(&self, path: &[u8]) -> Option<&Line> {
        self.index_of(path).map(|index| &self.lines[index])
    }

    fn index_of(&self, path: &[u8]) -> Option<usize> {
        let found = self.lines.binary_search_by(|line| (*line.path).cmp(path));
        found.ok()
    }

    /// Whether `path` lies below a directory that could not be listed.
    pub fn is_hidden(&self, path: &[u8]) -> bool {
        if self.unlisted.is_empty() || path.is_empty() {
            return false;
        }
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        std::iter::once(0)
            .chain(slashes.map(|(index, _)| index))
            .any(|end| self.unlisted.contains(&path[..end]))
    }
}

/// `directory/name`, where the root is empty.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, b"/", name].concat()
}

/// One line for each name.
impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str) -> Line {
        Line::unknown(path.as_bytes())
    }

    #[test]
    fn lines_are_sorted_and_groups_are_called_by_their_smallest_path() {
        let listing = Listing::new([
            (line("b"), Some(7)),
            (line("a/x"), Some(7)),
            (line("a"), Some(9)),
            (line("c"), None),
        ]);
        let paths: Vec<_> = listing.lines().iter().map(|line| &*line.path).collect();
        assert_eq!(paths, [&b"a"[..], b"a/x", b"b", b"c"]);
        let group = Links::Group(b"a/x"[..].into());
        let links: Vec<_> = listing.lines().iter().map(|line| &line.links).collect();
        assert_eq!(links, [&Links::Alone, &group, &group, &Links::Unknown]);
    }

    #[test]
    fn what_lies_below_an_unlisted_directory_is_hidden_at_any_depth() {
        let mut listing = Listing::default();
        assert!(!listing.is_hidden(b"a"));
        listing.leave_unlisted(b"a/b");
        assert!(listing.is_hidden(b"a/b/c/d"));
        for seen in [&b"a/b"[..], b"a", b"a/bc", b""] {
            assert!(!listing.is_hidden(seen));
        }
        listing.leave_unlisted(b"");
        assert!(listing.is_hidden(b"a") && !listing.is_hidden(b""));
    }
}
