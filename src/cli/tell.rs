//! Lines on standard error.

use std::io::{IsTerminal, Write, stderr};

use serde_json::json;

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
    /// Tells why the process ends with `code`.
    pub fn error(self, text: &str, code: i32) {
        match self {
            Self::Words => line(&format!("error: {text}")),
            Self::Json => {
                line(&json!({ "event": "error", "text": text, "exit_code": code }).to_string());
            }
        }
    }
}
