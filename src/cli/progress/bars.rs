//! A row for each running task on a terminal, and one for the whole; a line for each finished task.

use std::sync::{Mutex, PoisonError};

use super::board::Board;
use super::drawing::Drawing;
use super::letters::Letters;
use super::rows::Rows;
use super::task::Running;
use super::told::Face;
use super::words::Finished;
use crate::cli::tell;

/// Rows that are drawn again as time passes.
pub struct Bars {
    pub verbose: bool,
    /// Whether finished tasks leave a line.
    pub leaves_lines: bool,
    pub letters: Letters,
    pub rows: Mutex<Rows>,
}

impl Bars {
    fn drawing(&self) -> Drawing {
        Drawing {
            letters: self.letters,
            size: tell::terminal_size(),
        }
    }
}

impl Face for Bars {
    /// The row makes room for a line above those that still run, which scrolls away like any other: a
    /// hundred finished bars would fill the screen.
    fn ended(&self, task: &Running, outcome: Option<&str>) {
        if let Some(outcome) = outcome.filter(|_| self.leaves_lines) {
            let finished = Finished::of(task, outcome, task.worked());
            tell::line(&self.drawing().finished(finished));
        }
    }

    fn tick(&self, board: &Board) {
        let Some(whole) = board.whole() else {
            return;
        };
        let drawing = self.drawing();
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let drawn = rows.drawn(drawing, &board.tasks(), &whole);
        tell::paint(drawn, drawing.size);
    }

    fn rest(&self) {
        tell::unpaint();
    }

    fn remark(&self, kind: &'static str, text: &str) {
        tell::remark(kind, text);
    }

    fn command_line(&self, line: &str) {
        if self.verbose {
            tell::line(&format!("+ {line}"));
        }
    }
}
