//! What others wrote, made fit to be shown: nothing in it acts on a terminal or hides from a reader.

use std::borrow::Cow;

/// A path made fit for one line of text: printable ASCII and well-formed UTF-8 letters stay,
/// control characters, invisible letters, backslashes and stray bytes become `\xNN`.
///
/// No two byte strings share an escaped form.
pub fn escape_path(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter == '\\' || is_unprintable(letter) {
                push_escaped(&mut text, letter);
            } else {
                text.push(letter);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// A text that others wrote, made fit for an error's one line: as [`escape_path`], and not without
/// end.
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 300;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", escape_path(&text.as_bytes()[..end])),
        None => escape_path(text.as_bytes()),
    }
}

/// A text made fit for one line: as [`escape_path`], but backslashes are left alone, of which
/// commands, and texts with escaped names in them, are full.
pub fn escape_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_unprintable)
}

/// The same of a text of several lines.
pub fn escape_text(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| letter != '\n' && is_unprintable(letter))
}

fn escaped(text: &str, is_to_be: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_to_be) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() * 2);
    for letter in text.chars() {
        if is_to_be(letter) {
            push_escaped(&mut shown, letter);
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

fn push_escaped(text: &mut String, letter: char) {
    let mut bytes = [0; 4];
    for byte in letter.encode_utf8(&mut bytes).bytes() {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

/// Whether a letter is for no reader: a control character (C0, DEL, C1), which acts on a terminal, or
/// one that is not seen and joins, reorders or hides others.
pub fn is_unprintable(letter: char) -> bool {
    letter.is_control() || is_invisible(letter)
}

/// Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt), and beside it what ends lines,
/// sets the direction of writing or marks annotations.
fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped_and_what_can_is_not() {
        for letter in "\0\x07\t\n\r\x1b\x7f\u{80}\u{9b}\u{9f}\u{ad}\u{34f}\u{61c}\u{200b}\u{200f}\
                       \u{2028}\u{202e}\u{2066}\u{2069}\u{3164}\u{fe0f}\u{feff}\u{fffb}\u{e0041}\u{e01ef}"
            .chars()
        {
            assert!(is_unprintable(letter), "{letter:?}");
            let text = format!("a{letter}b");
            for shown in [escape_path(text.as_bytes()), escape_line(&text).into_owned()] {
                assert!(shown.starts_with("a\\x") && shown.is_ascii(), "{shown:?}");
            }
        }
        for letter in " ~aöß中日本한กखعא\u{301}\u{a0}😀€".chars() {
            assert!(!is_unprintable(letter), "{letter:?}");
        }
        assert_eq!(escape_line("a\\b\n"), "a\\b\\x0a");
        assert_eq!(escape_text("a\\b\n\r"), "a\\b\n\\x0d");
    }
}
