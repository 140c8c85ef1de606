//! What must not outlive the process: named partial files and running children.
//!
//! Almost everything temporary is an unnamed file and needs none of this. What has a name, for
//! the moment before it is renamed or on filesystems without unnamed files, is registered here, so
//! that a signal handler thread can remove it while other threads are blocked anywhere.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::process::{Pid, Signal, kill_process};

static LEFTOVERS: Mutex<Vec<Leftover>> = Mutex::new(Vec::new());

#[derive(Debug, PartialEq, Eq)]
enum Leftover {
    File(PathBuf),
    Child(Pid),
}

/// Keeps a leftover registered; dropping it takes it off the list and touches nothing else.
#[derive(Debug)]
pub struct Registration(Option<Leftover>);

/// Registers a file that [`clean_up`] removes.
pub fn register_file(path: &Path) -> Registration {
    register(|| Leftover::File(path.to_owned()))
}

/// Registers a child process that [`clean_up`] kills. Drop the registration before the child is
/// waited for, never after: its number may be another process's by then.
pub fn register_child(id: u32) -> Registration {
    match i32::try_from(id).ok().and_then(Pid::from_raw) {
        Some(pid) => register(|| Leftover::Child(pid)),
        None => Registration(None),
    }
}

fn register(make: impl Fn() -> Leftover) -> Registration {
    lock().push(make());
    Registration(Some(make()))
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut leftovers = lock();
        if let Some(own) = &self.0
            && let Some(index) = leftovers.iter().position(|other| other == own)
        {
            leftovers.swap_remove(index);
        }
    }
}

/// Removes the registered files and kills the registered children. The list stays locked
/// afterwards, so that nothing new can be registered: the caller is expected to end the process.
pub fn clean_up() {
    let mut leftovers = lock();
    for leftover in leftovers.drain(..) {
        // Best effort: there is nobody left to tell.
        match leftover {
            Leftover::File(path) => drop(std::fs::remove_file(path)),
            Leftover::Child(pid) => drop(kill_process(pid, Signal::KILL)),
        }
    }
    std::mem::forget(leftovers);
}

fn lock() -> std::sync::MutexGuard<'static, Vec<Leftover>> {
    // A panic elsewhere must not keep the clean-up from running.
    LEFTOVERS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
