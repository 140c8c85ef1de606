//! A JSON object for each event, one a line, for programs.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde_json::{Value, json};

use super::board::Board;
use super::task::{Running, Stage};
use super::told::Face;
use crate::cli::tell;
use crate::progress::Unit;

/// Between two events of one task.
const INTERVAL: Duration = Duration::from_millis(200);

/// Events.
pub struct Json {
    verbose: bool,
    /// Whether more events may follow: the last word is the error's.
    is_over: RwLock<bool>,
}

impl Json {
    pub fn new(verbose: bool) -> Self {
        Self {
            verbose,
            is_over: RwLock::new(false),
        }
    }

    fn tell(&self, event: &Value) {
        let is_over = self.is_over.read().unwrap_or_else(PoisonError::into_inner);
        if !*is_over {
            tell::event(event);
        }
    }
}

/// What every event of a task says.
fn of_task(event: &str, task: &Running, mut more: Value) -> Value {
    let mut all = json!({
        "event": event,
        "id": task.id,
        "phase": task.phase.word(),
        "task": task.name,
    });
    if let (Some(all), Some(more)) = (all.as_object_mut(), more.as_object_mut()) {
        all.append(more);
    }
    all
}

fn end(task: &Running, outcome: Option<&str>) -> Value {
    let seconds = task.worked().as_secs_f64();
    let more = json!({ "done": task.done(), "outcome": outcome, "seconds": seconds });
    of_task("end", task, more)
}

impl Face for Json {
    fn began(&self, task: &Running) {
        let unit = match task.unit {
            Unit::Bytes | Unit::TransferredBytes => "bytes",
            Unit::Items => "items",
        };
        let more = json!({ "unit": unit, "total": task.total });
        self.tell(&of_task("begin", task, more));
    }

    fn moved(&self, task: &Running) {
        if task.is_due(INTERVAL) {
            self.tell(&of_task("progress", task, json!({ "done": task.done() })));
        }
    }

    fn entered(&self, task: &Running, stage: &Stage) {
        let is_waiting = matches!(stage, Stage::Waiting(_));
        let more = json!({ "status": stage.text(), "waiting": is_waiting });
        self.tell(&of_task("status", task, more));
    }

    fn ended(&self, task: &Running, outcome: Option<&str>) {
        self.tell(&end(task, outcome));
    }

    fn stop(&self, board: &Board) {
        let mut is_over = self.is_over.write().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *is_over, true) {
            return;
        }
        for task in board.tasks() {
            if task.ends() {
                tell::event(&end(&task, None));
            }
        }
    }

    fn remark(&self, kind: &'static str, text: &str) {
        self.tell(&json!({ "event": kind, "text": tell::shortened(text) }));
    }

    fn command_line(&self, line: &str) {
        if self.verbose {
            self.tell(&json!({ "event": "command", "line": line }));
        }
    }
}
