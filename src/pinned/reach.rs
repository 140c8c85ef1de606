//! Where paths begin, and whether they may lead out of there.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use super::{DIRECTORY, Pinned};

/// The directory in which relative paths begin: the working directory by default, from which every
/// path may be reached; or another one, held open, out of which none may lead.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    base: Option<Arc<Base>>,
}

#[derive(Debug)]
struct Base {
    held: OwnedFd,
    path: PathBuf,
    is_confined: bool,
}

/// Those of one directory, by its name, are alike.
impl PartialEq for Reach {
    fn eq(&self, other: &Self) -> bool {
        let parts = |reach: &Self| {
            let base = reach.base.as_ref();
            base.map(|base| (base.path.clone(), base.is_confined))
        };
        parts(self) == parts(other)
    }
}

impl Eq for Reach {}

/// How often a lookup is tried that others disturb by renaming (`openat2` answers `EAGAIN`).
const TRIES: usize = 64;

impl Reach {
    /// Paths that begin in `directory` and, where that is wanted, do not lead out of it: neither by
    /// `..` or a slash at their start nor by a symbolic link. The directory is held.
    ///
    /// # Errors
    /// The operating system's.
    pub fn of(directory: &Path, is_confined: bool) -> io::Result<Self> {
        // A link to it is followed: that is what was named.
        let held = Pinned::behind(CWD, directory)?.open_directory()?;
        Ok(Self {
            base: Some(Arc::new(Base {
                held,
                path: directory.to_owned(),
                is_confined,
            })),
        })
    }

    /// Paths that begin in the directory at `path`, and stay in it where these stay in theirs.
    ///
    /// # Errors
    /// As [`Self::pin`].
    pub fn inside(&self, path: &Path) -> io::Result<Self> {
        Ok(Self {
            base: Some(Arc::new(Base {
                held: self.pin(path)?.open_directory()?,
                path: self.at(path),
                is_confined: self.is_confined(),
            })),
        })
    }

    /// Whether there are paths that are refused.
    pub fn is_confined(&self) -> bool {
        self.base.as_ref().is_some_and(|base| base.is_confined)
    }

    /// The directory in which paths begin.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.base.as_ref().map_or(CWD, |base| base.held.as_fd())
    }

    /// Where a path is as seen from the working directory: to ask whether it is there, and to name
    /// it. What is read is what [`Self::pin`] holds.
    pub fn at(&self, path: &Path) -> PathBuf {
        match &self.base {
            Some(base) => base.path.join(path),
            None => path.to_owned(),
        }
    }

    /// Holds what a path leads to, its symbolic links followed where they stay inside.
    ///
    /// # Errors
    /// The operating system's, and one of kind `PermissionDenied` where the path leads out.
    pub fn pin(&self, path: &Path) -> io::Result<Pinned> {
        let Some(base) = self.base.as_ref().filter(|base| base.is_confined) else {
            return Pinned::behind(self.directory(), path);
        };
        // The kernel lets an absolute path be an error; a link to one is.
        if path.is_absolute() {
            return Err(leads_out(base));
        }
        let held = match beneath(base.held.as_fd(), path) {
            // A kernel before 5.6, or a filter of system calls that does not know it.
            Err(Errno::NOSYS | Errno::PERM) => step_by_step(base.held.as_fd(), path),
            held => held,
        };
        match held {
            Ok(held) => {
                let held = File::from(held);
                let metadata = held.metadata()?;
                Ok(Pinned {
                    held,
                    flags: OFlags::empty(),
                    metadata,
                })
            }
            Err(Errno::XDEV) => Err(leads_out(base)),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a regular file for reading. Anything else in its place is an error before it is opened: a
    /// FIFO would wait, and a device may do something at once.
    ///
    /// # Errors
    /// As [`Self::pin`]; for what is no regular file one of kind `Other`.
    pub fn open_regular_file(&self, path: &Path) -> io::Result<File> {
        self.pin(path)?.open(self.directory(), path)
    }
}

/// Whether that is what is wrong, and not that the operating system refuses to open something.
pub fn is_leading_out(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

fn leads_out(base: &Base) -> io::Error {
    let mut directory = base.path.display().to_string();
    if directory.is_empty() {
        directory.push('.');
    }
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("expected a path that stays below {directory}, found one that leads out of it"),
    )
}

const HOLDING: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

fn beneath(directory: BorrowedFd<'_>, path: &Path) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 1..TRIES {
        match openat2(directory, path, HOLDING, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            held => return held,
        }
    }
    openat2(directory, path, HOLDING, Mode::empty(), resolve)
}

