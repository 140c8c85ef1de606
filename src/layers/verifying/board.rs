//! Who hashes what: the threads' common list.

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::layers::stored::{LayerProgress, read_failed};
use crate::layers::verification::Verification;
use crate::oci::DiffId;
use crate::page_buffer::PageBuffer;
use crate::region::FileRegion;

/// Hashed in one go by one thread; short enough that threads share the work well.
const SLICE_BYTES: u64 = 8 << 20;

/// A spool that grows by less is not worth waking anybody.
const WORTHWHILE_BYTES: u64 = 1 << 20;

const BUFFER_BYTES: usize = 128 << 10;

/// Which bytes of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::layers) enum Which {
    /// As stored, which for an uncompressed layer is the tar too.
    Stored,
    /// The decompressed tar.
    Tar,
}

/// Something to hash.
pub(in crate::layers) struct Check {
    pub(in crate::layers) layer: usize,
    pub(in crate::layers) which: Which,
    /// All bytes there are, or will be.
    pub(in crate::layers) bytes: FileRegion,
    pub(in crate::layers) verification: Verification,
    pub(in crate::layers) progress: Arc<LayerProgress>,
    /// Whether hashing is what the layer's progress counts.
    pub(in crate::layers) is_counted: bool,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.bytes.fmt(formatter)
    }
}

/// Checks, and how far each is.
#[derive(Debug, Default)]
pub(super) struct Board {
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
    /// The file, where it is a spool.
    spool: Option<Arc<File>>,
    /// Absent while a thread has it and when it is done.
    work: Option<Box<Check>>,
    /// With the diff ID where that was to be found.
    outcome: Option<Result<Option<DiffId>>>,
    is_given_up: bool,
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

impl Board {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many bytes more of a check are there.
    pub(super) fn grow(&self, index: usize, bytes: u64) {
        let mut state = self.lock();
        let slot = &mut state.slots[index];
        let before = slot.available / WORTHWHILE_BYTES;
        slot.available += bytes;
        if slot.available / WORTHWHILE_BYTES > before {
            self.changed.notify_one();
        }
    }

    /// All bytes of a check are there.
    pub(super) fn is_whole(&self, index: usize) {
        self.lock().slots[index].is_whole = true;
        self.changed.notify_one();
    }

    /// Nobody writes a check's bytes any more.
    pub(super) fn give_up_unless_whole(&self, index: usize) {
        let mut state = self.lock();
        if !state.slots[index].is_whole {
            state.slots[index].give_up();
            self.changed.notify_all();
        }
    }

    /// Gives up all of the layers above one, and its tar, also what is done: whether that comes
    /// before or after is chance.
    pub(super) fn give_up_above(&self, layer: usize) {
        let mut state = self.lock();
        for slot in &mut state.slots {
            if (slot.layer, slot.which) > (layer, Which::Stored) {
                slot.give_up();
            }
        }
        self.changed.notify_all();
    }

    /// No more checks come.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Nobody wants to know any more.
    pub(super) fn stop(&self) {
        self.lock().is_stopped = true;
        self.changed.notify_all();
    }

    /// After the work: the lowest layer that is not what it should be, of those that were not given
    /// up, and why.
    pub(super) fn first_error(&self) -> Option<(usize, Error)> {
        let state = self.lock();
        let missing = || Error::Mismatch("a layer was not verified".to_owned());
        let error = |slot: &Slot| match &slot.outcome {
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(error.clone()),
            None => Some(missing()),
        };
        let checked = state.slots.iter().filter(|slot| !slot.is_given_up);
        checked
            .filter_map(|slot| Some(((slot.layer, slot.which), error(slot)?)))
            .min_by_key(|(place, _)| *place)
            .map(|((layer, _), error)| (layer, error))
    }

    /// Whether something has turned out not to be what it should be.
    pub(super) fn has_failed(&self) -> bool {
        let failed = |slot: &Slot| !slot.is_given_up && matches!(slot.outcome, Some(Err(_)));
        self.lock().slots.iter().any(failed)
    }

