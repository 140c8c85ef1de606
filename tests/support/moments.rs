//! Moments at which a run is interrupted, spread over the time that it takes.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use super::run::Running;

/// Moments over a run's time and a little beyond, in an order that jumps about. How long a run takes
/// is learnt from those that ended before their moment came: when the first was measured, the machine
/// may have been busier than it is now.
pub struct Moments {
    whole: Duration,
    count: u32,
    given: u32,
}

impl Moments {
    /// `count` moments over a time, and then the same ones over again.
    pub fn over(whole: Duration, count: u32) -> Self {
        Self {
            whole,
            count,
            given: 0,
        }
    }

    /// The next one.
    pub fn next(&mut self) -> Duration {
        let index = self.given * 37 % self.count;
        self.given += 1;
        self.whole.mul_f64(1.05) * index / self.count
    }

    /// A run was over when its moment came.
    pub fn was_too_late(&mut self, moment: Duration) {
        self.whole = self.whole.min(moment);
    }

    /// Whether to go on: until each moment was met, and `enough` says so. It must, some time.
    #[track_caller]
    pub fn go_on(&self, enough: bool) -> bool {
        assert!(
            self.given < 20 * self.count,
            "not enough of {} moments over {:?}",
            self.given,
            self.whole
        );
        self.given < self.count || !enough
    }
}

/// Whether a process has begun to heed a signal, as the kernel tells it.
pub fn heeds(running: &Running, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", running.child.id()));
    let status = status.unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.map_or(0, |digits| u64::from_str_radix(digits.trim(), 16).unwrap());
    caught >> (signal.as_raw() - 1) & 1 == 1
}
