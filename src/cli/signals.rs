//! Ending cleanly on SIGINT, SIGTERM, SIGHUP and SIGQUIT, wherever the other threads are; or, for
//! a while, not ending.

use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::leftovers;

static HELD: Mutex<Option<Held>> = Mutex::new(None);

#[derive(Debug, Default)]
struct Held {
    received: Option<i32>,
    child: Option<Pid>,
}

/// Starts the thread that waits for a signal, cleans up and ends the process with 128 + its
/// number, as a shell reports it.
///
/// # Errors
/// When the handlers or the thread cannot be set up.
pub fn handle() -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                // Locked to the end of the process: holding begins before it or never.
                let mut held = lock();
                if let Some(held) = &mut *held {
                    held.take(signal);
                    continue;
                }
                leftovers::clean_up();
                // The cursor may be hidden and a bar half drawn.
                eprint!("\x1b[?25h\r\x1b[K");
                eprintln!("error: interrupted; nothing is left behind");
                std::process::exit(128 + signal);
            }
        })?;
    Ok(())
}

impl Held {
    fn take(&mut self, signal: i32) {
        self.received.get_or_insert(signal);
        // The terminal has sent it to the child as well; twice may mean something else to it.
        let from_terminal = matches!(signal, SIGINT | SIGQUIT) && is_in_foreground();
        if let (Some(child), Some(signal), false) =
            (self.child, Signal::from_named_raw(signal), from_terminal)
        {
            // It may have ended, and is not reaped yet: no harm.
            let _ = kill_process(child, signal);
        }
    }
}

fn is_in_foreground() -> bool {
    File::open("/dev/tty")
        .ok()
        .and_then(|terminal| tcgetpgrp(terminal).ok())
        .is_some_and(|group| group == getpgrp())
}

/// While it lives, signals do not end the process: they are kept, or passed to a child.
#[derive(Debug)]
pub struct Hold(());

/// Begins to hold signals back, until there is nothing left to undo.
pub fn hold() -> Hold {
    *lock() = Some(Held::default());
    Hold(())
}

/// The first signal that came while signals were held.
pub fn received() -> Option<i32> {
    lock().as_ref().and_then(|held| held.received)
}

impl Hold {
    /// Passes signals to a child that is not reaped yet, from now on or no more.
    pub fn pass_to(&self, child: Option<u32>) {
        if let Some(held) = &mut *lock() {
            held.child = child
                .and_then(|id| i32::try_from(id).ok())
                .and_then(Pid::from_raw);
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
