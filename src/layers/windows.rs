//! zstd windows: how many layers may have one at a time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::limits::{Limits, ZSTD_WINDOWS_BYTES};

/// Windows of the largest size that are still to be had; those who find none wait.
#[derive(Debug)]
pub(super) struct Windows {
    free: Mutex<u64>,
    given_back: Condvar,
}

/// A window that is held.
#[derive(Debug)]
pub(super) struct Window<'a>(&'a Windows);

impl Windows {
    /// As many as [`ZSTD_WINDOWS_BYTES`] hold, and always one.
    pub(super) fn new(limits: &Limits) -> Self {
        let window_bytes = 1_u64
            .checked_shl(limits.max_zstd_window_log)
            .unwrap_or(u64::MAX);
        Self {
            free: Mutex::new((ZSTD_WINDOWS_BYTES / window_bytes).max(1)),
            given_back: Condvar::new(),
        }
    }

    /// Takes one, as soon as there is one; `waits` hears where that is not now. Who holds one waits for
    /// nobody who may be waiting here.
    pub(super) fn take(&self, waits: impl FnOnce()) -> Window<'_> {
        let free = self.free();
        if *free == 0 {
            waits();
        }
        let free = self.given_back.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Window(self)
    }

    fn free(&self) -> MutexGuard<'_, u64> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        *self.0.free() += 1;
        self.0.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn windows(max_zstd_window_log: u32) -> Windows {
        Windows::new(&Limits {
            max_zstd_window_log,
            ..Limits::default()
        })
    }

    #[test]
    fn windows_held_at_once_are_within_the_bound_or_a_single_one() {
        for (log, most) in [(27, 4), (26, 8), (29, 1), (31, 1), (70, 1)] {
            let windows = windows(log);
            assert_eq!(*windows.free(), most, "{log}");
            let (held, peak) = (AtomicU64::new(0), AtomicU64::new(0));
            std::thread::scope(|scope| {
                for _ in 0..12 {
                    scope.spawn(|| {
                        for _ in 0..20 {
                            let _window = windows.take(|| {});
                            let now = held.fetch_add(1, Ordering::SeqCst) + 1;
                            peak.fetch_max(now, Ordering::SeqCst);
                            std::thread::yield_now();
                            held.fetch_sub(1, Ordering::SeqCst);
                        }
                    });
                }
            });
            let peak = peak.into_inner();
            assert!(peak <= most, "{log}: {peak} at once");
            assert_eq!(*windows.free(), most, "all were given back");
        }
    }
}
