//! A file that gets its name only when it is complete.
//!
//! Where the directory's filesystem can, the file has no name at all until then, so that not even
//! a killed process leaves anything behind; elsewhere it has a hidden name that is removed on
//! failure and on the signals that can be caught, and by the next build of the same output where a
//! killed one left it.
//!
//! Others may write in the directory, too. So it is opened once and everything in it is done from
//! there; programs are handed the open file and never its name, which may have become another
//! file's; and what got the output's name is held against the open file.

mod directory;
mod hidden_name;
#[cfg(test)]
mod tests;
mod together;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fchmod, linkat, openat};
use rustix::io::Errno;

pub use hidden_name::is_hidden_name;
pub use together::{persist_around, persist_together};

use crate::command::path_of_open_file;
use crate::error::{Error, Result, escape_path};
use crate::pinned::let_owner;
use directory::Directory;
use hidden_name::HiddenName;

/// A file in the making, to be called `output`.
#[derive(Debug)]
pub struct PartialFile {
    file: Arc<File>,
    output: PathBuf,
    directory: Arc<Directory>,
    /// Its name in the directory.
    last_name: OsString,
    /// Its mode as it is called at last, where the umask keeps its owner from it.
    left: Option<Mode>,
    /// Absent while it has no name at all.
    hidden: Option<HiddenName>,
    /// Whether it takes no name that another file has.
    no_clobber: bool,
}

impl PartialFile {
    /// A new, empty file beside `output`, readable and writable as the umask allows. What a killed
    /// process left of earlier ones is removed.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory is missing or not writable, [`Error::Unsupported`] when
    /// `output` exists and is not a regular file.
    pub fn create(output: &Path) -> Result<Self> {
        let (directory, last_name) = place_of(output)?;
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = match openat(&directory.fd, ".", flags, Mode::from_raw_mode(0o666)) {
            Ok(fd) => Arc::new(File::from(fd)),
            // What filesystems and kernels without unnamed files answer.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                return Self::create_hidden(output);
            }
            Err(error) => {
                let path = &directory.path;
                return Err(Error::path("create a file in", path, error.into()));
            }
        };
        // Without a name it is reached through /proc alone.
        if path_of_open_file(&file).is_err() {
            return Self::create_hidden(output);
        }
        // For the moment in which it has a hidden name.
        let is_locked = file.try_lock().is_ok();
        Self::of(output, directory, last_name, (file, None), is_locked)
    }

    fn create_hidden(output: &Path) -> Result<Self> {
        let (directory, last_name) = place_of(output)?;
        let (file, hidden, is_locked) = HiddenName::create(&directory, &last_name)?;
        let made = (file, Some(hidden));
        Self::of(output, directory, last_name, made, is_locked)
    }

    fn of(
        output: &Path,
        directory: Arc<Directory>,
        last_name: OsString,
        (file, hidden): (Arc<File>, Option<HiddenName>),
        has_locks: bool,
    ) -> Result<Self> {
        // Where locks are not to be had, nobody can tell what is in use.
        if has_locks {
            hidden_name::remove_orphans(&directory, &last_name, &file);
        }
        // Programs open it once more.
        let left = let_owner(&*file);
        Ok(Self {
            left: left.map_err(|error| Error::path("create", output, error.into()))?,
            file,
            output: output.to_owned(),
            directory,
            last_name,
            hidden,
            no_clobber: false,
        })
    }

    /// Whether it must not take the place of a file that has its name when it gets it.
    pub fn set_no_clobber(&mut self, no_clobber: bool) {
        self.no_clobber = no_clobber;
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// A path at which another program can open the file: this one, whatever has become of its
    /// name, and without anything in it that the program might take for options.
    ///
    /// # Errors
    /// [`Error::Io`] where `/proc` does not show this process.
    pub fn path_for_programs(&self) -> Result<PathBuf> {
        path_of_open_file(&self.file).map(PathBuf::from)
    }

    /// Calls the file `name` in its directory, in place of what it was to be called.
    pub fn set_name(&mut self, name: &str) {
        self.output.set_file_name(name);
        self.last_name = name.into();
    }

    /// What the file will be called.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Gives the file its name, in place of a regular file that may have it.
    ///
    /// # Errors
    /// [`Error::Io`] when that fails or the name is another file's at once; the file is gone then.
    pub fn persist(self) -> Result<()> {
        persist_together(vec![self])
    }

    /// Gives the file its name, whatever becomes of others.
    fn take_name(&mut self) -> Result<()> {
        refuse_other_types(&self.directory, &self.last_name, &self.output)?;
        let failed = |error: Errno| Error::path("create", &self.output, error.into());
        if let Some(left) = self.left {
            fchmod(&*self.file, left).map_err(failed)?;
        }
        let hidden = match self.hidden.take() {
            Some(hidden) => hidden,
            None => {
                let own = self.path_for_programs()?;
                let link =
                    |to: &OsStr| linkat(CWD, &own, &self.directory.fd, to, AtFlags::SYMLINK_FOLLOW);
                match link(&self.last_name) {
                    Ok(()) => return Ok(()),
                    Err(Errno::EXIST) if self.no_clobber => return Err(existing(&self.output)),
                    Err(Errno::EXIST) => {}
                    Err(error) => return Err(failed(error)),
                }
                // A link never replaces; a rename does, so a second name is needed for a moment.
                HiddenName::link(&self.directory, &self.last_name, &self.file, link)?
            }
        };
        hidden.expect_of(&self.file)?;
        let hidden_name = hidden.name().to_owned();
        let renamed = match self.no_clobber {
            true => hidden.rename_to_free(&self.last_name),
            false => hidden.rename(&self.last_name),
        };
        if let Err(error) = renamed {
            if error == Errno::EXIST && self.no_clobber {
                return Err(existing(&self.output));
            }
            // A directory of which nothing can be taken away (`chattr +a`) keeps it.
            let is_left = self.directory.has(&hidden_name, &self.file);
            let path = self.directory.path.join(&hidden_name);
            let left = escape_path(path.as_os_str().as_bytes());
            let more = is_left.then(|| format!("; {left} cannot be removed and is left"));
            return Err(failed(error).with_more(&more.unwrap_or_default()));
        }
        if self.directory.has(&self.last_name, &self.file) {
            return Ok(());
        }
        Err(Error::path(
            "create",
            &self.output,
            io::Error::other(hidden_name::TAKEN),
        ))
    }
}

