//! Names for a terminal: quoted as a shell would take them, nothing in them acting on it.

use std::io::{IsTerminal, stdout};

/// How names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Their bytes as they are.
    Raw,
    /// Where needed in quotes, control characters and stray bytes as `$'\n'`.
    Quoted,
}

impl Names {
    /// What suits standard output: its reader may be a program or a person.
    pub fn for_stdout() -> Self {
        if stdout().is_terminal() {
            Self::Quoted
        } else {
            Self::Raw
        }
    }

    /// A name as it is to be written.
    pub fn show(self, name: &[u8]) -> Vec<u8> {
        match self {
            Self::Raw => name.to_vec(),
            Self::Quoted => quote(name).into_bytes(),
        }
    }
}

/// Columns of a terminal that a text takes, near enough: one for each character.
pub fn width(shown: &[u8]) -> usize {
    String::from_utf8_lossy(shown).chars().count()
}

/// A name as `ls` of GNU quotes it for a shell.
fn quote(name: &[u8]) -> String {
    let text = std::str::from_utf8(name).ok();
    let is_shown = |letter: char| !letter.is_control() && !is_invisible(letter);
    match text.filter(|text| text.chars().all(is_shown)) {
        Some(text) if !needs_quotes(text) => text.to_owned(),
        Some(text) if !text.contains('\'') => format!("'{text}'"),
        Some(text) if !text.contains(['"', '$', '`', '\\', '!']) => format!("\"{text}\""),
        Some(text) => format!("'{}'", text.replace('\'', r"'\''")),
        None => escaped(name),
    }
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.starts_with(['#', '~'])
        || text.contains(|letter: char| {
            letter.is_whitespace() || "!\"$&'()*;<=>?[\\^`|{}".contains(letter)
        })
}

/// `'plain'$'\n''plain'`, as GNU's shell-escape style.
fn escaped(name: &[u8]) -> String {
    let mut text = String::from("'");
    let mut is_escaped = false;
    let mut put = |piece: &str, escape: bool| {
        if escape != is_escaped {
            text.push_str(if escape { "'$'" } else { "''" });
            is_escaped = escape;
        }
        text.push_str(piece);
    };
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            let mut buffer = [0; 4];
            let piece = letter.encode_utf8(&mut buffer);
            match letter {
                '\n' => put(r"\n", true),
                '\t' => put(r"\t", true),
                '\r' => put(r"\r", true),
                '\'' => put(r"\'", true),
                _ if letter.is_control() || is_invisible(letter) => {
                    let octal = |byte| format!("\\{byte:03o}");
                    put(&piece.bytes().map(octal).collect::<String>(), true);
                }
                _ => put(piece, false),
            }
        }
        for byte in chunk.invalid() {
            put(&format!("\\{byte:03o}"), true);
        }
    }
    text.push('\'');
    text
}

/// Letters that reorder or hide their neighbours on a terminal.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_gnu_ls_quotes_them() {
        for (name, quoted) in [
            (&b"plain-1.2_x,y+z@%:"[..], "plain-1.2_x,y+z@%:"),
            ("größe".as_bytes(), "größe"),
            (b"a b", "'a b'"),
            (b"it's", "\"it's\""),
            (b"it's $1", r"'it'\''s $1'"),
            (b"", "''"),
            (b"#x", "'#x'"),
            (b"x#", "x#"),
            (b"a\nb", r"'a'$'\n''b'"),
            (b"\xff\xfe", r"''$'\377\376'"),
            (b"\x1b[31m", r"''$'\033''[31m'"),
        ] {
            assert_eq!(quote(name), quoted);
        }
    }

    #[test]
    fn nothing_in_a_quoted_name_acts_on_a_terminal() {
        for byte in 0..=255 {
            let quoted = quote(&[b'a', byte, b'b']);
            assert!(!quoted.contains(char::is_control), "{byte}");
        }
    }
}
