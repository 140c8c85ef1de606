//! Lines on standard error.

use std::io::{IsTerminal, Write, stderr};

use serde_json::json;

use super::args::{OutputArguments, ProgressForm};

/// Letters of a line that are shown: a path alone may have a million.
const HEAD_LETTERS: usize = 400;
const TAIL_LETTERS: usize = 250;

/// Writes a line. That nobody reads it any more is no reason to stop working.
pub fn line(text: &str) {
    // In one piece, so that lines of several processes do not mix.
    let _ = stderr().lock().write_all(format!("{text}\n").as_bytes());
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
            Self::Words => line(&format!("error: {text}")),
            Self::Json => {
                line(&json!({ "event": "error", "text": text, "exit_code": code }).to_string());
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
