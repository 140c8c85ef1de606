//! The programs of e2fsprogs: where they are and whether they are recent enough.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::command::{Program, find, given};
use crate::error::{Error, Result};
use crate::progress::Reporter;

/// The oldest e2fsprogs whose mke2fs gives the same bytes as the newest.
const OLDEST: (u32, u32) = (1, 46);

/// What programs of e2fsprogs heed in the environment, beyond what they are given.
const VARIABLES: [&str; 12] = [
    "SOURCE_DATE_EPOCH",
    "MKE2FS_DEVICE_SECTSIZE",
    "MKE2FS_DEVICE_PHYS_SECTSIZE",
    "MKE2FS_FIRST_META_BG",
    "MKE2FS_SKIP_CHECK_MSG",
    "MKE2FS_SKIP_PROGRESS",
    "MKE2FS_SYNC",
    "E2FSPROGS_UNDO_DIR",
    "E2FSPROGS_LIBMAGIC_SUPPRESS",
    "E2FSCK_CONFIG",
    "E2FSCK_TIME",
    "E2FSPROGS_FAKE_TIME",
];

/// Where the user says the programs are; what is absent is searched for.
#[derive(Debug, Clone, Default)]
pub struct ToolPaths {
    /// mke2fs.
    pub mke2fs: Option<PathBuf>,
    /// tune2fs.
    pub tune2fs: Option<PathBuf>,
    /// e2fsck.
    pub e2fsck: Option<PathBuf>,
    /// debugfs.
    pub debugfs: Option<PathBuf>,
    /// The PATH to search.
    pub search_path: Option<OsString>,
}

/// The programs, found.
#[derive(Debug, Clone)]
pub struct Tools {
    mke2fs: PathBuf,
    tune2fs: PathBuf,
    e2fsck: Option<PathBuf>,
    debugfs: Option<PathBuf>,
    /// The version of mke2fs, as it gives it: `1.47.0`.
    pub version: String,
}

impl Tools {
    /// Finds the programs that a build needs, before any work: e2fsck and debugfs only where they
    /// are asked for.
    ///
    /// # Errors
    /// [`Error::Tool`] when one is absent, cannot be run or is too old.
    pub fn find(
        paths: &ToolPaths,
        with_e2fsck: bool,
        with_debugfs: bool,
        reporter: &dyn Reporter,
    ) -> Result<Self> {
        let search = |name: &str, chosen: &Option<PathBuf>| match chosen {
            Some(path) => given(path),
            None => find(name, paths.search_path.as_deref()),
        };
        let optional = |wanted: bool, name: &str, chosen: &Option<PathBuf>| {
            wanted.then(|| search(name, chosen)).transpose()
        };
        let mke2fs = search("mke2fs", &paths.mke2fs)?;
        Ok(Self {
            tune2fs: search("tune2fs", &paths.tune2fs)?,
            e2fsck: optional(with_e2fsck, "e2fsck", &paths.e2fsck)?,
            debugfs: optional(with_debugfs, "debugfs", &paths.debugfs)?,
            version: version_of(&mke2fs, reporter)?,
            mke2fs,
        })
    }

    /// mke2fs, with the clock stopped.
    pub fn mke2fs(&self, seconds: u32) -> Program {
        stopped(&self.mke2fs, seconds.into())
    }

    /// tune2fs, with the clock stopped.
    pub fn tune2fs(&self, seconds: u32) -> Program {
        stopped(&self.tune2fs, seconds.into())
    }

    /// e2fsck, which was asked for; with the clock stopped, so that a filesystem from the future of
    /// this machine is not called damaged.
    ///
    /// # Errors
    /// [`Error::Tool`] when it was not.
    pub fn e2fsck(&self, seconds: u64) -> Result<Program> {
        let path = asked_for("e2fsck", &self.e2fsck)?;
        let seconds_text = seconds.to_string();
        Ok(stopped(path, seconds).env("E2FSCK_TIME", Some(OsStr::new(&seconds_text))))
    }

    /// Where debugfs is, which was asked for.
    ///
    /// # Errors
    /// [`Error::Tool`] when it was not.
    pub fn debugfs(&self) -> Result<&Path> {
        asked_for("debugfs", &self.debugfs)
    }
}

fn asked_for<'a>(name: &str, path: &'a Option<PathBuf>) -> Result<&'a Path> {
    path.as_deref()
        .ok_or_else(|| Error::Tool(format!("{name} was not looked for before it was needed")))
}

/// A program that knows one time only and waits for no disk: whether the output is to be synced is
/// decided at the end.
fn stopped(path: &Path, seconds: u64) -> Program {
    VARIABLES
        .into_iter()
        .fold(Program::new(path), |program, name| program.env(name, None))
        .env(
            "E2FSPROGS_FAKE_TIME",
            Some(OsStr::new(&seconds.to_string())),
        )
        .unsynced()
}

fn version_of(mke2fs: &Path, reporter: &dyn Reporter) -> Result<String> {
    // It reads its configuration before it tells its version, and a broken one ends it.
    let output = Program::new(mke2fs)
        .env("MKE2FS_CONFIG", Some(OsStr::new("/dev/null")))
        .arg("-V")
        .run_to_success(reporter)?;
    let text = output.tail();
    // "mke2fs 1.47.0 (5-Feb-2023)"
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("mke2fs ")?.split_whitespace().next())
        .unwrap_or_default()
        .to_owned();
    let number = |part: Option<&str>| {
        let digits = part?
            .split(|letter: char| !letter.is_ascii_digit())
            .next()?;
        digits.parse::<u32>().ok()
    };
    let mut parts = version.split('.');
    match (number(parts.next()), number(parts.next())) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST => Ok(version),
        (Some(_), Some(_)) => Err(Error::Tool(format!(
            "{}: expected e2fsprogs {}.{} or newer, found {version} (--mke2fs PATH names another)",
            mke2fs.display(),
            OLDEST.0,
            OLDEST.1
        ))),
        _ => Err(Error::Tool(format!(
            "{}: expected mke2fs to tell its version, found: {text}",
            mke2fs.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use std::os::unix::fs::PermissionsExt;

    fn version_of_script(body: &str) -> Result<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mke2fs");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        version_of(&path, &Silent)
    }

    #[test]
    fn old_and_strange_programs_are_refused_and_recent_ones_taken() {
        let said =
            |version: &str| version_of_script(&format!("echo 'mke2fs {version} (date)' >&2"));
        for recent in ["1.46.0", "1.46.2", "1.47.4", "1.48-WIP", "2.0"] {
            assert_eq!(said(recent).unwrap(), recent);
        }
        for old in ["1.45.7", "1.9"] {
            let error = said(old).unwrap_err().to_string();
            assert!(
                error.contains("expected e2fsprogs 1.46 or newer"),
                "{error}"
            );
        }
        assert!(version_of_script("echo hello").is_err());
        assert!(version_of_script("exit 1").is_err());
    }
}
