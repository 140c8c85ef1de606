//! A listener that knows what runs, and the faces that it can have.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::board::Board;
use super::task::{Running, Stage};
use super::ticker::Ticker;
use crate::progress::{Meter, Reporter, Task};

/// How what is heard is told.
pub trait Face: Send + Sync {
    /// A task has begun.
    fn began(&self, _task: &Running) {}

    /// More of it is done; often.
    fn moved(&self, _task: &Running) {}

    /// It says what it does.
    fn entered(&self, _task: &Running, _stage: &Stage) {}

    /// It has ended, without an outcome where it failed.
    fn ended(&self, _task: &Running, _outcome: Option<&str>) {}

    /// A while has passed.
    fn tick(&self, _board: &Board) {}

    /// Nobody listens any more.
    fn rest(&self) {}

    /// Nothing may be told any more but by whoever calls this: the process is about to end.
    fn stop(&self, _board: &Board) {}

    /// A note or a warning, as `kind` says.
    fn remark(&self, kind: &'static str, text: &str);

    /// The command line of a program that is started.
    fn command_line(&self, line: &str);
}

/// What a listener's meters and its ticker share.
pub struct Shared {
    pub board: Board,
    pub face: Box<dyn Face>,
}

/// Whoever must be stopped before the process ends.
static ALIVE: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// Ends what listeners show, tells of each task that it has ended, and lets them tell nothing more.
pub fn stop_all() {
    let alive = std::mem::take(&mut *ALIVE.lock().unwrap_or_else(PoisonError::into_inner));
    for shared in alive.iter().filter_map(Weak::upgrade) {
        shared.face.stop(&shared.board);
    }
}

/// A listener.
pub struct Told {
    shared: Arc<Shared>,
    /// `None` for a face that never asks how late it is.
    ticker: Option<Ticker>,
}

impl Drop for Told {
    /// What is printed next stands alone, whoever still has a meter.
    fn drop(&mut self) {
        drop(self.ticker.take());
        self.shared.face.rest();
    }
}

impl Told {
    /// With a face, which is told each time a while has passed where it likes to be.
    pub fn new(face: Box<dyn Face>, ticker: Option<Ticker>) -> Self {
        let shared = Arc::new(Shared {
            board: Board::default(),
            face,
        });
        let mut alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
        alive.retain(|other| other.strong_count() > 0);
        alive.push(Arc::downgrade(&shared));
        Self { shared, ticker }
    }
}

impl Reporter for Told {
    fn begin(&self, task: Task<'_>) -> Box<dyn Meter> {
        let task = Arc::new(Running::new(task));
        self.shared.board.take(&task);
        self.shared.face.began(&task);
        if let Some(ticker) = &self.ticker {
            ticker.start(&self.shared);
        }
        Box::new(TaskMeter {
            task,
            shared: Arc::clone(&self.shared),
        })
    }

    fn note(&self, text: &str) {
        self.shared.face.remark("note", text);
    }

    fn warn(&self, text: &str) {
        self.shared.face.remark("warning", text);
    }

    fn command_line(&self, line: &str) {
        self.shared.face.command_line(line);
    }
}

struct TaskMeter {
    task: Arc<Running>,
    shared: Arc<Shared>,
}

impl TaskMeter {
    fn enter(&self, stage: Stage) {
        if self.task.is_over() {
            return;
        }
        self.task.enter(stage.clone());
        self.shared.face.entered(&self.task, &stage);
    }

    fn end(&self, outcome: Option<&str>) {
        if self.task.ends() {
            self.shared.board.let_go(&self.task);
            self.shared.face.ended(&self.task, outcome);
        }
    }
}

impl Meter for TaskMeter {
    fn add(&self, amount: u64) {
        self.task.add(amount);
        if !self.task.is_over() {
            self.shared.face.moved(&self.task);
        }
    }

    fn status(&self, status: &str) {
        self.enter(Stage::Doing(status.to_owned()));
    }

    fn wait(&self, for_what: &str) {
        self.enter(Stage::Waiting(for_what.to_owned()));
    }

    fn finish(&self, outcome: &str) {
        self.end(Some(outcome));
    }
}

impl Drop for TaskMeter {
    /// A task that failed ends too, without an outcome.
    fn drop(&mut self) {
        self.end(None);
    }
}
