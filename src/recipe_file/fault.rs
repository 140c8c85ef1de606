//! What is said of keys that no recipe has.

use super::{EDITS, FilesystemRecipe, OutputRecipe};
use crate::edits::Edits;
use crate::error::shown;
use crate::pipeline::Limits;
use crate::toml_text::{keys_of, nearest};

/// What is said of a key that no recipe has there.
pub(super) fn unknown(key: &str, known: &[&str]) -> String {
    let said = shown(key);
    if let Some(section) = section_of(key).filter(|_| known.contains(&"filesystem")) {
        return format!("unknown key '{said}' here: it belongs to [{section}]");
    }
    if let Some(nearest) = nearest(key, known) {
        return format!("unknown key '{said}': the nearest is '{nearest}'");
    }
    if NOT_IN_RECIPES.contains(&key) {
        return format!(
            "unknown key '{said}': that is of the machine or of who runs it, and in no recipe (--{said} on the command line)"
        );
    }
    format!("unknown key '{said}': expected one of {}", known.join(", "))
}

/// Options that somebody may look for in a recipe.
const NOT_IN_RECIPES: [&str; 22] = [
    "cacert",
    "cache",
    "cache-dir",
    "creds",
    "creds-file",
    "creds-stdin",
    "docker-host",
    "docker-context",
    "e2fsck",
    "force",
    "jobs",
    "mke2fs",
    "no-clobber",
    "no-fsck",
    "offline",
    "quiet",
    "sync",
    "timeout",
    "trust",
    "tune2fs",
    "verify",
    "work-dir",
];

/// The section of a recipe that has a key.
fn section_of(key: &str) -> Option<&'static str> {
    let mut sections = sections().into_iter();
    let found = sections.find(|(_, keys)| keys.iter().any(|own| own == key));
    found.map(|(section, _)| section)
}

/// The sections of a recipe with their keys.
pub(super) fn sections() -> [(&'static str, Vec<String>); 4] {
    [
        ("filesystem", keys_of::<FilesystemRecipe>()),
        (EDITS, keys_of::<Edits>()),
        ("output", keys_of::<OutputRecipe>()),
        ("limits", keys_of::<Limits>()),
    ]
}
