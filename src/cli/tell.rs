//! Everything that is told, on standard error and standard output: whatever it is made of, nothing in
//! it acts on the terminal.
//!
//! The only place that has these streams. What goes to them is escaped here, whoever made it, but for
//! [`content`], which is what was asked for byte by byte.

mod screen;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write, stderr, stdout};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use screen::Painted;
pub use screen::Size;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::arguments::{OutputArguments, ProgressForm};
use crate::cli::shown::schemas;
use crate::error::{Error, Result, escape_line, escape_text, is_unprintable};
use crate::units::{Timestamp, rfc3339};

/// Letters of a line that are shown: a path alone may have a million.
const HEAD_LETTERS: usize = 400;
const TAIL_LETTERS: usize = 250;

/// Writes a line, or several. That nobody reads it any more, or that there is no room for it, is no
/// reason to stop working.
pub fn line(text: &str) {
    line_made_in_turn(|| text);
}

/// The same of a line that is made when no other can come before it any more.
fn line_made_in_turn<Text: AsRef<str>>(make: impl FnOnce() -> Text) {
    let mut painted = painted();
    let away = painted.nothing_any_more();
    // In one piece, so that lines of several processes do not mix.
    write_to_stderr(&format!("{away}{}\n", escape_text(make().as_ref())));
}

/// What stands at the bottom of the terminal of standard error.
static PAINTED: Mutex<Painted> = Mutex::new(Painted::nothing());

fn painted() -> MutexGuard<'static, Painted> {
    PAINTED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_to_stderr(text: &str) {
    if !text.is_empty() {
        let _ = stderr().lock().write_all(text.as_bytes());
    }
}

/// Lets lines stand at the bottom of the terminal until the next ones do or a line is written, fewer
/// than it has rows. They are shown as they are: whoever makes them escapes what is in them.
pub fn paint(lines: Vec<String>, size: Size) {
    write_to_stderr(&painted().lines(lines, size));
}

/// Takes away what stands there.
pub fn unpaint() {
    write_to_stderr(painted().nothing_any_more());
}

/// Takes away what stands there for good: the process is about to end, and other threads may not know.
pub fn end_painting() {
    write_to_stderr(painted().close());
}

/// How much the terminal of standard error shows at this moment.
pub fn terminal_size() -> Size {
    let size = rustix::termios::tcgetwinsize(stderr());
    let stated = |size: rustix::termios::Winsize| (size.ws_col > 0).then_some(size);
    size.ok().and_then(stated).map_or(Size::USUAL, |size| Size {
        columns: size.ws_col.into(),
        rows: if size.ws_row > 0 {
            size.ws_row.into()
        } else {
            Size::USUAL.rows
        },
    })
}

/// Writes a note or a warning, which is always one line.
pub fn remark(kind: &str, text: &str) {
    line(&format!("{kind}: {}", escape_line(&shortened(text))));
}

/// Writes an event for programs.
pub fn event(event: &Value) {
    // None is told of a time before that of the line above it.
    line_made_in_turn(|| {
        let event = Event { time: now(), event };
        // What has a text for each key has one of them all.
        let text = serde_json::to_string(&Document::new(schemas::EVENT, &event));
        text.map_or_else(|_| String::new(), |text| json_text(&text))
    });
}

/// What happened when.
#[derive(Serialize)]
struct Event<'a> {
    time: String,
    #[serde(flatten)]
    event: &'a Value,
}

fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    rfc3339(Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: since.subsec_nanos(),
    })
}

/// What is told to programs, with its schema before everything else.
#[derive(Serialize)]
struct Document<'a, T> {
    schema: &'static str,
    #[serde(flatten)]
    document: &'a T,
}

impl<'a, T: Serialize> Document<'a, T> {
    fn new(schema: &'static str, document: &'a T) -> Self {
        Self { schema, document }
    }
}

