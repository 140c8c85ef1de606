//! A blob that is still arriving: one thread writes it into a file, others read behind it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Error;
use crate::region::FileRegion;

/// How long a reader waits before it asks whether anybody still wants what it waits for.
const WAIT: Duration = Duration::from_millis(100);

/// The bytes of a blob as far as they are there.
///
/// What arrived may turn out to be wrong at its last byte. Then another attempt begins, in another
/// file, and whoever read the first must start again: reading on is an error. The end is given only
/// after the bytes have been held against their digest.
#[derive(Debug)]
pub struct Arrival {
    length_bytes: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Which attempt it is, from 0.
    attempt: usize,
    file: Option<Arc<File>>,
    arrived_bytes: u64,
    end: Option<End>,
    was_there: bool,
}

#[derive(Debug)]
enum End {
    Verified,
    Failed(Failure),
}

/// An error that several readers are told of, each in an error of its own.
#[derive(Debug)]
struct Failure(Error);

impl Failure {
    fn again(&self) -> Error {
        match &self.0 {
            Error::Io { what, source } => Error::io(
                what.clone(),
                io::Error::new(source.kind(), source.to_string()),
            ),
            Error::BadImage { place, what } => Error::BadImage {
                place: place.clone(),
                what: what.clone(),
            },
            Error::Unsupported { place, what } => Error::Unsupported {
                place: place.clone(),
                what: what.clone(),
            },
            Error::Tool(text) => Error::Tool(text.clone()),
            other => Error::Mismatch(other.to_string()),
        }
    }
}

