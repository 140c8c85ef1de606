//! A file that gets its name only when it is complete.
//!
//! Where the directory's filesystem can, the file has no name at all until then, so that not even
//! a killed process leaves anything behind; elsewhere it has a hidden name that is removed on
//! failure and on the signals that can be caught.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat};

use crate::command::path_of_open_file;
use crate::error::{Error, Result};
use crate::leftovers::{self, Registration};

/// How many hidden names this process has tried.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A file in the making, to be called `output`.
#[derive(Debug)]
pub struct PartialFile {
    file: File,
    output: PathBuf,
    name: PartialName,
}

/// How the file is reached until it has its own name.
#[derive(Debug)]
enum PartialName {
    /// Through this path in /proc.
    Unnamed(PathBuf),
    Hidden(HiddenName),
}

/// A name that must not stay.
#[derive(Debug)]
struct HiddenName {
    path: PathBuf,
    _registration: Registration,
}

impl HiddenName {
    /// Takes a name beside `output` by `create`, which must fail where it is taken: by a process of
    /// the same number in another container, or left by one that was killed.
    fn take<T>(output: &Path, create: impl Fn(&Path) -> io::Result<T>) -> Result<(T, Self)> {
        loop {
            let path = hidden_name(output);
            let _registration = leftovers::register_file(&path);
            match create(&path) {
                Ok(made) => {
                    let hidden = Self {
                        path,
                        _registration,
                    };
                    return Ok((made, hidden));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::path("create", &path, error)),
            }
        }
    }
}

impl Drop for HiddenName {
    fn drop(&mut self) {
        // Either it was renamed and is gone, or nobody wants it.
        let _ = fs::remove_file(&self.path);
    }
}

impl PartialFile {
    /// A new, empty file beside `output`, readable and writable as the umask allows.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory is missing or not writable, [`Error::Unsupported`] when
    /// `output` exists and is not a regular file.
    pub fn create(output: &Path) -> Result<Self> {
        refuse_other_types(output)?;
        let directory = directory_of(output);
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::open(directory, flags, Mode::from_raw_mode(0o666)) {
            Ok(fd) => {
                let file = File::from(fd);
                // Without a name it is reached through /proc alone.
                let Ok(own_path) = path_of_open_file(&file) else {
                    return Self::create_hidden(output);
                };
                Ok(Self {
                    file,
                    output: output.to_owned(),
                    name: PartialName::Unnamed(own_path.into()),
                })
            }
            // What filesystems and kernels without unnamed files answer.
            Err(
                rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL,
            ) => Self::create_hidden(output),
            Err(error) => Err(Error::path("create a file in", directory, error.into())),
        }
    }

    fn create_hidden(output: &Path) -> Result<Self> {
        let (file, hidden) = HiddenName::take(output, |path| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(path)
        })?;
        Ok(Self {
            file,
            output: output.to_owned(),
            name: PartialName::Hidden(hidden),
        })
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// A path at which another program can open the file while it has no name.
    pub fn path_for_programs(&self) -> PathBuf {
        match &self.name {
            PartialName::Hidden(hidden) => hidden.path.clone(),
            PartialName::Unnamed(path) => path.clone(),
        }
    }

    /// What the file will be called.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Gives the file its name, in place of a regular file that may have it.
    ///
    /// # Errors
    /// [`Error::Io`] when that fails; the file is gone then.
    pub fn persist(self) -> Result<()> {
        refuse_other_types(&self.output)?;
        let failed = |error: io::Error| Error::path("create", &self.output, error);
        let hidden = match self.name {
            PartialName::Hidden(hidden) => hidden,
            PartialName::Unnamed(own) => {
                let link = |to: &Path| linkat(CWD, &own, CWD, to, AtFlags::SYMLINK_FOLLOW);
                match link(&self.output) {
                    Ok(()) => return Ok(()),
                    Err(rustix::io::Errno::EXIST) => {}
                    Err(error) => return Err(failed(error.into())),
                }
                // A link never replaces; a rename does, so a second name is needed for a moment.
                HiddenName::take(&self.output, |path| Ok(link(path)?))?.1
            }
        };
        fs::rename(&hidden.path, &self.output).map_err(failed)?;
        drop(hidden);
        Ok(())
    }
}

/// Where a file of this name lives.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

/// A name beside `output`, another one each time.
fn hidden_name(output: &Path) -> PathBuf {
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let start = hidden_start(output.file_name().unwrap_or_default());
    directory_of(output).join(format!("{start}{}-{count}.partial", std::process::id()))
}

