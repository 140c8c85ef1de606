//! The file, read once: hashed as a whole, and each segment compressed and sent by itself.

use std::collections::HashSet;
use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{PushTally, Pushing};
use crate::artifact::{MAX_SEGMENTS, Segment};
use crate::compression::{EncodeError, Encoding, Frames, Piece, frames};
use crate::error::{Error, Result};
use crate::oci::{Digest, DigestHasher};
use crate::progress::{Meter, Phase, Reporter, Task};

/// How a file is cut and sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// Its length in bytes.
    pub(crate) size_bytes: u64,
    /// The length of a segment in bytes.
    pub(crate) segment_bytes: usize,
    /// zstd's.
    pub(crate) encoding: Encoding,
    /// Segments at once.
    pub(crate) jobs: NonZeroUsize,
    /// Whether they are sent; else it is only told what would be.
    pub(crate) sends: bool,
}

/// What came of it. The repository has all of the segments, if they were to be sent.
#[derive(Debug)]
pub(crate) struct Segments {
    /// Ascending.
    pub(crate) segments: Vec<Segment>,
    /// Of the whole file.
    pub(crate) sha256: Digest,
    pub(crate) tally: PushTally,
}

/// Reads the file that is called `name`, and sends what is no zeros of it.
///
/// # Errors
/// [`Error::Io`] and [`Error::Network`] where it cannot be read or sent, [`Error::Unsupported`] for more
/// segments than a manifest tells of.
pub(crate) fn send(
    file: &File,
    name: &str,
    asked: Asked,
    repository: &Pushing<'_>,
    reporter: &dyn Reporter,
) -> Result<Segments> {
    let mut hasher = DigestHasher::sha256();
    let sending = Sending {
        repository,
        sent: Mutex::default(),
        sends: asked.sends,
        is_over: AtomicBool::new(false),
        meter: reporter.begin(Task::bytes(
            Phase::Transfer,
            name_of(asked.sends),
            asked.size_bytes,
        )),
    };
    let failed = |error| match error {
        EncodeError::Read(error) => Error::io(format!("cannot read {name}"), error),
        EncodeError::Write(error) | EncodeError::Encode(error) => {
            Error::io(format!("cannot compress {name}"), error)
        }
    };
    let each = |piece: Piece<'_>| {
        let done = sending.piece(&piece);
        if done.is_err() {
            sending.is_over.store(true, Ordering::Relaxed);
        }
        done
    };
    let cut = Frames {
        length_bytes: asked.size_bytes,
        piece_bytes: asked.segment_bytes,
        encoding: asked.encoding,
        jobs: asked.jobs,
    };
    frames(file, cut, &mut |bytes| hasher.update(bytes), &failed, &each)?;
    sending
        .meter
        .finish(if asked.sends { "pushed" } else { "known" });
    let sent = sending.sent.into_inner();
    let mut sent = sent.unwrap_or_else(PoisonError::into_inner);
    sent.segments.sort_by_key(|segment| segment.offset_bytes);
    Ok(Segments {
        segments: sent.segments,
        sha256: hasher.finish(),
        tally: sent.tally,
    })
}

/// What is done, for who waits.
fn name_of(sends: bool) -> &'static str {
    match sends {
        true => "push segments",
        false => "compute the manifest's digest",
    }
}

/// Sends one more blob of the artifact.
///
/// # Errors
/// Those of [`Pushing::blob`].
pub(crate) fn send_blob(
    bytes: &[u8],
    repository: &Pushing<'_>,
    tally: &mut PushTally,
) -> Result<Digest> {
    let digest = DigestHasher::sha256().of(bytes);
    let sent = repository.blob(&digest, bytes, &|| false)?;
    tally.count(sent, bytes.len() as u64);
    Ok(digest)
}

/// Segments on their way, many at once.
struct Sending<'a> {
    repository: &'a Pushing<'a>,
    sent: Mutex<Sent>,
    sends: bool,
    is_over: AtomicBool,
    meter: Box<dyn Meter>,
}

#[derive(Default)]
struct Sent {
    segments: Vec<Segment>,
    /// What is sent, or on its way. Should that fail, nothing has a name.
    stored: HashSet<Digest>,
    tally: PushTally,
}

impl Sending<'_> {
    fn piece(&self, piece: &Piece<'_>) -> Result<()> {
        let (offset_bytes, plain, stored) = match *piece {
            Piece::Zeros(bytes) => {
                self.meter.add(bytes);
                return Ok(());
            }
            Piece::Bytes {
                offset_bytes,
                plain,
                stored,
            } => (offset_bytes, plain, stored),
        };
        let segment = Segment {
            offset_bytes,
            length_bytes: plain.len() as u64,
            digest: DigestHasher::sha256().of(plain),
            stored_digest: DigestHasher::sha256().of(stored),
            stored_bytes: stored.len() as u64,
        };
        let digest = segment.stored_digest.clone();
        if self.is_new(segment)? && self.sends {
            let stop = || self.is_over.load(Ordering::Relaxed);
            let sent = self.repository.blob(&digest, stored, &stop)?;
            self.locked().tally.count(sent, stored.len() as u64);
        }
        self.meter.add(plain.len() as u64);
        Ok(())
    }

    /// Takes note of a segment; whether none before is stored as the same bytes.
    fn is_new(&self, segment: Segment) -> Result<bool> {
        let mut sent = self.locked();
        // Before more is sent than can be named.
        if sent.segments.len() >= MAX_SEGMENTS {
            return Err(Error::unsupported(format!(
                "expected at most {MAX_SEGMENTS} segments, which one manifest tells of, found more (a larger --segment-size makes fewer)"
            )));
        }
        let is_new = sent.stored.insert(segment.stored_digest.clone());
        sent.segments.push(segment);
        Ok(is_new)
    }

    fn locked(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
