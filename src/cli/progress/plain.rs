//! A line for each finished task, for logs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::{NotesOnly, finished_line};
use crate::cli::tell;
use crate::progress::{Meter, Reporter, Unit};

pub struct Plain {
    pub verbose: bool,
}

impl Reporter for Plain {
    fn begin(&self, name: &str, unit: Unit, _: Option<u64>) -> Box<dyn Meter> {
        Box::new(PlainMeter {
            name: name.to_owned(),
            unit,
            done: AtomicU64::new(0),
            started: Instant::now(),
        })
    }

    fn note(&self, text: &str) {
        NotesOnly {
            verbose: self.verbose,
        }
        .note(text);
    }

    fn warn(&self, text: &str) {
        NotesOnly {
            verbose: self.verbose,
        }
        .warn(text);
    }

    fn command_line(&self, line: &str) {
        NotesOnly {
            verbose: self.verbose,
        }
        .command_line(line);
    }
}

struct PlainMeter {
    name: String,
    unit: Unit,
    done: AtomicU64,
    started: Instant,
}

impl Meter for PlainMeter {
    fn add(&self, amount: u64) {
        self.done.fetch_add(amount, Ordering::Relaxed);
    }

    fn finish(&self, outcome: &str) {
        let done = self.done.load(Ordering::Relaxed);
        let time = self.started.elapsed();
        tell::line(&finished_line(&self.name, outcome, self.unit, done, time));
    }
}
