//! Where a program is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where e2fsprogs lives when an ordinary user's PATH leaves it out.
const SBIN_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Finds `program` in the directories of `search_path` (a PATH), then in the sbin directories.
///
/// # Errors
/// [`Error::Tool`] when it is in none of them.
pub fn find(program: &str, search_path: Option<&OsStr>) -> Result<PathBuf> {
    let in_sbin = || {
        let directories = SBIN_DIRECTORIES.map(PathBuf::from);
        first_executable(program, directories)
    };
    find_in_path(program, search_path)
        .or_else(in_sbin)
        .ok_or_else(|| {
            Error::Tool(format!(
                "{program} not found in PATH nor in {}: is e2fsprogs installed? (--{program} PATH names it)",
                SBIN_DIRECTORIES.join(", ")
            ))
        })
}

/// Finds `program` in the absolute directories of `search_path` (a PATH).
pub fn find_in_path(program: &str, search_path: Option<&OsStr>) -> Option<PathBuf> {
    let directories = search_path.map(std::env::split_paths);
    let directories = directories.into_iter().flatten();
    first_executable(program, directories.filter(|path| path.is_absolute()))
}

fn first_executable(
    program: &str,
    directories: impl IntoIterator<Item = PathBuf>,
) -> Option<PathBuf> {
    directories
        .into_iter()
        .map(|directory| directory.join(program))
        .find(|candidate| is_executable(candidate))
}

/// A program that the user named: checked like a found one, unless it is a bare name for PATH.
///
/// # Errors
/// [`Error::Tool`] when there is no such program.
pub fn given(path: &Path) -> Result<PathBuf> {
    let is_bare_name = path.components().count() == 1 && path.is_relative();
    if is_bare_name || is_executable(path) {
        return Ok(path.to_owned());
    }
    Err(Error::Tool(format!(
        "{}: expected a program, found {}",
        path.display(),
        if path.exists() {
            "something that cannot be executed"
        } else {
            "nothing there"
        }
    )))
}

fn is_executable(path: &Path) -> bool {
    use rustix::fs::{Access, access};
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}
