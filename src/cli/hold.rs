//! Signals held back while there is something to undo that only this process would.

use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use signal_hook::consts::{SIGINT, SIGQUIT};

static HELD: Mutex<Option<Held>> = Mutex::new(None);

#[derive(Debug, Default)]
struct Held {
    received: Option<i32>,
    child: Option<Pid>,
}

/// While it lives, signals do not end the process: they are kept, or passed to a child.
#[derive(Debug)]
pub struct Hold(());

/// Begins to hold signals back.
pub fn hold() -> Hold {
    *lock() = Some(Held::default());
    Hold(())
}

/// The first signal that came while signals were held.
pub fn received() -> Option<i32> {
    lock().as_ref().and_then(|held| held.received)
}

/// What keeps a [`hold`] from beginning any more.
pub struct Ending(#[allow(dead_code)] MutexGuard<'static, Option<Held>>);

/// Takes a signal. Where none are held, the process is to end with what is returned still alive.
pub fn take(signal: i32) -> Option<Ending> {
    let mut held = lock();
    match &mut *held {
        Some(held) => {
            held.take(signal);
            None
        }
        None => Some(Ending(held)),
    }
}

impl Held {
    fn take(&mut self, signal: i32) {
        self.received.get_or_insert(signal);
        // The terminal has sent it to the child as well; twice may mean something else to it.
        if !(matches!(signal, SIGINT | SIGQUIT) && is_in_foreground()) {
            self.pass(signal);
        }
    }

    fn pass(&self, signal: i32) {
        if let (Some(child), Some(signal)) = (self.child, Signal::from_named_raw(signal)) {
            // It may have ended by now: its number is still its own.
            let _ = kill_process(child, signal);
        }
    }
}

/// Whether this process is one of those that the terminal sends its signals to.
fn is_in_foreground() -> bool {
    File::open("/dev/tty")
        .ok()
        .and_then(|terminal| tcgetpgrp(terminal).ok())
        .is_some_and(|group| group == getpgrp())
}

impl Hold {
    /// Passes signals to a child that is not reaped yet, from its start on, or no more.
    pub fn pass_to(&self, child: Option<u32>) {
        if let Some(held) = &mut *lock() {
            held.child = child
                .and_then(|id| i32::try_from(id).ok())
                .and_then(Pid::from_raw);
            // One that came while the child was being started.
            if let Some(signal) = held.received {
                held.pass(signal);
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        *lock() = None;
    }
}

fn lock() -> MutexGuard<'static, Option<Held>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}
