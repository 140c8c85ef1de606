//! Takes trees out of an image: into a directory, or as a tar.
//!
//! [`extract`] walks what is looked into and tells a [`Sink`] what it finds; the first thing that
//! cannot be read ends it, so that what came out is either whole or an error. It ends whatever an
//! image says: each inode's content is read once, and all of it is not larger than the filesystem.

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

use crate::error::{Error, Result, escape_path};
use crate::listing::{Attribute, Kind, join};
use crate::look::{Found, Inside, Node, Step};
use crate::progress::Meter;

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
    fn inode(&mut self, entry: &Entry<'_>, inside: Inside<'_>, data: &mut Data<'_>) -> Result<()>;

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
    /// a NUL byte, and none comes twice: [`crate::look::Walk`] and [`taken`] see to that.
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

impl<'a> Data<'a> {
    /// What may be read of all there is inside.
    pub fn of(
        inside: Inside<'_>,
        meter: &'a dyn Meter,
        is_cancelled: &'a dyn Fn() -> bool,
    ) -> Self {
        Self {
            left_bytes: inside.max_data_bytes(),
            is_cancelled,
            meter,
        }
    }

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

/// What is taken out, and where its paths begin.
#[derive(Debug, Clone)]
pub struct Taken {
    found: Found,
    /// Bytes of its path that are not told.
    prefix: usize,
}

impl Taken {
    /// All of one thing: a directory becomes the tree's root, anything else an entry below it by its
    /// own name.
    pub fn whole(found: Found) -> Self {
        let prefix = match found.node.kind {
            Kind::Directory => found.path.len(),
            _ => split(&found.path).0.len(),
        };
        Self { found, prefix }
    }
}

/// Several things, each an entry below the tree's root by its own name. What was found twice by one
/// path is taken once.
///
/// # Errors
/// [`Error::Unsupported`] where two have one name, and for the root directory, which has none.
pub fn taken(found: Vec<Found>) -> Result<Vec<Taken>> {
    let mut names: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut all = Vec::with_capacity(found.len());
    for found in found {
        let (directory, name) = split(&found.path);
        if name.is_empty() {
            return Err(Error::unsupported(
                "expected names below the root directory where several are taken out, found / among them",
            ));
        }
        let prefix = directory.len();
        match names.insert(name.to_vec(), found.path.clone()) {
            Some(before) if before == found.path => continue,
            Some(before) => {
                return Err(Error::unsupported(format!(
                    "expected names that differ in one directory, found /{} and /{} (taken out one by one they go into directories of their own)",
                    escape_path(&before),
                    escape_path(&found.path)
                )));
            }
            None => all.push(Taken { found, prefix }),
        }
    }
    Ok(all)
}

/// Tells `sink` all of what is taken. `is_cancelled` is asked before each piece of work whether to end
/// it.
///
/// # Errors
/// The first thing that cannot be read or written, and [`Error::Io`] when it was cancelled.
pub fn extract(
    inside: Inside<'_>,
    taken: Vec<Taken>,
    sink: &mut dyn Sink,
    meter: &dyn Meter,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<()> {
    let mut data = Data::of(inside, meter, is_cancelled);
    let mut first_names = FirstNames::default();
    for Taken { found, prefix } in taken {
        for step in inside.walk(found) {
            let (found, is_leaving) = match step {
                Step::Entry(found) => (found, false),
                Step::Leave(found) => (found, true),
                Step::Problem { path, error } => return Err(error.in_entry(&path)),
            };
            data.go_on()?;
            let path = &found.path[prefix..];
            let path = path.strip_prefix(b"/").unwrap_or(path);
            let mut tell = || -> Result<()> {
                let xattrs = inside.xattrs(&found.node)?;
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
                if found.node.links > 1 {
                    if let Some(first) = first_names.get(found.node.number) {
                        return sink.link(&entry, &first);
                    }
                    first_names.insert(found.node.number, path);
                }
                sink.inode(&entry, inside, &mut data)
            };
            tell().map_err(|error| error.in_entry(&found.path))?;
        }
    }
    Ok(())
}

/// What trees take on the disk of their filesystem: each inode once, as far as it can be read.
pub fn stored_bytes(inside: Inside<'_>, taken: Vec<Taken>) -> u64 {
    let mut seen = BTreeSet::new();
    let steps = taken
        .into_iter()
        .flat_map(|Taken { found, .. }| inside.walk(found));
    let sectors = steps.filter_map(|step| match step {
        Step::Entry(found) if found.node.links < 2 => Some(found.node.sectors),
        Step::Entry(found) if seen.insert(found.node.number) => Some(found.node.sectors),
        _ => None,
    });
    sectors.fold(0_u64, u64::saturating_add).saturating_mul(512)
}

/// The first names of inodes that have several. Of a directory's path there is one copy for all
/// names in it: it may be far longer than they.
#[derive(Default)]
struct FirstNames {
    names: BTreeMap<u32, FirstName>,
    directory: Option<Rc<[u8]>>,
}

/// The directory's path, and the name in it.
type FirstName = (Rc<[u8]>, Box<[u8]>);

impl FirstNames {
    fn get(&self, inode: u32) -> Option<Vec<u8>> {
        let (directory, name) = self.names.get(&inode)?;
        Some(join(directory, name))
    }

    fn insert(&mut self, inode: u32, path: &[u8]) {
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
