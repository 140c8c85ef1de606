//! From a path to its node, inside the image whatever links say.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rustix::io::Errno;

use super::{DirectoryEntry, Node, View, shown};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::listing::Kind;
use crate::units::InodeNumber;

/// Links followed on one path before it is called a loop, as the kernel does.
const MAX_HOPS: usize = 40;

/// Components of a path with its links' targets; far beyond what a path of 4096 bytes can have.
const MAX_COMPONENTS: usize = 1 << 16;

/// Whether a link as the last component is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// It is, as `stat` does.
    Always,
    /// It is not, as `lstat` does.
    Never,
}

/// What a path leads to.
#[derive(Debug, Clone)]
pub struct Found {
    /// The path without links, `.` and `..`, and without a leading `/`; the root's is empty.
    pub path: Vec<u8>,
    /// The inode there.
    pub node: Node,
}

/// Looks paths up, any number of them, and reads each directory once, however often they lead
/// through it.
///
/// A directory can hold itself and a link's target go through it thousands of times; what is kept
/// of each step is its inode's number, not its path.
#[derive(Debug)]
pub struct Lookups<'a> {
    view: &'a View,
    directories: BTreeMap<InodeNumber, Vec<DirectoryEntry>>,
    kinds: BTreeMap<InodeNumber, Kind>,
    targets: BTreeMap<InodeNumber, Vec<u8>>,
    blocks_left: u64,
    names_left: u64,
}

/// A step of a path: its inode, and how long the path is up to it.
#[derive(Debug, Clone, Copy)]
struct At {
    inode: InodeNumber,
    kind: Kind,
    length: usize,
}

impl View {
    /// Looks one path up from the root; links on the way are followed, `..` stops at the root.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no such path or it loops, [`Error::BadImage`] where a
    /// directory on the way is damaged.
    pub fn lookup(&self, path: &[u8], follow: Follow) -> Result<Found> {
        self.lookups().find(path, follow)
    }

    /// For several paths.
    pub fn lookups(&self) -> Lookups<'_> {
        Lookups {
            view: self,
            directories: BTreeMap::new(),
            kinds: BTreeMap::new(),
            targets: BTreeMap::new(),
            blocks_left: self.image.blocks(),
            names_left: Limits::default().max_entries,
        }
    }
}

impl Lookups<'_> {
    /// Looks a path up from the root, as [`View::lookup`].
    ///
    /// # Errors
    /// Those of [`View::lookup`].
    pub fn find(&mut self, path: &[u8], follow: Follow) -> Result<Found> {
        let name_of_image = &self.view.image.name;
        let fail = |errno: Errno| {
            let what = format!("cannot find {} in {name_of_image}", shown(trim(path)));
            Error::io(what, errno.into())
        };
        let root = At {
            inode: InodeNumber::ROOT,
            kind: self.kind(InodeNumber::ROOT)?,
            length: 0,
        };
        let mut at = vec![root];
        let mut found_path = Vec::new();
        let mut to_do = components(path);
        let must_be_directory = path.ends_with(b"/");
        let mut hops = 0;
        while let Some(name) = to_do.pop() {
            // The root never leaves.
            let Some(&directory) = at.last() else {
                break;
            };
            found_path.truncate(directory.length);
            // Not even `.` and `..` are in anything else.
            if directory.kind != Kind::Directory {
                return Err(fail(Errno::NOTDIR));
            }
            match &name[..] {
                b"." => continue,
                b".." => {
                    at.truncate((at.len() - 1).max(1));
                    continue;
                }
                _ => {}
            }
            let child = self
                .child(directory.inode, &name)
                .map_err(|error| error.in_entry(&found_path))?;
            let inode = child.ok_or_else(|| fail(Errno::NOENT))?;
            if directory.length > 0 {
                found_path.push(b'/');
            }
            found_path.extend_from_slice(&name);
            let kind = self
                .kind(inode)
                .map_err(|error| error.in_entry(&found_path))?;
            let is_last = to_do.is_empty() && !must_be_directory;
            if kind != Kind::Symlink || is_last && follow == Follow::Never {
                at.push(At {
                    inode,
                    kind,
                    length: found_path.len(),
                });
                continue;
            }
            hops += 1;
            if hops > MAX_HOPS || to_do.len() > MAX_COMPONENTS {
                return Err(fail(Errno::LOOP));
            }
            let target = self
                .target(inode)
                .map_err(|error| error.in_entry(&found_path))?;
            if target.starts_with(b"/") {
                at.truncate(1);
            }
            to_do.extend(components(target));
        }
        let Some(end) = at.pop() else {
            return Err(fail(Errno::NOENT));
        };
        if must_be_directory && end.kind != Kind::Directory {
            return Err(fail(Errno::NOTDIR));
        }
        found_path.truncate(end.length);
        let node = self.view.node(end.inode);
        Ok(Found {
            node: node.map_err(|error| error.in_entry(&found_path))?,
            path: found_path,
        })
    }

    fn kind(&mut self, inode: InodeNumber) -> Result<Kind> {
        if let Some(kind) = self.kinds.get(&inode) {
            return Ok(*kind);
        }
        let kind = self.view.node(inode)?.kind;
        self.kinds.insert(inode, kind);
        Ok(kind)
    }

    fn target(&mut self, inode: InodeNumber) -> Result<&[u8]> {
        match self.targets.entry(inode) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let node = self.view.node(inode)?;
                Ok(place.insert(self.view.target(&node)?))
            }
        }
    }

    /// The inode of a name in a directory.
    fn child(&mut self, directory: InodeNumber, name: &[u8]) -> Result<Option<InodeNumber>> {
        let names = match self.directories.entry(directory) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let node = self.view.node(directory)?;
                let blocks = node.stored.size_bytes.div_ceil(self.view.image.block_bytes);
                // Directories that share their blocks could go on for ever.
                self.blocks_left = self.blocks_left.checked_sub(blocks).ok_or_else(|| {
                    self.view
                        .bad("the directories on the way are larger than the filesystem")
                })?;
                let names = self.view.read_dir(&node)?;
                self.names_left =
                    self.names_left
                        .checked_sub(names.len() as u64)
                        .ok_or_else(|| {
                            Error::unsupported(format!(
                                "more than {} names on the way",
                                Limits::default().max_entries
                            ))
                        })?;
                place.insert(names)
            }
        };
        let index = names.binary_search_by(|entry| (*entry.name).cmp(name));
        Ok(index.ok().map(|index| names[index].inode))
    }
}

/// A path's components, the first at the end.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .rev()
        .collect()
}

fn trim(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"/").unwrap_or(path)
}
