//! gitignore's patterns as globs: what each character says (git's `wildmatch.c`), told to `globset`.
//!
//! git matches bytes, and so does what is made here: `?` is any one byte but a slash.

use std::iter::Peekable;
use std::str::Chars;

use globset::{Candidate, Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result, shown};

/// A pattern of `--exclude`.
#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    takes_back: bool,
    directories_only: bool,
}

/// Patterns in the order given, for all of which a name is looked at once.
#[derive(Debug, Clone)]
pub struct Patterns {
    set: GlobSet,
    patterns: Vec<Pattern>,
}

impl Patterns {
    /// # Errors
    /// [`Error::Unsupported`] for what is no pattern; git takes some of these for patterns that match
    /// nothing.
    pub fn new(texts: &[String]) -> Result<Self> {
        let mut set = GlobSetBuilder::new();
        let mut patterns = Vec::with_capacity(texts.len());
        for text in texts {
            let refused = |why: String| {
                Error::unsupported(format!(
                    "--exclude '{}': expected a pattern by gitignore's rules, found {why}",
                    shown(text)
                ))
            };
            let (pattern, glob) = read(text).map_err(refused)?;
            set.add(glob);
            patterns.push(pattern);
        }
        let set = set.build().map_err(|error| {
            Error::unsupported(format!("--exclude: too much for one set: {error}"))
        })?;
        Ok(Self { set, patterns })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Each pattern as it was given.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(|pattern| &*pattern.text)
    }

    /// Whether the last pattern that matches a path leaves it out, apart from what is above it;
    /// every pattern that matches is marked in `matched`. `buffer` saves an allocation for each name.
    pub fn leave_out(
        &self,
        path: &[u8],
        is_directory: bool,
        matched: &mut [bool],
        buffer: &mut Vec<usize>,
    ) -> bool {
        self.set
            .matches_candidate_into(&Candidate::from_bytes(path), buffer);
        let mut last = None;
        for &index in &*buffer {
            let pattern = &self.patterns[index];
            if is_directory || !pattern.directories_only {
                matched[index] = true;
                last = Some(pattern);
            }
        }
        last.is_some_and(|pattern| !pattern.takes_back)
    }
}

fn read(text: &str) -> Result<(Pattern, Glob), String> {
    let mut rest = without_spaces_behind(text);
    if rest.starts_with('#') {
        return Err("a comment (a name that begins with # is written \\#)".to_owned());
    }
    let takes_back = rest.starts_with('!');
    if takes_back {
        rest = &rest[1..];
    }
    let directories_only = rest.ends_with('/');
    if directories_only {
        rest = &rest[..rest.len() - 1];
    }
    if rest.is_empty() || rest == "/" {
        return Err("nothing that names could match".to_owned());
    }
    let is_of_paths = rest.contains('/');
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    if rest.split('/').any(str::is_empty) {
        return Err("two slashes with nothing between them".to_owned());
    }
    let mut glob = String::new();
    if !is_of_paths {
        glob.push_str("**/");
    }
    translate(rest, is_of_paths, &mut glob)?;
    let glob = GlobBuilder::new(&glob)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| error.kind().to_string())?;
    let pattern = Pattern {
        text: text.to_owned(),
        takes_back,
        directories_only,
    };
    Ok((pattern, glob))
}

/// git takes spaces behind a pattern away that no backslash stands before.
fn without_spaces_behind(text: &str) -> &str {
    let mut end = 0;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            ' ' => {}
            '\\' => {
                end = letters
                    .next()
                    .map_or(at + 1, |(at, next)| at + next.len_utf8())
            }
            _ => end = at + letter.len_utf8(),
        }
    }
    &text[..end]
}

