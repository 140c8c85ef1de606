//! Everything below a directory, in one order.

use std::collections::BTreeSet;

use super::{Found, Node, View};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::listing::{Kind, join};
use crate::units::InodeNumber;

/// Directories above a name, at most: what the build takes of an image, too.
pub const MAX_DEPTH: usize = 1024;

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

/// Walks a tree, each directory before its children and these ascending by name. Names that no
/// sound directory has (empty, with `/` or NUL, twice) are problems.
///
/// Ends whatever the image says: a directory is entered once, and all directories together are
/// not larger than the filesystem.
#[derive(Debug)]
pub struct Walk<'a> {
    view: &'a View,
    start: Option<Found>,
    /// Of the directory entered last: the levels hold how much of it is theirs.
    path: Vec<u8>,
    open: Vec<Level>,
    entered: BTreeSet<InodeNumber>,
    blocks_left: u64,
    max_names: u64,
    names_left: u64,
    /// Steps that are due, the next at the end.
    due: Vec<Step>,
}

#[derive(Debug)]
struct Level {
    directory: Node,
    path_length: usize,
    /// What is still to come, the next at the end.
    children: Vec<(Box<[u8]>, InodeNumber)>,
    /// The name that came last.
    last: Box<[u8]>,
}

impl View {
    /// Walks `start` and everything below it.
    pub fn walk(&self, start: Found) -> Walk<'_> {
        Walk {
            view: self,
            start: Some(start),
            path: Vec::new(),
            open: Vec::new(),
            entered: BTreeSet::new(),
            blocks_left: self.image.blocks(),
            max_names: Limits::default().max_entries,
            names_left: Limits::default().max_entries,
            due: Vec::new(),
        }
    }
}

impl Walk<'_> {
    /// Ends with a problem after so many names.
    #[must_use]
    pub fn of_at_most(mut self, names: u64) -> Self {
        self.max_names = names;
        self.names_left = names;
        self
    }

    /// Gives a name, and makes what a directory holds come next.
    fn entry(&mut self, found: Found) -> Vec<Step> {
        if found.node.kind != Kind::Directory {
            return vec![Step::Entry(found)];
        }
        let children = self.enter(&found.node);
        let mut steps = vec![Step::Entry(found.clone())];
        match children {
            Ok(children) => {
                self.path.clone_from(&found.path);
                self.open.push(Level {
                    directory: found.node,
                    path_length: found.path.len(),
                    children,
                    last: Box::default(),
                });
            }
            Err(error) => {
                steps.push(Step::Problem {
                    path: found.path.clone(),
                    error,
                });
                steps.push(Step::Leave(found));
            }
        }
        steps
    }

    fn enter(&mut self, node: &Node) -> Result<Vec<(Box<[u8]>, InodeNumber)>> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self
                .view
                .bad(format!("more than {MAX_DEPTH} directories deep")));
        }
        if !self.entered.insert(node.number) {
            return Err(self.view.bad(format!(
                "inode {}: expected one name of a directory, found another",
                node.number
            )));
        }
        let blocks = node.stored.size_bytes.div_ceil(self.view.image.block_bytes);
        if blocks > self.blocks_left {
            return Err(self
                .view
                .bad("the directories are larger than the filesystem"));
        }
        self.blocks_left -= blocks;
        let names = self.view.read_dir(node)?;
        let Some(names_left) = self.names_left.checked_sub(names.len() as u64) else {
            return Err(Error::unsupported(format!(
                "more than {} names",
                self.max_names
            )));
        };
        self.names_left = names_left;
        let children = names.into_iter().rev();
        Ok(children.map(|entry| (entry.name, entry.inode)).collect())
    }

    fn steps(&mut self) -> Vec<Step> {
        if let Some(start) = self.start.take() {
            return self.entry(start);
        }
        let Some(level) = self.open.last_mut() else {
            return Vec::new();
        };
        let Some((name, inode)) = level.children.pop() else {
            let path = self.path[..level.path_length].to_vec();
            let left = self.open.pop().map(|level| level.directory);
            let step = left.map(|node| Step::Leave(Found { path, node }));
            return step.into_iter().collect();
        };
        // What was below a directory left meanwhile is cut off.
        self.path.truncate(level.path_length);
        let path = join(&self.path, &name);
        let wrong = if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
            Some("expected a file name, found one that cannot be")
        } else if name == level.last {
            Some("expected a name once in its directory, found it again")
        } else {
            None
        };
        level.last = name;
        if let Some(what) = wrong {
            let error = self.view.bad(what);
            return vec![Step::Problem { path, error }];
        }
        match self.view.node(inode) {
            Ok(node) => self.entry(Found { path, node }),
            Err(error) => vec![Step::Problem { path, error }],
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.due.is_empty() {
            self.due = self.steps();
            self.due.reverse();
        }
        self.due.pop()
    }
}
