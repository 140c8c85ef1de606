//! A JSON object for each event, one a line, for programs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cli::tell;
use crate::progress::{Meter, Reporter, Task, Unit};

/// Between two events of one task.
const INTERVAL: Duration = Duration::from_millis(200);

pub struct Json {
    pub verbose: bool,
}

impl Reporter for Json {
    fn begin(&self, task: Task<'_>) -> Box<dyn Meter> {
        let Task {
            name, unit, total, ..
        } = task;
        let unit = match unit {
            Unit::Bytes | Unit::TransferredBytes => "bytes",
            Unit::Items => "items",
        };
        tell::event(&json!({ "event": "begin", "task": name, "unit": unit, "total": total }));
        Box::new(JsonMeter {
            name: name.to_owned(),
            done: AtomicU64::new(0),
            finished: AtomicBool::new(false),
            told: Mutex::new(Instant::now()),
        })
    }

    fn note(&self, text: &str) {
        tell::event(&json!({ "event": "note", "text": tell::shortened(text) }));
    }

    fn warn(&self, text: &str) {
        tell::event(&json!({ "event": "warning", "text": tell::shortened(text) }));
    }

    fn command_line(&self, line: &str) {
        if self.verbose {
            tell::event(&json!({ "event": "command", "line": line }));
        }
    }
}

struct JsonMeter {
    name: String,
    done: AtomicU64,
    finished: AtomicBool,
    told: Mutex<Instant>,
}

impl Meter for JsonMeter {
    fn add(&self, amount: u64) {
        let done = self.done.fetch_add(amount, Ordering::Relaxed) + amount;
        // Whoever holds the lock is telling already.
        if let Ok(mut told) = self.told.try_lock()
            && told.elapsed() >= INTERVAL
        {
            *told = Instant::now();
            tell::event(&json!({ "event": "progress", "task": self.name, "done": done }));
        }
    }

    fn status(&self, status: &str) {
        tell::event(&json!({ "event": "status", "task": self.name, "status": status }));
    }

    fn finish(&self, outcome: &str) {
        if !self.finished.swap(true, Ordering::Relaxed) {
            self.end(Some(outcome));
        }
    }
}

impl JsonMeter {
    fn end(&self, outcome: Option<&str>) {
        let done = self.done.load(Ordering::Relaxed);
        tell::event(
            &json!({ "event": "end", "task": self.name, "done": done, "outcome": outcome }),
        );
    }
}

impl Drop for JsonMeter {
    /// A task that failed ends too, without an outcome.
    fn drop(&mut self) {
        if !*self.finished.get_mut() {
            self.end(None);
        }
    }
}
