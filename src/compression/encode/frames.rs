//! A file cut into pieces of one length, each compressed by itself and given away at once, on as many
//! threads as are wanted.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

use super::EncodeError;
use super::blocks::{Block, Blocks};
use super::encoder::Encoder;
use super::encoding::Encoding;
use crate::error::{Error, Result};

/// How a file is cut and compressed.
#[derive(Debug, Clone, Copy)]
pub struct Frames {
    /// The length of the file in bytes.
    pub length_bytes: u64,
    /// The length of a piece in bytes; the last may be shorter.
    pub piece_bytes: usize,
    /// zstd's, so that a piece is one frame; its level.
    pub encoding: Encoding,
    /// Threads, each with a piece before and after; fewer where memory has no room for them.
    pub jobs: NonZeroUsize,
}

/// A piece of the file.
#[derive(Debug)]
pub enum Piece<'a> {
    /// So many zeros.
    Zeros(u64),
    /// Anything else.
    Bytes {
        /// Where it begins in the file.
        offset_bytes: u64,
        /// What is there.
        plain: &'a [u8],
        /// The same compressed.
        stored: &'a [u8],
    },
}

/// Reads a file once. `raw` takes each of its bytes in their order, holes as zeros; `each` takes the
/// pieces, in any order and on many threads at once.
///
/// # Errors
/// `each`'s; of the file those that `failed` makes of what went wrong. The first ends all.
pub fn frames(
    file: &File,
    asked: Frames,
    raw: &mut (dyn FnMut(&[u8]) + Send),
    failed: &(dyn Fn(EncodeError) -> Error + Sync),
    each: &(dyn Fn(Piece<'_>) -> Result<()> + Sync),
) -> Result<()> {
    let reading = &Mutex::new(Reading {
        blocks: Blocks::new(file, asked.length_bytes, asked.piece_bytes),
        piece_bytes: asked.piece_bytes,
        offset_bytes: 0,
        raw,
    });
    let team = &Team::default();
    let work = move || {
        let done = work(reading, asked.encoding, team, failed, each);
        team.tell(done);
    };
    let threads = asked.encoding.threads_for(asked.jobs, asked.piece_bytes);
    std::thread::scope(|scope| {
        // Where no more threads are to be had, those that are do it, and this one always.
        for _ in 1..threads {
            if Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    let first = lock(&team.error).take();
    first.map_or(Ok(()), Err)
}

/// The file, which one thread at a time reads on.
struct Reading<'a, 'b> {
    blocks: Blocks<'a>,
    piece_bytes: usize,
    offset_bytes: u64,
    raw: &'b mut (dyn FnMut(&[u8]) + Send),
}

impl Reading<'_, '_> {
    fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<(u64, Block)>> {
        let Some(mut block) = self.blocks.next(buffer)? else {
            return Ok(None);
        };
        self.blocks.tell(&block, buffer, self.raw);
        // One that is shorter was not looked at.
        if block.length < self.piece_bytes {
            block.is_zeros = buffer[..block.length].iter().all(|byte| *byte == 0);
        }
        let offset_bytes = self.offset_bytes;
        self.offset_bytes += block.length as u64;
        Ok(Some((offset_bytes, block)))
    }
}

/// How all threads are doing.
#[derive(Default)]
struct Team {
    is_over: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl Team {
    fn tell(&self, done: Result<()>) {
        if let Err(error) = done {
            let mut first = lock(&self.error);
            // Who gave up because of another is not the reason.
            if matches!(*first, None | Some(Error::Cancelled)) {
                *first = Some(error);
            }
            self.is_over.store(true, Ordering::Relaxed);
        }
    }
}

fn work(
    reading: &Mutex<Reading<'_, '_>>,
    encoding: Encoding,
    team: &Team,
    failed: &(dyn Fn(EncodeError) -> Error + Sync),
    each: &(dyn Fn(Piece<'_>) -> Result<()> + Sync),
) -> Result<()> {
    let encode = |error| failed(EncodeError::Encode(error));
    let mut encoder = Encoder::new(encoding).map_err(encode)?;
    let (mut plain, mut stored) = (Vec::new(), Vec::new());
    while !team.is_over.load(Ordering::Relaxed) {
        let next = lock(reading).next(&mut plain);
        let Some((offset_bytes, block)) = next.map_err(|error| failed(EncodeError::Read(error)))?
        else {
            return Ok(());
        };
        if block.is_zeros {
            each(Piece::Zeros(block.length as u64))?;
            continue;
        }
        let plain = &plain[..block.length];
        encoder.encode(plain, &mut stored).map_err(encode)?;
        each(Piece::Bytes {
            offset_bytes,
            plain,
            stored: &stored,
        })?;
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
