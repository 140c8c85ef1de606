//! Takes a tree out of an image: into a directory, or as a tar.
//!
//! [`extract`] walks the image and tells a [`Sink`] what it finds; the first thing that cannot be
//! read ends it, so that what came out is either whole or an error. It ends whatever the image
//! says: each inode's content is read once, and all of it is not larger than the filesystem.

mod archive;
mod attributes;
mod directory;
mod file_flags;
mod undo;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

pub use archive::{ArchiveSink, SOCKET_LEFT_OUT, header};
pub use directory::DirectorySink;

use crate::error::{Error, Result};
use crate::listing::{Attribute, Kind, join};
use crate::progress::Meter;
use crate::units::InodeNumber;
use crate::view::{Found, Node, Step, View};

/// Where a tree goes.
pub trait Sink {
    /// A directory, the tree's root (with an empty path) first; its children come before
    /// [`Self::leave`].
    ///
    /// # Errors
    /// When it cannot be written.
    fn enter(&mut self, entry: &Entry<'_>) -> Result<()>;

    /// All of a directory's children are there.
    ///
    /// # Errors
    /// When its attributes cannot be set.
    fn leave(&mut self, _: &Entry<'_>) -> Result<()> {
        Ok(())
    }

    /// Anything but a directory, with its first name. What of a regular file is read is spent
    /// from `data`.
    ///
    /// # Errors
    /// When it cannot be read or written.
    fn inode(&mut self, entry: &Entry<'_>, view: &View, data: &mut Data<'_>) -> Result<()>;

    /// Another name of what came before as `first`.
    ///
    /// # Errors
    /// When it cannot be written.
    fn link(&mut self, entry: &Entry<'_>, first: &[u8]) -> Result<()>;
}

/// A name and all there is to know of its inode but the content.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Below the tree's root, without a leading `/`; no component is empty, `.` or `..`, none has
    /// a NUL byte, and none comes twice: [`crate::view::Walk`] sees to that.
    pub path: &'a [u8],
    /// The inode.
    pub node: &'a Node,
    /// Its attributes, ascending by name.
    pub xattrs: &'a [Attribute],
}

/// How much may still be read, who is told, and who may want an end of it.
pub struct Data<'a> {
    left_bytes: u64,
    is_cancelled: &'a dyn Fn() -> bool,
    meter: &'a dyn Meter,
}

impl Data<'_> {
    /// Counts bytes that were read.
    ///
    /// # Errors
    /// [`Error::BadImage`] when files hold more than the filesystem, [`Error::Io`] when it is to end.
    pub fn spend(&mut self, bytes: u64) -> Result<()> {
        let left = self.left_bytes.checked_sub(bytes);
        self.left_bytes = left
            .ok_or_else(|| Error::bad_image("the files together are larger than the filesystem"))?;
        self.meter.add(bytes);
        self.go_on()
    }

    fn go_on(&self) -> Result<()> {
        if (self.is_cancelled)() {
            let error = io::Error::from(io::ErrorKind::Interrupted);
            return Err(Error::io("not extracted", error));
        }
        Ok(())
    }
}

/// Tells `sink` all of `start`: a directory becomes the tree's root, anything else an entry below
/// it by its own name. `is_cancelled` is asked before each piece of work whether to end it.
///
/// # Errors
/// The first thing that cannot be read or written, and [`Error::Io`] when it was cancelled.
pub fn extract(
    view: &View,
    start: Found,
    sink: &mut dyn Sink,
    meter: &dyn Meter,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<()> {
    let prefix = match start.node.kind {
        Kind::Directory => start.path.len(),
        _ => split(&start.path).0.len(),
    };
    let mut data = Data {
        left_bytes: view.max_data_bytes(),
        is_cancelled,
        meter,
    };
    let mut first_names = FirstNames::default();
    for step in view.walk(start) {
        let (found, is_leaving) = match step {
            Step::Entry(found) => (found, false),
            Step::Leave(found) => (found, true),
            Step::Problem { path, error } => return Err(error.in_entry(&path)),
        };
        data.go_on()?;
        let path = &found.path[prefix..];
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let mut tell = || -> Result<()> {
            let xattrs = view.xattrs(&found.node)?;
            let entry = Entry {
                path,
                node: &found.node,
                xattrs: &xattrs,
            };
            if is_leaving {
                return sink.leave(&entry);
            }
            if found.node.kind == Kind::Directory {
                return sink.enter(&entry);
            }
            if found.node.stored.links_count > 1 {
                if let Some(first) = first_names.get(found.node.number) {
                    return sink.link(&entry, &first);
                }
                first_names.insert(found.node.number, path);
            }
            sink.inode(&entry, view, &mut data)
        };
        tell().map_err(|error| error.in_entry(&found.path))?;
    }
    Ok(())
}

/// What a tree takes on the disk of its filesystem: each inode once, as far as it can be read.
pub fn stored_bytes(view: &View, start: Found) -> u64 {
    let mut seen = BTreeSet::new();
    let sectors = view.walk(start).filter_map(|step| match step {
        Step::Entry(found) if found.node.stored.links_count < 2 => Some(found.node.sectors),
        Step::Entry(found) if seen.insert(found.node.number) => Some(found.node.sectors),
        _ => None,
    });
    sectors.fold(0_u64, u64::saturating_add).saturating_mul(512)
}

/// The first names of inodes that have several. Of a directory's path there is one copy for all
/// names in it: it may be far longer than they.
#[derive(Default)]
struct FirstNames {
    names: BTreeMap<InodeNumber, FirstName>,
    directory: Option<Rc<[u8]>>,
}

/// The directory's path, and the name in it.
type FirstName = (Rc<[u8]>, Box<[u8]>);

impl FirstNames {
    fn get(&self, inode: InodeNumber) -> Option<Vec<u8>> {
        let (directory, name) = self.names.get(&inode)?;
        Some(join(directory, name))
    }

    fn insert(&mut self, inode: InodeNumber, path: &[u8]) {
        let (directory, name) = split(path);
        let same = self.directory.take().filter(|last| **last == *directory);
        let directory = same.unwrap_or_else(|| directory.into());
        self.directory = Some(Rc::clone(&directory));
        self.names.insert(inode, (directory, name.into()));
    }
}

/// The directory that a path is in, and its name there.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}
