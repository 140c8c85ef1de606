//! Names of outputs with words of the image in them.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use strsim::osa_distance;

use crate::error::{Error, Result, escape_path, shown};

/// What an image says for the names of outputs, each word as it is; `None` for what it has not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageWords {
    /// The image ID's hexadecimal digits.
    pub id: Option<String>,
    /// The manifest digest's.
    pub digest: Option<String>,
    /// The tag.
    pub tag: Option<String>,
    /// The repository without its host.
    pub name: Option<String>,
    /// The architecture.
    pub arch: Option<String>,
}

/// A path in whose last component words of the image may be left open: `{id}`, `{digest}`, `{tag}`,
/// `{name}` and `{arch}`, the first two shortened by `:N` to so many digits; `{{` and `}}` are the
/// braces themselves. The directory is taken as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputName {
    directory: Vec<u8>,
    parts: Vec<Part>,
    shown: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Field(Field, Option<usize>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Id,
    Digest,
    Tag,
    Name,
    Arch,
}

impl Field {
    const ALL: [Self; 5] = [Self::Id, Self::Digest, Self::Tag, Self::Name, Self::Arch];

    fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Digest => "digest",
            Self::Tag => "tag",
            Self::Name => "name",
            Self::Arch => "arch",
        }
    }

    /// What an image without it lacks.
    fn lacking(self) -> &'static str {
        match self {
            Self::Id => "image ID (a flat tar and a directory have none)",
            Self::Digest => {
                "manifest digest (docker's older archives, a flat tar and a directory have none)"
            }
            Self::Tag => "tag (nothing is known where it is named by its digest or not at all)",
            Self::Name => "name",
            Self::Arch => "architecture (a flat tar and a directory have none: --platform says it)",
        }
    }

    fn is_digits(self) -> bool {
        matches!(self, Self::Id | Self::Digest)
    }

    fn of(self, words: &ImageWords) -> Option<&str> {
        match self {
            Self::Id => words.id.as_deref(),
            Self::Digest => words.digest.as_deref(),
            Self::Tag => words.tag.as_deref(),
            Self::Name => words.name.as_deref(),
            Self::Arch => words.arch.as_deref(),
        }
    }
}

/// Hexadecimal digits of the longest digest, SHA-512's.
const MAX_DIGITS: usize = 128;

impl OutputName {
    /// Reads a path.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an unknown field, with the nearest, and for a brace alone.
    pub fn parse(path: &Path) -> Result<Self> {
        let bytes = path.as_os_str().as_bytes();
        let start = bytes.iter().rposition(|byte| *byte == b'/');
        let (directory, last) = bytes.split_at(start.map_or(0, |slash| slash + 1));
        let shown = escape_path(bytes).to_string();
        let parts =
            parts(last).map_err(|problem| Error::unsupported(format!("{shown}: {problem}")))?;
        Ok(Self {
            directory: directory.to_vec(),
            parts,
            shown,
        })
    }

    /// Whether nothing is left open.
    pub fn is_whole(&self) -> bool {
        let is_literal = |part: &Part| matches!(part, Part::Literal(_));
        self.parts.iter().all(is_literal)
    }

    /// The path with the image's words in it, of each the letters, digits, `.`, `_` and `-` of ASCII;
    /// every other byte is a `-`, and dots at its start are left out. So no word, wherever it comes
    /// from, leads into another directory or hides the file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a word that the image has not.
    pub fn fill(&self, words: &ImageWords) -> Result<PathBuf> {
        let mut path = self.directory.clone();
        for part in &self.parts {
            match part {
                Part::Literal(bytes) => path.extend_from_slice(bytes),
                Part::Field(field, digits) => {
                    let word = field.of(words).map(reduced).unwrap_or_default();
                    if word.is_empty() {
                        return Err(Error::unsupported(format!(
                            "{}: {{{}}}: the image has no {}",
                            self.shown,
                            field.name(),
                            field.lacking()
                        )));
                    }
                    let length = digits.unwrap_or(word.len()).min(word.len());
                    path.extend_from_slice(&word.as_bytes()[..length]);
                }
            }
        }
        Ok(OsString::from_vec(path).into())
    }
}

fn reduced(word: &str) -> String {
    let keeps = |letter: u8| letter.is_ascii_alphanumeric() || b"._-".contains(&letter);
    let letters = word.bytes().map(|byte| match keeps(byte) {
        true => char::from(byte),
        false => '-',
    });
    letters.skip_while(|letter| *letter == '.').collect()
}

/// Reads a last component.
fn parts(name: &[u8]) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut rest = name;
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            (b'{' | b'}', [next, beyond @ ..]) if next == byte => {
                literal.push(*byte);
                beyond
            }
            (b'{', _) => {
                let end = after.iter().position(|byte| *byte == b'}');
                let end = end.ok_or("expected a } behind {, found none ({{ is a brace itself)")?;
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(field(&after[..end])?);
                &after[end + 1..]
            }
            (b'}', _) => {
                return Err("expected a { before }, found none (}} is a brace itself)".to_owned());
            }
            _ => {
                literal.push(*byte);
                after
            }
        };
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

