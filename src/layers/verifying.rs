//! Digests and diff IDs, computed beside everything else.
//!
//! Hashing takes about as long as all other work of a build together, and nothing but the output's
//! name waits for it. So it runs on threads of its own, behind the decompressor while a spool
//! grows, and beside the steps that follow. Nothing that a layer says is final until
//! [`Verifying::finish`] has said that its bytes are the ones the image names.

use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::verification::Verification;
use crate::error::{Error, Result};
use crate::progress::Meter;
use crate::region::FileRegion;
use crate::source::StoredBlob;

/// Hashed in one go by one thread; short enough that threads share the work well.
const SLICE_BYTES: u64 = 8 << 20;

/// A spool that grows by less is not worth waking anybody.
const WORTHWHILE_BYTES: u64 = 1 << 20;

const BUFFER_BYTES: usize = 128 << 10;

/// All layers' bytes on their way to being held against what the image says of them.
#[derive(Debug)]
#[must_use = "layers are not verified until this is finished"]
pub struct Verifying {
    board: Arc<Board>,
    threads: Vec<JoinHandle<()>>,
    image: String,
    /// How errors call each layer.
    labels: Vec<String>,
}

/// Which bytes of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Which {
    /// As stored, which for an uncompressed layer is the tar too.
    Stored,
    /// The decompressed tar.
    Tar,
}

/// A layer's line of progress, done when the layer has been read and the last of its checks is.
pub(super) struct LayerProgress {
    meter: Arc<dyn Meter>,
    stored: StoredBlob,
    unfinished: AtomicUsize,
}

impl LayerProgress {
    /// Progress of a layer with so many checks, which is still to be read.
    pub(super) fn new(meter: &Arc<dyn Meter>, stored: &StoredBlob, checks: usize) -> Arc<Self> {
        Arc::new(Self {
            meter: Arc::clone(meter),
            stored: stored.clone(),
            unfinished: AtomicUsize::new(checks + 1),
        })
    }

    /// So many bytes more are done; who brings bytes here counts them himself.
    pub(super) fn add(&self, bytes: u64) {
        if self.stored.at_hand().is_some() {
            self.meter.add(bytes);
        }
    }

    /// The layer has been read, or one of its checks is done.
    pub(super) fn one_less(&self) {
        if self.unfinished.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.meter.finish(self.stored.outcome());
        }
    }
}

/// Something to hash.
pub(super) struct Check {
    pub(super) layer: usize,
    pub(super) which: Which,
    /// All bytes there are, or will be.
    pub(super) bytes: FileRegion,
    pub(super) verification: Verification,
    pub(super) progress: Arc<LayerProgress>,
    /// Whether hashing is what the layer's progress counts.
    pub(super) is_counted: bool,
}

/// A check whose bytes are still being written. Dropped before it is whole, it is given up.
#[derive(Debug)]
pub(super) struct Growing {
    board: Arc<Board>,
    index: usize,
}

impl Growing {
    /// So many bytes more are there.
    pub(super) fn grow(&self, bytes: u64) {
        let mut state = self.board.lock();
        let slot = &mut state.slots[self.index];
        let before = slot.available / WORTHWHILE_BYTES;
        slot.available += bytes;
        if slot.available / WORTHWHILE_BYTES > before {
            self.board.changed.notify_one();
        }
    }

    /// All bytes are there.
    pub(super) fn whole(self) {
        self.board.lock().slots[self.index].is_whole = true;
        self.board.changed.notify_one();
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        let mut state = self.board.lock();
        if !state.slots[self.index].is_whole {
            state.slots[self.index].give_up();
            self.board.changed.notify_all();
        }
    }
}

/// What the threads share.
#[derive(Debug)]
struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    slots: Vec<Slot>,
    /// Whether no more checks come.
    is_closed: bool,
    is_stopped: bool,
}

#[derive(Debug)]
struct Slot {
    layer: usize,
    which: Which,
    available: u64,
    is_whole: bool,
    position: u64,
    /// Absent while a thread has it and when it is done.
    work: Option<Box<Work>>,
    outcome: Option<Result<()>>,
    is_given_up: bool,
}

struct Work {
    bytes: FileRegion,
    verification: Verification,
    progress: Arc<LayerProgress>,
    is_counted: bool,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.bytes.fmt(formatter)
    }
}

impl Slot {
    fn give_up(&mut self) {
        self.is_given_up = true;
        self.work = None;
    }

    /// Bytes to hash now; `None` where there is nothing to do.
    fn pending(&self) -> Option<u64> {
        let pending = self.available - self.position;
        let is_ready = self.work.is_some() && (self.is_whole || pending >= WORTHWHILE_BYTES);
        is_ready.then_some(pending)
    }

    fn is_settled(&self) -> bool {
        self.is_given_up || self.outcome.is_some()
    }
}

