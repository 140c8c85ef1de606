//! Decompression on a thread of its own, ahead of who takes what comes out.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::decompress::Decompressor;
use super::tar::{BUFFER_BYTES, TarBytes, read_to_the_brim};
use crate::error::{Error, Result};
use crate::page_buffer::PageBuffer;

/// Enough to even out who is faster for a moment, few enough to stay in the processor's caches.
const BUFFERS: usize = 3;

/// A buffer and how much of it is filled.
type Filled = (PageBuffer, usize);

/// What a thread has decompressed, in buffers that go back and forth; nothing is copied.
pub(super) struct ReadAhead<'scope> {
    filled: Receiver<io::Result<Filled>>,
    emptied: Sender<PageBuffer>,
    thread: ScopedJoinHandle<'scope, Result<u64>>,
}

impl<'scope> ReadAhead<'scope> {
    /// Starts decompressing. The thread ends at the end, at the first error or when this is dropped.
    ///
    /// # Errors
    /// [`Error::Io`] where there can be no thread.
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        mut decompressor: Decompressor<'scope>,
    ) -> Result<Self> {
        let (to_reader, filled) = channel();
        let (emptied, to_fill) = channel::<PageBuffer>();
        for _ in 0..BUFFERS {
            // The receiver is right here.
            let _ = emptied.send(PageBuffer::new(BUFFER_BYTES));
        }
        let decompress = move || {
            // One side gone means that the other's result is no longer wanted.
            while let Ok(mut buffer) = to_fill.recv() {
                let length = read_to_the_brim(&mut decompressor, &mut buffer);
                let is_last = !matches!(length, Ok(1..));
                if to_reader
                    .send(length.map(|length| (buffer, length)))
                    .is_err()
                    || is_last
                {
                    break;
                }
            }
            decompressor.left_bytes()
        };
        let thread = std::thread::Builder::new()
            .name("decompress".to_owned())
            .spawn_scoped(scope, decompress)
            .map_err(|error| Error::io("cannot start a thread", error))?;
        Ok(Self {
            filled,
            emptied,
            thread,
        })
    }

    /// After the last byte: how many stored bytes were not taken.
    ///
    /// # Errors
    /// [`Error::Mismatch`] after a panic only.
    pub(super) fn left_bytes(self) -> Result<u64> {
        drop(self.filled);
        self.thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl TarBytes for ReadAhead<'_> {
    fn next(&mut self, buffer: &mut PageBuffer) -> io::Result<usize> {
        // Only after the last one has the thread hung up.
        let Ok(filled) = self.filled.recv() else {
            return Ok(0);
        };
        let (next, length) = filled?;
        // Nor does it matter then that nobody takes this one.
        let _ = self.emptied.send(std::mem::replace(buffer, next));
        Ok(length)
    }
}
