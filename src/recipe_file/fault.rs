//! What is wrong with a recipe, in one line: where, what was expected and what was found.

use std::ops::Range;

use serde::de::Deserialize;
use serde::de::value::{Error as Plain, MapDeserializer};
use strsim::osa_distance;

use super::{EDITS, FilesystemRecipe, OutputRecipe};
use crate::edits::Edits;
use crate::error::{Error, escape_line, shown};
use crate::pipeline::Limits;

/// The text of a recipe with its name, to say where something is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

impl Text<'_> {
    /// Something wrong at a place of the text, in bytes.
    pub fn wrong_at(&self, span: Option<Range<usize>>, what: &str) -> Error {
        let name = escape_line(self.name);
        let at = span.map(|span| span.start.min(self.text.len()));
        // An end that is no letter's is none of ours.
        let before = at.and_then(|at| self.text.get(..at));
        let place = before.map_or_else(String::new, |before| {
            let line = before.matches('\n').count() + 1;
            let start = before.rfind('\n').map_or(0, |at| at + 1);
            let column = before[start..].chars().count() + 1;
            format!(":{line}:{column}")
        });
        Error::unsupported(format!("{name}{place}: {what}"))
    }

    /// What serde or the TOML reader found.
    pub fn wrong(&self, error: &toml::de::Error) -> Error {
        let found = error.span().and_then(|span| self.text.get(span));
        let what = told(error.message(), found.unwrap_or_default());
        self.wrong_at(error.span(), &what)
    }
}

/// The message in our own words: "expected … found …".
fn told(message: &str, found: &str) -> String {
    if message.contains("recursion limit") || message.contains("max recursion depth") {
        return "expected tables and lists no more than 80 deep, found deeper ones".to_owned();
    }
    const UNKNOWN: &str = "unknown field `";
    if let Some(rest) = message.strip_prefix(UNKNOWN) {
        let (key, expected) = rest.rsplit_once("`, expected ").unwrap_or((rest, ""));
        return unknown(key, &in_backticks(expected));
    }
    for wrong in ["invalid type: ", "invalid value: ", "invalid length: "] {
        let parts = message.strip_prefix(wrong);
        if let Some((found, expected)) = parts.and_then(|parts| parts.rsplit_once(", expected ")) {
            let found = found.replace('`', "");
            return format!("expected {expected}, found {}", shown(&found));
        }
    }
    let first_of_lines = message.lines().collect::<Vec<_>>().join("; ");
    let is_syntax = found.len() == 1 && !first_of_lines.contains("found");
    match is_syntax {
        true => shown(&format!("{first_of_lines}, found '{found}'")),
        false => limited(&first_of_lines),
    }
}

/// Not without end, and in one line. Our own sentences have their backslashes escaped already.
fn limited(text: &str) -> String {
    const LONGEST: usize = 600;
    let text = escape_line(text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

fn unknown(key: &str, known: &[&str]) -> String {
    let said = shown(key);
    let slips = |name: &&&str| osa_distance(key, name);
    let nearest = known.iter().min_by_key(slips);
    let is_near = |name: &&&str| osa_distance(key, name) <= name.len().max(3) / 3;
    if let Some(section) = section_of(key).filter(|_| known.contains(&"filesystem")) {
        return format!("unknown key '{said}' here: it belongs to [{section}]");
    }
    if let Some(nearest) = nearest.filter(is_near) {
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

fn in_backticks(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

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

/// The keys that a table can have: told by what reads it.
pub(super) fn keys_of<T: for<'de> Deserialize<'de>>() -> Vec<String> {
    // A key that nobody has.
    let unknown = [("", ())].into_iter();
    match T::deserialize(MapDeserializer::<_, Plain>::new(unknown)) {
        Ok(_) => Vec::new(),
        Err(error) => {
            let message = error.to_string();
            let expected = message.rsplit_once(", expected ");
            let expected = expected.map(|(_, expected)| in_backticks(expected));
            let names = expected.unwrap_or_default();
            names.into_iter().map(str::to_owned).collect()
        }
    }
}
