//! What must not outlive the process: named partial files and running children.
//!
//! Almost everything temporary is an unnamed file and needs none of this. What has a name, for
//! the moment before it is renamed or on filesystems without unnamed files, is registered here, so
//! that a signal handler thread can remove it while other threads are blocked anywhere.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

static LEFTOVERS: Mutex<Vec<Leftover>> = Mutex::new(Vec::new());

/// Whether an output has its name. Locked while it gets it.
static COMMITTED: Mutex<bool> = Mutex::new(false);

#[derive(Debug, PartialEq, Eq)]
enum Leftover {
    File(PathBuf),
    /// A process group by its leader.
    Children(Pid),
}

/// Keeps a leftover registered; dropping it takes it off the list and touches nothing else.
#[derive(Debug)]
pub struct Registration(Option<Leftover>);

/// Registers a file that [`clean_up`] removes.
pub fn register_file(path: &Path) -> Registration {
    lock(&LEFTOVERS).push(Leftover::File(path.to_owned()));
    Registration(Some(Leftover::File(path.to_owned())))
}

/// Does what must not be cut in two by a [`clean_up`], such as making a file and taking its name
/// away. It may not register anything.
pub fn undisturbed<T>(deed: impl FnOnce() -> T) -> T {
    let _leftovers = lock(&LEFTOVERS);
    deed()
}

/// Starts a child process and registers it in one go: no [`clean_up`] comes in between. The child
/// must lead a process group of its own, which [`clean_up`] kills, so that a wrapper script does
/// not leave the program it wraps behind. `start` gives the child and its process number.
///
/// Drop the registration before the child is waited for, never after: its number may be another
/// process's by then.
///
/// # Errors
/// Those of `start`.
pub fn start_child<T, E>(
    start: impl FnOnce() -> Result<(T, u32), E>,
) -> Result<(T, Registration), E> {
    let mut leftovers = lock(&LEFTOVERS);
    let (child, id) = start()?;
    let leader = i32::try_from(id).ok().and_then(Pid::from_raw);
    leftovers.extend(leader.map(Leftover::Children));
    Ok((child, Registration(leader.map(Leftover::Children))))
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut leftovers = lock(&LEFTOVERS);
        if let Some(own) = &self.0
            && let Some(index) = leftovers.iter().position(|other| other == own)
        {
            leftovers.swap_remove(index);
        }
    }
}

/// Gives an output its name, or all of several outputs theirs: `name` runs wholly before a
/// [`clean_up`] or not at all.
///
/// # Errors
/// Those of `name`; it has taken back what it did then.
pub fn commit<T, E>(name: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let mut committed = lock(&COMMITTED);
    let named = name()?;
    *committed = true;
    Ok(named)
}

/// Removes the registered files and kills the registered children; says whether this process has
/// an output that has got its name already. Both lists stay locked afterwards, so that nothing new
/// can be registered nor named: the caller is expected to end the process.
pub fn clean_up() -> bool {
    let committed = lock(&COMMITTED);
    let mut leftovers = lock(&LEFTOVERS);
    for leftover in leftovers.drain(..) {
        // Best effort: there is nobody left to tell.
        match leftover {
            Leftover::File(path) => drop(std::fs::remove_file(path)),
            Leftover::Children(leader) => drop(kill_process_group(leader, Signal::KILL)),
        }
    }
    let any = *committed;
    std::mem::forget((committed, leftovers));
    any
}

fn lock<T>(list: &'static Mutex<T>) -> MutexGuard<'static, T> {
    // A panic elsewhere must not keep the clean-up from running.
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
