//! The whole image in the form that every view can be compared in.

use std::collections::BTreeMap;

use super::{Found, Node, Step, View};
use crate::error::{Error, Result};
use crate::listing::{Body, ContentHasher, Kind, Line, Listing, Owner};
use crate::ondisk::features::RO_COMPAT_DIR_NLINK;
use crate::units::InodeNumber;

/// What an image holds, as far as it can be read.
#[derive(Debug)]
pub struct WholeListing {
    /// Every name that was met, every field known that can be read.
    pub listing: Listing,
    /// What cannot be read, in the order it was met.
    pub problems: Vec<Problem>,
}

/// Something that cannot be read.
#[derive(Debug)]
pub struct Problem {
    /// Without a leading `/`.
    pub path: Vec<u8>,
    /// Why.
    pub error: Error,
}

impl View {
    /// Lists everything, contents where `wants_content` says so to a path and its length; after
    /// `max_names` names the rest is a problem.
    ///
    /// However many inodes map the same blocks, no more blocks are read for contents than the
    /// filesystem has: what is beyond that is a problem, too.
    ///
    /// # Errors
    /// Where there is no root. All else that is wrong is a problem.
    pub fn listing_of_at_most(
        &self,
        max_names: u64,
        wants_content: &mut dyn FnMut(&[u8], u64) -> bool,
    ) -> Result<WholeListing> {
        let root = Found {
            path: Vec::new(),
            node: self.root()?,
        };
        let mut reading = Reading {
            view: self,
            blocks_left: self.max_data_bytes() / self.block_bytes(),
            bodies: BTreeMap::new(),
            problems: Vec::new(),
        };
        let mut names = Vec::new();
        let mut unlisted = Vec::new();
        // A directory that cannot be listed has a line already, any other problem has none.
        let mut entered = None;
        for step in self.walk(root).of_at_most(max_names) {
            match step {
                Step::Entry(found) => {
                    let line = reading.line(&found, wants_content);
                    names.push((line, Some(u64::from(found.node.number.0))));
                    entered = (found.node.kind == Kind::Directory).then_some(found.path);
                }
                Step::Leave(_) => entered = None,
                Step::Problem { path, error } => {
                    if entered.take().as_ref() != Some(&path) {
                        names.push((Line::unknown(&path), None));
                    }
                    unlisted.push(path.clone());
                    reading.problems.push(Problem { path, error });
                }
            }
        }
        let mut listing = Listing::new(names);
        for path in unlisted {
            listing.leave_unlisted(&path);
        }
        Ok(WholeListing {
            listing,
            problems: reading.problems,
        })
    }
}

/// What is shared by all names of an image.
struct Reading<'a> {
    view: &'a View,
    /// What may still be read of contents and their block maps.
    blocks_left: u64,
    /// Contents of inodes with further names.
    bodies: BTreeMap<InodeNumber, Body>,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn line(&mut self, found: &Found, wants_content: &mut dyn FnMut(&[u8], u64) -> bool) -> Line {
        let node = &found.node;
        let body = match node.kind {
            Kind::Regular => self.content(found, wants_content),
            Kind::Symlink => self
                .view
                .target(node)
                .map(|target| Body::Target(target.into())),
            Kind::CharacterDevice | Kind::BlockDevice => {
                let (major, minor) = node.stored.device();
                Ok(Body::Device { major, minor })
            }
            Kind::Directory | Kind::Fifo | Kind::Socket => Ok(Body::Nothing),
        };
        let body = self.noted(found, body).unwrap_or(Body::Unknown);
        let xattrs = self.view.xattrs(node);
        let is_uncounted = node.kind == Kind::Directory
            && node.stored.links_count == 1
            && self
                .view
                .image
                .features()
                .has_ro_compat(RO_COMPAT_DIR_NLINK);
        Line {
            kind: Some(node.kind),
            mode: Some(node.mode()),
            owner: Some(Owner {
                uid: node.stored.uid,
                gid: node.stored.gid,
            }),
            mtime: Some(node.stored.mtime),
            link_count: (!is_uncounted).then(|| node.stored.links_count.into()),
            size_bytes: matches!(node.kind, Kind::Regular | Kind::Symlink)
                .then(|| node.stored.size_bytes),
            xattrs: self.noted(found, xattrs),
            file_flags: Some(node.file_flags()),
            body,
            ..Line::unknown(&found.path)
        }
    }

    /// What was read, or nothing and a problem.
    fn noted<T>(&mut self, found: &Found, read: Result<T>) -> Option<T> {
        read.map_err(|error| {
            self.problems.push(Problem {
                path: found.path.clone(),
                error,
            });
        })
        .ok()
    }

    /// A file's content, read once for all its names.
    fn content(
        &mut self,
        found: &Found,
        wants_content: &mut dyn FnMut(&[u8], u64) -> bool,
    ) -> Result<Body> {
        let node = &found.node;
        if let Some(body) = self.bodies.get(&node.number) {
            return Ok(body.clone());
        }
        if !wants_content(&found.path, node.stored.size_bytes) {
            return Ok(Body::Unknown);
        }
        let body = self.digest(node)?;
        if node.stored.links_count > 1 {
            self.bodies.insert(node.number, body.clone());
        }
        Ok(body)
    }

    fn digest(&mut self, node: &Node) -> Result<Body> {
        let mut hasher = ContentHasher::default();
        let reader = self.view.content(node)?;
        reader.within(&mut self.blocks_left, |reader| {
            while let Some((offset_bytes, data)) = reader.next_data()? {
                // Data comes in ascending order.
                let _ = hasher.data(offset_bytes, data);
            }
            Ok(())
        })?;
        Ok(Body::Content(hasher.finish(node.stored.size_bytes)))
    }
}
