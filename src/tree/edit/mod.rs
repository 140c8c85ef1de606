//! The tree that layers show, changed as is asked for: what is left out (`filter`, with gitignore's
//! patterns in `pattern`) and owned by others (`owners`), where symbolic links lead nowhere since then
//! (`links`), and what came of all of it (`effect`).
//!
//! In which order says [`crate::edits`]. What is put in from elsewhere are changesets, applied as
//! layers are, between the filters and what follows.

mod effect;
mod filter;
mod links;
mod owners;
mod pattern;
mod trace;

pub use effect::{EditsDigest, effect};

use super::flattening::Flattening;
use super::growing::{GrowingTree, Lost};
use crate::edits::{Edits, Mode, Owner, OwnerMapping, TreePath};
use crate::error::{Error, Result};
use pattern::Patterns;

/// What is asked for, looked at as far as can be without a tree.
#[derive(Debug, Clone)]
pub struct TreeEdits {
    include: Vec<TreePath>,
    exclude: Patterns,
    remove: Vec<TreePath>,
    owner: Option<Owner>,
    map_owner: Vec<OwnerMapping>,
    root_mode: Option<Mode>,
    strict: bool,
}

/// What filters and removals left out of what the layers show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Names.
    pub names: u64,
    /// Bytes of files that have no other name that is left.
    pub bytes: u64,
}

impl TreeEdits {
    /// # Errors
    /// [`Error::Unsupported`] for what is no pattern, and for what says two things at once.
    pub fn of(edits: &Edits) -> Result<Self> {
        if edits.owner.is_some() && !edits.map_owner.is_empty() {
            return Err(Error::unsupported(
                "expected --owner or --map-owner, found both: after the first there is nobody left to map",
            ));
        }
        if edits.remove.iter().any(TreePath::is_root) {
            return Err(Error::unsupported(
                "--remove /: expected a path below the root: a filesystem has one",
            ));
        }
        Ok(Self {
            include: edits.include.clone(),
            exclude: Patterns::new(&edits.exclude)?,
            remove: edits.remove.clone(),
            owner: edits.owner,
            map_owner: edits.map_owner.clone(),
            root_mode: edits.root_mode,
            strict: edits.strict,
        })
    }

    /// Whether they leave the layers' own tree as it is, whatever it is. What is put in is not of
    /// these.
    pub fn are_none(&self) -> bool {
        self.include.is_empty()
            && self.exclude.is_empty()
            && self.remove.is_empty()
            && self.owner.is_none()
            && self.map_owner.is_empty()
            && self.root_mode.is_none()
    }

    /// Before anything is put in.
    ///
    /// # Errors
    /// [`Error::Absent`] for what matches nothing, where that is not to be.
    pub(super) fn before_put_in(&self, flattening: &mut Flattening<'_>) -> Result<LeftOut> {
        let Lost { names, bytes } = filter::filter(flattening, self)?;
        Ok(LeftOut { names, bytes })
    }

    /// After everything has been put in; `before` is the tree that the layers show.
    pub(super) fn after_put_in(&self, flattening: &mut Flattening<'_>, before: &GrowingTree) {
        owners::give(&mut flattening.tree, self);
        links::warn_of_dangling(flattening, before);
    }
}
