//! A spool's space, given back once nobody will read it again.
//!
//! Spool and output together are more unwritten data than the kernel lets a process hold before it
//! makes it wait for the disk, and the spool's would be written there for nothing.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::board::Board;
use crate::host_space;
use crate::layers::{Contents, Origin};
use crate::region::Content;

/// Given back in one piece.
const CHUNK_BYTES: u64 = 2 << 20;

/// Counts what is still to be read of each spool, and gives back what has been read unless others
/// are still to read it. Freeing a chunk may wait for a disk that is writing it, so a thread of its
/// own does that.
#[derive(Debug)]
pub struct GivingBack<'a> {
    contents: &'a Contents,
    spools: Vec<Option<Spool>>,
    to_thread: Option<Sender<Chunk>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Spool {
    file: Arc<File>,
    board: Arc<Board>,
    /// The place of its check on the board.
    check: usize,
    /// Bytes still to be read in each chunk.
    wanted_bytes: Vec<u64>,
}

/// Read for the last time, but by who hashes it.
struct Chunk {
    file: Arc<File>,
    board: Arc<Board>,
    check: usize,
    start_bytes: u64,
}

/// A spool, and where it is hashed.
pub(super) type Watched = (Arc<File>, Arc<Board>, usize);

impl<'a> GivingBack<'a> {
    /// `spools` are each layer's, where it has one, with their checks' boards and places there.
    pub(super) fn start(spools: Vec<Option<Watched>>, contents: &'a Contents) -> Self {
        let (to_thread, chunks) = channel();
        // Without it, the space is given back when the process ends.
        let thread = std::thread::Builder::new()
            .name("give back".to_owned())
            .spawn(move || give_back(&chunks))
            .ok();
        let spool = |(file, board, check)| Spool {
            file,
            board,
            check,
            wanted_bytes: Vec::new(),
        };
        Self {
            contents,
            spools: spools.into_iter().map(|found| found.map(spool)).collect(),
            to_thread: Some(to_thread),
            thread,
        }
    }

    /// A file of a layer will be read, once more for each time this is called. Chunks for which it
    /// never is are kept.
    pub fn want(&mut self, origin: Origin, content: &Content) {
        // What is put in is in no layer's spool.
        let Origin::Layer(layer) = origin else {
            return;
        };
        let Some(Some(spool)) = self.spools.get_mut(layer as usize) else {
            return;
        };
        for (chunk, bytes) in chunks_of(content) {
            if chunk >= spool.wanted_bytes.len() {
                spool.wanted_bytes.resize(chunk + 1, 0);
            }
            spool.wanted_bytes[chunk] += bytes;
        }
    }

    /// A file has been read that was wanted.
    pub fn taken(&mut self, origin: Origin, content: &Content) {
        // What is put in is in no layer's spool.
        let Origin::Layer(layer) = origin else {
            return;
        };
        let Some(Some(spool)) = self.spools.get_mut(layer as usize) else {
            return;
        };
        for (chunk, bytes) in chunks_of(content) {
            let wanted = &mut spool.wanted_bytes[chunk];
            *wanted -= bytes;
            if *wanted == 0
                && self.contents.has_one_reader(layer as usize)
                && let Some(to_thread) = &self.to_thread
            {
                // It is gone only where there can be no thread.
                let _ = to_thread.send(Chunk {
                    file: Arc::clone(&spool.file),
                    board: Arc::clone(&spool.board),
                    check: spool.check,
                    start_bytes: chunk as u64 * CHUNK_BYTES,
                });
            }
        }
    }
}

impl Drop for GivingBack<'_> {
    fn drop(&mut self) {
        self.to_thread = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn give_back(chunks: &Receiver<Chunk>) {
    let mut waiting = VecDeque::new();
    for chunk in chunks {
        waiting.push_back(chunk);
        while let Some(chunk) = waiting.front()
            && chunk
                .board
                .is_hashed(chunk.check, chunk.start_bytes + CHUNK_BYTES)
        {
            host_space::give_back(&chunk.file, chunk.start_bytes, CHUNK_BYTES);
            waiting.pop_front();
        }
    }
}

/// The chunks that a file's data lies in, piece by piece, and how many of its bytes are in each.
fn chunks_of(content: &Content) -> impl Iterator<Item = (usize, u64)> {
    let pieces = content.extents();
    pieces.flat_map(|piece| chunks(piece.offset_bytes..piece.offset_bytes + piece.length_bytes))
}

/// The chunks that a range lies in, and how many of its bytes are in each.
fn chunks(range: Range<u64>) -> impl Iterator<Item = (usize, u64)> {
    let first = range.start / CHUNK_BYTES;
    let end = range.end.div_ceil(CHUNK_BYTES);
    (first..end).filter_map(move |chunk| {
        let start = range.start.max(chunk * CHUNK_BYTES);
        let bytes = range
            .end
            .min((chunk + 1) * CHUNK_BYTES)
            .checked_sub(start)?;
        (bytes > 0).then_some((chunk as usize, bytes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_split_where_chunks_end() {
        let split = |range| chunks(range).collect::<Vec<_>>();
        assert_eq!(split(5..5), []);
        assert_eq!(split(0..CHUNK_BYTES), [(0, CHUNK_BYTES)]);
        assert_eq!(split(CHUNK_BYTES - 1..CHUNK_BYTES + 1), [(0, 1), (1, 1)]);
        assert_eq!(
            split(7..2 * CHUNK_BYTES + 1),
            [(0, CHUNK_BYTES - 7), (1, CHUNK_BYTES), (2, 1)]
        );
    }
}
