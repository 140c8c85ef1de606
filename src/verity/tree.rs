//! Hashes data into a tree, on all processors.
//!
//! Level 0 is given out as it comes and not kept; what is kept are the levels above it, a 16,384th
//! of the data.

use std::fs::File;
use std::io;
use std::iter::Enumerate;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::slice::ChunksMut;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::fs::SeekFrom;

use super::digests::BlockHasher;
use super::shape::Shape;
use super::stretches::Stretches;
use super::superblock::Superblock;
use super::{BLOCK_BYTES, BLOCK_LENGTH, DIGEST_BYTES, DIGESTS_IN_BLOCK, RootHash, Salt};
use crate::error::{Error, Result, escape_path};
use crate::page_buffer::PageBuffer;
use crate::progress::{Meter, Phase, Reporter, Task};

/// Hash blocks of level 0 that a piece makes.
const PIECE_HASH_BLOCKS: usize = 2;

/// Data blocks of a piece, which is what a thread takes at once: 1 MiB.
const PIECE_BLOCKS: usize = PIECE_HASH_BLOCKS * DIGESTS_IN_BLOCK as usize;

/// A place in an open file: the first byte of what is meant, and what errors call the file.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The file.
    pub file: &'a File,
    /// Its name.
    pub name: &'a Path,
    /// Bytes from the file's start.
    pub offset_bytes: u64,
}

impl<'a> Place<'a> {
    /// The start of a file.
    pub fn start(file: &'a File, name: &'a Path) -> Self {
        Self {
            file,
            name,
            offset_bytes: 0,
        }
    }

    /// How many bytes there are from here on.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn bytes(&self) -> Result<u64> {
        // A block device has no other length.
        let end = rustix::fs::seek(self.file, SeekFrom::End(0));
        let end = end.map_err(|error| Error::path("read", self.name, error.into()))?;
        Ok(end.saturating_sub(self.offset_bytes))
    }

    /// Fills `buffer` from the block of this number on.
    ///
    /// # Errors
    /// [`Error::BadImage`] where the file ends before, [`Error::Io`].
    pub(super) fn read(&self, block: u64, buffer: &mut [u8]) -> Result<()> {
        let at = self.offset_bytes + block * BLOCK_BYTES;
        let read = self.file.read_exact_at(buffer, at);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.short(at + buffer.len() as u64),
            _ => Error::path("read", self.name, error),
        })
    }

    /// Expects so many blocks.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn expect(&self, blocks: u64) -> Result<()> {
        let bytes = blocks * BLOCK_BYTES;
        if self.bytes()? < bytes {
            return Err(self.short(self.offset_bytes + bytes));
        }
        Ok(())
    }

    fn short(&self, expected: u64) -> Error {
        let what = format!("expected at least {expected} bytes, found the end of the file before");
        Error::bad_image(what).in_image(&escape_path(self.name.as_os_str().as_bytes()))
    }
}

/// Takes a level, the number of a block in it, and the bytes from there on.
pub(super) type Sink<'a> = dyn Fn(usize, u64, &[u8]) -> Result<()> + Sync + 'a;

/// Hashes the data and writes superblock and tree where `area` says. Both may be in one file, the
/// area behind the data.
///
/// # Errors
/// [`Error::Io`]; [`Error::BadImage`] where there is less data than the superblock says.
pub fn write_area(
    data: Place<'_>,
    area: Place<'_>,
    superblock: &Superblock,
    reporter: &dyn Reporter,
) -> Result<RootHash> {
    let shape = Shape::of(superblock.data_blocks);
    let put = |block: u64, bytes: &[u8]| {
        let at = area.offset_bytes + block * BLOCK_BYTES;
        let written = area.file.write_all_at(bytes, at);
        written.map_err(|error| Error::path("write", area.name, error))
    };
    put(0, &superblock.encode())?;
    let total = shape.data_blocks() * BLOCK_BYTES;
    let meter = reporter.begin(Task::bytes(Phase::Finish, "verity", total));
    // The tree follows the superblock.
    let sink =
        |level: usize, block: u64, bytes: &[u8]| put(1 + shape.first_block(level) + block, bytes);
    let root = hash(data, &shape, &superblock.salt, &sink, &*meter)?;
    meter.finish("hashed");
    Ok(root)
}

/// Hashes the data, which begins with its file; `sink` takes the whole tree, level 0 in any order and
/// from any thread.
///
/// # Errors
/// Those of reading and of `sink`, the first that came.
pub(super) fn hash(
    data: Place<'_>,
    shape: &Shape,
    salt: &Salt,
    sink: &Sink<'_>,
    meter: &dyn Meter,
) -> Result<RootHash> {
    // What is behind the end is no hole.
    data.expect(shape.data_blocks())?;
    let hasher = salt.hasher();
    let Some(&level_0_blocks) = shape.levels().first() else {
        let mut block = PageBuffer::new(BLOCK_LENGTH);
        data.read(0, &mut block)?;
        meter.add(BLOCK_BYTES);
        return Ok(RootHash(hasher.digest(&block)));
    };
    let mut digests = zeros(level_0_blocks)?;
    hash_data(data, shape, &hasher, (sink, meter), &mut digests)?;
    for (level, &blocks) in shape.levels().iter().enumerate().skip(1) {
        let mut next = zeros(blocks)?;
        sink(level, 0, &digests)?;
        digest_blocks(&hasher, &digests, &mut next);
        digests = next;
    }
    // The topmost block's digest.
    let root = digests.first_chunk().copied().unwrap_or_default();
    Ok(RootHash(root))
}

