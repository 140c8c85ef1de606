//! Two filesystems, two images, or one of each, held against each other.

use std::collections::BTreeSet;

use super::listing::{Listed, listing, not_proven_equal};
use super::request::{Subject, setters};
use crate::compare::{Change, changes, leave_out_lost_found};
use crate::error::Result;
use crate::limits::Limits;
use crate::listing::Field;
use crate::progress::Reporter;

/// What is held against what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CompareRequest {
    /// The earlier one.
    pub before: Subject,
    /// The later one.
    pub after: Subject,
    /// Fields whose differences are none.
    pub ignored: BTreeSet<Field>,
    /// The time of directories that no layer of an image describes, in seconds since 1970, in place
    /// of the image's own.
    pub made_seconds: Option<i64>,
    /// Names of a filesystem beyond which it is not read.
    pub max_names: u64,
}

impl CompareRequest {
    /// Everything of both is compared.
    pub fn new(before: Subject, after: Subject) -> Self {
        Self {
            before,
            after,
            ignored: BTreeSet::new(),
            made_seconds: None,
            max_names: Limits::default().max_entries,
        }
    }

    setters! {
        with_ignored: ignored: BTreeSet<Field>,
        with_made_seconds: made_seconds: i64,
        with_max_names: max_names: u64,
    }
}

/// What two hold, and what differs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Comparison {
    /// The earlier and the later one.
    pub sides: [Listed; 2],
    /// What changed between them, ascending by path.
    pub changes: Vec<Change>,
}

impl Comparison {
    /// Whether both are the same.
    ///
    /// # Errors
    /// [`crate::Error::BadImage`] where that is not known: a side could not be read as a whole, or,
    /// no change being found, has changes in its journal that were not compared.
    pub fn is_equal(&self) -> Result<bool> {
        for side in &self.sides {
            side.check()?;
        }
        match self.sides.iter().find(|side| side.needs_recovery) {
            Some(side) if self.changes.is_empty() => Err(not_proven_equal(&side.name)),
            _ => Ok(self.changes.is_empty()),
        }
    }
}

/// Lists both and finds what differs. mke2fs's own `lost+found` counts for nothing.
///
/// # Errors
/// As [`listing()`].
pub fn compare(request: &CompareRequest, reporter: &dyn Reporter) -> Result<Comparison> {
    let list = |subject| listing(subject, request.made_seconds, request.max_names, reporter);
    let (mut before, mut after) = (list(&request.before)?, list(&request.after)?);
    leave_out_lost_found(&mut before.listing, &mut after.listing);
    let changes = changes(&before.listing, &after.listing, &request.ignored);
    Ok(Comparison {
        sides: [before, after],
        changes,
    })
}
