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

/// The names of all variables that begin so, in the order of their bytes.
pub fn variables_with(beginning: &str) -> Vec<String> {
    let names = std::env::vars_os().filter(|(_, value)| !value.is_empty());
    let names = names.map(|(name, _)| name.to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(beginning)).collect();
    names.sort();
    names
}

/// Where the user's configuration is; a relative place is none (XDG Base Directory Specification).
pub fn config_directory() -> Option<PathBuf> {
    let said = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    said.filter(|path| path.is_absolute())
        .or_else(|| Some(home()?.join(".config")))
}
