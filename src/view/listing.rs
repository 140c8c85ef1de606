//! The whole image in the form that every view can be compared in.

use std::collections::BTreeMap;

use super::{Follow, Found, Node, Step, View};
use crate::error::{Error, Result};
use crate::listing::{Body, ContentHasher, Kind, Line, Listing, Owner};
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
    /// Lists everything, contents where `wants_content` says so to a path and its length.
    ///
    /// # Errors
    /// Where there is no root. All else that is wrong is a problem.
    pub fn whole_listing(
        &self,
        wants_content: &mut dyn FnMut(&[u8], u64) -> bool,
    ) -> Result<WholeListing> {
        let root = self.lookup(b"/", Follow::Never)?;
        let mut names = Vec::new();
        let mut problems = Vec::new();
        let mut unlisted = Vec::new();
        let mut digests = Digests {
            view: self,
            known: BTreeMap::new(),
            left_bytes: self.max_data_bytes(),
        };
        for step in self.walk(root) {
            match step {
                Step::Entry(found) => {
                    let mut note = |error| {
                        problems.push(Problem {
                            path: found.path.clone(),
                            error,
                        });
                    };
                    let line = self.line(&found, wants_content, &mut digests, &mut note);
                    names.push((line, Some(u64::from(found.node.number.0))));
                }
                Step::Leave(_) => {}
                Step::Problem { path, error } => {
                    unlisted.push(path.clone());
                    problems.push(Problem { path, error });
                }
            }
        }
        let mut listing = Listing::new(names);
        for path in unlisted {
            listing.leave_unlisted(&path);
        }
        Ok(WholeListing { listing, problems })
    }

    fn line(
        &self,
        found: &Found,
        wants_content: &mut dyn FnMut(&[u8], u64) -> bool,
        digests: &mut Digests<'_>,
        note: &mut dyn FnMut(Error),
    ) -> Line {
        let node = &found.node;
        let mut read = |body: Result<Body>| {
            body.unwrap_or_else(|error| {
                note(error);
                Body::Unknown
            })
        };
        let body = match node.kind {
            Kind::Regular if wants_content(&found.path, node.size_bytes()) => {
                read(digests.of(node))
            }
            Kind::Regular => Body::Unknown,
            Kind::Symlink => read(self.target(node).map(|target| Body::Target(target.into()))),
            Kind::CharacterDevice | Kind::BlockDevice => {
                let (major, minor) = node.stored.device();
                Body::Device { major, minor }
            }
            Kind::Directory | Kind::Fifo | Kind::Socket => Body::Nothing,
        };
        let xattrs = self.xattrs(node).map_err(note).ok();
        Line {
            kind: Some(node.kind),
            mode: Some(node.mode()),
            owner: Some(Owner {
                uid: node.uid(),
                gid: node.gid(),
            }),
            mtime: Some(node.mtime()),
            link_count: Some(node.links_count().into()),
            size_bytes: matches!(node.kind, Kind::Regular | Kind::Symlink)
                .then(|| node.size_bytes()),
            xattrs,
            body,
            ..Line::unknown(&found.path)
        }
    }
}

/// The digests of files: of one with several names it is computed once, and all that is read is
/// not more than there is, though any number of inodes may map the same blocks.
struct Digests<'a> {
    view: &'a View,
    known: BTreeMap<InodeNumber, Body>,
    left_bytes: u64,
}

impl Digests<'_> {
    fn of(&mut self, node: &Node) -> Result<Body> {
        if let Some(known) = self.known.get(&node.number) {
            return Ok(known.clone());
        }
        let mut hasher = ContentHasher::default();
        let mut reader = self.view.content(node)?;
        while let Some((offset_bytes, data)) = reader.next_data()? {
            let left = self.left_bytes.checked_sub(data.len() as u64);
            self.left_bytes = left.ok_or_else(|| {
                self.view
                    .bad("the files together are larger than the filesystem")
            })?;
            // Data comes in ascending order.
            let _ = hasher.data(offset_bytes, data);
        }
        let body = Body::Content(hasher.finish(node.size_bytes()));
        if node.links_count() > 1 {
            self.known.insert(node.number, body.clone());
        }
        Ok(body)
    }
}
