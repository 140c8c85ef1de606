//! Notes and warnings, and where tasks are told a line for each finished one, and for those that run
//! whenever nothing was told for a while: for logs, and for who ends jobs that are silent.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::board::Board;
use super::task::Running;
use super::told::Face;
use super::words::{self, Finished};
use crate::cli::tell;

/// The longest silence; less than that after which anyone would wonder.
const SILENCE: Duration = Duration::from_secs(10);

/// How long the first silence may last of a command that makes something.
const FIRST_SILENCE: Duration = Duration::from_secs(2);

/// The same for a command that looks, whose output is for pipes.
const LOOKING_SILENCE: Duration = Duration::from_secs(15);

/// Which tasks are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tasks {
    /// None at all.
    None,
    /// All that end, and what runs.
    All,
    /// Nothing before it takes long.
    Long,
}

/// Lines.
pub struct Plain {
    verbose: bool,
    tasks: Tasks,
    silence: Mutex<Silence>,
}

impl Plain {
    pub fn new(verbose: bool, tasks: Tasks) -> Self {
        Self {
            verbose,
            tasks,
            silence: Mutex::new(Silence::of(tasks)),
        }
    }

    fn tell(&self, line: &str) {
        self.silence(Silence::broken);
        tell::line(line);
    }

    fn silence<T>(&self, ask: impl FnOnce(&mut Silence, Instant) -> T) -> T {
        let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        ask(&mut silence, Instant::now())
    }
}

impl Face for Plain {
    fn began(&self, _: &Running) {
        self.silence(Silence::begins);
    }

    fn ended(&self, task: &Running, outcome: Option<&str>) {
        let is_told = match self.tasks {
            Tasks::None => false,
            Tasks::All => true,
            Tasks::Long => self.silence(|silence, _| silence.has_been_broken),
        };
        if let Some(outcome) = outcome.filter(|_| is_told) {
            self.tell(&Finished::of(task, outcome, task.worked()).line());
        }
    }

    fn tick(&self, board: &Board) {
        // Also looks at how fast it goes, each time.
        let whole = board.whole();
        if let Some(whole) = whole.filter(|_| self.silence(|silence, now| silence.is_too_long(now)))
        {
            self.tell(&words::running(&board.tasks(), &whole));
        }
    }

    fn remark(&self, kind: &'static str, text: &str) {
        tell::remark(kind, text);
    }

    fn command_line(&self, line: &str) {
        if self.verbose {
            tell::line(&format!("+ {line}"));
        }
    }
}

/// Since when nothing was told of tasks.
#[derive(Debug)]
struct Silence {
    since: Option<Instant>,
    has_been_broken: bool,
    first: Duration,
}

impl Silence {
    fn of(tasks: Tasks) -> Self {
        Self {
            since: None,
            has_been_broken: false,
            first: match tasks {
                Tasks::Long => LOOKING_SILENCE,
                Tasks::None | Tasks::All => FIRST_SILENCE,
            },
        }
    }

    /// A task begins, maybe the first.
    fn begins(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    fn broken(&mut self, now: Instant) {
        self.since = Some(now);
        self.has_been_broken = true;
    }

    fn is_too_long(&self, now: Instant) -> bool {
        let most = match self.has_been_broken {
            true => SILENCE,
            false => self.first,
        };
        let since = |since| now.saturating_duration_since(since) >= most;
        self.since.is_some_and(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At which seconds of a run something is told, where a task ends after `ended` seconds.
    fn told(tasks: Tasks, ended: Option<u64>) -> Vec<u64> {
        let start = Instant::now();
        let mut silence = Silence::of(tasks);
        assert!(!silence.is_too_long(start + Duration::from_secs(100)));
        silence.begins(start);
        let mut told = Vec::new();
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            silence.begins(now);
            if ended == Some(second) {
                silence.broken(now);
            } else if silence.is_too_long(now) {
                silence.broken(now);
                told.push(second);
            }
        }
        told
    }

    #[test]
    fn no_silence_is_longer_than_fifteen_seconds_and_the_first_is_short() {
        assert_eq!(told(Tasks::All, None), [2, 12, 22, 32, 42, 52]);
        assert_eq!(told(Tasks::All, Some(1)), [11, 21, 31, 41, 51]);
        assert_eq!(told(Tasks::Long, None), [15, 25, 35, 45, 55]);
    }
}
