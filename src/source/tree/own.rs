//! What a build itself makes inside the tree that it reads.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use rustix::fs::CWD;

use crate::partial_file::{directory_of, is_hidden_name};
use crate::pinned::{Identity, Pinned, identity};

/// Where the output is to be: what is there now is the last build's, and no part of the tree.
pub(super) struct OwnOutput {
    directory: Identity,
    name: OsString,
    /// Held so that no other directory gets its number.
    _held: Pinned,
}

impl OwnOutput {
    /// `None` where there is no such place, which whoever writes there will tell.
    pub(super) fn at(output: &Path) -> Option<Self> {
        let held = Pinned::behind(CWD, directory_of(output)).ok()?;
        Some(Self {
            directory: identity(&held.metadata),
            name: output.file_name()?.to_owned(),
            _held: held,
        })
    }

    /// Whether a name in a directory is the output's, its checksum's, or of one in the making.
    pub(super) fn is(&self, directory: Identity, name: &OsStr) -> bool {
        let beside = |suffix: &str| {
            let mut beside = self.name.clone();
            beside.push(suffix);
            beside
        };
        directory == self.directory
            && (name == self.name || name == beside(".sha256") || is_hidden_name(name, &self.name))
    }
}