impl Verifying {
    /// Starts the threads: one fewer than `jobs`, since who calls [`Self::finish`] works too.
    pub(super) fn start(image: &str, labels: Vec<String>, jobs: NonZeroUsize) -> Self {
        let board = Arc::new(Board {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let thread = |_| {
            let board = Arc::clone(&board);
            let named = std::thread::Builder::new().name("hash".to_owned());
            // Without it finish() does the work alone.
            named.spawn(move || board.work()).ok()
        };
        let threads = (1..jobs.get()).filter_map(thread).collect();
        Self {
            board,
            threads,
            image: image.to_owned(),
            labels,
        }
    }

    /// Hashes bytes that are all there.
    pub(super) fn add(&self, check: Check) {
        let available = check.bytes.length_bytes;
        self.board.push(check, available, true);
    }

    /// Hashes bytes as they come.
    pub(super) fn add_growing(&self, check: Check) -> Growing {
        Growing {
            index: self.board.push(check, 0, false),
            board: Arc::clone(&self.board),
        }
    }

    /// Gives up what is above a layer that failed. Its stored bytes still count: damaged ones are
    /// better called so than by what they happened to break.
    pub(super) fn give_up_above(&self, layer: usize) {
        let mut state = self.board.lock();
        let failed = (layer, Which::Stored);
        for slot in &mut state.slots {
            if (slot.layer, slot.which) > failed && slot.outcome.is_none() {
                slot.give_up();
            }
        }
        drop(state);
        self.board.changed.notify_all();
    }

    /// Passes on what a later step says of the layers. Where that is an error, it may come of
    /// bytes that are not the image's, which is then the error to report.
    ///
    /// # Errors
    /// The step's; [`Self::finish`]'s in its place.
    pub fn unless_damaged<T>(self, said: Result<T>) -> Result<(T, Self)> {
        match said {
            Ok(value) => Ok((value, self)),
            // The machine's troubles are no news of the layers.
            Err(error @ (Error::Io { .. } | Error::Tool(_))) => Err(error),
            Err(error) => {
                self.finish()?;
                Err(error)
            }
        }
    }

    /// Waits until every byte has been hashed, and helps.
    ///
    /// # Errors
    /// Of the lowest layer that has one: [`Error::BadImage`] with both digests where one differs,
    /// [`Error::Io`] where bytes cannot be read again.
    pub fn finish(mut self) -> Result<()> {
        self.board.lock().is_closed = true;
        self.board.changed.notify_all();
        self.board.work();
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        let mut state = self.board.lock();
        state.slots.sort_by_key(|slot| (slot.layer, slot.which));
        for slot in state.slots.drain(..).filter(|slot| !slot.is_given_up) {
            let missing = || Err(Error::Mismatch("a layer was not verified".to_owned()));
            slot.outcome.unwrap_or_else(missing).map_err(|error| {
                error
                    .in_layer(&self.labels[slot.layer])
                    .in_image(&self.image)
            })?;
        }
        Ok(())
    }
}

impl Drop for Verifying {
    fn drop(&mut self) {
        self.board.lock().is_stopped = true;
        self.board.changed.notify_all();
        for thread in self.threads.drain(..) {
            // Only on the way out of an error, or after a panic.
            let _ = thread.join();
        }
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, check: Check, available: u64, is_whole: bool) -> usize {
        let Check {
            layer,
            which,
            bytes,
            verification,
            progress,
            is_counted,
        } = check;
        let mut state = self.lock();
        state.slots.push(Slot {
            layer,
            which,
            available,
            is_whole,
            position: 0,
            work: Some(Box::new(Work {
                bytes,
                verification,
                progress,
                is_counted,
            })),
            outcome: None,
            is_given_up: false,
        });
        self.changed.notify_one();
        state.slots.len() - 1
    }

    /// Hashes whatever has most to hash, until nothing is left and nothing more comes.
    fn work(&self) {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut state = self.lock();
        loop {
            if state.is_stopped {
                return;
            }
            let ready = |(index, slot): (usize, &Slot)| Some((slot.pending()?, index));
            let most = state.slots.iter().enumerate().filter_map(ready).max();
            let Some((pending, index)) = most else {
                if state.is_closed && state.slots.iter().all(Slot::is_settled) {
                    self.changed.notify_all();
                    return;
                }
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let slot = &mut state.slots[index];
            let Some(mut work) = slot.work.take() else {
                continue;
            };
            let start = slot.position;
            let length = pending.min(SLICE_BYTES);
            let is_last = slot.is_whole && length == pending;
            drop(state);
            let hashed = work.hash(start, length, &mut buffer);
            let ended = match hashed {
                Ok(()) if is_last => Some(work.end()),
                Ok(()) => {
                    state = self.lock();
                    let slot = &mut state.slots[index];
                    slot.position += length;
                    if !slot.is_given_up {
                        slot.work = Some(work);
                    }
                    continue;
                }
                Err(error) => Some(Err(error)),
            };
            state = self.lock();
            state.slots[index].outcome = ended;
            self.changed.notify_all();
        }
    }
}

impl Work {
    fn hash(&mut self, start: u64, length: u64, buffer: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while done < length {
            let want = (length - done).min(buffer.len() as u64);
            // At most the buffer's length.
            let target = &mut buffer[..want as usize];
            self.bytes
                .file
                .read_exact_at(target, self.bytes.offset_bytes + start + done)
                .map_err(super::stored::read_failed)?;
            self.verification.update(target);
            done += want;
        }
        if self.is_counted {
            self.progress.add(length);
        }
        Ok(())
    }

    fn end(self: Box<Self>) -> Result<()> {
        self.verification.finish()?;
        self.progress.one_less();
        Ok(())
    }
}
