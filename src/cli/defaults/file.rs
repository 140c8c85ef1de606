//! Defaults in a file.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::CWD;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Defaults;
use super::keys::{Form, KEYS, unknown};
use crate::cli::arguments::config_directory;
use crate::error::{Error, Result, escape_path, shown};
use crate::ownership::{others_of, others_on_the_way_to};
use crate::pinned::{Reach, is_absent};
use crate::toml_text::Text;

/// No file of defaults is longer, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// What became of the file.
enum Found {
    /// There is none, for this reason.
    Nothing(&'static str),
    /// It is not taken, for this reason.
    Refused(String),
    Bytes(Vec<u8>),
}

/// Takes what the file says; `options` are all that the program has.
pub(super) fn read(found: &mut Defaults, options: &[String]) -> Result<()> {
    let Some(directory) = config_directory() else {
        let why = "no file of defaults: neither XDG_CONFIG_HOME nor HOME is an absolute path";
        found.notes.push(why.to_owned());
        return Ok(());
    };
    let path = directory.join("layerpress/config.toml");
    let name = shown_path(&path);
    match look(&path)? {
        Found::Nothing(why) => found.notes.push(format!("no defaults of {name}: {why}")),
        Found::Refused(why) => {
            let told = format!("no defaults are taken of {name}: {why}");
            found.warnings.push(told);
        }
        Found::Bytes(bytes) => take(found, &name, &bytes, options)?,
    }
    Ok(())
}

fn shown_path(path: &Path) -> String {
    escape_path(path.as_os_str().as_bytes())
}

/// Reads the file if it is nobody else's: who may write it, or put another in its place, could let
/// all that is fetched come from himself.
fn look(path: &Path) -> Result<Found> {
    let cannot = |error: io::Error| Error::path("read", path, error);
    let is_denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let pinned = match Reach::default().pin(path) {
        Ok(pinned) => pinned,
        Err(error) if is_absent(&error) => return Ok(Found::Nothing("it is not there")),
        // HOME may still be that of the user before.
        Err(error) if is_denied(&error) => {
            return Ok(Found::Nothing("this user may not look there"));
        }
        Err(error) => return Err(cannot(error)),
    };
    if let Some(others) = others_on_the_way_to(path).map_err(cannot)? {
        return Ok(Found::Refused(refusal(&others)));
    }
    if !pinned.metadata.is_file() {
        let found = match pinned.metadata.is_dir() {
            true => "a directory",
            false => "something else than a regular file",
        };
        return Err(Error::unsupported(format!(
            "{}: expected a file of defaults, found {found}",
            shown_path(path)
        )));
    }
    let file = match pinned.open(CWD, path) {
        Ok(file) => file,
        Err(error) if is_denied(&error) => return Ok(Found::Refused(error.to_string())),
        Err(error) => return Err(cannot(error)),
    };
    // Held by now, whatever has its name.
    if let Some(others) = others_of(&file).map_err(cannot)? {
        return Ok(Found::Refused(refusal(&format!("it {others}"))));
    }
    let mut bytes = Vec::new();
    // One more tells that there is more.
    let read = file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes);
    read.map_err(cannot)?;
    Ok(Found::Bytes(bytes))
}

fn refusal(others: &str) -> String {
    let taken = match rustix::process::geteuid().is_root() {
        true => "root takes a file that root alone may write",
        false => "a file is taken that nobody but this user and root may write",
    };
    format!("{others}; {taken}, with every directory on the way to it")
}

/// Takes what stands in the file of this name.
fn take(found: &mut Defaults, name: &str, bytes: &[u8], options: &[String]) -> Result<()> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::unsupported(format!(
            "{name}: expected a file of defaults of at most {MAX_BYTES} bytes, found more"
        )));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        Error::unsupported(format!(
            "{name}:{line}: expected a file of defaults in UTF-8, found a byte that is none"
        ))
    })?;
    let place = Text { name, text };
    // Keys are looked at below.
    let table = DeTable::parse(text).map_err(|error| place.wrong(&error, |_, _| String::new()))?;
    let mut said: Vec<_> = table.into_inner().into_iter().collect();
    said.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in said {
        let known = KEYS.iter().find(|(known, _)| *known == *key.get_ref());
        let Some((known, form)) = known else {
            let said = unknown(key.get_ref(), options, |known| format!("'{known}'"));
            let what = format!("unknown key '{}': {said}", shown(key.get_ref()));
            return Err(place.wrong_at(Some(key.span()), &what));
        };
        let origin = place.place(Some(value.span()));
        match text_of(*form, &value) {
            Ok(value) => found.add(known, value.into(), origin),
            Err(expected) => {
                let found = match value.get_ref() {
                    DeValue::String(text) => format!("the text '{}'", shown(text)),
                    other => format!("a value of type {}", other.type_str()),
                };
                let what = format!("{known}: expected {expected}, found {found}");
                return Err(place.wrong_at(Some(value.span()), &what));
            }
        }
    }
    Ok(())
}

/// The value as it would be typed, or what was expected.
fn text_of(form: Form, value: &Spanned<DeValue>) -> Result<String, &'static str> {
    match (form, value.get_ref()) {
        (Form::Number, DeValue::Integer(number)) => {
            // One that is larger than any is left to its option to refuse.
            let read = i128::from_str_radix(number.as_str(), number.radix());
            Ok(read.map_or_else(|_| number.to_string(), |number| number.to_string()))
        }
        (Form::Word, DeValue::String(word)) => Ok(word.clone().into_owned()),
        (Form::Path, DeValue::String(path)) if Path::new(&**path).is_absolute() => {
            Ok(path.clone().into_owned())
        }
        (Form::Number, _) => Err("a whole number"),
        (Form::Word, _) => Err("a text"),
        (Form::Path, _) => Err("an absolute path, as a text"),
    }
}