/// JSON with all that is for no reader escaped; what is left out of strings has none of it.
fn json_text(json: &str) -> String {
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

/// Prints a text for people; that nobody reads it any more is no failure.
///
/// # Errors
/// [`Error::Io`] where standard output cannot be written.
pub fn print(text: &str) -> Result<()> {
    printed(|page| page.text(text))
}

/// Prints a value as a JSON document where that is wanted, or else as `text` for people.
///
/// # Errors
/// As [`print`].
pub fn print_as(
    is_json: bool,
    schema: &'static str,
    value: &impl Serialize,
    text: impl FnOnce() -> String,
) -> Result<()> {
    if !is_json {
        return print(&text());
    }
    let text = serde_json::to_string_pretty(&Document::new(schema, value)).map_err(no_json)?;
    printed(|page| page.put(json_text(&text).as_bytes(), b"\n"))
}

/// Writes to a page to its end; that nobody reads it any more is no failure.
///
/// # Errors
/// As [`print`].
pub fn printed(write: impl FnOnce(&mut Page) -> io::Result<()>) -> Result<()> {
    if has_terminal() {
        unpaint();
    }
    let mut page = Page(BufWriter::new(stdout().lock()));
    match write(&mut page).and_then(|()| page.0.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(cannot_write),
    }
}

/// Standard output for people and for JSON.
pub struct Page(BufWriter<StdoutLock<'static>>);

impl Page {
    /// Writes a text of several lines.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.put(escape_text(text).as_bytes(), b"")
    }

    /// Writes lines with names in them, whose bytes that are no text stay as they are.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        for chunk in bytes.utf8_chunks() {
            self.put(escape_text(chunk.valid()).as_bytes(), chunk.invalid())?;
        }
        Ok(())
    }

    /// Writes a JSON object on a line of its own.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn json_line(&mut self, schema: &'static str, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(&Document::new(schema, value))?;
        self.put(json_text(&text).as_bytes(), b"\n")
    }

    fn put(&mut self, one: &[u8], other: &[u8]) -> io::Result<()> {
        self.0.write_all(one)?;
        self.0.write_all(other)
    }
}

/// Standard output for what was asked for as it is: a file's content, a tar, a script.
pub fn content() -> impl Write {
    stdout().lock()
}

/// Standard output as a file, for a filesystem. One that was closed at the start is /dev/null by now:
/// Rust opens that in its place before `main`.
///
/// # Errors
/// [`Error::Io`] where this process may have no more files open.
pub fn content_file() -> Result<File> {
    let stream = stdout().as_fd().try_clone_to_owned();
    stream.map(File::from).map_err(cannot_write)
}

/// Whether standard output is a person's.
pub fn has_terminal() -> bool {
    stdout().is_terminal()
}

/// Whether standard error is a person's.
pub fn has_terminal_for_errors() -> bool {
    stderr().is_terminal()
}

/// How wide the terminal of standard output is, where it says so.
pub fn terminal_columns() -> Option<usize> {
    columns_of(stdout())
}

/// How wide the terminal of standard error is, where it says so.
pub fn terminal_columns_for_errors() -> Option<usize> {
    columns_of(stderr())
}

fn columns_of(stream: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col))
}

/// Why standard output could not be written.
pub fn cannot_write(error: io::Error) -> Error {
    Error::io("cannot write to standard output", error)
}

fn no_json(error: serde_json::Error) -> Error {
    Error::Mismatch(format!("cannot make JSON: {error}"))
}

/// Gives help, the version or what is wrong with the command line.
///
/// # Errors
/// [`Error::Io`] where help that was asked for finds no room.
pub fn answer(answer: &clap::Error) -> Result<()> {
    match answer.print() {
        Err(error) if !answer.use_stderr() && error.kind() != io::ErrorKind::BrokenPipe => {
            Err(cannot_write(error))
        }
        _ => Ok(()),
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

    /// Tells why the process ends with `code`, or would. A line that others wrote does not pass for
    /// one of this program's own.
    pub fn error(self, text: &str, code: i32) {
        let text = &shortened(text);
        match self {
            Self::Words => line(&format!("error: {}", text.replace('\n', "\n  "))),
            Self::Json => {
                event(&json!({ "event": "error", "text": text, "exit_code": code }));
            }
        }
    }
}

/// How several things went of which one that fails does not stop the others: each failure is told
/// as it comes, and the last is the whole command's.
#[derive(Debug)]
pub struct Outcome {
    voice: Voice,
    last: Option<Error>,
}

impl Outcome {
    /// Nothing yet, to be told as progress is.
    pub fn of(output: &OutputArguments) -> Self {
        Self {
            voice: Voice::of(output),
            last: None,
        }
    }

    /// Takes a result in.
    pub fn take(&mut self, result: Result<()>) {
        if let Err(error) = result
            && let Some(before) = self.last.replace(error)
        {
            self.voice
                .error(&before.to_string(), before.exit_code().into());
        }
    }

    /// The whole.
    ///
    /// # Errors
    /// The last failure.
    pub fn finish(self) -> Result<()> {
        self.last.map_or(Ok(()), Err)
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
