//! Everything below a directory, in one order.

use super::image::ImageTree;
use super::node::{Found, Node};
use crate::error::Error;
use crate::listing::{Kind, join};
use crate::tree::NodeId;
use crate::view::{self, View};

/// A step of a [`Walk`].
#[derive(Debug)]
pub enum Step {
    /// A name, or a directory before what it holds.
    Entry(Found),
    /// A directory after what it holds.
    Leave(Found),
    /// A path that cannot be read, and why.
    Problem {
        /// Without a leading `/`.
        path: Vec<u8>,
        /// Why; the path is not in it.
        error: Error,
    },
}

/// Walks a tree, each directory before its children and these ascending by name.
#[derive(Debug)]
pub struct Walk<'a>(Kinds<'a>);

#[derive(Debug)]
enum Kinds<'a> {
    Filesystem(Box<view::Walk<'a>>),
    Image {
        image: ImageTree<'a>,
        start: Option<Found>,
        open: Vec<Level<'a>>,
    },
    /// What was looked for is from elsewhere.
    Strange(Option<Error>),
}

/// A directory of an image that was entered.
#[derive(Debug)]
struct Level<'a> {
    directory: Found,
    /// What is still to come.
    children: std::slice::Iter<'a, (Box<[u8]>, NodeId)>,
}

impl<'a> Walk<'a> {
    pub(super) fn of_filesystem(view: &'a View, start: Found) -> Self {
        let Found { path, node } = start;
        Self(match node.inode {
            Some(inode) => {
                Kinds::Filesystem(Box::new(view.walk(view::Found { path, node: *inode })))
            }
            None => Kinds::Strange(Some(Error::Mismatch(
                "a node was looked for where it is not from".to_owned(),
            ))),
        })
    }

    pub(super) fn of_image(image: ImageTree<'a>, start: Found) -> Self {
        Self(Kinds::Image {
            image,
            start: Some(start),
            open: Vec::new(),
        })
    }
}

/// Gives a name, and makes what a directory holds come next.
fn entry<'a>(image: ImageTree<'a>, open: &mut Vec<Level<'a>>, found: Found) -> Step {
    if found.node.kind == Kind::Directory {
        open.push(Level {
            children: image.children(&found.node).iter(),
            directory: found.clone(),
        });
    }
    Step::Entry(found)
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        match &mut self.0 {
            Kinds::Filesystem(walk) => Some(match walk.next()? {
                view::Step::Entry(found) => Step::Entry(found.into()),
                view::Step::Leave(found) => Step::Leave(found.into()),
                view::Step::Problem { path, error } => Step::Problem { path, error },
            }),
            Kinds::Image { image, start, open } => {
                if let Some(found) = start.take() {
                    return Some(entry(*image, open, found));
                }
                let level = open.last_mut()?;
                let Some((name, id)) = level.children.next() else {
                    return open.pop().map(|level| Step::Leave(level.directory));
                };
                let path = join(&level.directory.path, name);
                let node: Node = image.of(*id);
                Some(entry(*image, open, Found { path, node }))
            }
            Kinds::Strange(error) => Some(Step::Problem {
                path: Vec::new(),
                error: error.take()?,
            }),
        }
    }
}
