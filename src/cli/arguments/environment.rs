//! What the environment says.

use std::ffi::OsString;
use std::path::PathBuf;

/// A variable's value; an empty one is none.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The user's own directory; relative ones are nobody's.
pub fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute())
}
