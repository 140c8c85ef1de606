//! The segments, taken by several threads: first what the earlier image has, then the rest.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::From;
use super::hashing::{self, Written};
use super::sparse;
use super::tally::{Counter, PullTally};
use crate::artifact::{Artifact, SEGMENT_TYPE, Segment};
use crate::compression::decompress_zstd_into;
use crate::error::{Error, Result};
use crate::oci::{Descriptor, Digest, DigestHasher};
use crate::partial_file::PartialFile;
use crate::progress::{Meter, Phase, Reporter, Task};
use crate::registry::FetchedBlob;

/// A file in the making.
pub(super) struct Work<'a> {
    partial: &'a PartialFile,
    artifact: &'a Artifact,
    from: &'a From<'a>,
    reporter: &'a dyn Reporter,
    written: Written,
    earlier: Counter,
    cache: Counter,
    registry: Counter,
    downloaded_bytes: AtomicU64,
    /// What is to come from the registry, as far as can be known before.
    wanted_bytes: AtomicU64,
    meter: Box<dyn Meter>,
    download: OnceLock<Box<dyn Meter>>,
    failed: Mutex<Option<Error>>,
}

/// Segments that are the same bytes, stored as one blob.
struct Same {
    first: usize,
    others: Vec<usize>,
}

/// What a thread holds of a segment.
#[derive(Default)]
struct Buffers {
    plain: Vec<u8>,
    stored: Vec<u8>,
}

impl Buffers {
    fn plain(&mut self, segment: &Segment) -> &mut [u8] {
        sized(&mut self.plain, segment.length_bytes)
    }
}

/// A buffer of so many bytes, what was in it aside.
fn sized(buffer: &mut Vec<u8>, length_bytes: u64) -> &mut [u8] {
    // The form has small ones only.
    let length = usize::try_from(length_bytes).unwrap_or(usize::MAX);
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    &mut buffer[..length]
}

impl<'a> Work<'a> {
    pub(super) fn new(
        partial: &'a PartialFile,
        artifact: &'a Artifact,
        from: &'a From<'a>,
        reporter: &'a dyn Reporter,
    ) -> Self {
        let total = artifact.plain_bytes();
        Self {
            partial,
            artifact,
            from,
            reporter,
            written: Written::new(artifact.segments.len()),
            earlier: Counter::default(),
            cache: Counter::default(),
            registry: Counter::default(),
            downloaded_bytes: AtomicU64::new(0),
            wanted_bytes: AtomicU64::new(0),
            meter: reporter.begin(Task::bytes(Phase::Transfer, "segments", total)),
            download: OnceLock::new(),
            failed: Mutex::default(),
        }
    }

    /// What came of it: where it is from, and what went wrong first.
    pub(super) fn end(self) -> (PullTally, Option<Error>) {
        let failed = self
            .failed
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let tally = PullTally {
            earlier: self.earlier.share(),
            cache: self.cache.share(),
            registry: self.registry.share(),
            downloaded_bytes: self.downloaded_bytes.into_inner(),
            zero_bytes: self.artifact.size_bytes - self.artifact.plain_bytes(),
        };
        if failed.is_none() {
            if let Some(download) = self.download.get() {
                let segments = tally.registry.segments;
                let plural = if segments == 1 { "" } else { "s" };
                download.finish(&format!("{segments} segment{plural}"));
            }
            self.meter.finish("verified");
        }
        (tally, failed)
    }

    /// The hash of what is written, when all is.
    pub(super) fn hash(&self) -> Result<Digest> {
        let ends = self.artifact.segments.iter().map(Segment::end_bytes);
        let size_bytes = self.artifact.size_bytes;
        let hashed = hashing::sha256(self.partial.file(), size_bytes, ends, &self.written);
        match hashed {
            Ok(hashed) => hashed.ok_or(Error::Cancelled),
            Err(error) => {
                self.written.give_up();
                Err(Error::path("read", self.partial.output(), error))
            }
        }
    }

    /// Takes what the earlier image has at the same place, and remembers what it has elsewhere.
    pub(super) fn take_of_earlier(&self, threads: NonZeroUsize) {
        let Some(earlier) = self.from.earlier else {
            return;
        };
        let segments = &self.artifact.segments;
        let wanted: HashSet<_> = segments.iter().map(|segment| &segment.digest).collect();
        self.side_by_side(threads, segments.len(), |index, buffers| {
            let segment = &segments[index];
            let plain = buffers.plain(segment);
            if earlier.take(plain, segment.offset_bytes, &segment.digest, &wanted) {
                self.write(index, plain)?;
                self.earlier.add(segment.length_bytes);
            }
            Ok(())
        });
        let share = self.earlier.share();
        self.reporter.note(&format!(
            "{}: {} of {} segments are the same",
            earlier.path().display(),
            share.segments,
            segments.len()
        ));
    }

    /// Gets the rest, each blob once.
    pub(super) fn fetch(&self, threads: NonZeroUsize) {
        let blobs = self.blobs_left();
        let wanted = blobs.iter().map(|blob| self.wanted_of(blob)).sum();
        self.wanted_bytes.store(wanted, Ordering::Relaxed);
        self.side_by_side(threads, blobs.len(), |index, buffers| {
            self.get(&blobs[index], buffers)
                .map_err(|error| self.named(error, blobs[index].first))
        });
    }

