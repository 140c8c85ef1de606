//! What indicatif takes for a terminal: it keeps the rows that were drawn last, for whoever shows them.
//!
//! indicatif draws over what it has drawn before by moving the cursor up as many lines as that had. On a
//! terminal that has become narrower since, they are more, and each time some would stay for good. So it
//! gets no terminal, and its rows go where everything else goes that is written there: `tell::paint`.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::TermLike;
use unicode_width::UnicodeWidthChar;

use crate::cli::tell::Size;

/// Rows are made for no less; a narrower terminal cuts them.
const FEWEST_COLUMNS: usize = 23;

/// The last drawing; all clones have the same.
#[derive(Debug, Clone)]
pub struct Canvas(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    size: Size,
    /// What was written since the last drawing was complete, row behind row, each to its end.
    written: String,
    rows: Vec<String>,
}

impl Canvas {
    /// An empty one.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            size: Size::USUAL,
            written: String::new(),
            rows: Vec::new(),
        })))
    }

    /// What is drawn from now on is for a terminal of this size.
    pub fn resize(&self, size: Size) {
        self.state().size = size;
    }

    /// The rows of the last drawing that was complete.
    pub fn rows(&self) -> Vec<String> {
        self.state().rows.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The columns of a row. The last of the terminal stays free: what stands in it has the next letter in the
/// next row on some terminals, and not on others.
pub fn columns(size: Size) -> usize {
    size.columns.saturating_sub(1).max(FEWEST_COLUMNS)
}

impl State {
    fn complete(&mut self) {
        let written = std::mem::take(&mut self.written);
        let mut rows: Vec<String> = Vec::new();
        let mut room = 0;
        for letter in written.chars() {
            let taken = letter.width().unwrap_or(0);
            match rows.last_mut() {
                Some(row) if taken <= room => row.push(letter),
                _ => {
                    rows.push(letter.into());
                    room = columns(self.size);
                }
            }
            room = room.saturating_sub(taken);
        }
        self.rows = rows
            .into_iter()
            .map(|row| row.trim_end().to_owned())
            .collect();
    }
}

/// Each drawing is a whole one, so that nothing must be cleared, and nowhere the cursor be moved.
impl TermLike for Canvas {
    fn width(&self) -> u16 {
        u16::try_from(columns(self.state().size)).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        let rows = self.state().size.rows.saturating_sub(1).max(1);
        u16::try_from(rows).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        let mut state = self.state();
        let filler = columns(state.size).saturating_sub(super::letters::columns_of(text));
        state.written.push_str(text);
        state.written.push_str(&" ".repeat(filler));
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.state().written.push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.state().complete();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

    use super::*;

    #[test]
    fn the_rows_are_those_of_the_last_drawing_however_wide_its_letters_are() {
        let canvas = Canvas::new();
        let target = ProgressDrawTarget::term_like(Box::new(canvas.clone()));
        let all = MultiProgress::with_draw_target(target);
        let bar = || {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            let style = ProgressStyle::with_template("{prefix}\n{msg}").unwrap();
            all.add(bar.with_style(style))
        };
        let (one, two) = (bar(), bar());
        // As wide as can be, combined letters at the end, and less wide.
        let full = format!("{}e\u{301}", "読".repeat(39));
        one.set_prefix(full.clone());
        one.set_message("one");
        two.set_prefix("読".repeat(39));
        two.set_message("two");
        assert_eq!(canvas.rows(), [&full, "one", &"読".repeat(39), "two"]);
        all.remove(&one);
        two.set_prefix("alone");
        assert_eq!(canvas.rows(), ["alone", "two"]);
        // What does not fit below each other is left out.
        canvas.resize(Size {
            columns: 1,
            rows: 2,
        });
        two.tick();
        assert_eq!(canvas.rows(), ["alone"]);
        all.clear().unwrap();
        assert_eq!(canvas.rows(), [""; 0]);
    }
}
