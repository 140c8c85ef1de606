//! All layers of an image, read side by side, with results that do not depend on who was faster.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::blob::{ReadLayer, read_blob};
use super::budget::{Budget, Used, within};
use super::{Contents, Layers, label};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::progress::{Meter, Reporter, Silent, Unit};
use crate::source::{Image, LayerBlob};
use crate::warnings::Warnings;

/// How to read layers.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Where compressed layers are decompressed to, in files without a name.
    pub work_dir: PathBuf,
    /// What is refused.
    pub limits: Limits,
    /// How many layers are read at the same time at most.
    pub jobs: NonZeroUsize,
}

/// Reads, verifies and indexes every layer of an image.
///
/// Each blob is read to its last byte and held against its digest, its tar against its diff ID.
/// Uncompressed layers stay where they are; compressed ones are decompressed into the work
/// directory.
///
/// # Errors
/// The error of the lowest layer that has one, whichever thread met one first:
/// [`Error::BadImage`] for digests, streams and tars that are wrong or beyond a limit,
/// [`Error::Unsupported`] for what no layer may hold, [`Error::Io`] when reading fails or the
/// work directory is full.
pub fn read(image: &Image, options: &ReadOptions, reporter: &dyn Reporter) -> Result<Layers> {
    let queue = Queue {
        image,
        options,
        reporter,
        used: image.layers.iter().map(|_| Used::default()).collect(),
        next: AtomicUsize::new(0),
        lowest_failed: AtomicUsize::new(usize::MAX),
        results: image.layers.iter().map(|_| Mutex::default()).collect(),
    };
    let jobs = options.jobs.get().min(image.layers.len());
    if jobs > 1 {
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| queue.work());
            }
        });
    } else {
        queue.work();
    }
    queue.collect()
}

struct Queue<'a> {
    image: &'a Image,
    options: &'a ReadOptions,
    reporter: &'a dyn Reporter,
    used: Vec<Used>,
    next: AtomicUsize,
    lowest_failed: AtomicUsize,
    results: Vec<Mutex<Option<Result<ReadLayer>>>>,
}

impl Queue<'_> {
    /// Takes layers from the base upwards until there are none left or one below has failed.
    fn work(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(blob) = self.image.layers.get(index) else {
                break;
            };
            // A layer below is never stopped for one above: it may be the one to report.
            let stop = || self.lowest_failed.load(Ordering::Relaxed) < index;
            if stop() {
                break;
            }
            let meter = self.reporter.begin(
                &format!("layer {}", self.label(index)),
                Unit::Bytes,
                Some(blob.stored.length_bytes),
            );
            let result = self.read(index, meter.as_ref(), &stop);
            match &result {
                Ok(_) => meter.finish("verified"),
                Err(_) => {
                    self.lowest_failed.fetch_min(index, Ordering::Relaxed);
                }
            }
            *lock(&self.results[index]) = Some(result);
        }
    }

    fn read(&self, index: usize, meter: &dyn Meter, stop: &dyn Fn() -> bool) -> Result<ReadLayer> {
        let budget = Budget::new(&self.options.limits, &self.used, index);
        read_blob(
            &self.image.layers[index],
            self.options,
            &budget,
            meter,
            stop,
        )
    }

    fn collect(&self) -> Result<Layers> {
        let mut layers = Layers {
            changesets: Vec::new(),
            contents: Contents { tars: Vec::new() },
            warnings: Warnings::default(),
        };
        for index in 0..self.image.layers.len() {
            let layer = self.outcome(index).map_err(|error| {
                error
                    .in_layer(self.label(index))
                    .in_image(&self.image.reference)
            })?;
            layers.changesets.push(layer.changeset);
            layers.contents.tars.push(layer.tar);
            layers.warnings.merge(layer.warnings);
        }
        Ok(layers)
    }

    fn outcome(&self, index: usize) -> Result<ReadLayer> {
        if !within(&self.options.limits, &self.used, index) {
            // It was charged for what the layers below had used at that moment. Now that they are
            // known to the last entry, it fails at the same place every time.
            self.read(index, &Silent, &|| false)?;
        }
        lock(&self.results[index]).take().unwrap_or_else(|| {
            Err(Error::Mismatch(format!(
                "layer {} was not read",
                self.label(index)
            )))
        })
    }

    fn label(&self, index: usize) -> String {
        let LayerBlob {
            digest, diff_id, ..
        } = &self.image.layers[index];
        let digest = digest.as_ref().unwrap_or(&diff_id.0);
        label(index, self.image.layers.len(), digest)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