    /// Each layer's spool, where it has one that was not given up, and the place of its check.
    pub(super) fn spools(&self, layers: usize) -> Vec<Option<(Arc<File>, usize)>> {
        let mut spools = vec![None; layers];
        for (index, slot) in self.lock().slots.iter().enumerate() {
            if let (Some(spool), false) = (&slot.spool, slot.is_given_up) {
                spools[slot.layer] = Some((Arc::clone(spool), index));
            }
        }
        spools
    }

    /// Whether nobody will read a check's bytes before `end` to hash them.
    pub(super) fn is_hashed(&self, index: usize, end: u64) -> bool {
        let slot = &self.lock().slots[index];
        slot.outcome.is_some() || slot.position >= end
    }

    /// Adds a check whose bytes are all there; gives its place in the list.
    pub(super) fn push_whole(&self, check: Check) -> usize {
        let available = check.bytes.length_bytes;
        self.push(check, available, None)
    }

    /// Adds a check whose bytes will come; gives its place in the list.
    pub(super) fn push_growing(&self, check: Check) -> usize {
        let spool = Arc::clone(&check.bytes.file);
        self.push(check, 0, Some(spool))
    }

    fn push(&self, check: Check, available: u64, spool: Option<Arc<File>>) -> usize {
        let mut state = self.lock();
        state.slots.push(Slot {
            layer: check.layer,
            which: check.which,
            available,
            is_whole: spool.is_none(),
            position: 0,
            spool,
            work: Some(Box::new(check)),
            outcome: None,
            is_given_up: false,
        });
        self.changed.notify_one();
        state.slots.len() - 1
    }

    /// Hashes whatever has most to hash, until nothing is left and nothing more comes.
    pub(super) fn work(&self) {
        self.work_until(|state| state.is_closed && state.slots.iter().all(Slot::is_settled));
    }

    /// Helps until a layer's diff ID has been found.
    ///
    /// # Errors
    /// Why it has not: its bytes cannot be read, or are nobody's business any more.
    pub(super) fn found(&self, layer: usize) -> Result<DiffId> {
        let of_layer = |slot: &&Slot| slot.layer == layer;
        self.work_until(|state| state.slots.iter().filter(of_layer).all(Slot::is_settled));
        let state = self.lock();
        let outcomes = state.slots.iter().filter(of_layer);
        let mut outcomes = outcomes.filter(|slot| !slot.is_given_up);
        let found = outcomes.find_map(|slot| match slot.outcome.as_ref()? {
            Ok(found) => found.clone().map(Ok),
            Err(error) => Some(Err(error.clone())),
        });
        found.unwrap_or_else(|| Err(Error::Mismatch("a layer was not hashed".to_owned())))
    }

    /// Hashes whatever has most to hash, until all is as wanted or nobody wants it any more.
    fn work_until(&self, is_done: impl Fn(&State) -> bool) {
        let mut buffer = PageBuffer::new(BUFFER_BYTES);
        let mut state = self.lock();
        loop {
            if state.is_stopped {
                return;
            }
            if is_done(&state) {
                self.changed.notify_all();
                return;
            }
            let ready = |(index, slot): (usize, &Slot)| Some((slot.pending()?, index));
            let most = state.slots.iter().enumerate().filter_map(ready).max();
            let Some((pending, index)) = most else {
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

impl Check {
    fn hash(&mut self, start: u64, length: u64, buffer: &mut [u8]) -> Result<()> {
        let slice = FileRegion {
            offset_bytes: self.bytes.offset_bytes + start,
            length_bytes: length,
            ..self.bytes.clone()
        };
        slice.for_each_piece(buffer, |_, piece| {
            self.verification.update(piece.map_err(read_failed)?);
            Ok(())
        })?;
        if self.is_counted {
            self.progress.add(length);
        }
        Ok(())
    }

    fn end(self) -> Result<Option<DiffId>> {
        let found = self.verification.finish()?;
        self.progress.one_less();
        Ok(found)
    }
}
