//! What a build itself makes inside the tree that it reads.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;

use crate::partial_file::{directory_of, is_hidden_name};
use crate::pinned::{Identity, Pinned, identity};

/// Where files of this run are to be: what is there now is the last run's, and no part of the tree.
pub(super) struct OwnFiles(Vec<OwnFile>);

/// One of them.
struct OwnFile {
    directory: Identity,
    /// Its name, and an output's with each ending of what is called after it.
    names: Vec<OsString>,
    /// Held so that no other directory gets its number.
    _held: Pinned,
}

impl OwnFiles {
    /// The output, all that is ever called after it, and what else this run writes by names of their
    /// own. Where there is no such place, whoever writes there will tell.
    pub(super) fn of(output: Option<&Path>, written: &[PathBuf]) -> Self {
        let output = output.and_then(|output| OwnFile::at(output, names_after));
        let named = |path: &PathBuf| OwnFile::at(path, |name| vec![name.to_owned()]);
        let named = written.iter().filter_map(named);
        Self(output.into_iter().chain(named).collect())
    }

    /// Whether a name in a directory is that of such a file, or of one of these in the making.
    pub(super) fn are(&self, directory: Identity, name: &OsStr) -> bool {
        let here = self.0.iter().filter(|own| own.directory == directory);
        here.flat_map(|own| &own.names)
            .any(|own| name == own || is_hidden_name(name, own))
    }
}

impl OwnFile {
    fn at(path: &Path, names: impl Fn(&OsStr) -> Vec<OsString>) -> Option<Self> {
        let held = Pinned::behind(CWD, directory_of(path)).ok()?;
        Some(Self {
            directory: identity(&held.metadata),
            names: names(path.file_name()?),
            _held: held,
        })
    }
}

/// The names of an output and of what is called after it.
fn names_after(output: &OsStr) -> Vec<OsString> {
    let with = |name: &OsStr, ending: &str| {
        let mut own = name.to_owned();
        own.push(ending);
        own
    };
    let mut names: Vec<_> = CALLED_AFTER.map(|ending| with(output, ending)).into();
    // That of NAME.raw is without it.
    if let Some(name) = output.as_bytes().strip_suffix(b".raw") {
        names.push(with(OsStr::from_bytes(name), ".roothash"));
    }
    names
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
        let own = OwnFiles::of(Some(&directory.path().join("x.img")), &[]);
        let here = identity_at(directory.path()).unwrap();
        for suffix in CALLED_AFTER {
            let name = format!("x.img{suffix}");
            assert!(own.are(here, name.as_ref()), "{name}");
            assert!(!own.are(identity_at("/".as_ref()).unwrap(), name.as_ref()));
        }
        let raw = OwnFiles::of(Some(&directory.path().join("x.raw")), &[]);
        assert!(raw.are(here, "x.roothash".as_ref()));
        assert!(!raw.are(here, "x.sha256".as_ref()) && !own.are(here, "x.roothash".as_ref()));
        for name in ["x", "x.img.", "x.img.gz.gz", "y.img", "x.img.sha256.gz"] {
            assert!(!own.are(here, name.as_ref()), "{name}");
        }
    }

    /// Bug: what `--manifest FILE` wrote was packed by the next run, and so the image never settled.
    #[test]
    fn what_is_written_by_a_name_of_its_own_is_own_without_anything_called_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let own = OwnFiles::of(Some(&at("x.img")), &[at("m.json"), at("nowhere/m")]);
        let here = identity_at(directory.path()).unwrap();
        for name in ["x.img", "x.img.gz", "m.json", ".m.json.12-3.partial"] {
            assert!(own.are(here, name.as_ref()), "{name}");
        }
        for name in ["m.json.gz", "m", "x.img.m"] {
            assert!(!own.are(here, name.as_ref()), "{name}");
        }
    }
}
