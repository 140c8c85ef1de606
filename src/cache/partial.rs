//! A blob in the making: without a name until its digest is known to be right.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat, renameat};
use rustix::io::Errno;

use super::directory::{Directory, failed};
use crate::command::path_of_open_file;
use crate::error::{Error, Result};
use crate::leftovers::{self, Registration};
use crate::oci::document::check_found;
use crate::oci::{Digest, DigestHasher};
use crate::pinned::let_owner;

/// How many hidden names this process has tried.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A blob that is being written, from its first byte to its last.
#[derive(Debug)]
pub struct PartialBlob {
    file: File,
    name: PartialName,
    directory: Directory,
    digest: Digest,
    hasher: DigestHasher,
    written_bytes: u64,
}

/// How the file is reached until it is called by its digest.
#[derive(Debug)]
enum PartialName {
    /// Through this path in /proc.
    Unnamed(PathBuf),
    Hidden(HiddenName),
}

/// A name that must not stay. Its file is locked: one that is not is left of a killed process.
#[derive(Debug)]
struct HiddenName {
    name: String,
    path: PathBuf,
    _registration: Registration,
}

impl Drop for HiddenName {
    fn drop(&mut self) {
        // Either it was renamed and is gone, or nobody wants it.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl HiddenName {
    /// Takes a name by `create`, which must fail where it is taken: by a process of the same number
    /// in another container, or left by one that was killed.
    fn take<T>(
        directory: &Directory,
        create: impl Fn(&str) -> Result<T, Errno>,
    ) -> Result<(T, Self)> {
        loop {
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{count}", std::process::id());
            let path = directory.path().join(&name);
            // Registered once it is ours: another's of that name is not removed.
            let made = leftovers::make(|| {
                let (made, path) = (create(&name)?, path.clone());
                Ok((made, move || drop(std::fs::remove_file(path))))
            });
            match made {
                Ok((made, _registration)) => {
                    let hidden = Self {
                        name,
                        path,
                        _registration,
                    };
                    return Ok((made, hidden));
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(failed("create", &path, error)),
            }
        }
    }
}

impl PartialBlob {
    /// A new, empty file on the filesystem of `directory`.
    pub(super) fn create(directory: Directory, digest: &Digest) -> Result<Self> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let unnamed = openat(directory.fd(), ".", flags, Mode::from_raw_mode(0o600));
        let file = match unnamed {
            Ok(fd) => let_owner(&fd)
                .map(|_| File::from(fd))
                .map_err(|error| failed("create a file in", directory.path(), error))?,
            // What filesystems and kernels without unnamed files answer.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                return Self::create_hidden(directory, digest);
            }
            Err(error) => return Err(failed("create a file in", directory.path(), error)),
        };
        // It gets its name through /proc alone.
        let Ok(own_path) = path_of_open_file(&file) else {
            return Self::create_hidden(directory, digest);
        };
        Self::of(
            file,
            PartialName::Unnamed(own_path.into()),
            directory,
            digest,
        )
    }

    /// The same, with a name in `directory`.
    pub(super) fn create_hidden(directory: Directory, digest: &Digest) -> Result<Self> {
        let (file, hidden) = Self::hidden(&directory)?;
        Self::of(file, PartialName::Hidden(hidden), directory, digest)
    }

    fn of(file: File, name: PartialName, directory: Directory, digest: &Digest) -> Result<Self> {
        Ok(Self {
            file,
            name,
            directory,
            digest: digest.clone(),
            hasher: DigestHasher::like(digest)?,
            written_bytes: 0,
        })
    }

    fn hidden(directory: &Directory) -> Result<(File, HiddenName)> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        loop {
            let (file, hidden) = HiddenName::take(directory, |name| directory.open(name, flags))?;
            // Without locks, nothing is thought to be left of the killed.
            let _ = file.lock();
            // Another process may have thought so before it was locked.
            if is_named(&file) {
                return Ok((file, hidden));
            }
        }
    }

    /// What the bytes must hash to.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Adds to the end.
    ///
    /// # Errors
    /// [`Error::Io`] with the directory and the options that help.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| {
            let directory = self.directory.path().parent();
            let cache = directory.unwrap_or(self.directory.path()).display();
            Error::io(
                format!(
                    "cannot write to the cache {cache} (--cache-dir names another directory, --no-cache does without)"
                ),
                error,
            )
        })?;
        self.hasher.update(bytes);
        self.written_bytes += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes were written.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// The same file for reading what was written so far, also by other threads.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened once more.
    pub fn reader(&self) -> Result<File> {
        let path = match &self.name {
            PartialName::Unnamed(path) => path,
            PartialName::Hidden(hidden) => &hidden.path,
        };
        File::open(path).map_err(|error| Error::path("read", path, error))
    }

    /// Links the file into `directory` under its digest, if it is the right one.
    pub(super) fn persist(self, directory: &Directory) -> Result<()> {
        check_found(&self.digest, &self.hasher.finish())?;
        let name = self.digest.digest();
        let cannot = |error| failed("create", &directory.path().join(name), error);
        let hidden = match self.name {
            PartialName::Hidden(hidden) => hidden,
            PartialName::Unnamed(own) => {
                let link = |to: &Directory, name: &str| {
                    linkat(CWD, &own, to.fd(), name, AtFlags::SYMLINK_FOLLOW)
                };
                match link(directory, name) {
                    Ok(()) => return Ok(()),
                    Err(Errno::EXIST) => {}
                    Err(error) => return Err(cannot(error)),
                }
                // A link never replaces; a rename does, so a second name is needed for a moment.
                let _ = self.file.lock();
                HiddenName::take(&self.directory, |name| link(&self.directory, name))?.1
            }
        };
        let from = self.directory.fd();
        renameat(from, &hidden.name, directory.fd(), name).map_err(cannot)?;
        drop(hidden);
        Ok(())
    }
}

/// Whether an open file still has a name.
pub(super) fn is_named(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
}
