//! All layers of an image, downloaded side by side, the base first.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::client::{Client, Waiting};
use super::fetching::{Fetching, Told};
use super::kept::Kept;
use crate::blobs::{Arrival, Downloads};
use crate::error::Error;
use crate::oci::{Descriptor, Digest};
use crate::progress::{Meter, Phase, Reporter, Task};

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
        let is_absent = |job: &&Job| !self.kept.seems_to_have(&job.digest);
        let wanted = self.jobs.iter().filter(|job| job.is_wanted());
        let absent = wanted.filter(is_absent);
        let bytes: u64 = absent.map(|job| job.arrival.length_bytes()).sum();
        reporter.begin(Task::transferred(Phase::Layers, "download", bytes))
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
            let layers = LayerMeters {
                all: self,
                meters: job
                    .layers
                    .iter()
                    .filter_map(|layer| meters.get(*layer))
                    .collect(),
                reporter,
            };
            let fetching = Fetching {
                client: &self.client,
                kept: &self.kept,
                work_dir: &self.work_dir,
                digest: &job.digest,
                arrival: &job.arrival,
                told: &layers,
                waiting: Waiting {
                    reporter,
                    stop: &stop,
                },
            };
            // Even if this panics the readers are told that nothing more will come.
            let _guard = FailOnDrop(&job.arrival);
            match fetching.run() {
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

/// The layers that one blob is.
struct LayerMeters<'a> {
    all: &'a LayerDownloads,
    meters: Vec<&'a Arc<dyn Meter>>,
    reporter: &'a dyn Reporter,
}

impl Told for LayerMeters<'_> {
    fn status(&self, status: &str) {
        for meter in &self.meters {
            meter.status(status);
        }
    }

    fn wait(&self, for_what: &str) {
        for meter in &self.meters {
            meter.wait(for_what);
        }
    }

    fn read(&self, bytes: u64) {
        for meter in &self.meters {
            meter.add(bytes);
        }
    }

    fn begins_to_download(&self) {
        let total = || self.all.total(self.reporter);
        self.all.tally.meter.get_or_init(total);
    }

    fn came(&self, bytes: u64) {
        if let Some(total) = self.all.tally.meter.get() {
            total.add(bytes);
        }
        self.read(bytes);
    }
}