/// Refuses a path that something has already.
///
/// # Errors
/// [`Error::Unsupported`] where that is so, [`Error::Io`] where it cannot be told.
pub fn refuse_existing(path: &Path) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Err(existing(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::path("create", path, error)),
    }
}

fn existing(path: &Path) -> Error {
    Error::unsupported(format!(
        "{}: expected no file there (--no-clobber), found one",
        escape_path(path.as_os_str().as_bytes())
    ))
}

/// Where a file of this name lives.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

/// The directory that a file is made in, opened, and its name there.
fn place_of(output: &Path) -> Result<(Arc<Directory>, OsString)> {
    let has_slash = output.as_os_str().as_bytes().ends_with(b"/");
    let Some(last_name) = output.file_name().filter(|_| !has_slash) else {
        // Where there is none, it was to become one that holds the file.
        return Err(match has_slash && !output.is_dir() {
            true => Error::unsupported(format!(
                "{}: expected a file's name, found one that ends with a slash",
                escape_path(output.as_os_str().as_bytes())
            )),
            false => expected_regular(output, "a directory"),
        });
    };
    let directory = Directory::open(directory_of(output))?;
    refuse_other_types(&directory, last_name, output)?;
    Ok((Arc::new(directory), last_name.to_owned()))
}

fn refuse_other_types(directory: &Directory, name: &OsStr, output: &Path) -> Result<()> {
    use rustix::fs::FileType;
    let stat = match directory.stat(name) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(Error::path("create", output, error.into())),
    };
    let found = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Symlink => "a symbolic link",
        FileType::Directory => "a directory",
        FileType::BlockDevice => "a block device",
        _ => "a special file",
    };
    Err(expected_regular(output, found))
}

fn expected_regular(output: &Path, found: &str) -> Error {
    Error::unsupported(format!(
        "{}: expected a regular file or nothing to write to, found {found}{}",
        escape_path(output.as_os_str().as_bytes()),
        match output.to_str() {
            Some("/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1") =>
                " (-o - writes to standard output)",
            _ => "",
        }
    ))
}
