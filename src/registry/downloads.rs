//! All layers of an image, downloaded side by side, the base first.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::blob::Download;
use super::client::{Client, Waiting};
use super::kept::Kept;
use crate::blobs::{Arrival, Downloads};
use crate::cache::{BlobLock, Cache};
use crate::error::{Error, Result};
use crate::oci::{Descriptor, Digest, DigestHasher};
use crate::page_buffer::PageBuffer;
use crate::progress::{Meter, Reporter, Unit};

const BUFFER_BYTES: usize = 256 << 10;

/// How often it is looked whether another process is done with a blob.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The layers of one image and where they come from.
#[derive(Debug)]
pub(super) struct LayerDownloads {
    client: Arc<Client>,
    kept: Arc<Kept>,
    work_dir: PathBuf,
    threads: usize,
    jobs: Vec<Job>,
    next: AtomicUsize,
    is_cancelled: AtomicBool,
    tally: Tally,
}

/// One blob, which may be several layers.
#[derive(Debug)]
struct Job {
    digest: Digest,
    arrival: Arc<Arrival>,
    layers: Vec<usize>,
    /// Nobody will read it.
    is_left_out: AtomicBool,
}

impl Job {
    fn is_wanted(&self) -> bool {
        !self.is_left_out.load(Ordering::Relaxed)
    }
}

/// What all of them come to.
#[derive(Default)]
struct Tally {
    meter: OnceLock<Box<dyn Meter>>,
    downloaded: AtomicUsize,
    was_there: AtomicUsize,
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tally")
    }
}

impl LayerDownloads {
    /// No layer yet; so many `threads` are wanted.
    pub(super) fn new(
        client: Arc<Client>,
        kept: Arc<Kept>,
        work_dir: PathBuf,
        threads: usize,
    ) -> Self {
        Self {
            client,
            kept,
            work_dir,
            threads,
            jobs: Vec::new(),
            next: AtomicUsize::new(0),
            is_cancelled: AtomicBool::new(false),
            tally: Tally::default(),
        }
    }

    /// The place of a layer that `descriptor` names, an earlier one's where it is the same blob.
    pub(super) fn add(&mut self, descriptor: &Descriptor, index: usize) -> Arc<Arrival> {
        let same = |job: &&mut Job| {
            job.digest == descriptor.digest && job.arrival.length_bytes() == descriptor.size
        };
        if let Some(job) = self.jobs.iter_mut().find(same) {
            job.layers.push(index);
            return Arc::clone(&job.arrival);
        }
        let arrival = Arc::new(Arrival::new(descriptor.size));
        self.jobs.push(Job {
            digest: descriptor.digest.clone(),
            arrival: Arc::clone(&arrival),
            layers: vec![index],
            is_left_out: AtomicBool::new(false),
        });
        arrival
    }

    fn wanted(&self) -> usize {
        self.jobs.iter().filter(|job| job.is_wanted()).count()
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// What is to be downloaded in all.
    fn total(&self, reporter: &dyn Reporter) -> Box<dyn Meter> {
        let is_absent = |job: &&Job| {
            let cached = self.kept.cache().map(|cache| cache.find(&job.digest));
            !matches!(cached, Some(Ok(Some(_))))
        };
        let wanted = self.jobs.iter().filter(|job| job.is_wanted());
        let absent = wanted.filter(is_absent);
        let bytes = absent.map(|job| job.arrival.length_bytes()).sum();
        reporter.begin("download", Unit::TransferredBytes, Some(bytes))
    }
}

impl Downloads for LayerDownloads {
    fn threads(&self) -> usize {
        self.threads.min(self.wanted())
    }

    fn work(&self, meters: &[Arc<dyn Meter>], reporter: &dyn Reporter) {
        let stop = || self.is_cancelled();
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = self.jobs.get(index) else {
                return;
            };
            if !job.is_wanted() {
                continue;
            }
            let running = Running {
                all: self,
                job,
                meters: job
                    .layers
                    .iter()
                    .filter_map(|layer| meters.get(*layer))
                    .collect(),
                waiting: Waiting {
                    reporter,
                    stop: &stop,
                },
            };
            // Even if this panics the readers are told that nothing more will come.
            let _guard = FailOnDrop(&job.arrival);
            match running.run() {
                Ok(()) => self.tally.count(job.arrival.was_there(), self.wanted()),
                Err(error) => job.arrival.fail(error),
            }
        }
    }

    fn leave_out(&self, layers: &[usize]) {
        for job in &self.jobs {
            let is_left_out = job.layers.iter().all(|layer| layers.contains(layer));
            job.is_left_out.store(is_left_out, Ordering::Relaxed);
        }
    }

    fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }
}

struct FailOnDrop<'a>(&'a Arrival);

impl Drop for FailOnDrop<'_> {
    fn drop(&mut self) {
        // Nothing to one that has its end.
        self.0.fail(Error::Mismatch(
            "a download ended without an outcome".to_owned(),
        ));
    }
}

