//! The one thread that knows that time passes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::told::Shared;

/// Lets time pass from the first task on; its end is the thread's. Where there can be no thread nothing
/// moves, and all else is told nevertheless.
pub struct Ticker {
    interval: Duration,
    end: Arc<End>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct End {
    has_come: Mutex<bool>,
    came: Condvar,
}

impl Ticker {
    /// So often.
    pub fn each(interval: Duration) -> Self {
        Self {
            interval,
            end: Arc::default(),
            thread: Mutex::default(),
        }
    }

    /// Begins, if it has not begun.
    pub fn start(&self, shared: &Arc<Shared>) {
        let mut thread = lock(&self.thread);
        if thread.is_some() {
            return;
        }
        let (interval, end, shared) = (self.interval, Arc::clone(&self.end), Arc::clone(shared));
        let named = std::thread::Builder::new().name("ticks".to_owned());
        let started = named.spawn(move || {
            while !end.comes_within(interval) {
                shared.face.tick(&shared.board);
            }
        });
        *thread = started.ok();
    }
}

impl Drop for Ticker {
    /// Nothing is told after it: what is printed next stands alone.
    fn drop(&mut self) {
        *lock(&self.end.has_come) = true;
        self.end.came.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

impl End {
    fn comes_within(&self, time: Duration) -> bool {
        let is_awaited = |has_come: &mut bool| !*has_come;
        let waited = self
            .came
            .wait_timeout_while(lock(&self.has_come), time, is_awaited);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
