//! Notes and warnings, and a line for each finished task where those are wanted, for logs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::cli::tell;
use crate::error::escape_line;
use crate::progress::{Meter, Reporter, Silent, Task, Unit};
use crate::units::ByteSize;

pub struct Plain {
    pub verbose: bool,
    /// Whether tasks are told, too.
    pub with_tasks: bool,
}

impl Reporter for Plain {
    fn begin(&self, Task { name, unit, .. }: Task<'_>) -> Box<dyn Meter> {
        if !self.with_tasks {
            return Box::new(Silent);
        }
        Box::new(PlainMeter {
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

/// The line that stays of a finished task: `NAME: verified, 12.3 MiB, 0.52 s`.
pub fn finished_line(name: &str, outcome: &str, unit: Unit, done: u64, time: Duration) -> String {
    let amount = match unit {
        Unit::Bytes if done > 0 => format!(", {}", ByteSize(done)),
        Unit::TransferredBytes if done > 0 => {
            let rate = (done as f64 / time.as_secs_f64().max(0.001)) as u64;
            format!(", {}, {}/s", ByteSize(done), ByteSize(rate))
        }
        // The outcome says what was counted.
        Unit::Bytes | Unit::TransferredBytes | Unit::Items => String::new(),
    };
    let name = escape_line(name);
    format!("{name}: {outcome}{amount}, {:.2} s", time.as_secs_f64())
}
