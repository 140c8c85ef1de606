//! The directory to mount on.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::mount_table::mounts;
use crate::error::{Error, Result};

/// A directory that nothing is mounted on, and that no other layerpress mounts on meanwhile.
/// Dropped without [`MountPoint::keep`], the directories made for it are removed.
#[derive(Debug)]
pub struct MountPoint {
    /// Where, without symbolic links.
    pub path: PathBuf,
    /// The directories that were made, deepest last.
    made: Vec<PathBuf>,
    /// Held while the directory is looked at and mounted on: the kernel would put one mount on
    /// the other.
    _lock: Option<File>,
}

impl MountPoint {
    /// Makes the directory and its parents where absent, and expects nothing to be mounted on it.
    /// It may hold files; they are hidden while it is mounted on.
    ///
    /// # Errors
    /// [`Error::Io`] when it is in use, no directory, or cannot be made.
    pub fn prepare(directory: &Path) -> Result<Self> {
        let mut point = Self {
            path: directory.to_owned(),
            made: Vec::new(),
            _lock: None,
        };
        point.make(directory)?;
        point.path = fs::canonicalize(directory).map_err(|error| unusable(directory, error))?;
        let opened = File::open(&point.path).map_err(|error| unusable(directory, error))?;
        if !opened
            .metadata()
            .map_err(|error| unusable(directory, error))?
            .is_dir()
        {
            return Err(unusable(
                directory,
                io::Error::new(ErrorKind::NotADirectory, "expected a directory"),
            ));
        }
        match opened.try_lock() {
            Err(TryLockError::WouldBlock) => {
                // The other needs what this one may have made.
                point.made.clear();
                return Err(in_use(directory, "another process is mounting there"));
            }
            // Some network filesystems have no locks.
            Err(TryLockError::Error(_)) => {}
            Ok(()) => point._lock = Some(opened),
        }
        let on_top = mounts()?
            .into_iter()
            .rfind(|mount| mount.mount_point == point.path);
        if let Some(mount) = on_top {
            let text = format!("{} is mounted there already", mount.source.display());
            return Err(in_use(directory, &text));
        }
        Ok(point)
    }

    fn make(&mut self, directory: &Path) -> Result<()> {
        let missing: Vec<_> = directory
            .ancestors()
            .filter(|path| !path.as_os_str().is_empty())
            .take_while(|path| matches!(path.try_exists(), Ok(false)))
            .collect();
        for path in missing.into_iter().rev() {
            match fs::create_dir(path) {
                Ok(()) => self.made.push(path.to_owned()),
                // Another process was faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
                Err(error) => return Err(Error::path("make the directory", path, error)),
            }
        }
        Ok(())
    }

    /// Lets others look at it, now that something is mounted on it.
    pub fn release(&mut self) {
        self._lock = None;
    }

    /// Leaves the directory in its place.
    pub fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for MountPoint {
    fn drop(&mut self) {
        for path in self.made.iter().rev() {
            // One that is mounted on stays, and what somebody else has put into it.
            let _ = fs::remove_dir(path);
        }
    }
}

fn unusable(directory: &Path, error: io::Error) -> Error {
    Error::path("mount on", directory, error)
}

fn in_use(directory: &Path, text: &str) -> Error {
    unusable(
        directory,
        io::Error::new(ErrorKind::ResourceBusy, format!("it is in use: {text}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_made_for_nothing_are_removed_and_those_that_were_there_stay() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        fs::create_dir(root.path().join("a")).unwrap();
        let point = MountPoint::prepare(&deep).unwrap();
        assert!(deep.is_dir());
        drop(point);
        assert!(!root.path().join("a/b").exists());
        assert!(root.path().join("a").exists());
        MountPoint::prepare(&deep).unwrap().keep();
        assert!(deep.is_dir());
    }

    #[test]
    fn mount_points_files_and_directories_being_mounted_on_are_refused() {
        let refused = |path: &Path| MountPoint::prepare(path).unwrap_err().to_string();
        assert!(refused(Path::new("/proc")).contains("in use: proc is mounted there already"));
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(refused(&file).contains("expected a directory"));
        assert!(refused(&file.join("below")).contains("Not a directory"));
        let _point = MountPoint::prepare(root.path()).unwrap();
        assert!(refused(root.path()).contains("another process is mounting there"));
    }
}