fn translate(pattern: &str, is_of_paths: bool, glob: &mut String) -> Result<(), String> {
    let mut letters = pattern.chars().peekable();
    let mut before = None;
    while let Some(letter) = letters.next() {
        match letter {
            '*' => {
                let mut stars = 1;
                while letters.next_if_eq(&'*').is_some() {
                    stars += 1;
                }
                // Only where they are all of a component do two stars stand for several.
                let is_whole = matches!(before, None | Some('/'))
                    && matches!(letters.peek(), None | Some('/'));
                glob.push_str(if stars > 1 && is_of_paths && is_whole {
                    "**"
                } else {
                    "*"
                });
            }
            '?' => glob.push('?'),
            '[' => class(&mut letters, glob)?,
            '\\' => {
                let escaped = letters.next();
                literal(escaped.ok_or("a backslash with nothing behind it")?, glob);
            }
            _ => literal(letter, glob),
        }
        before = Some(letter);
    }
    Ok(())
}

fn literal(letter: char, glob: &mut String) {
    if matches!(
        letter,
        '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!' | '^' | ','
    ) {
        glob.push('\\');
    }
    glob.push(letter);
}

/// The characters of a class: those of ASCII each for itself, others as they were written.
struct Class {
    ascii: u128,
    others: String,
}

impl Class {
    fn add(&mut self, first: char, last: char) {
        let ascii = |letter: char| u32::from(letter).min(0x80);
        for code in ascii(first)..ascii(last) + u32::from(last.is_ascii()) {
            self.ascii |= 1 << code;
        }
        match (first.is_ascii(), last.is_ascii()) {
            (_, true) => {}
            (true, false) => self.others.extend(['\x7f', '-', last]),
            (false, false) if first == last => self.others.push(first),
            (false, false) => self.others.extend([first, '-', last]),
        }
    }

    fn named(&mut self, name: &str) -> Result<(), String> {
        let is_of: fn(&u8) -> bool = match name {
            "alnum" => u8::is_ascii_alphanumeric,
            "alpha" => u8::is_ascii_alphabetic,
            "blank" => |byte| matches!(byte, b' ' | b'\t'),
            "cntrl" => u8::is_ascii_control,
            "digit" => u8::is_ascii_digit,
            "graph" => u8::is_ascii_graphic,
            "lower" => u8::is_ascii_lowercase,
            "print" => |byte| matches!(byte, b' '..=b'~'),
            "punct" => u8::is_ascii_punctuation,
            "space" => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
            "upper" => u8::is_ascii_uppercase,
            "xdigit" => u8::is_ascii_hexdigit,
            _ => return Err(format!("a class [:{}:] that there is not", shown(name))),
        };
        for byte in (0..128_u8).filter(is_of) {
            self.ascii |= 1 << byte;
        }
        Ok(())
    }

    /// As `globset` reads it: a `]` counts as itself in the first place only, a `-` in the last.
    fn write(mut self, negated: bool, glob: &mut String) -> Result<(), String> {
        let slash = 1_u128 << b'/';
        // Neither kind ever matches a slash.
        if negated {
            self.ascii |= slash;
        } else {
            self.ascii &= !slash;
        }
        let mut letters: Vec<char> = (0..128_u8)
            .filter(|byte| self.ascii & 1 << byte != 0)
            .map(char::from)
            .collect();
        let is_late = |letter: &char| matches!(letter, '!' | '^');
        let place = |letter: &char| match letter {
            ']' => 0,
            '!' | '^' => 2,
            '-' => 3,
            _ => 1,
        };
        letters.sort_by_key(|letter| (place(letter), *letter));
        if letters.is_empty() && self.others.is_empty() {
            return Err("a class of no characters".to_owned());
        }
        if !negated && self.others.is_empty() && letters.first().is_some_and(is_late) {
            // Nothing may stand in the first place: one after the other.
            let each = letters.iter().map(|letter| format!("\\{letter}"));
            *glob += &format!("{{{}}}", each.collect::<Vec<_>>().join(","));
            return Ok(());
        }
        glob.push_str(if negated { "[!" } else { "[" });
        let (first, last): (Vec<char>, Vec<char>) =
            letters.into_iter().partition(|letter| place(letter) < 2);
        glob.extend(first);
        glob.push_str(&self.others);
        glob.extend(last);
        glob.push(']');
        Ok(())
    }
}

