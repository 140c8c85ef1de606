//! A JSON object for each event, one a line, for programs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::progress::{Meter, Reporter, Unit};

/// Between two events of one task.
const INTERVAL: Duration = Duration::from_millis(200);

pub struct Json {
    pub verbose: bool,
}

impl Reporter for Json {
    fn begin(&self, name: &str, unit: Unit, total: Option<u64>) -> Box<dyn Meter> {
        let unit = match unit {
            Unit::Bytes => "bytes",
            Unit::Items => "items",
        };
        eprintln!(
            "{}",
            json!({ "event": "begin", "task": name, "unit": unit, "total": total })
        );
        Box::new(JsonMeter {
            name: name.to_owned(),
            done: AtomicU64::new(0),
            told: Mutex::new(Instant::now()),
        })
    }

    fn note(&self, text: &str) {
        eprintln!("{}", json!({ "event": "note", "text": text }));
    }

    fn warn(&self, text: &str) {
        eprintln!("{}", json!({ "event": "warning", "text": text }));
    }

    fn command_line(&self, line: &str) {
        if self.verbose {
            eprintln!("{}", json!({ "event": "command", "line": line }));
        }
    }
}

struct JsonMeter {
    name: String,
    done: AtomicU64,
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
            eprintln!(
                "{}",
                json!({ "event": "progress", "task": self.name, "done": done })
            );
        }
    }

    fn finish(&self, outcome: &str) {
        let done = self.done.load(Ordering::Relaxed);
        eprintln!(
            "{}",
            json!({ "event": "end", "task": self.name, "done": done, "outcome": outcome })
        );
    }
}
