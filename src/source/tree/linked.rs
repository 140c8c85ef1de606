//! Which names lead to one inode.
//!
//! How many names an inode has is not asked: some filesystems say "one" until the second name has
//! been looked up (fuse-overlayfs). So every inode is remembered, in a few dozen bytes and its name.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use crate::pinned::{Identity, identity};

/// Every inode met so far but directories, with the first name of each.
#[derive(Default)]
pub(super) struct Linked {
    inodes: HashMap<Identity, First>,
    /// The names of directories and inodes, without what is before them.
    names: Vec<u8>,
    directories: Vec<Name>,
}

/// A directory's number, the root's first.
pub(super) type DirectoryNumber = u32;

#[derive(Clone, Copy)]
struct Name {
    directory: DirectoryNumber,
    length: u16,
    offset: u64,
}

struct First {
    name: Name,
    fingerprint: u64,
}

/// What an inode has turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// One that was not met before.
    New,
    /// Another name of the entry of this name.
    To(Vec<u8>),
    /// One whose number was another one's a moment ago, or that was changed since.
    Changed,
}

impl Linked {
    /// Remembers a directory; the root is the first, and its name counts for nothing.
    pub(super) fn directory(&mut self, parent: DirectoryNumber, name: &OsStr) -> DirectoryNumber {
        let kept = self.name(parent, name);
        self.directories.push(kept);
        self.names.extend_from_slice(name.as_bytes());
        // Limits on entries keep them far below 2^32, and the names' memory before that.
        u32::try_from(self.directories.len() - 1).unwrap_or(u32::MAX)
    }

    /// Whether an inode has been met before under another name.
    pub(super) fn meet(
        &mut self,
        directory: DirectoryNumber,
        name: &OsStr,
        metadata: &Metadata,
    ) -> Link {
        let fingerprint = fingerprint(metadata);
        let kept = self.name(directory, name);
        match self.inodes.entry(identity(metadata)) {
            Entry::Vacant(vacant) => {
                vacant.insert(First {
                    name: kept,
                    fingerprint,
                });
                self.names.extend_from_slice(name.as_bytes());
                Link::New
            }
            Entry::Occupied(first) if first.get().fingerprint == fingerprint => {
                let first = first.get().name;
                Link::To(self.path(first))
            }
            Entry::Occupied(_) => Link::Changed,
        }
    }

    /// A name that is kept next.
    fn name(&self, directory: DirectoryNumber, name: &OsStr) -> Name {
        Name {
            directory,
            // No filesystem of Linux has names of more than 255 bytes, and none can be asked for.
            length: u16::try_from(name.len()).unwrap_or(u16::MAX),
            offset: self.names.len() as u64,
        }
    }

    /// From the root on, without a slash before it.
    fn path(&self, mut name: Name) -> Vec<u8> {
        let bytes = |name: Name| {
            let start = name.offset as usize;
            &self.names[start..start + usize::from(name.length)]
        };
        let mut parts = vec![bytes(name)];
        while name.directory != 0 {
            name = self.directories[name.directory as usize];
            parts.push(bytes(name));
        }
        parts.reverse();
        parts.join(&b'/')
    }
}

/// What two names of one inode have in common and two inodes of one number have not: numbers that
/// are not unique come of filesystems stacked on several others.
fn fingerprint(metadata: &Metadata) -> u64 {
    let mut hasher = DefaultHasher::new();
    (
        (metadata.mode(), metadata.uid(), metadata.gid()),
        (metadata.rdev(), metadata.len()),
        (metadata.mtime(), metadata.mtime_nsec()),
        (metadata.ctime(), metadata.ctime_nsec()),
    )
        .hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_second_name_of_an_inode_is_a_link_to_the_whole_first_one() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("a"), "x").unwrap();
        fs::write(at("b"), "x").unwrap();
        let stat = |name: &str| fs::symlink_metadata(at(name)).unwrap();
        let mut linked = Linked::default();
        let root = linked.directory(0, OsStr::new(""));
        let etc = linked.directory(root, OsStr::new("etc"));
        let deep = linked.directory(etc, OsStr::new("deep"));
        // Its count of links is 1 all the while.
        assert_eq!(linked.meet(deep, OsStr::new("a"), &stat("a")), Link::New);
        assert_eq!(linked.meet(root, OsStr::new("b"), &stat("b")), Link::New);
        let first = Link::To(b"etc/deep/a".to_vec());
        assert_eq!(linked.meet(root, OsStr::new("c"), &stat("a")), first);
        let first = Link::To(b"b".to_vec());
        assert_eq!(linked.meet(etc, OsStr::new("c"), &stat("b")), first);
    }

    #[test]
    fn an_inode_that_is_not_as_it_was_is_no_link() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, "x").unwrap();
        let mut linked = Linked::default();
        let root = linked.directory(0, OsStr::new(""));
        let before = fs::metadata(&path).unwrap();
        assert_eq!(linked.meet(root, OsStr::new("a"), &before), Link::New);
        fs::write(&path, "longer").unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(linked.meet(root, OsStr::new("b"), &after), Link::Changed);
    }
}