fn class(letters: &mut Peekable<Chars<'_>>, glob: &mut String) -> Result<(), String> {
    let unclosed = || "a class without its ]".to_owned();
    let escaped = |letters: &mut Peekable<Chars<'_>>| letters.next().ok_or_else(unclosed);
    let mut class = Class {
        ascii: 0,
        others: String::new(),
    };
    let negated = letters
        .next_if(|letter| matches!(letter, '!' | '^'))
        .is_some();
    let mut before = None;
    let mut is_first = true;
    loop {
        let letter = letters.next().ok_or_else(unclosed)?;
        let next = letters.peek().copied();
        let was_first = std::mem::take(&mut is_first);
        match (letter, before) {
            (']', _) if !was_first => break,
            ('\\', _) => {
                let letter = escaped(letters)?;
                class.add(letter, letter);
                before = Some(letter);
            }
            ('-', Some(first)) if next.is_some_and(|next| next != ']') => {
                let mut last = escaped(letters)?;
                if last == '\\' {
                    last = escaped(letters)?;
                }
                if first > last {
                    return Err(format!(
                        "a range that ends before it begins in a class: {}",
                        shown(&format!("{first}-{last}"))
                    ));
                }
                class.add(first, last);
                before = None;
            }
            ('[', _) if next == Some(':') => {
                let name: String = letters
                    .clone()
                    .skip(1)
                    .take_while(|letter| *letter != ']')
                    .collect();
                match name.strip_suffix(':') {
                    Some(name) => {
                        class.named(name)?;
                        // The name, a colon on each side, and the bracket.
                        letters.nth(name.chars().count() + 2);
                        before = None;
                    }
                    None => {
                        class.add('[', '[');
                        before = Some('[');
                    }
                }
            }
            _ => {
                class.add(letter, letter);
                before = Some(letter);
            }
        }
    }
    class.write(negated, glob)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves_out(patterns: &[&str], path: &[u8], is_directory: bool) -> bool {
        let texts: Vec<_> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let patterns = Patterns::new(&texts).unwrap();
        let mut matched = vec![false; texts.len()];
        patterns.leave_out(path, is_directory, &mut matched, &mut Vec::new())
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "nothing"),
            ("/", "nothing"),
            ("!", "nothing"),
            ("  ", "nothing"),
            ("# a", "comment"),
            ("a\\", "backslash"),
            ("[a", "without its ]"),
            ("a//b", "two slashes"),
            ("a//", "two slashes"),
            ("//a", "two slashes"),
            ("[]", "without its ]"),
            ("[z-a]", "before it begins"),
            ("[[:any:]]", "[:any:]"),
            ("[/]", "no characters"),
            ("a\x1b[", "\\x1b"),
        ] {
            let error = Patterns::new(&[text.to_owned()]).unwrap_err();
            assert!(matches!(error, Error::Unsupported { .. }));
            let error = error.to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains('\x1b'), "{error:?}");
        }
    }

    #[test]
    fn names_are_bytes() {
        for (pattern, path, is_out) in [
            ("a?", &b"d/a\xff"[..], true),
            ("a??", b"a\xff", false),
            ("*.\u{e9}", b"x/\xff.\xc3\xa9", true),
            ("[\u{e9}]*", b"\xc3\xa9", true),
            ("*", b"\n", true),
            ("{a,b}", b"a", false),
            ("{a,b}", b"{a,b}", true),
        ] {
            assert_eq!(
                leaves_out(&[pattern], path, false),
                is_out,
                "{pattern} {path:?}"
            );
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        assert!(!leaves_out(&["*.pyc", "!keep.pyc"], b"a/keep.pyc", false));
        assert!(leaves_out(&["!keep.pyc", "*.pyc"], b"a/keep.pyc", false));
        assert!(!leaves_out(&["a/"], b"a", false));
        assert!(leaves_out(&["a/"], b"b/a", true));
    }
}
