//! A directory of recipes.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Loaded, Variables, load};
use crate::error::{Error, Result, escape_path};

/// Reads the recipe at `path`; of a directory all that end in `.toml` and are not hidden, in byte order
/// of their names.
///
/// # Errors
/// Those of [`super::load()`], and [`Error::Unsupported`] for a directory without recipes.
pub fn load_all(path: &Path, is_confined: bool, variables: &mut Variables) -> Result<Vec<Loaded>> {
    if !path.is_dir() {
        return Ok(vec![load(path, is_confined, variables)?]);
    }
    let cannot_read = |error| Error::path("read", path, error);
    let mut names = Vec::new();
    for entry in path.read_dir().map_err(cannot_read)? {
        let name = entry.map_err(cannot_read)?.file_name();
        let bytes = name.as_bytes();
        if bytes.ends_with(b".toml") && !bytes.starts_with(b".") {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(Error::unsupported(format!(
            "{}: expected recipes in the directory (*.toml), found none",
            escape_path(path.as_os_str().as_bytes())
        )));
    }
    names.sort();
    let recipes = names.iter().map(|name| path.join(name));
    recipes
        .map(|path| load(&path, is_confined, variables))
        .collect()
}