    /// What is still to be got, in the order in which the file has it.
    fn blobs_left(&self) -> Vec<Same> {
        let mut places: BTreeMap<(&str, u64, &str, u64), usize> = BTreeMap::new();
        let mut blobs: Vec<Same> = Vec::new();
        for (index, segment) in self.artifact.segments.iter().enumerate() {
            if self.written.is_set(index) {
                continue;
            }
            let key = (
                segment.stored_digest.as_ref(),
                segment.stored_bytes,
                segment.digest.as_ref(),
                segment.length_bytes,
            );
            match places.get(&key) {
                Some(place) => blobs[*place].others.push(index),
                None => {
                    places.insert(key, blobs.len());
                    blobs.push(Same {
                        first: index,
                        others: Vec::new(),
                    });
                }
            }
        }
        blobs
    }

    /// Stored bytes that have to come.
    fn wanted_of(&self, same: &Same) -> u64 {
        let segment = &self.artifact.segments[same.first];
        let earlier = self.from.earlier;
        let is_earlier = earlier.is_some_and(|earlier| earlier.has_elsewhere(&segment.digest));
        match is_earlier || self.from.blobs.is_at_hand(&segment.stored_digest) {
            true => 0,
            false => segment.stored_bytes,
        }
    }

    fn get(&self, same: &Same, buffers: &mut Buffers) -> Result<()> {
        let segment = &self.artifact.segments[same.first];
        let earlier = self.from.earlier;
        let mut counter = &self.earlier;
        let is_earlier = earlier
            .is_some_and(|earlier| earlier.take_elsewhere(buffers.plain(segment), &segment.digest));
        if !is_earlier {
            let is_downloaded = self.fetch_one(segment, buffers)?;
            counter = if is_downloaded {
                &self.registry
            } else {
                &self.cache
            };
        }
        let plain = buffers.plain(segment);
        self.write(same.first, plain)?;
        counter.add(segment.length_bytes);
        // What was fetched once is at hand.
        let again = if is_earlier {
            &self.earlier
        } else {
            &self.cache
        };
        for other in &same.others {
            self.write(*other, plain)?;
            again.add(segment.length_bytes);
        }
        Ok(())
    }

    /// Fetches and decompresses a segment; tells whether the registry was asked.
    fn fetch_one(&self, segment: &Segment, buffers: &mut Buffers) -> Result<bool> {
        let digest = segment.stored_digest.clone();
        let descriptor = Descriptor::new(SEGMENT_TYPE.to_owned(), segment.stored_bytes, digest);
        let came = |bytes| {
            self.downloaded_bytes.fetch_add(bytes, Ordering::Relaxed);
            let begin = || {
                let wanted = self.wanted_bytes.load(Ordering::Relaxed);
                self.reporter
                    .begin(Task::transferred(Phase::Transfer, "download", wanted))
            };
            self.download.get_or_init(begin).add(bytes);
        };
        let stop = || self.written.is_given_up();
        let FetchedBlob {
            region,
            is_downloaded,
        } = self
            .from
            .blobs
            .fetch(&descriptor, &came, &stop, self.reporter)?;
        let stored = sized(&mut buffers.stored, segment.stored_bytes);
        let read = region.read_exact_at(stored, 0);
        read.map_err(|error| Error::io(format!("cannot read {}", descriptor.digest), error))?;
        let plain = sized(&mut buffers.plain, segment.length_bytes);
        decompress_zstd_into(stored, plain)?;
        let found = DigestHasher::sha256().of(plain);
        if found != segment.digest {
            return Err(Error::bad_image(format!(
                "expected {} bytes of the digest {}, found {found}",
                segment.length_bytes, segment.digest
            )));
        }
        Ok(is_downloaded)
    }

    /// Writes a segment's bytes, which are right.
    fn write(&self, index: usize, plain: &[u8]) -> Result<()> {
        let offset_bytes = self.artifact.segments[index].offset_bytes;
        let written = sparse::write(self.partial.file(), plain, offset_bytes);
        written.map_err(|error| Error::path("write", self.partial.output(), error))?;
        self.written.set(index);
        self.meter.add(plain.len() as u64);
        Ok(())
    }

    /// Names the segment in what is wrong with it.
    fn named(&self, error: Error, index: usize) -> Error {
        let Segment {
            offset_bytes,
            stored_digest,
            ..
        } = &self.artifact.segments[index];
        match error {
            Error::BadImage { place, what } => {
                let blob = match what.contains(stored_digest.as_ref()) {
                    true => String::new(),
                    false => format!(", blob {stored_digest}"),
                };
                let what = format!("segment {} at {offset_bytes}{blob}: {what}", index + 1);
                Error::BadImage { place, what }
            }
            error => error,
        }
    }

    /// Does something for each number below `count`, in order as far as threads can, until one fails.
    fn side_by_side(
        &self,
        threads: NonZeroUsize,
        count: usize,
        each: impl Fn(usize, &mut Buffers) -> Result<()> + Sync,
    ) {
        let next = AtomicUsize::new(0);
        let run = || {
            let _guard = GiveUpOnPanic(&self.written);
            let mut buffers = Buffers::default();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count || self.written.is_given_up() {
                    return;
                }
                if let Err(error) = each(index, &mut buffers) {
                    self.fail(error);
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.get().min(count) {
                // Where there are no more threads, there are fewer.
                if std::thread::Builder::new()
                    .spawn_scoped(scope, run)
                    .is_err()
                {
                    break;
                }
            }
            run();
        });
    }

    /// Ends it all; the first error is the one that is told.
    fn fail(&self, error: Error) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert(error);
        drop(failed);
        self.written.give_up();
    }
}

/// Who waits for a segment must not wait for one that panicked.
struct GiveUpOnPanic<'a>(&'a Written);

impl Drop for GiveUpOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.give_up();
        }
    }
}
