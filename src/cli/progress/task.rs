//! One task that runs: how far it is, how long it has worked, what it does or waits for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::escape_line;
use crate::progress::{Phase, Task, Unit};

/// How far back the rate looks: a pipe that stands still shows it soon.
const RATE_OVER: Duration = Duration::from_secs(5);

/// Between two of the moments that the rate is computed from.
const SAMPLED_EACH: Duration = Duration::from_millis(400);

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
    done: AtomicU64,
    has_stage: AtomicBool,
    is_over: AtomicBool,
    course: Mutex<Course>,
    told: Mutex<Instant>,
}

#[derive(Debug)]
struct Course {
    clock: Clock,
    stage: Option<Stage>,
    pace: Pace,
}

impl Running {
    /// Begins now.
    pub fn new(task: Task<'_>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let now = Instant::now();
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            phase: task.phase,
            name: task.name.to_owned(),
            unit: task.unit,
            total: task.total,
            done: AtomicU64::new(0),
            has_stage: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            course: Mutex::new(Course {
                clock: Clock::started(now),
                stage: None,
                pace: Pace::default(),
            }),
            told: Mutex::new(now),
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
            course.clock.go_on(Instant::now());
        }
    }

    /// Takes a stage.
    pub fn enter(&self, stage: Stage) {
        let mut course = self.course();
        match stage {
            Stage::Doing(_) => course.clock.go_on(Instant::now()),
            Stage::Waiting(_) => course.clock.pause(Instant::now()),
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
        self.course().clock.worked(Instant::now())
    }

    /// How much is done a second of late; looks at the clock for it.
    pub fn rate(&self) -> Option<u64> {
        let mut course = self.course();
        let worked = course.clock.worked(Instant::now());
        course.pace.rate(worked, self.done())
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

/// Counts the time that is worked.
#[derive(Debug)]
struct Clock {
    worked: Duration,
    since: Option<Instant>,
}

impl Clock {
    fn started(now: Instant) -> Self {
        Self {
            worked: Duration::ZERO,
            since: Some(now),
        }
    }

    fn worked(&self, now: Instant) -> Duration {
        let since = |since| now.saturating_duration_since(since);
        self.worked + self.since.map_or(Duration::ZERO, since)
    }

    fn pause(&mut self, now: Instant) {
        self.worked = self.worked(now);
        self.since = None;
    }

    fn go_on(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }
}

/// How fast something goes of late.
#[derive(Debug, Default)]
pub struct Pace(VecDeque<(Duration, u64)>);

impl Pace {
    /// Per second, at a time at which so much is done; `None` so early that it would be a guess.
    pub fn rate(&mut self, at: Duration, done: u64) -> Option<u64> {
        let is_new = |(last, _): &(Duration, u64)| at >= *last + SAMPLED_EACH;
        if self.0.back().is_none_or(is_new) {
            self.0.push_back((at, done));
        }
        while self.0.len() > 2
            && self
                .0
                .get(1)
                .is_some_and(|(next, _)| *next + RATE_OVER < at)
        {
            self.0.pop_front();
        }
        let (from, before) = *self.0.front()?;
        let time = at.checked_sub(from).filter(|time| *time >= SAMPLED_EACH)?;
        Some((done.saturating_sub(before) as f64 / time.as_secs_f64()) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_time_of_waiting_is_not_the_tasks() {
        let start = Instant::now();
        let mut clock = Clock::started(start);
        clock.pause(start + seconds(2));
        clock.pause(start + seconds(3));
        assert_eq!(clock.worked(start + seconds(10)), seconds(2));
        clock.go_on(start + seconds(10));
        clock.go_on(start + seconds(11));
        assert_eq!(clock.worked(start + seconds(14)), seconds(6));
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
    fn a_rate_is_of_the_last_seconds_and_none_before_there_are_any() {
        let mut pace = Pace::default();
        assert_eq!(pace.rate(seconds(0), 0), None);
        assert_eq!(pace.rate(Duration::from_millis(100), 1 << 30), None);
        for second in 1..=10 {
            assert_eq!(pace.rate(seconds(second), second * 100), Some(100));
        }
        // Nothing comes any more.
        for second in 11..=20 {
            pace.rate(seconds(second), 1000);
        }
        assert_eq!(pace.rate(seconds(21), 1000), Some(0));
        assert!(pace.0.len() < 20, "{}", pace.0.len());
    }
}
