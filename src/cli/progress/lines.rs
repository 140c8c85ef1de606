//! Lines for logs: notes and warnings and, where it is wanted, one for each finished task.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::finished_line;
use crate::cli::tell;
use crate::progress::{Meter, Reporter, Silent, Unit};

pub struct Lines {
    tasks: bool,
    verbose: bool,
}

impl Lines {
    pub fn new(tasks: bool, verbose: bool) -> Self {
        Self { tasks, verbose }
    }
}

impl Reporter for Lines {
    fn begin(&self, name: &str, unit: Unit, _: Option<u64>) -> Box<dyn Meter> {
        if !self.tasks {
            return Box::new(Silent);
        }
        Box::new(LineMeter {
            name: name.to_owned(),
            unit,
            done: AtomicU64::new(0),
            started: Instant::now(),
        })
    }

    fn note(&self, text: &str) {
        tell::remark("note", text);
    }

    fn warn(&self, text: &str) {
        tell::remark("warning", text);
    }

    fn command_line(&self, line: &str) {
        if self.verbose {
            tell::line(&format!("+ {line}"));
        }
    }
}

struct LineMeter {
    name: String,
    unit: Unit,
    done: AtomicU64,
    started: Instant,
}

impl Meter for LineMeter {
    fn add(&self, amount: u64) {
        self.done.fetch_add(amount, Ordering::Relaxed);
    }

    fn finish(&self, outcome: &str) {
        let done = self.done.load(Ordering::Relaxed);
        let time = self.started.elapsed();
        tell::line(&finished_line(&self.name, outcome, self.unit, done, time));
    }
}
