//! One task that runs: how far it is, how long it has worked, what it does or waits for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::error::escape_line;
use crate::progress::{Phase, Task, Unit};

/// What a task is at when it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// This.
    Doing(String),
    /// Nothing: this holds it.
    Waiting(String),
}

impl Stage {
    /// For people and programs.
    pub fn text(&self) -> String {
        match self {
            Self::Doing(what) => what.clone(),
            Self::Waiting(for_what) => format!("waiting for {for_what}"),
        }
    }
}

/// A task that runs.
#[derive(Debug)]
pub struct Running {
    /// Another one for each task of the process.
    pub id: u64,
    pub phase: Phase,
    /// As it was told.
    pub name: String,
    pub unit: Unit,
    pub total: Option<u64>,
    /// Of which only [`look`](Self::look) tells the bar: whoever works waits for nobody that draws.
    done: AtomicU64,
    bar: ProgressBar,
    has_stage: AtomicBool,
    is_over: AtomicBool,
    course: Mutex<Course>,
    told: Mutex<Instant>,
}

#[derive(Debug, Default)]
struct Course {
    stage: Option<Stage>,
    /// While it waits: how long it had worked by then.
    worked: Option<Duration>,
}

impl Running {
    /// Begins now.
    pub fn new(task: Task<'_>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            phase: task.phase,
            name: task.name.to_owned(),
            unit: task.unit,
            total: task.total,
            done: AtomicU64::new(0),
            bar: ProgressBar::with_draw_target(task.total, ProgressDrawTarget::hidden()),
            has_stage: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            course: Mutex::default(),
            told: Mutex::new(Instant::now()),
        }
    }

    /// For a line of its own.
    pub fn shown_name(&self) -> String {
        escape_line(&self.name).into_owned()
    }

    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// So much more is done; whether it had a stage, which is over.
    pub fn add(&self, amount: u64) {
        self.done.fetch_add(amount, Ordering::Relaxed);
        if self.has_stage.swap(false, Ordering::Relaxed) {
            let mut course = self.course();
            course.stage = None;
            self.go_on(&mut course);
        }
    }

    /// Takes a stage.
    pub fn enter(&self, stage: Stage) {
        let mut course = self.course();
        match stage {
            Stage::Doing(_) => self.go_on(&mut course),
            Stage::Waiting(_) => {
                course.worked.get_or_insert_with(|| self.bar.elapsed());
            }
        }
        course.stage = Some(stage);
        self.has_stage.store(true, Ordering::Relaxed);
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Whether this is the first that hears of its end.
    pub fn ends(&self) -> bool {
        !self.is_over.swap(true, Ordering::Relaxed)
    }

    /// What it said last that it does, where nothing has been done since.
    pub fn stage(&self) -> Option<Stage> {
        self.course().stage.clone()
    }

    pub fn is_waiting(&self) -> bool {
        matches!(self.course().stage, Some(Stage::Waiting(_)))
    }

    /// How long it has worked, without the waiting.
    pub fn worked(&self) -> Duration {
        let worked = self.course().worked;
        worked.unwrap_or_else(|| self.bar.elapsed())
    }

    /// What knows the time and the rate, and draws the row where there is one.
    pub fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    /// Tells the bar how much is done, which it draws.
    pub fn look(&self) {
        self.bar.update(|state| state.set_pos(self.done()));
    }

    /// The time and the rate are without the waiting, if it has waited.
    fn go_on(&self, course: &mut Course) {
        if let Some(worked) = course.worked.take() {
            self.look();
            self.bar.set_elapsed(worked);
            self.bar.reset_eta();
        }
    }

    /// Whether an event is due that comes no more often than this; not for two threads at once.
    pub fn is_due(&self, interval: Duration) -> bool {
        self.told.try_lock().is_ok_and(|mut told| {
            let is_due = told.elapsed() >= interval;
            if is_due {
                *told = Instant::now();
            }
            is_due
        })
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is shown of an estimate; `None` where there is none yet.
pub fn rate(per_second: f64) -> Option<u64> {
    (per_second > 0.0).then_some(per_second as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_waiting_is_not_the_tasks() {
        const SECONDS: fn(u64) -> Duration = Duration::from_secs;
        let task = Running::new(Task::bytes(Phase::Layers, "layer", 10));
        // In place of the time that would have to pass.
        let passes = |time| task.bar.set_elapsed(time);
        passes(SECONDS(1000));
        task.enter(Stage::Waiting("a connection".to_owned()));
        passes(SECONDS(100_000));
        task.enter(Stage::Waiting("another".to_owned()));
        let worked = task.worked();
        assert!(worked >= SECONDS(1000) && worked < SECONDS(100_000));
        task.enter(Stage::Doing("verifying".to_owned()));
        let since = task.worked();
        assert!(since >= worked && since < SECONDS(100_000), "{since:?}");
        passes(SECONDS(200_000));
        task.enter(Stage::Doing("verifying".to_owned()));
        assert!(task.worked() >= SECONDS(200_000));
    }

    #[test]
    fn what_is_added_ends_the_waiting_and_what_it_waited_for_is_told() {
        let task = Running::new(Task::bytes(Phase::Layers, "layer", 10));
        assert_eq!((task.stage(), task.is_waiting()), (None, false));
        task.enter(Stage::Waiting("a connection".to_owned()));
        let waiting = task.stage().unwrap();
        assert_eq!(waiting.text(), "waiting for a connection");
        let worked = task.worked();
        assert_eq!((task.worked(), task.is_waiting()), (worked, true));
        task.add(3);
        assert_eq!((task.stage(), task.is_waiting()), (None, false));
        task.enter(Stage::Doing("verifying".to_owned()));
        assert_eq!(task.stage().unwrap().text(), "verifying");
        assert_eq!((task.done(), task.ends(), task.ends()), (3, true, false));
    }

    #[test]
    fn there_is_no_rate_before_anything_is_done_nor_right_after_the_waiting() {
        let task = Running::new(Task::bytes(Phase::Layers, "layer", None));
        let rate = || {
            std::thread::sleep(Duration::from_millis(2));
            task.look();
            rate(task.bar.per_sec())
        };
        assert_eq!(rate(), None);
        task.add(1 << 50);
        assert!(rate() > Some(1 << 20), "{:?}", rate());
        task.add(1 << 50);
        task.enter(Stage::Waiting("a connection".to_owned()));
        task.enter(Stage::Doing("verifying".to_owned()));
        assert_eq!(rate(), None);
        task.add(1);
        assert!(rate() < Some(1 << 20), "{:?}", rate());
    }
}