impl Arrival {
    /// A blob of which nothing has come yet.
    pub(super) fn new(length_bytes: u64) -> Self {
        Self {
            length_bytes,
            state: Mutex::new(State {
                attempt: 0,
                file: None,
                arrived_bytes: 0,
                end: None,
                was_there: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of the writer must not hide its failure from the readers.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the blob is to be.
    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Which attempt is being made: when it grew, what was read before was wrong.
    pub fn attempt(&self) -> usize {
        self.lock().attempt
    }

    /// Whether the blob came out of the cache.
    pub fn was_there(&self) -> bool {
        self.lock().was_there
    }

    /// Begins to fill `file`; what had come before is given up.
    pub(super) fn begin(&self, file: Arc<File>, was_there: bool) {
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
    pub(super) fn advance_to(&self, arrived_bytes: u64) {
        self.lock().arrived_bytes = arrived_bytes.min(self.length_bytes);
        self.changed.notify_all();
    }

    /// All bytes are there, and are the right ones.
    pub(super) fn verified(&self) {
        let mut state = self.lock();
        state.arrived_bytes = self.length_bytes;
        state.end = Some(End::Verified);
        self.changed.notify_all();
    }

    /// The blob will not come.
    pub(super) fn fail(&self, error: Error) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(End::Failed(Failure(error)));
        }
        self.changed.notify_all();
    }

    /// A reader of the present attempt.
    pub fn reader(self: &Arc<Self>) -> ArrivalReader {
        ArrivalReader {
            attempt: self.attempt(),
            arrival: Arc::clone(self),
            position: 0,
        }
    }

    /// The whole blob, once it is there.
    pub fn region(&self) -> Option<FileRegion> {
        let state = self.lock();
        match (&state.end, &state.file) {
            (Some(End::Verified), Some(file)) => Some(FileRegion {
                file: Arc::clone(file),
                offset_bytes: 0,
                length_bytes: self.length_bytes,
            }),
            _ => None,
        }
    }
}

/// Reads an [`Arrival`] from its start, as fast as it comes.
#[derive(Debug)]
pub struct ArrivalReader {
    arrival: Arc<Arrival>,
    attempt: usize,
    position: u64,
}

impl Read for ArrivalReader {
    /// `Interrupted` means that nothing has come for a moment: time to ask whether to go on.
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let Some((file, available)) = self.wait()? else {
            return Ok(0);
        };
        let want = usize::try_from(available).map_or(target.len(), |most| most.min(target.len()));
        let read = file.read_at(&mut target[..want], self.position)?;
        if read == 0 && want > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += read as u64;
        Ok(read)
    }
}

impl ArrivalReader {
    /// The file and how many bytes more there are; `None` at the end.
    fn wait(&self) -> io::Result<Option<(Arc<File>, u64)>> {
        let state = self.arrival.lock();
        let is_news = |state: &State| {
            state.attempt != self.attempt
                || state.end.is_some()
                || state.arrived_bytes > self.position
        };
        let (state, _) = self
            .arrival
            .changed
            .wait_timeout_while(state, WAIT, |state| !is_news(state))
            .unwrap_or_else(PoisonError::into_inner);
        if state.attempt != self.attempt {
            return Err(io::Error::other(Error::bad_image(
                "what had arrived of the blob was not what was asked for",
            )));
        }
        if let Some(End::Failed(failure)) = &state.end {
            return Err(io::Error::other(failure.again()));
        }
        match &state.file {
            Some(file) if state.arrived_bytes > self.position => {
                let available = state.arrived_bytes - self.position;
                Ok(Some((Arc::clone(file), available)))
            }
            _ if state.end.is_some() => Ok(None),
            _ => Err(io::ErrorKind::Interrupted.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    fn read(reader: &mut ArrivalReader) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; 64];
        loop {
            match reader.read(&mut bytes) {
                Ok(read) => return Ok(bytes[..read].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.downcast().unwrap()),
            }
        }
    }

    #[test]
    fn a_reader_sees_what_has_come_and_the_end_only_when_it_is_verified() {
        let arrival = Arc::new(Arrival::new(6));
        let mut reader = arrival.reader();
        let nothing = reader.read(&mut [0; 8]).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::Interrupted);
        arrival.begin(file(b"abcdef"), false);
        arrival.advance_to(4);
        assert_eq!(read(&mut reader).unwrap(), b"abcd");
        arrival.advance_to(6);
        assert_eq!(read(&mut reader).unwrap(), b"ef");
        let unverified = reader.read(&mut [0; 8]).unwrap_err();
        assert_eq!(unverified.kind(), io::ErrorKind::Interrupted);
        assert!(arrival.region().is_none());
        arrival.verified();
        assert_eq!(read(&mut reader).unwrap(), b"");
        assert_eq!(arrival.region().unwrap().length_bytes, 6);
    }

    #[test]
    fn a_reader_of_bytes_that_were_wrong_must_start_again() {
        let arrival = Arc::new(Arrival::new(3));
        arrival.begin(file(b"bad"), true);
        arrival.advance_to(3);
        let mut reader = arrival.reader();
        assert_eq!(read(&mut reader).unwrap(), b"bad");
        assert!(arrival.was_there());
        arrival.begin(file(b"abc"), false);
        assert_eq!((arrival.attempt(), arrival.was_there()), (1, false));
        read(&mut reader).unwrap_err();
        arrival.verified();
        read(&mut reader).unwrap_err();
        assert_eq!(read(&mut arrival.reader()).unwrap(), b"abc");
    }

    #[test]
    fn every_reader_is_told_of_a_failure_in_the_same_words() {
        let arrival = Arc::new(Arrival::new(3));
        let mut readers = [arrival.reader(), arrival.reader()];
        arrival.fail(Error::io("cannot read x", io::ErrorKind::TimedOut.into()));
        arrival.fail(Error::bad_image("too late"));
        for reader in &mut readers {
            let error = read(reader).unwrap_err();
            assert_eq!(error.exit_code(), 3);
            assert_eq!(error.to_string(), "cannot read x: timed out");
        }
    }

    #[test]
    fn a_reader_that_waits_is_woken_by_the_writer() {
        let arrival = Arc::new(Arrival::new(100_000));
        let bytes: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        let (mut reader, file) = (arrival.reader(), file(&bytes));
        let writer = std::thread::spawn(move || {
            arrival.begin(file, false);
            for arrived in (0..=100_000).step_by(1000) {
                arrival.advance_to(arrived);
                std::thread::yield_now();
            }
            arrival.verified();
        });
        let mut seen = Vec::new();
        loop {
            let piece = read(&mut reader).unwrap();
            if piece.is_empty() {
                break;
            }
            seen.extend(piece);
        }
        writer.join().unwrap();
        assert!(seen == bytes);
    }
}