/// The same by hand, and stricter: no `..` and no symbolic link at all.
fn step_by_step(directory: BorrowedFd<'_>, path: &Path) -> rustix::io::Result<OwnedFd> {
    let holding = HOLDING | OFlags::NOFOLLOW;
    let mut held = openat(directory, ".", holding, Mode::empty())?;
    for component in path.components() {
        let name = match component {
            Component::CurDir => continue,
            Component::Normal(name) => name,
            _ => return Err(Errno::XDEV),
        };
        let below = openat(&held, ".", DIRECTORY, Mode::empty())?;
        held = openat(&below, name, holding, Mode::empty())?;
        let stat = rustix::fs::fstat(&held)?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink() {
            return Err(Errno::XDEV);
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A directory `in` with a file, links that stay, and links and paths that lead out.
    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("in/below")).unwrap();
        fs::write(at("in/below/file"), "inside").unwrap();
        fs::write(at("secret"), "outside").unwrap();
        symlink("below/file", at("in/stays")).unwrap();
        symlink("../secret", at("in/out")).unwrap();
        symlink("..", at("in/up")).unwrap();
        symlink(at("in/below/file"), at("in/absolute")).unwrap();
        symlink("/proc/self/cwd", at("in/magic")).unwrap();
        directory
    }

    const OUT: [&str; 6] = [
        "../secret",
        "out",
        "up/secret",
        "absolute",
        "magic",
        "below/../../secret",
    ];

    #[test]
    fn what_leads_out_is_refused_and_what_stays_is_held() {
        let directory = directory();
        let reach = Reach::of(&directory.path().join("in"), true).unwrap();
        for path in ["below/file", "./below/../below/file", "stays"] {
            let file = reach.open_regular_file(Path::new(path)).unwrap();
            assert_eq!(io::read_to_string(file).unwrap(), "inside", "{path}");
        }
        let absolute = directory.path().join("in/below/file");
        for path in OUT.map(Path::new).into_iter().chain([absolute.as_path()]) {
            let error = reach.pin(path).unwrap_err();
            assert!(error.to_string().contains("leads out"), "{path:?}: {error}");
            assert!(is_leading_out(&error));
        }
        assert!(!is_leading_out(&Errno::ACCESS.into()));
        assert!(reach.pin(Path::new("absent")).unwrap_err().kind() == io::ErrorKind::NotFound);
        // Where nothing is confined, each leads somewhere.
        let anywhere = Reach::of(&directory.path().join("in"), false).unwrap();
        for path in OUT.map(Path::new).into_iter().chain([absolute.as_path()]) {
            anywhere.pin(path).unwrap();
        }
    }

    #[test]
    fn a_directory_is_the_one_that_was_named_whatever_has_its_name_by_now() {
        let directory = directory();
        let at = |name: &str| directory.path().join(name);
        let reach = Reach::of(&at("in"), true).unwrap();
        fs::rename(at("in"), at("away")).unwrap();
        fs::create_dir_all(at("in/below")).unwrap();
        fs::write(at("in/below/file"), "another").unwrap();
        let file = reach.open_regular_file(Path::new("below/file")).unwrap();
        assert_eq!(io::read_to_string(file).unwrap(), "inside");
    }

    #[test]
    fn step_by_step_nothing_leads_out_either() {
        let directory = directory();
        let reach = Reach::of(&directory.path().join("in"), true).unwrap();
        let pin = |path: &str| step_by_step(reach.directory(), Path::new(path));
        pin("./below/file").unwrap();
        pin(".").unwrap();
        for path in OUT {
            let error = pin(path).unwrap_err();
            assert_eq!(error, Errno::XDEV, "{path}");
        }
        assert_eq!(pin("below/absent").unwrap_err(), Errno::NOENT);
        assert_eq!(pin("below/file/below").unwrap_err(), Errno::NOTDIR);
    }
}
