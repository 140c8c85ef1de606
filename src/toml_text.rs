//! What is wrong with a text in TOML, in one line: where, what was expected and what was found.

use std::ops::Range;

use serde::de::Deserialize;
use serde::de::value::{Error as Plain, MapDeserializer};
use strsim::osa_distance;

use crate::error::{Error, escape_line, shown};

/// A text with its name, to say where something is in it.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// What errors call it.
    pub name: &'a str,
    /// All of it.
    pub text: &'a str,
}

impl Text<'_> {
    /// A place of the text, in bytes, as `NAME:LINE:COLUMN`; without one the name alone.
    pub fn place(&self, span: Option<Range<usize>>) -> String {
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
        format!("{name}{place}")
    }

    /// Something wrong at a place of the text, in bytes.
    pub fn wrong_at(&self, span: Option<Range<usize>>, what: &str) -> Error {
        Error::unsupported(format!("{}: {what}", self.place(span)))
    }

    /// What serde or the TOML reader found; `unknown` tells of a key that is none of those that its
    /// place knows.
    pub fn wrong(
        &self,
        error: &toml::de::Error,
        unknown: fn(key: &str, known: &[&str]) -> String,
    ) -> Error {
        let found = error.span().and_then(|span| self.text.get(span));
        let what = told(error.message(), found.unwrap_or_default(), unknown);
        self.wrong_at(error.span(), &what)
    }
}

/// The message in our own words: "expected … found …".
fn told(message: &str, found: &str, unknown: fn(&str, &[&str]) -> String) -> String {
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

/// The key that was meant, where one is near enough to be.
pub fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let slips = |name: &&&str| osa_distance(key, name);
    let nearest = known.iter().min_by_key(slips)?;
    (osa_distance(key, nearest) <= nearest.len().max(3) / 3).then_some(nearest)
}

fn in_backticks(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The keys that a table can have: told by what reads it.
pub fn keys_of<T: for<'de> Deserialize<'de>>() -> Vec<String> {
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
