//! A bar for each running task on a terminal, a line for each finished one.

use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::plain::{Plain, finished_line};
use super::ticker::Ticker;
use crate::cli::tell;
use crate::error::escape_line;
use crate::progress::{Meter, Reporter, Task, Unit};

// On 80 columns a bar is ten wide; the name has room for `layer 10 of 12 sha256:0123456789ab`.
const BYTES: &str =
    "{prefix:34!} [{wide_bar}] {percent:>3}% {binary_total_bytes:>11} {binary_bytes_per_sec:>13}";
const ITEMS: &str = "{prefix:34!} [{wide_bar}] {percent:>3}% {human_len:>11}";
/// While nothing is counted yet, or no more, the stage stands in the bar's place.
const STAGE: &str = "{prefix:34!} {wide_msg}";
const UNKNOWN: &str = "{prefix:34!} {spinner} {elapsed}";
/// Of a pipe or a daemon only what has come is known; without it a stalled one would look alive.
const COMING: &str =
    "{prefix:34!} {spinner} {elapsed:>5} {binary_bytes:>11} {binary_bytes_per_sec:>13}";

pub struct Bars {
    bars: MultiProgress,
    lines: Plain,
    ticker: Ticker,
}

impl Bars {
    /// With `lines` between the bars.
    pub fn new(lines: Plain) -> Self {
        Self {
            bars: MultiProgress::new(),
            lines,
            ticker: Ticker::default(),
        }
    }
}

impl Reporter for Bars {
    fn begin(&self, task: Task<'_>) -> Box<dyn Meter> {
        let Task {
            name, unit, total, ..
        } = task;
        let (bar, template) = match (total, unit) {
            (None, Unit::Items) => (ProgressBar::no_length(), UNKNOWN),
            (None, Unit::Bytes | Unit::TransferredBytes) => (ProgressBar::no_length(), COMING),
            (Some(total), Unit::Bytes | Unit::TransferredBytes) => (ProgressBar::new(total), BYTES),
            (Some(total), Unit::Items) => (ProgressBar::new(total), ITEMS),
        };
        let bar = self.bars.add(
            bar.with_style(style(template))
                .with_prefix(escape_line(name).into_owned()),
        );
        if total.is_none() {
            self.ticker.add(&bar);
        }
        bar.tick();
        Box::new(Bar {
            bars: self.bars.clone(),
            bar,
            name: name.to_owned(),
            unit,
            has_stage: AtomicBool::new(false),
        })
    }

    fn note(&self, text: &str) {
        self.bars.suspend(|| self.lines.note(text));
    }

    fn warn(&self, text: &str) {
        self.bars.suspend(|| self.lines.warn(text));
    }

    fn command_line(&self, line: &str) {
        self.bars.suspend(|| self.lines.command_line(line));
    }
}

/// The templates are constants, held by a test; an unusable one falls back to a plain bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

struct Bar {
    bars: MultiProgress,
    bar: ProgressBar,
    name: String,
    unit: Unit,
    has_stage: AtomicBool,
}

impl Meter for Bar {
    fn add(&self, amount: u64) {
        if self.has_stage.swap(false, Ordering::Relaxed) {
            self.bar.set_style(style(BYTES));
        }
        self.bar.inc(amount);
    }

    fn status(&self, status: &str) {
        self.has_stage.store(true, Ordering::Relaxed);
        self.bar.set_style(style(STAGE));
        self.bar.set_message(escape_line(status).into_owned());
    }

    /// The bar makes room for a line above those that still run, which scrolls away like any
    /// other: a hundred finished bars would fill the screen.
    fn finish(&self, outcome: &str) {
        let (done, time) = (self.bar.position(), self.bar.elapsed());
        self.bar.finish_and_clear();
        let line = finished_line(&self.name, outcome, self.unit, done, time);
        self.bars.suspend(|| tell::line(&line));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.bars.remove(&self.bar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_well_formed() {
        for template in [BYTES, ITEMS, STAGE, UNKNOWN, COMING] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
