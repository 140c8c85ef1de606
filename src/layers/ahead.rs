//! Decompression on a thread of its own, ahead of who takes what comes out; on the way there it is
//! counted against the limits and spooled.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::budget::Budget;
use super::stored::StoredReader;
use super::verifying::Growing;
use crate::compression::{self, check_expansion};
use crate::error::Result;
use crate::limits::Limits;
use crate::page_buffer::PageBuffer;
use crate::spool::Spool;
use crate::tar::{BUFFER_BYTES, TarBytes};

type Decompressor<'a> = compression::Decompressor<StoredReader<'a>>;

/// Enough to even out who is faster for a moment, few enough to stay in the processor's caches.
const BUFFERS: usize = 3;

/// A buffer and how much of it is filled.
type Filled = (PageBuffer, usize);

/// What a thread has decompressed, in buffers that go back and forth; nothing is copied. Where there
/// can be no thread, it is decompressed when it is wanted.
pub(super) enum ReadAhead<'scope> {
    Ahead {
        filled: Receiver<Result<Filled>>,
        emptied: Sender<PageBuffer>,
    },
    Inline(Box<Decompressor<'scope>>),
}

impl<'scope> ReadAhead<'scope> {
    /// Starts decompressing. The thread ends at the end, at the first error or when this is dropped.
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        decompressor: Decompressor<'scope>,
    ) -> Self {
        let named = || std::thread::Builder::new().name("decompress".to_owned());
        Self::start_on(decompressor, |decompress| {
            named().spawn_scoped(scope, decompress)
        })
    }

    fn start_on(
        decompressor: Decompressor<'scope>,
        spawn: impl FnOnce(
            Box<dyn FnOnce() + Send + 'scope>,
        ) -> io::Result<ScopedJoinHandle<'scope, ()>>,
    ) -> Self {
        let (to_reader, filled) = channel();
        let (emptied, to_fill) = channel::<PageBuffer>();
        // A thread that cannot be had takes with it what it was to run.
        let (hand_over, handed_over) = channel();
        let decompress = move || {
            let Ok(mut decompressor): Result<Decompressor<'scope>, _> = handed_over.recv() else {
                return;
            };
            // One side gone means that the other's result is no longer wanted.
            while let Ok(mut buffer) = to_fill.recv() {
                let length = decompressor.fill(&mut buffer);
                let is_last = !matches!(length, Ok(1..));
                if to_reader
                    .send(length.map(|length| (buffer, length)))
                    .is_err()
                    || is_last
                {
                    break;
                }
            }
        };
        if spawn(Box::new(decompress)).is_err() {
            return Self::Inline(Box::new(decompressor));
        }
        for _ in 0..BUFFERS {
            // The receivers are there until they have all of it.
            let _ = emptied.send(PageBuffer::new(BUFFER_BYTES));
        }
        let _ = hand_over.send(decompressor);
        Self::Ahead { filled, emptied }
    }
}

impl TarBytes for ReadAhead<'_> {
    fn next(&mut self, buffer: &mut PageBuffer) -> Result<usize> {
        match self {
            Self::Ahead { filled, emptied } => {
                // Only after the last one has the thread hung up.
                let Ok(filled) = filled.recv() else {
                    return Ok(0);
                };
                let (next, length) = filled?;
                // Nor does it matter then that nobody takes this one.
                let _ = emptied.send(std::mem::replace(buffer, next));
                Ok(length)
            }
            Self::Inline(decompressor) => decompressor.fill(buffer),
        }
    }
}

/// Passes on what `reader` gives, after everything has been done with it that must be.
pub(super) struct Tee<'a, R> {
    pub(super) reader: R,
    pub(super) spool: Spool<'a>,
    /// Told how far the spool has got, for who hashes it.
    pub(super) growing: &'a Growing,
    pub(super) budget: &'a Budget<'a>,
    pub(super) limits: &'a Limits,
    /// How long the blob is.
    pub(super) stored_bytes: u64,
}

impl<R: TarBytes> TarBytes for &mut Tee<'_, R> {
    fn next(&mut self, buffer: &mut PageBuffer) -> Result<usize> {
        let length = self.reader.next(buffer)?;
        self.budget.add_expanded_bytes(length as u64)?;
        check_expansion(self.stored_bytes, self.budget.tar_bytes(), self.limits)?;
        self.spool.write(&buffer[..length])?;
        self.growing.grow(length as u64);
        Ok(length)
    }
}
