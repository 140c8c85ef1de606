//! Blocks compressed by several threads and put in order again.
//!
//! The calling thread reads; each of the others compresses; one writes. There are a few more pairs of
//! buffers than threads, and who reads waits for one: so memory is bounded, whoever is slow.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

use super::assembly::Assembly;
use super::blocks::{Block, Blocks};
use super::encoder::{Checks, Encoder, Zeros};
use super::encoding::Encoding;
use super::{EncodeError, Streams};

/// Pairs of buffers beside one for each thread that compresses: one is read into, one is written.
const SPARE: usize = 2;

/// A block before and after, or the room for one.
#[derive(Debug, Default)]
struct Pair {
    raw: Vec<u8>,
    compressed: Vec<u8>,
}

/// A block with its number.
struct Numbered {
    number: u64,
    block: Block,
    pair: Pair,
}

/// A block that is compressed.
struct Done {
    number: u64,
    pair: Pair,
    /// `None` for a block of zeros, whose form is known.
    checks: Option<Checks>,
}

/// Gives everything to a team of threads; `false` where there is none, and nothing is done then.
pub(super) fn encode(
    blocks: &mut Blocks<'_>,
    encoding: Encoding,
    threads: usize,
    assembly: &mut Assembly,
    streams: &mut Streams<'_>,
) -> Result<bool, EncodeError> {
    if threads < 2 {
        return Ok(false);
    }
    let zeros = Encoder::new(encoding).and_then(|mut encoder| encoder.zeros(encoding));
    let zeros = &zeros.map_err(EncodeError::Encode)?;
    let Streams { raw, compressed } = streams;
    let (to_encode, jobs) = channel::<Numbered>();
    let jobs = &Mutex::new(jobs);
    let (to_write, done) = channel::<io::Result<Done>>();
    let (to_reuse, free) = channel::<Pair>();
    for _ in 0..threads + SPARE {
        // The other end is here.
        let _ = to_reuse.send(Pair::default());
    }
    // All ends of the channels go with their threads, so that whoever waits for one that is gone ends, too.
    std::thread::scope(move |scope| {
        let mut has_workers = false;
        for _ in 0..threads {
            let to_write = to_write.clone();
            let work = move || work(encoding, jobs, &to_write);
            has_workers |= Builder::new().spawn_scoped(scope, work).is_ok();
        }
        let write = move || write(&done, &to_reuse, zeros, assembly, *compressed);
        let writer = has_workers.then(|| Builder::new().spawn_scoped(scope, write));
        let Some(Ok(writer)) = writer else {
            return Ok(false);
        };
        let was_read = read(blocks, *raw, &free, &to_encode, &to_write);
        // Who compresses ends with this, and who writes after the last of them.
        drop((to_encode, to_write));
        let was_written = writer
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // One who could not write is the reason that no more was read.
        was_written.and(was_read).map(|()| true)
    })
}

/// Reads blocks as long as there are buffers: none come back when nobody writes any more.
fn read(
    blocks: &mut Blocks<'_>,
    raw: &mut dyn FnMut(&[u8]),
    free: &Receiver<Pair>,
    to_encode: &Sender<Numbered>,
    to_write: &Sender<io::Result<Done>>,
) -> Result<(), EncodeError> {
    let mut number = 0;
    while let Ok(mut pair) = free.recv() {
        let Some(block) = blocks.next(&mut pair.raw).map_err(EncodeError::Read)? else {
            break;
        };
        blocks.tell(&block, &pair.raw, raw);
        let is_sent = if block.is_zeros {
            let checks = None;
            to_write
                .send(Ok(Done {
                    number,
                    pair,
                    checks,
                }))
                .is_ok()
        } else {
            to_encode
                .send(Numbered {
                    number,
                    block,
                    pair,
                })
                .is_ok()
        };
        if !is_sent {
            break;
        }
        number += 1;
    }
    Ok(())
}

/// Compresses one block after the other.
fn work(encoding: Encoding, jobs: &Mutex<Receiver<Numbered>>, to_write: &Sender<io::Result<Done>>) {
    let _told = Told(to_write);
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
    let mut encoder = Encoder::new(encoding);
    while let Ok(Numbered {
        number,
        block,
        mut pair,
    }) = next()
    {
        let done = match &mut encoder {
            Ok(encoder) => encoder
                .encode(&pair.raw[..block.length], &mut pair.compressed)
                .map(|checks| Done {
                    number,
                    pair,
                    checks: Some(checks),
                }),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        if to_write.send(done).is_err() {
            return;
        }
    }
}

/// Tells who writes of a thread that panics: its block will not come.
struct Told<'a>(&'a Sender<io::Result<Done>>);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.send(Err(io::Error::other("a thread has panicked")));
        }
    }
}

/// Writes blocks in their order and gives their buffers back.
fn write(
    done: &Receiver<io::Result<Done>>,
    to_reuse: &Sender<Pair>,
    zeros: &Zeros,
    assembly: &mut Assembly,
    compressed: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), EncodeError> {
    let mut next = 0;
    // As many as there are buffers.
    let mut waiting = BTreeMap::new();
    while let Ok(done) = done.recv() {
        let done = done.map_err(EncodeError::Encode)?;
        waiting.insert(done.number, done);
        while let Some(done) = waiting.remove(&next) {
            next += 1;
            let (checks, bytes) = match &done.checks {
                Some(checks) => (checks, &done.pair.compressed),
                None => (&zeros.checks, &zeros.bytes),
            };
            assembly.add(checks, bytes);
            compressed(bytes).map_err(EncodeError::Write)?;
            // Whoever reads may have ended.
            let _ = to_reuse.send(done.pair);
        }
    }
    Ok(())
}
