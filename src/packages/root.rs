//! A root filesystem that files are read from by their paths, be it a tree with its contents or a
//! filesystem.

use std::io::ErrorKind;

use crate::error::{Error, Result};
use crate::layers::Contents;
use crate::listing::Kind;
use crate::tree::{ContentRef, NodeId, NodeKind, Tree};
use crate::view::{Follow, Lookups, View};

/// Links followed on one path, as the kernel does.
const MAX_HOPS: usize = 40;

/// Components of a path with its links' targets.
const MAX_COMPONENTS: usize = 1 << 16;

/// What is at a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Looked {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// The same for each name of one file.
        id: u64,
        /// Its content.
        bytes: Vec<u8>,
    },
    /// A regular file of more bytes than were wanted.
    TooLarge {
        /// Its length.
        size_bytes: u64,
    },
    /// A directory, with the names in it, ascending by their bytes.
    Directory(Vec<Vec<u8>>),
    /// A device or a FIFO.
    Other,
}

/// A root filesystem. Symbolic links are followed, the last one, too, as inside a root of its own.
pub trait Root {
    /// Looks at what is at a path from the root, and reads a file of at most `max_bytes`.
    ///
    /// # Errors
    /// [`Error::BadImage`] where links go round or something on the way is damaged; read errors.
    fn look(&mut self, path: &[u8], max_bytes: u64) -> Result<Looked>;
}

/// A filesystem as a root.
#[derive(Debug)]
pub struct FilesystemRoot<'a> {
    view: &'a View,
    lookups: Lookups<'a>,
}

impl<'a> FilesystemRoot<'a> {
    /// What `view` shows.
    pub fn new(view: &'a View) -> Self {
        Self {
            view,
            lookups: view.lookups(),
        }
    }
}

impl Root for FilesystemRoot<'_> {
    fn look(&mut self, path: &[u8], max_bytes: u64) -> Result<Looked> {
        let found = match self.lookups.find(path, Follow::Always) {
            Ok(found) => found,
            Err(Error::Io { source, .. })
                if matches!(
                    source.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory
                ) =>
            {
                return Ok(Looked::Absent);
            }
            Err(Error::Io { source, .. })
                if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) =>
            {
                return Err(goes_round().in_entry(path));
            }
            Err(error) => return Err(error),
        };
        let within = |error: Error| error.in_entry(&found.path);
        match found.node.kind {
            Kind::Directory => {
                let entries = self.view.read_dir(&found.node).map_err(within)?;
                let names = entries.into_iter().map(|entry| entry.name.to_vec());
                Ok(Looked::Directory(names.collect()))
            }
            Kind::Regular => {
                let mut reader = self.view.content(&found.node).map_err(within)?;
                let size_bytes = reader.size_bytes();
                let mut bytes = match room(size_bytes, max_bytes) {
                    Some(bytes) => bytes,
                    None => return Ok(Looked::TooLarge { size_bytes }),
                };
                while let Some((offset_bytes, data)) = reader.next_data().map_err(within)? {
                    put(&mut bytes, offset_bytes, data);
                }
                Ok(Looked::File {
                    id: found.node.number.0.into(),
                    bytes,
                })
            }
            _ => Ok(Looked::Other),
        }
    }
}

/// A tree as a root.
#[derive(Debug)]
pub struct TreeRoot<'a> {
    tree: &'a Tree,
    contents: &'a Contents,
}

impl<'a> TreeRoot<'a> {
    /// A tree, and where its files' contents are.
    pub fn new(tree: &'a Tree, contents: &'a Contents) -> Self {
        Self { tree, contents }
    }

    /// The node at a path; `None` where there is none.
    fn find(&self, path: &[u8]) -> Result<Option<NodeId>> {
        let components = |path: &'a [u8]| {
            let names = path.split(|&byte| byte == b'/');
            names.filter(|name| !name.is_empty() && *name != b".").rev()
        };
        let mut at = vec![NodeId::ROOT];
        let mut to_do: Vec<Vec<u8>> = path
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty())
            .rev()
            .map(<[u8]>::to_vec)
            .collect();
        let mut hops = 0;
        while let Some(name) = to_do.pop() {
            if name == b".." {
                at.truncate((at.len() - 1).max(1));
                continue;
            }
            let here = at.last().copied().unwrap_or(NodeId::ROOT);
            let NodeKind::Directory(directory) = &self.tree.node(here).kind else {
                return Ok(None);
            };
            let children = &directory.children;
            let Ok(index) = children.binary_search_by(|(child, _)| (**child).cmp(&name)) else {
                return Ok(None);
            };
            let (_, child) = children[index];
            let NodeKind::Symlink(target) = &self.tree.node(child).kind else {
                at.push(child);
                continue;
            };
            hops += 1;
            if target.starts_with(b"/") {
                at.truncate(1);
            }
            to_do.extend(components(target).map(<[u8]>::to_vec));
            if hops > MAX_HOPS || to_do.len() > MAX_COMPONENTS {
                return Err(goes_round());
            }
        }
        Ok(at.last().copied())
    }
}

impl Root for TreeRoot<'_> {
    fn look(&mut self, path: &[u8], max_bytes: u64) -> Result<Looked> {
        let Some(id) = self.find(path).map_err(|error| error.in_entry(path))? else {
            return Ok(Looked::Absent);
        };
        match &self.tree.node(id).kind {
            NodeKind::Directory(directory) => {
                let names = directory.children.iter().map(|(name, _)| name.to_vec());
                Ok(Looked::Directory(names.collect()))
            }
            NodeKind::Regular(ContentRef { origin, content }) => {
                let size_bytes = content.size_bytes;
                let mut bytes = match room(size_bytes, max_bytes) {
                    Some(bytes) => bytes,
                    None => return Ok(Looked::TooLarge { size_bytes }),
                };
                let source = self.contents.of(*origin)?;
                let mut data = Vec::new();
                for extent in content.extents() {
                    // No longer than the whole, which there is room for.
                    data.resize(usize::try_from(extent.length_bytes).unwrap_or(0), 0);
                    source
                        .read_exact_at(&mut data, extent.offset_bytes)
                        .map_err(|error| Error::io("cannot read a layer's tar", error))?;
                    put(&mut bytes, extent.file_offset_bytes, &data);
                }
                Ok(Looked::File {
                    id: id.0.into(),
                    bytes,
                })
            }
            _ => Ok(Looked::Other),
        }
    }
}

/// So many zeros, where that is no more than wanted.
fn room(size_bytes: u64, max_bytes: u64) -> Option<Vec<u8>> {
    let wanted = size_bytes <= max_bytes;
    wanted
        .then(|| usize::try_from(size_bytes).ok())?
        .map(|length| vec![0; length])
}

/// Puts data where it belongs, as far as there is room.
fn put(bytes: &mut [u8], offset_bytes: u64, data: &[u8]) {
    let start = usize::try_from(offset_bytes).map_or(bytes.len(), |start| start.min(bytes.len()));
    let room = &mut bytes[start..];
    let length = room.len().min(data.len());
    room[..length].copy_from_slice(&data[..length]);
}

fn goes_round() -> Error {
    Error::bad_image(format!(
        "expected at most {MAX_HOPS} symbolic links on the way, found more"
    ))
}