/// Whether `name` is such a name, of any process, beside an output of the name `output`.
pub fn is_hidden_name(output: &OsStr, name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let rest = name.strip_prefix(&hidden_start(output));
    let number = rest.and_then(|rest| rest.strip_suffix(".partial"));
    number.is_some_and(|number| {
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        number
            .split_once('-')
            .is_some_and(|(process, count)| is_number(process) && is_number(count))
    })
}

fn hidden_start(output: &OsStr) -> String {
    // Names end at 255 bytes.
    let name: String = output.to_string_lossy().chars().take(50).collect();
    format!(".{name}.")
}

fn refuse_other_types(output: &Path) -> Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let metadata = match fs::symlink_metadata(output) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::path("create", output, error)),
    };
    let file_type = metadata.file_type();
    let found = if file_type.is_file() {
        return Ok(());
    } else if file_type.is_symlink() {
        "a symbolic link"
    } else if file_type.is_dir() {
        "a directory"
    } else if file_type.is_block_device() {
        "a block device"
    } else {
        "a special file"
    };
    Err(Error::unsupported(format!(
        "{}: expected a regular file or nothing to write to, found {found}",
        output.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    type Create = fn(&Path) -> Result<PartialFile>;
    const WAYS: [Create; 2] = [PartialFile::create, PartialFile::create_hidden];

    #[test]
    fn a_file_dropped_before_its_time_leaves_nothing() {
        for create in WAYS {
            let directory = tempfile::tempdir().unwrap();
            let partial = create(&directory.path().join("out.img")).unwrap();
            partial.file().write_all_at(b"x");
            drop(partial);
            assert!(names(directory.path()).is_empty());
        }
    }

    trait WriteAll {
        fn write_all_at(&self, bytes: &[u8]);
    }
    impl WriteAll for File {
        fn write_all_at(&self, bytes: &[u8]) {
            (&mut &*self).write_all(bytes).unwrap();
        }
    }

    #[test]
    fn a_persisted_file_replaces_what_had_its_name_and_programs_can_open_it_before() {
        for create in WAYS {
            let directory = tempfile::tempdir().unwrap();
            let output = directory.path().join("out.img");
            for content in ["one", "two"] {
                let partial = create(&output).unwrap();
                partial.file().write_all_at(content.as_bytes());
                let mut seen = String::new();
                File::open(partial.path_for_programs())
                    .unwrap()
                    .read_to_string(&mut seen)
                    .unwrap();
                assert_eq!(seen, content);
                partial.persist().unwrap();
                assert_eq!(fs::read_to_string(&output).unwrap(), content);
            }
            assert_eq!(names(directory.path()), ["out.img"]);
        }
    }

    #[test]
    fn a_hidden_name_that_is_taken_is_left_alone_and_another_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join("out.img");
        fs::write(&output, "old").unwrap();
        let next = COUNTER.load(Ordering::Relaxed);
        // Many, as other tests take numbers meanwhile.
        for number in next..next + 300 {
            let name = format!(".out.img.{}-{number}.partial", std::process::id());
            fs::write(directory.path().join(name), "another's").unwrap();
        }
        for create in WAYS {
            let partial = create(&output).unwrap();
            partial.file().write_all_at(b"new");
            partial.persist().unwrap();
            assert_eq!(fs::read_to_string(&output).unwrap(), "new");
        }
        assert_eq!(names(directory.path()).len(), 301);
    }

    #[test]
    fn a_hidden_name_is_known_by_the_output_it_is_for() {
        for output in ["out.img", &"long".repeat(60), "n\u{fc}"] {
            let hidden = hidden_name(Path::new(output));
            let hidden = hidden.file_name().unwrap();
            assert!(is_hidden_name(OsStr::new(output), hidden));
            assert!(!is_hidden_name(OsStr::new("other"), hidden));
        }
        for other in [
            ".out.img.partial",
            ".out.img.1-x.partial",
            ".out.img.1-2",
            "out.img.1-2.partial",
        ] {
            assert!(
                !is_hidden_name(OsStr::new("out.img"), OsStr::new(other)),
                "{other}"
            );
        }
    }

    #[test]
    fn devices_directories_and_links_are_not_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for (path, found) in [
            (Path::new("/dev/null"), "a special file"),
            (directory.path(), "a directory"),
            (&link, "a symbolic link"),
        ] {
            let error = PartialFile::create(path).unwrap_err().to_string();
            assert!(error.contains(found), "{error}");
        }
        let missing = directory.path().join("missing/out.img");
        assert!(matches!(
            PartialFile::create(&missing),
            Err(Error::Io { .. })
        ));
    }
}
