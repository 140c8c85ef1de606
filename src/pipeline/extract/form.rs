//! What an output is to be, by its name and by what is taken out.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::compression::{Encoding, EncodingForm};
use crate::error::{Error, Result, escape_path, shell_word};
use crate::listing::Kind;
use crate::look::Found;

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A directory.
    Directory,
    /// A tar, perhaps compressed.
    Archive(Option<Encoding>),
    /// A file.
    File,
}

/// Endings of tars, and how each is compressed.
const TARS: [(&str, Option<EncodingForm>); 5] = [
    (".tar", None),
    (".tar.gz", Some(EncodingForm::Gzip)),
    (".tgz", Some(EncodingForm::Gzip)),
    (".tar.zst", Some(EncodingForm::Zstd)),
    (".tzst", Some(EncodingForm::Zstd)),
];

/// Endings of archives and compressed files, none of which is made of several names.
const OTHER_ENDINGS: [&str; 19] = [
    "7z", "br", "bz2", "cpio", "gz", "img", "iso", "lz", "lz4", "lzma", "sqfs", "squashfs", "tbz",
    "tbz2", "tlz", "txz", "xz", "z", "zip",
];

impl Form {
    /// A directory that is there stays one whatever its name. What is itself called as a tar is taken
    /// out as it is, for who takes `/a.tar` to `a.tar` wants that file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a name that means a file of another kind where a directory would be
    /// made: one called so is nobody's wish.
    pub(super) fn of(path: &Path, found: &[Found], is_several: bool) -> Result<Self> {
        if path.as_os_str().as_bytes().ends_with(b"/") || path.is_dir() {
            return Ok(Self::Directory);
        }
        let single = match found {
            [one] if !is_several && one.node.kind != Kind::Directory => Some(one),
            _ => None,
        };
        let ending = tar_ending(path.as_os_str().as_bytes());
        let own_ending = single.and_then(|one| tar_ending(&one.path));
        match (ending, single) {
            (Some((ending, _)), Some(_)) if own_ending.is_some_and(|(own, _)| own == ending) => {
                Ok(Self::File)
            }
            (Some((_, form)), _) => Ok(Self::Archive(
                form.and_then(|form| Encoding::new(form, None)),
            )),
            (None, Some(_)) => Ok(Self::File),
            (None, None) if has_other_ending(path) => Err(refused(path)),
            (None, None) => Ok(Self::Directory),
        }
    }
}

fn tar_ending(path: &[u8]) -> Option<(&'static str, Option<EncodingForm>)> {
    let path = path.to_ascii_lowercase();
    TARS.into_iter()
        .find(|(ending, _)| path.ends_with(ending.as_bytes()))
}

fn has_other_ending(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
    let zst = ["zst"];
    ending.is_some_and(|ending| OTHER_ENDINGS.iter().chain(&zst).any(|own| ending == **own))
}

fn refused(path: &Path) -> Error {
    let shown = escape_path(path.as_os_str().as_bytes());
    let typed = shell_word(path);
    let directory = shell_word(path.join(""));
    Error::unsupported(format!(
        "{shown}: expected a directory, or a name that ends with .tar, .tar.gz or .tar.zst; `-o - | PROGRAM > {typed}` lets another pack a tar, `-o {directory}` makes a directory"
    ))
}

/// Refuses a file that is there, unless it may be replaced; and always what is no file: nobody means a
/// device to be replaced by one.
///
/// # Errors
/// [`Error::Unsupported`] then, [`Error::Io`] where that cannot be told.
pub(super) fn refuse_existing(path: &Path, replaces: bool) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        // What a link leads to is not replaced through it, and the link is not either.
        Ok(there) if !there.is_file() => Err(Error::unsupported(format!(
            "{}: expected a regular file or none there, found {} (`-o -` writes a tar to standard output, `cat` a file's content)",
            escape_path(path.as_os_str().as_bytes()),
            match there.is_symlink() {
                true => "a symbolic link",
                false => "a device, a pipe or a socket",
            }
        ))),
        Ok(_) if replaces => Ok(()),
        Ok(_) => Err(Error::unsupported(format!(
            "{}: expected no file there, found one (--force replaces it)",
            escape_path(path.as_os_str().as_bytes())
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::path("create", path, error)),
    }
}
