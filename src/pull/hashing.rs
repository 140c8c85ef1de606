//! The hash of a file that is written in any order, computed in the file's.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::oci::{Digest, DigestHasher};
use crate::page_buffer::PageBuffer;

const PIECE_BYTES: usize = 256 << 10;

/// Which segments are written, by their places.
#[derive(Debug)]
pub(super) struct Written {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    is_written: Vec<bool>,
    is_given_up: bool,
}

impl Written {
    pub(super) fn new(segments: usize) -> Self {
        Self {
            state: Mutex::new(State {
                is_written: vec![false; segments],
                is_given_up: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, index: usize) {
        self.lock().is_written[index] = true;
        self.changed.notify_all();
    }

    pub(super) fn is_set(&self, index: usize) -> bool {
        self.lock().is_written[index]
    }

    /// Nothing more will be written.
    pub(super) fn give_up(&self) {
        self.lock().is_given_up = true;
        self.changed.notify_all();
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.lock().is_given_up
    }

    /// Waits until a segment is written; tells whether it is.
    fn wait_for(&self, index: usize) -> bool {
        let mut state = self.lock();
        while !state.is_written[index] && !state.is_given_up {
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.is_written[index] && !state.is_given_up
    }
}

/// Hashes a file of `size_bytes`, up to each of `ends` when that segment is written; `None` where
/// that was given up.
///
/// # Errors
/// The file's.
pub(super) fn sha256(
    file: &File,
    size_bytes: u64,
    ends: impl Iterator<Item = u64>,
    written: &Written,
) -> io::Result<Option<Digest>> {
    let mut hasher = DigestHasher::sha256();
    let mut buffer = PageBuffer::new(PIECE_BYTES);
    let mut done = 0;
    let ends = ends.enumerate().map(|(index, end)| (Some(index), end));
    for (segment, end) in ends.chain([(None, size_bytes)]) {
        if segment.is_some_and(|index| !written.wait_for(index)) {
            return Ok(None);
        }
        while done < end {
            if written.is_given_up() {
                return Ok(None);
            }
            let left = usize::try_from(end - done).unwrap_or(PIECE_BYTES);
            let piece = &mut buffer[..left.min(PIECE_BYTES)];
            file.read_exact_at(piece, done)?;
            hasher.update(piece);
            done += piece.len() as u64;
        }
    }
    Ok(Some(hasher.finish()))
}
