//! Stored bytes of layers: at hand, or on their way from a registry.

use std::fmt::Debug;
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::progress::{Meter, Reporter};
use crate::region::FileRegion;

/// How long a reader waits before it asks whether anybody still wants what it waits for.
const WAIT: Duration = Duration::from_millis(100);

/// Stored bytes that can be read, now or soon.
#[derive(Debug, Clone)]
pub enum StoredBlob {
    /// In a file, whole. Nobody has held them against their digest yet.
    AtHand(FileRegion),
    /// From a registry or its cache, where they are held against their digest on the way.
    Arriving(Arc<Arrival>),
}

impl StoredBlob {
    /// How long they are, or are to be.
    pub fn length_bytes(&self) -> u64 {
        match self {
            Self::AtHand(region) => region.length_bytes,
            Self::Arriving(arrival) => arrival.length_bytes(),
        }
    }

    /// Where they are; `None` for what is not at hand.
    pub fn at_hand(&self) -> Option<&FileRegion> {
        match self {
            Self::AtHand(region) => Some(region),
            Self::Arriving(_) => None,
        }
    }

    /// Begins to read them, once there is anything of them. `stop` says whether it is not worth
    /// waiting any more.
    ///
    /// # Errors
    /// Why they will not come.
    pub fn open(&self, stop: &dyn Fn() -> bool) -> Result<OpenBlob> {
        match self {
            Self::AtHand(region) => Ok(OpenBlob {
                region: region.clone(),
                arriving: None,
            }),
            Self::Arriving(arrival) => arrival.attempt(stop),
        }
    }

    /// How they came, for the line of progress that stays.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::AtHand(_) => "verified",
            Self::Arriving(arrival) if arrival.was_there() => "already there, verified",
            Self::Arriving(_) => "downloaded, verified",
        }
    }
}

/// The downloads of an image's layers, which nobody has begun. Who reads the layers does.
pub trait Downloads: Debug + Send + Sync {
    /// How many threads should work at it.
    fn threads(&self) -> usize;

    /// Downloads layer after layer, until there is none left, one has failed or it was cancelled;
    /// for several threads at once. `meters` are told how far each layer is, by its index. What
    /// goes wrong is told to who reads the layer.
    fn work(&self, meters: &[Arc<dyn Meter>], reporter: &dyn Reporter);

    /// Nobody will read these layers, by their indexes: they need not be downloaded. Before any thread
    /// works.
    fn leave_out(&self, layers: &[usize]);

    /// Makes all threads return soon: nobody reads the layers any more.
    fn cancel(&self);
}

/// The bytes of a blob as far as they are there.
///
/// What arrived may turn out to be wrong at its last byte. Then another attempt begins, in another
/// file, and whoever read the first must start again: reading on is an error. The verdict is given
/// after the bytes have been held against their digest.
#[derive(Debug)]
pub struct Arrival {
    length_bytes: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Which attempt it is, from 0.
    attempt: usize,
    file: Option<Arc<File>>,
    arrived_bytes: u64,
    end: Option<End>,
    was_there: bool,
    /// Whether anybody reads it, or has.
    is_opened: bool,
}

#[derive(Debug)]
enum End {
    Verified,
    Failed(Error),
}

impl Arrival {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of the writer must not hide its failure from the readers.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the blob is to be.
    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Whether the blob came out of the cache.
    pub fn was_there(&self) -> bool {
        self.lock().was_there
    }

    /// The present attempt, as soon as it has a file.
    ///
    /// # Errors
    /// Why there is none; [`Error::Cancelled`] once `stop` says so.
    fn attempt(self: &Arc<Self>, stop: &dyn Fn() -> bool) -> Result<OpenBlob> {
        let mut state = self.wait(stop, |state| state.file.is_some())?;
        state.is_opened = true;
        let no_file = || Error::Mismatch("a blob arrived without a file".to_owned());
        let file = state.file.clone().ok_or_else(no_file)?;
        Ok(OpenBlob {
            region: FileRegion {
                file,
                offset_bytes: 0,
                length_bytes: self.length_bytes,
            },
            arriving: Some((Arc::clone(self), state.attempt)),
        })
    }

