//! Names that others chose, in commands for a shell: each is one word there, and no option, and nothing in
//! it acts on the terminal that shows it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::is_unprintable;

/// A path in a command that someone may take over as it stands: a name may have been chosen so that a
/// shell does something else with it.
pub fn shell_word(path: impl AsRef<OsStr>) -> String {
    let bytes = path.as_ref().as_bytes();
    match bytes.starts_with(b"-") {
        true => quote(&[b"./", bytes].concat()),
        false => quote(bytes),
    }
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
    fn a_shell_takes_a_path_for_one_word_and_no_option() {
        for (path, word) in [
            ("out/fs.img", "out/fs.img"),
            ("-x.img", "./-x.img"),
            ("a b", "'a b'"),
            ("- b", "'./- b'"),
            ("it's", "\"it's\""),
            ("$HOME", "'$HOME'"),
            ("a;b", "'a;b'"),
            ("`a`", "'`a`'"),
            ("\x1b[31m", r"''$'\033''[31m'"),
        ] {
            assert_eq!(shell_word(path), word);
        }
        let stray = OsStr::from_bytes(b"\xff.img");
        assert_eq!(shell_word(stray), r"''$'\377''.img'");
    }
}
