//! From a path to what is there, inside whatever links say.

use super::inside::Inside;
use super::node::Found;
use crate::error::Result;
use crate::view::{self, Follow};

/// Looks paths up, any number of them.
#[derive(Debug)]
pub struct Lookups<'a> {
    inside: Inside<'a>,
    /// What the view of a filesystem remembers.
    known: Option<view::Lookups<'a>>,
}

impl<'a> Lookups<'a> {
    /// In what is looked into.
    pub fn of(inside: Inside<'a>) -> Self {
        let known = match inside {
            Inside::Filesystem(view) => Some(view.lookups()),
            Inside::Image(_) => None,
        };
        Self { inside, known }
    }

    /// Where they are looked up.
    pub fn inside(&self) -> Inside<'a> {
        self.inside
    }

    /// Looks a path up from the root; links on the way are followed, `..` stops at the root.
    ///
    /// # Errors
    /// Those of [`view::View::lookup`].
    pub fn find(&mut self, path: &[u8], follow: Follow) -> Result<Found> {
        match (&mut self.known, self.inside) {
            (Some(known), _) => known.find(path, follow).map(Found::from),
            (None, Inside::Image(image)) => image.find(path, follow),
            (None, Inside::Filesystem(view)) => view.lookup(path, follow).map(Found::from),
        }
    }
}
