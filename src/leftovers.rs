//! What must not outlive the process: named partial files and running children. And what must:
//! outputs that have their names.
//!
//! Almost everything temporary is an unnamed file and needs none of this. What has a name, for
//! the moment before it is renamed or on filesystems without unnamed files, is registered here, so
//! that a signal handler thread can remove it while other threads are blocked anywhere.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

static LEFTOVERS: Mutex<Vec<Leftover>> = Mutex::new(Vec::new());

/// Locked while an output gets its name.
static OUTPUTS: Mutex<Outputs> = Mutex::new(Outputs {
    making: BTreeMap::new(),
    named: Vec::new(),
});

/// Tells leftovers apart.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Its number, and how it ends.
type Leftover = (u64, Box<dyn FnOnce() + Send>);

/// Keeps a leftover registered; dropping it takes it off the list and touches nothing else.
#[derive(Debug)]
pub struct Registration(u64);

/// Makes what must not be left and registers how it ends, in one go: no [`clean_up`] comes in
/// between. Neither may register anything.
///
/// # Errors
/// Those of `make`; nothing is registered then.
pub fn make<T, E, End: FnOnce() + Send + 'static>(
    make: impl FnOnce() -> Result<(T, End), E>,
) -> Result<(T, Registration), E> {
    let mut leftovers = lock(&LEFTOVERS);
    let (made, end) = make()?;
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    leftovers.push((number, Box::new(end)));
    Ok((made, Registration(number)))
}

/// Registers a file that [`clean_up`] removes.
pub fn register_file(path: &Path) -> Registration {
    let path = path.to_owned();
    let remove = move || drop(std::fs::remove_file(path));
    let Ok(((), registration)) = make(|| Ok::<_, Infallible>(((), remove)));
    registration
}

/// Does what must not be cut in two by a [`clean_up`], such as making a file and taking its name
/// away. It may not register anything.
pub fn undisturbed<T>(deed: impl FnOnce() -> T) -> T {
    let _leftovers = lock(&LEFTOVERS);
    deed()
}

/// Starts a child process that [`clean_up`] kills. The child must lead a process group of its own,
/// all of which is killed, so that a wrapper script does not leave the program it wraps behind.
/// `start` gives the child and its process number.
///
/// Drop the registration before the child is waited for, never after: its number may be another
/// process's by then.
///
/// # Errors
/// Those of `start`.
pub fn start_child<T, E>(
    start: impl FnOnce() -> Result<(T, u32), E>,
) -> Result<(T, Registration), E> {
    make(|| {
        let (child, id) = start()?;
        let leader = i32::try_from(id).ok().and_then(Pid::from_raw);
        let kill = move || {
            if let Some(leader) = leader {
                let _ = kill_process_group(leader, Signal::KILL);
            }
        };
        Ok((child, kill))
    })
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock(&LEFTOVERS).retain(|(number, _)| *number != self.0);
    }
}

/// This process's outputs.
#[derive(Debug, Default)]
pub struct Outputs {
    /// By what they will be called: there may be a hundred thousand.
    making: BTreeMap<PathBuf, Arc<Making>>,
    /// Those that have got their names, in that order.
    pub named: Vec<PathBuf>,
}

impl Outputs {
    /// How many are still being made.
    pub fn unfinished(&self) -> usize {
        self.making.len()
    }
}

/// An output without its name.
#[derive(Debug)]
struct Making {
    output: PathBuf,
    is_named: AtomicBool,
}

/// Keeps an output among those that are being made, until it has its name or this is dropped.
#[derive(Debug)]
pub struct Begun(Arc<Making>);

/// Begins an output that [`commit`] will name. Where that is begun already, there is one more who
/// keeps it.
pub fn begin(output: &Path) -> Begun {
    let mut outputs = lock(&OUTPUTS);
    if let Some(making) = outputs.making.get(output) {
        return Begun(Arc::clone(making));
    }
    let making = Arc::new(Making {
        output: output.to_owned(),
        is_named: AtomicBool::new(false),
    });
    outputs
        .making
        .insert(output.to_owned(), Arc::clone(&making));
    Begun(making)
}

impl Drop for Begun {
    fn drop(&mut self) {
        // A clean-up keeps the list for good, and who has only to end by then must not wait for it.
        if !self.0.is_named.load(Ordering::Acquire) {
            let mut outputs = lock(&OUTPUTS);
            // The list has one, and this is the other.
            if Arc::strong_count(&self.0) == 2 {
                outputs.making.remove(&self.0.output);
            }
        }
    }
}

/// Gives `output` its name, and what belongs to it theirs: `name` runs wholly before a
/// [`clean_up`] or not at all. No two run at the same time.
///
/// # Errors
/// Those of `name`; it has taken back what it did then.
pub fn commit<T, E>(output: &Path, name: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let mut outputs = lock(&OUTPUTS);
    let named = name()?;
    if let Some(made) = outputs.making.remove(output) {
        made.is_named.store(true, Ordering::Release);
    }
    outputs.named.push(output.to_owned());
    Ok(named)
}

/// Ends everything that is registered; says which outputs this process has named and which not.
/// Both lists stay locked afterwards, so that nothing new can be registered nor named: the caller is
/// expected to end the process.
pub fn clean_up() -> Outputs {
    let mut outputs = lock(&OUTPUTS);
    let mut leftovers = lock(&LEFTOVERS);
    for (_, end) in leftovers.drain(..) {
        // Best effort: there is nobody left to tell.
        end();
    }
    let found = std::mem::take(&mut *outputs);
    std::mem::forget((outputs, leftovers));
    found
}

fn lock<T>(list: &'static Mutex<T>) -> MutexGuard<'static, T> {
    // A panic elsewhere must not keep the clean-up from running.
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
