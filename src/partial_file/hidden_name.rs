//! Names that must not stay: `.NAME.PROCESS-NUMBER.partial`.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, linkat, openat, renameat, renameat_with,
};
use rustix::io::Errno;

use super::directory::Directory;
use crate::error::{Error, Result};
use crate::leftovers::{self, Registration};

/// How many hidden names this process has tried.
pub(super) static COUNTER: AtomicU32 = AtomicU32::new(0);

/// How often a new file is found locked or renamed by others before that is enough.
const ATTEMPTS: u32 = 100;

/// Said of a name that others gave to another file.
pub(super) const TAKEN: &str = "another process has put another file in its place";

const END: &str = ".partial";

/// A hidden name of an open file.
#[derive(Debug)]
pub(super) struct HiddenName {
    name: Arc<Name>,
    _registration: Registration,
}

/// What a signal takes away, too: by the directory that is open, and only while it is this file's.
#[derive(Debug)]
struct Name {
    directory: Arc<Directory>,
    name: OsString,
    file: Arc<File>,
}

impl Name {
    fn remove(&self) {
        self.directory.remove(&self.name, &self.file);
    }
}

impl HiddenName {
    /// Makes a file with a hidden name for `output`, and locks it as being in use; says whether
    /// there are locks.
    pub fn create(directory: &Arc<Directory>, output: &OsStr) -> Result<(Arc<File>, Self, bool)> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let make = |name: &OsStr| openat(&directory.fd, name, flags, mode);
        for _ in 0..ATTEMPTS {
            let hidden = Self::take(directory, output, |name| {
                make(name).map(|fd| Arc::new(File::from(fd)))
            })?;
            let file = Arc::clone(&hidden.name.file);
            let has_locks = match file.try_lock() {
                Ok(()) => true,
                // Another process thinks it left over, or means to hold us up.
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(_)) => false,
            };
            // One that thought so before it was locked has removed it.
            if directory.has(hidden.name(), &file) {
                return Ok((file, hidden, has_locks));
            }
        }
        let taken = io::Error::other(TAKEN);
        Err(Error::path("create a file in", &directory.path, taken))
    }

    /// Gives `file` a hidden name for `output` by `link`.
    pub fn link(
        directory: &Arc<Directory>,
        output: &OsStr,
        file: &Arc<File>,
        link: impl Fn(&OsStr) -> Result<(), Errno>,
    ) -> Result<Self> {
        let create = |name: &OsStr| link(name).map(|()| Arc::clone(file));
        Self::take(directory, output, create)
    }

    /// Takes a name beside `output` by `create`, which must fail where it is taken: by a process of
    /// the same number in another container, or left by one that was killed.
    fn take(
        directory: &Arc<Directory>,
        output: &OsStr,
        create: impl Fn(&OsStr) -> Result<Arc<File>, Errno>,
    ) -> Result<Self> {
        loop {
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let start = start(output);
            let name = OsString::from(format!("{start}{}-{count}{END}", std::process::id()));
            let path = directory.path.join(&name);
            let made = leftovers::make(|| {
                let file = create(&name)?;
                let directory = Arc::clone(directory);
                let name = Arc::new(Name {
                    directory,
                    name,
                    file,
                });
                let left = Arc::clone(&name);
                Ok((name, move || left.remove()))
            });
            match made {
                Ok((name, _registration)) => {
                    return Ok(Self {
                        name,
                        _registration,
                    });
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(Error::path("create", &path, error.into())),
            }
        }
    }

    /// What it is.
    pub fn name(&self) -> &OsStr {
        &self.name.name
    }

    /// Expects that it has not become another file's name.
    pub fn expect_of(&self, file: &File) -> Result<()> {
        if self.name.directory.has(self.name(), file) {
            return Ok(());
        }
        let path = self.name.directory.path.join(self.name());
        Err(Error::path("rename", &path, io::Error::other(TAKEN)))
    }

    /// Makes it the name `to` in the same directory.
    pub fn rename(self, to: &OsStr) -> Result<(), Errno> {
        let fd = &self.name.directory.fd;
        renameat(fd, self.name(), fd, to)
    }

    /// The same where nothing has that name; [`Errno::EXIST`] where something has.
    pub fn rename_to_free(self, to: &OsStr) -> Result<(), Errno> {
        let fd = &self.name.directory.fd;
        match renameat_with(fd, self.name(), fd, to, RenameFlags::NOREPLACE) {
            // What filesystems and kernels answer that cannot do so. A link never replaces, either, and
            // the hidden name goes when this is dropped.
            Err(Errno::INVAL | Errno::NOSYS) => linkat(fd, self.name(), fd, to, AtFlags::empty()),
            renamed => renamed,
        }
    }
}

impl Drop for HiddenName {
    fn drop(&mut self) {
        // Either it was renamed and is gone, or nobody wants it. What others put in its place is theirs.
        self.name.remove();
    }
}

/// What all hidden names for an output begin with.
fn start(output: &OsStr) -> String {
    // Names end at 255 bytes.
    let name: String = output.to_string_lossy().chars().take(50).collect();
    format!(".{name}.")
}

/// Whether a name was made here for `output`.
pub fn is_hidden_name(name: &OsStr, output: &OsStr) -> bool {
    let numbers = || {
        let rest = name.to_str()?.strip_prefix(&start(output))?;
        rest.strip_suffix(END)?.split_once('-')
    };
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    numbers().is_some_and(|(process, count)| is_number(process) && is_number(count))
}

/// Removes what killed processes left: the files with hidden names for `output` that no process holds:
/// regular ones that belong to whom `own` belongs and have no other name, but `output` itself, which was
/// about to be replaced. Best effort: they are in nobody's way.
pub(super) fn remove_orphans(directory: &Directory, output: &OsStr, own: &File) {
    let Ok(owner) = own.metadata().map(|metadata| metadata.uid()) else {
        return;
    };
    for name in names(directory, output) {
        let is_ours = |uid, kind| uid == owner && kind == FileType::RegularFile;
        // Opening alone may do something to what is no regular file.
        let looks_so = directory.stat(&name).is_ok_and(|stat| {
            let kind = FileType::from_raw_mode(stat.st_mode);
            stat.st_nlink <= 2 && is_ours(stat.st_uid, kind)
        });
        if !looks_so {
            continue;
        }
        let Ok(file) = directory.open_file(&name) else {
            continue;
        };
        let is_so = file.metadata().is_ok_and(|metadata| {
            let is_alone = match metadata.nlink() {
                1 => true,
                2 => directory.has(output, &file),
                _ => false,
            };
            metadata.is_file() && metadata.uid() == owner && is_alone
        });
        if is_so && file.try_lock().is_ok() {
            directory.remove(&name, &file);
        }
    }
}

fn names(directory: &Directory, output: &OsStr) -> Vec<OsString> {
    let Ok(entries) = directory.readable().and_then(Dir::new) else {
        return Vec::new();
    };
    entries
        .map_while(Result::ok)
        .map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned())
        .filter(|name| is_hidden_name(name, output))
        .collect()
}
