//! All layers of an image, read side by side, with results that do not depend on who was faster.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::blob::{BlobReader, ReadLayer};
use super::budget::{Budget, Used, within};
use super::verifying::Verifying;
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

/// Reads and indexes every layer of an image, and begins to verify them.
///
/// Each blob is held to its last byte against its digest, its tar against its diff ID.
/// Uncompressed layers stay where they are; compressed ones are decompressed into the work
/// directory.
///
/// # Errors
/// The error of the lowest layer that has one, whichever thread met one first:
/// [`Error::BadImage`] for streams and tars that are wrong or beyond a limit, and for digests where
/// something else is wrong too, [`Error::Unsupported`] for what no layer may hold, [`Error::Io`]
/// when reading fails or the work directory is full.
pub fn read(image: &Image, options: &ReadOptions, reporter: &dyn Reporter) -> Result<Layers> {
    let labels = (0..image.layers.len()).map(|index| layer_label(image, index));
    let queue = Queue {
        image,
        verifying: Verifying::start(&image.reference, labels.collect(), options.jobs),
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
    verifying: Verifying,
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
                &format!("layer {}", layer_label(self.image, index)),
                Unit::Bytes,
                Some(blob.stored.length_bytes),
            );
            let result = self.read(index, meter, &stop);
            if result.is_err() {
                self.lowest_failed.fetch_min(index, Ordering::Relaxed);
            }
            *lock(&self.results[index]) = Some(result);
        }
    }

    fn read(
        &self,
        index: usize,
        meter: Box<dyn Meter>,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<ReadLayer> {
        BlobReader {
            layer: index,
            blob: &self.image.layers[index],
            options: self.options,
            budget: &Budget::new(&self.options.limits, &self.used, index),
            verifying: &self.verifying,
            stop,
        }
        .read(meter)
    }

    fn collect(self) -> Result<Layers> {
        let mut changesets = Vec::new();
        let mut tars = Vec::new();
        let mut warnings = Warnings::default();
        for index in 0..self.image.layers.len() {
            match self.outcome(index) {
                Ok(layer) => {
                    changesets.push(layer.changeset);
                    tars.push(layer.tar);
                    warnings.merge(layer.warnings);
                }
                Err(error) => {
                    self.verifying.give_up_above(index);
                    let error = error
                        .in_layer(layer_label(self.image, index))
                        .in_image(&self.image.reference);
                    return self
                        .verifying
                        .unless_damaged(Err(error))
                        .map(|(never, _)| never);
                }
            }
        }
        Ok(Layers {
            changesets,
            contents: Contents { tars },
            warnings,
            verifying: self.verifying,
        })
    }

    fn outcome(&self, index: usize) -> Result<ReadLayer> {
        if !within(&self.options.limits, &self.used, index) {
            // It was charged for what the layers below had used at that moment. Now that they are
            // known to the last entry, it fails at the same place every time.
            self.read(index, Box::new(Silent), &|| false)?;
        }
        lock(&self.results[index]).take().unwrap_or_else(|| {
            Err(Error::Mismatch(format!(
                "layer {} was not read",
                layer_label(self.image, index)
            )))
        })
    }
}

fn layer_label(image: &Image, index: usize) -> String {
    let LayerBlob {
        digest, diff_id, ..
    } = &image.layers[index];
    let digest = digest.as_ref().unwrap_or(&diff_id.0);
    label(index, image.layers.len(), digest)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