    /// Waits until something is so, or the arrival has failed.
    fn wait(
        &self,
        stop: &dyn Fn() -> bool,
        is_so: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        loop {
            if let Some(End::Failed(failure)) = &state.end {
                return Err(failure.clone());
            }
            if is_so(&state) {
                return Ok(state);
            }
            if stop() {
                return Err(Error::Cancelled);
            }
            let waited = self.changed.wait_timeout(state, WAIT);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The writer's side.
impl Arrival {
    /// A blob of which nothing has come yet.
    pub fn new(length_bytes: u64) -> Self {
        Self {
            length_bytes,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Begins to fill `file`; what had come before is given up.
    pub fn begin(&self, file: Arc<File>, was_there: bool) {
        let mut state = self.lock();
        if state.file.is_some() {
            state.attempt += 1;
        }
        state.file = Some(file);
        state.arrived_bytes = 0;
        state.was_there = was_there;
        self.changed.notify_all();
    }

    /// So many bytes of the file can be read.
    pub fn advance_to(&self, arrived_bytes: u64) {
        self.lock().arrived_bytes = arrived_bytes.min(self.length_bytes);
        self.changed.notify_all();
    }

    /// All bytes are there, and are the right ones. `hear` is told before any reader whether there is
    /// one by now.
    pub fn verified(&self, hear: impl FnOnce(bool)) {
        let mut state = self.lock();
        hear(state.is_opened);
        state.arrived_bytes = self.length_bytes;
        state.end = Some(End::Verified);
        self.changed.notify_all();
    }

    /// The blob will not come.
    pub fn fail(&self, error: Error) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(End::Failed(error));
        }
        self.changed.notify_all();
    }
}

/// Stored bytes being read. Those that arrive are one attempt to get them: a file that grows, until it
/// is found to be right or wrong.
#[derive(Debug)]
pub struct OpenBlob {
    region: FileRegion,
    /// By what they arrive, and in which attempt.
    arriving: Option<(Arc<Arrival>, usize)>,
}

impl OpenBlob {
    /// All bytes; those that have not [arrived](Self::wait_for) must not be read.
    pub fn region(&self) -> &FileRegion {
        &self.region
    }

    /// Whether all bytes are there and nothing holds up whoever reads them.
    pub fn is_whole(&self) -> bool {
        let is_whole = |(arrival, _): &(Arc<Arrival>, _)| arrival.lock().end.is_some();
        self.arriving.as_ref().is_none_or(is_whole)
    }

    /// Whether the bytes are held against their digest as they come.
    pub fn is_verified_on_the_way(&self) -> bool {
        self.arriving.is_some()
    }

    /// Waits until at least so many bytes are there, and says how many are.
    ///
    /// # Errors
    /// Why they will not come; [`Error::Cancelled`] once `stop` says so.
    pub fn wait_for(&self, bytes: u64, stop: &dyn Fn() -> bool) -> Result<u64> {
        let Some((arrival, attempt)) = &self.arriving else {
            return Ok(self.region.length_bytes);
        };
        let state = arrival.wait(stop, |state| {
            state.attempt != *attempt || state.arrived_bytes >= bytes
        })?;
        if state.attempt != *attempt {
            return Err(Error::bad_image("the bytes that had arrived were wrong"));
        }
        Ok(state.arrived_bytes)
    }

    /// Waits until it is known whether these bytes are the right ones. If not, what was read of
    /// them is void, and they are to be [opened](StoredBlob::open) again. Bytes at hand are
    /// always taken for the right ones here.
    ///
    /// # Errors
    /// Why there will be no right ones; [`Error::Cancelled`] once `stop` says so.
    pub fn is_right(&self, stop: &dyn Fn() -> bool) -> Result<bool> {
        let Some((arrival, attempt)) = &self.arriving else {
            return Ok(true);
        };
        let state = arrival.wait(stop, |state| {
            state.attempt != *attempt || state.end.is_some()
        })?;
        Ok(state.attempt == *attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    fn never() -> bool {
        false
    }

    fn read(attempt: &OpenBlob, from: u64) -> Result<Vec<u8>> {
        let available = attempt.wait_for(from + 1, &never)?;
        let mut bytes = vec![0; (available - from) as usize];
        attempt.region().read_exact_at(&mut bytes, from).unwrap();
        Ok(bytes)
    }

    #[test]
    fn a_reader_sees_what_has_come_and_the_verdict_only_when_there_is_one() {
        let arrival = Arc::new(Arrival::new(6));
        arrival.attempt(&|| true).unwrap_err();
        arrival.begin(file(b"abcdef"), false);
        let attempt = arrival.attempt(&never).unwrap();
        arrival.advance_to(4);
        assert_eq!(read(&attempt, 0).unwrap(), b"abcd");
        arrival.advance_to(6);
        assert_eq!(read(&attempt, 4).unwrap(), b"ef");
        attempt.is_right(&|| true).unwrap_err();
        arrival.verified(|_| {});
        assert!(attempt.is_right(&never).unwrap());
    }

    #[test]
    fn a_reader_of_bytes_that_were_wrong_must_start_again() {
        let arrival = Arc::new(Arrival::new(3));
        arrival.begin(file(b"bad"), true);
        arrival.advance_to(3);
        let attempt = arrival.attempt(&never).unwrap();
        assert_eq!(read(&attempt, 0).unwrap(), b"bad");
        assert!(arrival.was_there());
        arrival.begin(file(b"abc"), false);
        assert!(!arrival.was_there());
        read(&attempt, 0).unwrap_err();
        assert!(!attempt.is_right(&never).unwrap());
        arrival.verified(|_| {});
        assert!(!attempt.is_right(&never).unwrap());
        let attempt = arrival.attempt(&never).unwrap();
        assert_eq!(read(&attempt, 0).unwrap(), b"abc");
        assert!(attempt.is_right(&never).unwrap());
    }

    #[test]
    fn every_reader_is_told_of_a_failure_in_the_same_words() {
        let arrival = Arc::new(Arrival::new(3));
        arrival.begin(file(b"abc"), false);
        let attempts = [(), ()].map(|()| arrival.attempt(&never).unwrap());
        arrival.fail(Error::io("cannot read x", io::ErrorKind::TimedOut.into()));
        arrival.fail(Error::bad_image("too late"));
        for attempt in &attempts {
            for error in [
                read(attempt, 0).unwrap_err(),
                attempt.is_right(&never).unwrap_err(),
            ] {
                assert_eq!(error.exit_code(), 3);
                assert_eq!(error.to_string(), "cannot read x: timed out");
            }
        }
    }

    #[test]
    fn a_reader_that_waits_is_woken_by_the_writer() {
        let arrival = Arc::new(Arrival::new(100_000));
        let bytes: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        let (reading, file) = (Arc::clone(&arrival), file(&bytes));
        let writer = std::thread::spawn(move || {
            arrival.begin(file, false);
            for arrived in (0..=100_000).step_by(1000) {
                arrival.advance_to(arrived);
                std::thread::yield_now();
            }
            arrival.verified(|_| {});
        });
        let attempt = reading.attempt(&never).unwrap();
        let mut seen = Vec::new();
        while seen.len() < bytes.len() {
            seen.extend(read(&attempt, seen.len() as u64).unwrap());
        }
        assert!(attempt.is_right(&never).unwrap());
        writer.join().unwrap();
        assert!(seen == bytes);
    }
}
