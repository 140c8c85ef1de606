//! Lines of text about tasks.

use std::time::Duration;

use super::board::Whole;
use super::task::{Running, Stage};
use crate::error::escape_line;
use crate::progress::{Phase, Unit};
use crate::units::ByteSize;

/// The line that stays of a finished task: `NAME: verified, 12.3 MiB, 0.52 s`.
#[derive(Debug, Clone)]
pub struct Finished {
    /// In one line.
    pub name: String,
    /// What follows it, each with how soon it is given up where there is no room.
    pub parts: Vec<(u8, String)>,
}

impl Finished {
    /// Of a task that has worked for so long.
    pub fn of(task: &Running, outcome: &str, time: Duration) -> Self {
        let done = task.done();
        let rate = (done as f64 / time.as_secs_f64().max(0.001)) as u64;
        let is_stream = task.phase == Phase::Find && task.total.is_none();
        let mut parts = vec![(0, escape_line(outcome).into_owned())];
        // Of anything else the outcome says what was counted.
        if task.unit != Unit::Items && done > 0 {
            parts.push((2, ByteSize(done).to_string()));
            if is_stream || task.unit == Unit::TransferredBytes {
                parts.push((3, format!("{}/s", ByteSize(rate))));
            }
        }
        parts.push((1, format!("{:.2} s", time.as_secs_f64())));
        Self {
            name: task.shown_name(),
            parts,
        }
    }

    /// All of it.
    pub fn line(&self) -> String {
        format!("{}: {}", self.name, self.behind())
    }

    /// What follows the name.
    pub fn behind(&self) -> String {
        let parts: Vec<_> = self.parts.iter().map(|(_, part)| part.as_str()).collect();
        parts.join(", ")
    }
}

/// A line that says that there is work going on, and how far it is, for a log.
pub fn running(tasks: &[std::sync::Arc<Running>], whole: &Whole) -> String {
    let of_phase: Vec<_> = tasks
        .iter()
        .filter(|task| task.phase == whole.phase)
        .collect();
    let (name, elapsed) = match of_phase[..] {
        [task] => (task.shown_name(), task.worked()),
        _ => (whole.phase.word().to_owned(), whole.elapsed),
    };
    let mut parts = Vec::new();
    if let [task] = of_phase[..]
        && let Some(Stage::Doing(_) | Stage::Waiting(_)) = task.stage()
    {
        parts.extend(
            task.stage()
                .map(|stage| escape_line(&stage.text()).into_owned()),
        );
    }
    match (whole.done, whole.total) {
        (Some(done), Some(total)) => parts.push(format!(
            "{} of {} ({}%)",
            ByteSize(done),
            ByteSize(total),
            percent(done, total)
        )),
        (Some(done), None) => parts.push(format!("{} so far", ByteSize(done))),
        (None, _) => {
            let counted = of_phase
                .iter()
                .find_map(|task| Some((task.done(), task.total?)));
            parts.extend(counted.map(|(done, total)| format!("{}%", percent(done, total))));
        }
    }
    parts.extend(whole.rate.map(|rate| format!("{}/s", ByteSize(rate))));
    parts.extend(whole.left.map(left));
    parts.push(format!("after {} s", elapsed.as_secs()));
    if of_phase.len() > 1 {
        parts.push(format!("{} at work", whole.at_work));
        if whole.waiting > 0 {
            parts.push(format!("{} waiting", whole.waiting));
        }
    }
    format!("{name}: {}", parts.join(", "))
}

/// How many hundredths are done, of nothing all; never rounded up, so that the last is of all.
pub fn percent(done: u64, total: u64) -> u64 {
    if total == 0 {
        return 100;
    }
    let hundredths = u128::from(done) * 100 / u128::from(total);
    u64::try_from(hundredths).unwrap_or(100).min(100)
}

/// What is left of the time: `54 s left`, `12 min left`.
pub fn left(time: Duration) -> String {
    match time.as_secs_f64().ceil() as u64 {
        seconds @ 0..100 => format!("{seconds} s left"),
        seconds @ 100..6000 => format!("{} min left", seconds.div_ceil(60)),
        seconds => format!("{} h left", seconds.div_ceil(3600)),
    }
}

/// A time as clocks show it: `0:07`, `1:02:03`.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::progress::Task;

    fn whole(done: Option<u64>, total: Option<u64>) -> Whole {
        Whole {
            phase: Phase::Layers,
            done,
            total,
            rate: done.map(|_| 1 << 20),
            left: total.map(|_| Duration::from_secs(6)),
            elapsed: Duration::from_secs(15),
            at_work: 1,
            waiting: 1,
        }
    }

    #[test]
    fn a_running_line_has_numbers_whatever_is_known() {
        let one = Arc::new(Running::new(Task::bytes(Phase::Layers, "layer 1", 4 << 20)));
        let two = Arc::new(Running::new(Task::bytes(Phase::Layers, "layer 2", 4 << 20)));
        let both = [Arc::clone(&one), Arc::clone(&two)];
        assert_eq!(
            running(&both, &whole(Some(2 << 20), Some(8 << 20))),
            "layers: 2 MiB of 8 MiB (25%), 1 MiB/s, 6 s left, after 15 s, 1 at work, 1 waiting"
        );
        let alone = [Arc::clone(&one)];
        // The time is the task's own.
        let without_time = |line: String| line.split(", after ").next().unwrap().to_owned();
        assert_eq!(
            without_time(running(&alone, &whole(Some(2 << 20), None))),
            "layer 1: 2 MiB so far, 1 MiB/s"
        );
        one.enter(Stage::Waiting("a\nconnection".to_owned()));
        assert_eq!(
            without_time(running(&alone, &whole(None, None))),
            "layer 1: waiting for a\\x0aconnection, 0%"
        );
        assert_eq!(running(&[], &whole(None, None)), "layers: after 15 s");
    }

    #[test]
    fn a_finished_line_has_the_rate_of_what_came_from_elsewhere() {
        let line = |task: Task<'_>| {
            let task = Running::new(task);
            task.add(3 << 20);
            Finished::of(&task, "done", Duration::from_secs(2)).line()
        };
        let pipe = line(Task::bytes(Phase::Find, "read standard input", None));
        assert_eq!(pipe, "read standard input: done, 3 MiB, 1.5 MiB/s, 2.00 s");
        let file = line(Task::bytes(Phase::Find, "read a\tb", 3 << 20));
        assert_eq!(file, "read a\\x09b: done, 3 MiB, 2.00 s");
        let download = line(Task::transferred(Phase::Layers, "download", 3 << 20));
        assert_eq!(download, "download: done, 3 MiB, 1.5 MiB/s, 2.00 s");
        let items = line(Task::items(Phase::Flatten, "flatten", None));
        assert_eq!(items, "flatten: done, 2.00 s");
    }

    #[test]
    fn times_are_short() {
        let seconds = Duration::from_secs;
        for (time, expected) in [(7, "0:07"), (723, "12:03"), (3723, "1:02:03")] {
            assert_eq!(clock(seconds(time)), expected);
        }
        for (time, expected) in [
            (0, "0 s left"),
            (1, "1 s left"),
            (99, "99 s left"),
            (100, "2 min left"),
            (7200, "2 h left"),
        ] {
            assert_eq!(left(seconds(time)), expected);
        }
        assert_eq!(
            [percent(0, 0), percent(1, 3), percent(9, 3)],
            [100, 33, 100]
        );
    }
}
