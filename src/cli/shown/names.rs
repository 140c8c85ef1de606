//! Names for a terminal: quoted as a shell would take them, nothing in them acting on it.

use crate::error::is_unprintable;

/// How names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Their bytes as they are, unless something in them would act on a terminal further on: those are
    /// quoted, too. In a list of lines such a name could stand for several.
    Raw,
    /// Where needed in quotes, control characters and stray bytes as `$'\n'`.
    Quoted,
}

impl Names {
    /// What suits a person, or a program.
    pub fn for_terminal(is_terminal: bool) -> Self {
        if is_terminal { Self::Quoted } else { Self::Raw }
    }

    /// A name as it is to be written.
    pub fn show(self, name: &[u8]) -> Vec<u8> {
        match self {
            Self::Raw if !acts_on_terminals(name) => name.to_vec(),
            Self::Raw | Self::Quoted => quote(name).into_bytes(),
        }
    }
}

fn acts_on_terminals(name: &[u8]) -> bool {
    name.utf8_chunks()
        .any(|chunk| chunk.valid().contains(is_unprintable))
}

/// Columns of a terminal that a text takes, near enough: one for each character.
pub fn width(shown: &[u8]) -> usize {
    String::from_utf8_lossy(shown).chars().count()
}

/// A name as `ls` of GNU quotes it for a shell.
pub fn quote(name: &[u8]) -> String {
    let text = std::str::from_utf8(name).ok();
    let is_shown = |letter: char| !is_unprintable(letter);
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
                _ if is_unprintable(letter) => {
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

    #[test]
    fn names_for_a_program_are_raw_but_for_those_that_would_act_on_a_terminal() {
        let raw = |name: &str| String::from_utf8(Names::Raw.show(name.as_bytes())).unwrap();
        assert_eq!(raw("a b'\\$"), "a b'\\$");
        assert_eq!(Names::Raw.show(b"\xe4\xff"), b"\xe4\xff");
        assert_eq!(raw("a\u{9b}b\n"), r"'a'$'\302\233''b'$'\n'");
        assert_eq!(raw("\u{e0041}"), r"''$'\363\240\201\201'");
    }
}
