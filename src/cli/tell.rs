//! Everything that is told, on standard error and standard output: whatever it is made of, nothing in
//! it acts on the terminal.

use std::io::{self, IsTerminal, Write, stderr, stdout};

use serde_json::{Value, json};

use crate::error::{escape_line, escape_text, is_unprintable};

use crate::cli::arguments::{OutputArguments, ProgressForm};

/// Letters of a line that are shown: a path alone may have a million.
const HEAD_LETTERS: usize = 400;
const TAIL_LETTERS: usize = 250;

/// Writes a line, or several. That nobody reads it any more, or that there is no room for it, is no
/// reason to stop working.
pub fn line(text: &str) {
    // In one piece, so that lines of several processes do not mix.
    let text = format!("{}\n", escape_text(text));
    let _ = stderr().lock().write_all(text.as_bytes());
}

/// Writes a note or a warning, which is always one line.
pub fn remark(kind: &str, text: &str) {
    line(&format!("{kind}: {}", escape_line(&shortened(text))));
}

/// Writes what went wrong. A line that others wrote does not pass for one of this program's own.
pub fn failure(text: &str) {
    line(&format!("error: {}", shortened(text).replace('\n', "\n  ")));
}

/// Writes an event for programs.
pub fn event(event: &Value) {
    line(&json_text(&event.to_string()));
}

/// JSON with all that is for no reader escaped; what is left out of strings has none of it.
pub fn json_text(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter == '\n' || !is_unprintable(letter) {
            text.push(letter);
            continue;
        }
        let mut units = [0; 2];
        for unit in letter.encode_utf16(&mut units) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}

/// Writes to standard output; that nobody reads it any more is no failure.
pub fn print(text: &str) -> crate::Result<()> {
    print_as_it_is(&escape_text(text))
}

/// The same of a text that is all this program's own.
pub fn print_as_it_is(text: &str) -> crate::Result<()> {
    let mut stdout = stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| crate::Error::io("cannot write to standard output", error)),
    }
}

/// Shows the cursor again and clears the line with the half-drawn bar.
pub fn restore_terminal() {
    if stderr().is_terminal() {
        let _ = stderr().lock().write_all(b"\x1b[?25h\r\x1b[K");
    }
}

/// How a failure is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// To a person.
    Words,
    /// To a program: the last of the events that are told as JSON.
    Json,
}

impl Voice {
    /// As progress is told.
    pub fn of(output: &OutputArguments) -> Self {
        match output.progress {
            ProgressForm::Json => Self::Json,
            _ => Self::Words,
        }
    }

    /// Tells why the process ends with `code`.
    pub fn error(self, text: &str, code: i32) {
        let text = &shortened(text);
        match self {
            Self::Words => failure(text),
            Self::Json => {
                event(&json!({ "event": "error", "text": text, "exit_code": code }));
            }
        }
    }
}

/// The text with the middle left out of each line that is long: at the start stands the place, at
/// the end what is wrong with it.
pub fn shortened(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(shortened_line).collect();
    lines.join("\n")
}

fn shortened_line(line: &str) -> String {
    let letters = line.chars().count();
    if letters <= HEAD_LETTERS + TAIL_LETTERS {
        return line.to_owned();
    }
    let left_out = letters - HEAD_LETTERS - TAIL_LETTERS;
    let head: String = line.chars().take(HEAD_LETTERS).collect();
    let tail: String = line.chars().skip(HEAD_LETTERS + left_out).collect();
    format!("{head} …({left_out} letters)… {tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_what_it_says_and_shows_nothing_that_acts_on_a_terminal() {
        let all: String = (0..=0xe_0fff).filter_map(char::from_u32).collect();
        for value in [json!({ "text": all }), json!([all])] {
            let text = json_text(&serde_json::to_string_pretty(&value).unwrap());
            let is_shown = |letter: char| letter == '\n' || !is_unprintable(letter);
            assert!(text.chars().all(is_shown));
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn long_lines_lose_their_middle_and_short_ones_nothing() {
        let short = format!("{}\nö: end", "a".repeat(HEAD_LETTERS + TAIL_LETTERS));
        assert_eq!(shortened(&short), short);
        let long = format!("image: {}ö: expected less", "d/".repeat(500_000));
        let text = shortened(&long);
        assert!(text.starts_with("image: d/d/") && text.ends_with("d/ö: expected less"));
        assert!(text.contains(" …(999373 letters)… "), "{text}");
        assert!(text.chars().count() < 700);
    }
}