fn field(text: &[u8]) -> Result<Part, String> {
    let text = String::from_utf8_lossy(text);
    let (name, digits) = match text.split_once(':') {
        Some((name, digits)) => (name, Some(digits)),
        None => (&*text, None),
    };
    let field = Field::ALL.into_iter().find(|field| field.name() == name);
    let Some(field) = field else {
        let distance = |field: &Field| osa_distance(field.name(), name);
        let nearest = Field::ALL.into_iter().min_by_key(distance);
        let hint = nearest.filter(|nearest| distance(nearest) <= 2);
        let hint = hint.map(|nearest| format!(" (the nearest is {{{}}})", nearest.name()));
        return Err(format!(
            "expected one of {{id}}, {{digest}}, {{tag}}, {{name}} and {{arch}}, found {{{}}}{}",
            shown(name),
            hint.unwrap_or_default()
        ));
    };
    let Some(digits) = digits else {
        return Ok(Part::Field(field, None));
    };
    if !field.is_digits() {
        return Err(format!(
            "{{{}:{}}}: only {{id:N}} and {{digest:N}} are shortened",
            field.name(),
            shown(digits)
        ));
    }
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let count = digits
        .parse()
        .ok()
        .filter(|count| is_number && (1..=MAX_DIGITS).contains(count));
    match count {
        Some(count) => Ok(Part::Field(field, Some(count))),
        None => Err(format!(
            "{{{}:N}}: expected 1 to {MAX_DIGITS} digits for N, found '{}'",
            field.name(),
            shown(digits)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> ImageWords {
        ImageWords {
            id: Some("0123456789abcdef".repeat(4)),
            digest: Some("f".repeat(64)),
            tag: Some("24-build".to_owned()),
            name: Some("heroku/heroku".to_owned()),
            arch: Some("amd64".to_owned()),
        }
    }

    fn filled(path: &str, words: &ImageWords) -> Result<String> {
        let path = OutputName::parse(Path::new(path))?.fill(words)?;
        Ok(path.to_str().unwrap().to_owned())
    }

    #[test]
    fn words_are_filled_in_and_digests_shortened() {
        for (path, expected) in [
            ("plain.img", "plain.img"),
            ("heroku-24-{id:12}.img", "heroku-24-0123456789ab.img"),
            ("/a/{name}-{tag}-{arch}", "/a/heroku-heroku-24-build-amd64"),
            ("out/{digest:3}{id:1}", "out/fff0"),
            ("{{{tag}}}", "{24-build}"),
            ("{{tag}}", "{tag}"),
            ("{tag}/../{{x}}/{tag}", "{tag}/../{{x}}/24-build"),
            ("{id:128}", &"0123456789abcdef".repeat(4)),
        ] {
            assert_eq!(filled(path, &words()).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_unknown_alone_or_lacking_is_one_error() {
        for (path, says) in [
            (
                "a/{ig}.img",
                "a/{ig}.img: expected one of {id}, {digest}, {tag}, {name} and {arch}, found {ig} (the nearest is {id})",
            ),
            ("{Tag}", "(the nearest is {tag})"),
            ("{version}", "found {version}"),
            ("{}", "found {}"),
            ("{id", "expected a } behind {"),
            ("id}", "expected a { before }"),
            ("{{id}", "expected a { before }"),
            (
                "{tag:3}",
                "{tag:3}: only {id:N} and {digest:N} are shortened",
            ),
            ("{id:0}", "expected 1 to 128 digits for N, found '0'"),
            ("{id:129}", "found '129'"),
            ("{id:+3}", "found '+3'"),
            ("{id:}", "found ''"),
        ] {
            let error = filled(path, &words()).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(error.exit_code(), 5);
        }
        for field in Field::ALL {
            let path = format!("x-{{{}}}.img", field.name());
            let error = filled(&path, &ImageWords::default()).unwrap_err();
            let says = format!("{path}: {{{}}}: the image has no ", field.name());
            assert!(error.to_string().starts_with(&says), "{error}");
        }
        assert!(
            !filled("{version}", &words())
                .unwrap_err()
                .to_string()
                .contains("nearest")
        );
    }

    #[test]
    fn no_word_leads_elsewhere_or_hides_the_file() {
        let hostile = |tag: &str| ImageWords {
            tag: Some(tag.to_owned()),
            ..words()
        };
        for (tag, expected) in [
            ("../../etc/passwd", "out/-..-etc-passwd"),
            ("/etc/passwd", "out/-etc-passwd"),
            ("..", ""),
            (".", ""),
            ("", ""),
            (".hidden", "out/hidden"),
            ("a\0b\nc d\u{1b}[m", "out/a-b-c-d--m"),
            ("{id}", "out/-id-"),
            ("ü", "out/--"),
        ] {
            match filled("out/{tag}", &hostile(tag)) {
                Ok(path) => assert_eq!(path, expected),
                Err(error) => assert_eq!(expected, "", "{tag:?}: {error}"),
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay_as_they_are() {
        let path = OsString::from_vec(b"d\xff/\xfe-{arch}".to_vec());
        let name = OutputName::parse(Path::new(&path)).unwrap();
        assert!(!name.is_whole());
        let filled = name.fill(&words()).unwrap();
        assert_eq!(filled.as_os_str().as_bytes(), b"d\xff/\xfe-amd64");
        assert!(OutputName::parse(Path::new("{x}/y{{")).unwrap().is_whole());
    }
}
