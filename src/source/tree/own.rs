//! What a build itself makes inside the tree that it reads.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
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

    /// Whether a name in a directory is the output's, that of what is called after it, or of one of
    /// these in the making.
    pub(super) fn is(&self, directory: Identity, name: &OsStr) -> bool {
        let called_after = CALLED_AFTER.iter().map(|suffix| {
            let mut own = self.name.clone();
            own.push(suffix);
            own
        });
        // That of NAME.raw is without it.
        let bytes = self.name.as_bytes().strip_suffix(b".raw");
        let root_hash = bytes.map(|name| {
            let mut own = OsStr::from_bytes(name).to_owned();
            own.push(".roothash");
            own
        });
        let mut called_after = called_after.chain(root_hash);
        directory == self.directory
            && called_after.any(|own| name == own || is_hidden_name(name, &own))
    }
}

/// What stands behind an output's name in those of the files beside it.
const CALLED_AFTER: [&str; 8] = [
    "",
    ".sha256",
    ".gz",
    ".gz.sha256",
    ".zst",
    ".zst.sha256",
    ".roothash",
    ".manifest.json",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pinned::identity_at;

    #[test]
    fn what_is_called_after_the_output_is_its_own_in_its_directory_alone() {
        let directory = tempfile::tempdir().unwrap();
        let own = OwnOutput::at(&directory.path().join("x.img")).unwrap();
        let here = identity_at(directory.path()).unwrap();
        for suffix in CALLED_AFTER {
            let name = format!("x.img{suffix}");
            assert!(own.is(here, name.as_ref()), "{name}");
            assert!(!own.is(identity_at("/".as_ref()).unwrap(), name.as_ref()));
        }
        let raw = OwnOutput::at(&directory.path().join("x.raw")).unwrap();
        assert!(raw.is(here, "x.roothash".as_ref()));
        assert!(!raw.is(here, "x.sha256".as_ref()) && !own.is(here, "x.roothash".as_ref()));
        for name in ["x", "x.img.", "x.img.gz.gz", "y.img", "x.img.sha256.gz"] {
            assert!(!own.is(here, name.as_ref()), "{name}");
        }
    }
}
