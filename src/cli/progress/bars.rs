//! A bar for each task on a terminal.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::progress::{Meter, Reporter, Unit};

const BYTES: &str =
    "{prefix:32!} [{bar:24}] {binary_bytes:>10} of {binary_total_bytes:<10} {binary_bytes_per_sec}";
const ITEMS: &str = "{prefix:32!} [{bar:24}] {human_pos:>10} of {human_len:<10}";
const UNKNOWN: &str = "{prefix:32!} {spinner} {elapsed}";
const DONE: &str = "{prefix:32!} {msg} ({elapsed})";

pub struct Bars {
    bars: MultiProgress,
    verbose: bool,
}

impl Bars {
    pub fn new(verbose: bool) -> Self {
        Self {
            bars: MultiProgress::new(),
            verbose,
        }
    }

    fn line(&self, text: &str) {
        self.bars.suspend(|| eprintln!("{text}"));
    }
}

impl Reporter for Bars {
    fn begin(&self, name: &str, unit: Unit, total: Option<u64>) -> Box<dyn Meter> {
        let (bar, template) = match (total, unit) {
            (None, _) => (ProgressBar::no_length(), UNKNOWN),
            (Some(total), Unit::Bytes) => (ProgressBar::new(total), BYTES),
            (Some(total), Unit::Items) => (ProgressBar::new(total), ITEMS),
        };
        let bar = self
            .bars
            .add(bar.with_style(style(template)).with_prefix(name.to_owned()));
        if total.is_none() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        bar.tick();
        Box::new(Bar(bar))
    }

    fn note(&self, text: &str) {
        self.line(&format!("note: {text}"));
    }

    fn warn(&self, text: &str) {
        self.line(&format!("warning: {text}"));
    }

    fn command_line(&self, line: &str) {
        if self.verbose {
            self.line(&format!("+ {line}"));
        }
    }
}

/// The templates are constants, held by a test; an unusable one falls back to a plain bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

struct Bar(ProgressBar);

impl Meter for Bar {
    fn add(&self, amount: u64) {
        self.0.inc(amount);
    }

    fn finish(&self, outcome: &str) {
        self.0.set_style(style(DONE));
        self.0.finish_with_message(outcome.to_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if !self.0.is_finished() {
            self.0.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_well_formed() {
        for template in [BYTES, ITEMS, UNKNOWN, DONE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