/// Room for the digests of so many blocks, whole blocks of it.
fn zeros(blocks: u64) -> Result<Vec<u8>> {
    room_for(blocks.div_ceil(DIGESTS_IN_BLOCK))
}

/// So many blocks of zeros.
///
/// # Errors
/// [`Error::Io`] where there is no memory for them.
pub(super) fn room_for(blocks: u64) -> Result<Vec<u8>> {
    let bytes = blocks * BLOCK_BYTES;
    let length = usize::try_from(bytes).ok();
    let mut room = Vec::new();
    if length.is_none_or(|length| room.try_reserve_exact(length).is_err()) {
        return Err(Error::io(
            format!("cannot hold {bytes} bytes of a hash tree"),
            io::ErrorKind::OutOfMemory.into(),
        ));
    }
    room.resize(length.unwrap_or(0), 0);
    Ok(room)
}

/// Puts the digests of blocks one behind the other.
fn digest_blocks(hasher: &BlockHasher, blocks: &[u8], digests: &mut [u8]) {
    for (block, digest) in blocks
        .chunks_exact(BLOCK_LENGTH)
        .zip(digests.chunks_exact_mut(DIGEST_BYTES))
    {
        digest.copy_from_slice(&hasher.digest(block));
    }
}

/// Gives out level 0 and puts the digests of its blocks one behind the other.
fn hash_data(
    data: Place<'_>,
    shape: &Shape,
    hasher: &BlockHasher,
    (sink, meter): (&Sink<'_>, &dyn Meter),
    digests: &mut [u8],
) -> Result<()> {
    let stretches = Stretches::of(data.file, shape.data_blocks())
        .map_err(|error| Error::path("read", data.name, error))?;
    let level_0_blocks = shape.levels().first().copied().unwrap_or(0);
    let length = usize::try_from(level_0_blocks).unwrap_or(usize::MAX) * DIGEST_BYTES;
    let pieces = digests[..length].chunks_mut(PIECE_HASH_BLOCKS * DIGEST_BYTES);
    let work = Work {
        data,
        data_blocks: shape.data_blocks(),
        stretches,
        hasher,
        zero_digest: hasher.digest(&[0; BLOCK_LENGTH]),
        sink,
        meter,
        pieces: Mutex::new(Some(pieces.enumerate())),
    };
    let jobs = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        let start = |_| {
            thread::Builder::new()
                .spawn_scoped(scope, || work.run())
                .ok()
        };
        // Where there are no threads, this one does it all.
        let others: Vec<_> = (1..jobs).map_while(start).collect();
        let mut outcome = work.run();
        for other in others {
            let ended = other.join();
            let ended = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome = outcome.and(ended);
        }
        outcome
    })
}

/// What the threads share.
struct Work<'a> {
    data: Place<'a>,
    data_blocks: u64,
    stretches: Stretches,
    hasher: &'a BlockHasher,
    zero_digest: [u8; DIGEST_BYTES],
    sink: &'a Sink<'a>,
    meter: &'a dyn Meter,
    /// Room for the digests of level 0's blocks, piece by piece; nothing once somebody failed.
    pieces: Mutex<Option<Enumerate<ChunksMut<'a, u8>>>>,
}

impl<'a> Work<'a> {
    fn run(&self) -> Result<()> {
        let mut buffer = PageBuffer::new(PIECE_BLOCKS * BLOCK_LENGTH);
        let mut hash_blocks = vec![0; PIECE_HASH_BLOCKS * BLOCK_LENGTH];
        while let Some((piece, digests)) = self.next() {
            let done = self.piece(piece, digests, &mut buffer, &mut hash_blocks);
            if done.is_err() {
                *self.pieces() = None;
                return done;
            }
        }
        Ok(())
    }

    fn next(&self) -> Option<(usize, &'a mut [u8])> {
        self.pieces().as_mut()?.next()
    }

    fn pieces(&self) -> MutexGuard<'_, Option<Enumerate<ChunksMut<'a, u8>>>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn piece(
        &self,
        piece: usize,
        digests: &mut [u8],
        buffer: &mut [u8],
        hash_blocks: &mut [u8],
    ) -> Result<()> {
        let first = piece as u64 * PIECE_BLOCKS as u64;
        let end = (first + PIECE_BLOCKS as u64).min(self.data_blocks);
        // Both are within a piece.
        let place = |block: u64, bytes: usize| (block - first) as usize * bytes;
        let (used, rest) = hash_blocks.split_at_mut(place(end, DIGEST_BYTES));
        rest.fill(0);
        for digest in used.chunks_exact_mut(DIGEST_BYTES) {
            digest.copy_from_slice(&self.zero_digest);
        }
        for stretch in self.stretches.within(first..end) {
            let [from, to] = [stretch.start, stretch.end].map(|block| place(block, BLOCK_LENGTH));
            let read = &mut buffer[from..to];
            self.data.read(stretch.start, read)?;
            let from = place(stretch.start, DIGEST_BYTES);
            digest_blocks(self.hasher, read, &mut used[from..]);
        }
        let length = digests.len() / DIGEST_BYTES * BLOCK_LENGTH;
        let made = &hash_blocks[..length];
        (self.sink)(0, (piece * PIECE_HASH_BLOCKS) as u64, made)?;
        digest_blocks(self.hasher, made, digests);
        self.meter.add((end - first) * BLOCK_BYTES);
        Ok(())
    }
}
