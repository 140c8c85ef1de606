//! A recipe read from where it lies.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{MAX_BYTES, RecipeFile, Variables};
use crate::error::{Error, Result, escape_path};
use crate::pinned::{Reach, is_leading_out};

/// A recipe, and the directory in which its paths begin.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Where it was read.
    pub path: PathBuf,
    /// What it says.
    pub file: RecipeFile,
    /// Its directory, held.
    pub reach: Reach,
}

/// Reads the recipe at `path`. Its paths begin in the directory that `path` names, whatever the file
/// there is a link to; with `is_confined` neither they nor the file itself lead out of that.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Unsupported`] for what is no recipe.
pub fn load(path: &Path, is_confined: bool, variables: &mut Variables) -> Result<Loaded> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let cannot = |error: io::Error| match is_leading_out(&error) {
        true => Error::path("read", path, error).with_more(" (--allow-outside lets it)"),
        false => Error::path("read", path, error),
    };
    let Some(name) = path.file_name() else {
        return Err(Error::unsupported(format!(
            "{}: expected a recipe, found a directory",
            escape_path(path.as_os_str().as_bytes())
        )));
    };
    let reach = Reach::of(directory, is_confined).map_err(cannot)?;
    let file = reach.open_regular_file(Path::new(name)).map_err(cannot)?;
    let mut bytes = Vec::new();
    // One more tells that there is more.
    let read = file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes);
    read.map_err(cannot)?;
    let shown = path.to_string_lossy();
    Ok(Loaded {
        file: RecipeFile::parse(&shown, &bytes, variables)?,
        path: path.to_owned(),
        reach,
    })
}