impl Tally {
    fn count(&self, was_there: bool, jobs: usize) {
        let counter = if was_there {
            &self.was_there
        } else {
            &self.downloaded
        };
        counter.fetch_add(1, Ordering::AcqRel);
        let (downloaded, was_there) = (
            self.downloaded.load(Ordering::Acquire),
            self.was_there.load(Ordering::Acquire),
        );
        if downloaded + was_there == jobs
            && let Some(meter) = self.meter.get()
        {
            let plural = if downloaded == 1 { "" } else { "s" };
            let mut outcome = format!("{downloaded} layer{plural}");
            if was_there > 0 {
                outcome.push_str(&format!(", {was_there} already there"));
            }
            meter.finish(&outcome);
        }
    }
}

/// One blob being downloaded.
struct Running<'a> {
    all: &'a LayerDownloads,
    job: &'a Job,
    meters: Vec<&'a Arc<dyn Meter>>,
    waiting: Waiting<'a>,
}

impl Running<'_> {
    fn run(&self) -> Result<()> {
        if self.is_in_cache()? {
            return Ok(());
        }
        let _lock = self.lock()?;
        // Another process may have downloaded it meanwhile.
        if self.is_in_cache()? {
            return Ok(());
        }
        self.download()
    }

    /// Waits for the lock on the blob; none where there is no cache.
    fn lock(&self) -> Result<Option<BlobLock>> {
        let kept = &self.all.kept;
        let mut is_told = false;
        loop {
            if (self.waiting.stop)() {
                return Err(Error::Cancelled);
            }
            let Some(cache) = kept.cache() else {
                return Ok(None);
            };
            let lock = cache.try_lock(&self.job.digest);
            match kept.outcome(lock, self.waiting.reporter)? {
                Some(None) => {}
                lock => return Ok(lock.flatten()),
            }
            if !is_told {
                self.status("waiting for another process");
                is_told = true;
            }
            self.waiting.sleep(LOOK_AGAIN)?;
        }
    }

    /// Gives the blob out of the cache, held against its digest while it is read.
    fn is_in_cache(&self) -> Result<bool> {
        let kept = &self.all.kept;
        let Some(cache) = kept.cache() else {
            return Ok(false);
        };
        let found = kept.outcome(self.find_in(cache), self.waiting.reporter)?;
        Ok(found.unwrap_or(false))
    }

    fn find_in(&self, cache: &Cache) -> Result<bool> {
        let Some(file) = cache.find(&self.job.digest)? else {
            return Ok(false);
        };
        let path = cache.path().display();
        let failed = |error| {
            Error::io(
                format!("cannot read {} in the cache {path}", self.job.digest),
                error,
            )
        };
        let length = file.metadata().map_err(failed)?.len();
        self.status("already there");
        if length == self.job.arrival.length_bytes() && self.verify(Arc::new(file), failed)? {
            self.job.arrival.verified();
            return Ok(true);
        }
        self.waiting.reporter.note(&format!(
            "{}: damaged in the cache {path}, downloading it again",
            self.job.digest
        ));
        cache.discard(&self.job.digest)?;
        Ok(false)
    }

    /// Passes a file on as it is read and hashed.
    fn verify(&self, file: Arc<File>, failed: impl Fn(std::io::Error) -> Error) -> Result<bool> {
        let arrival = &self.job.arrival;
        let Ok(mut hasher) = DigestHasher::like(&self.job.digest) else {
            return Ok(false);
        };
        arrival.begin(Arc::clone(&file), true);
        let mut buffer = PageBuffer::new(BUFFER_BYTES);
        let mut passed = 0;
        loop {
            if self.all.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let read = match (&*file).read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read.map_err(&failed)?,
            };
            hasher.update(&buffer[..read]);
            passed += read as u64;
            arrival.advance_to(passed);
            self.add(read as u64);
        }
        Ok(passed == arrival.length_bytes() && hasher.finish() == self.job.digest)
    }

    fn download(&self) -> Result<()> {
        self.status("downloading");
        let total = self
            .all
            .tally
            .meter
            .get_or_init(|| self.all.total(self.waiting.reporter));
        let came = |bytes| {
            total.add(bytes);
            self.add(bytes);
        };
        let download = Download {
            client: &self.all.client,
            kept: &self.all.kept,
            work_dir: &self.all.work_dir,
            digest: &self.job.digest,
            length_bytes: self.job.arrival.length_bytes(),
            arrival: &self.job.arrival,
            came: &came,
            waiting: self.waiting,
        };
        download.run()?;
        self.status("verifying");
        self.job.arrival.verified();
        Ok(())
    }

    fn status(&self, status: &str) {
        for meter in &self.meters {
            meter.status(status);
        }
    }

    fn add(&self, bytes: u64) {
        for meter in &self.meters {
            meter.add(bytes);
        }
    }
}
