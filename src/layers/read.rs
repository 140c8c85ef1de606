//! All layers of an image, read side by side, with results that do not depend on who was faster.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::blob::{BlobReader, ReadLayer};
use super::budget::{Budget, Used, within};
use super::shared::{Kept, Reader, Slot, StoredPlace, Wanted, Way};
use super::stored::LayerProgress;
use super::verification::{Expected, Verification};
use super::verifying::{Check, Named, Verifying, Which};
use super::windows::Windows;
use super::{Contents, Layers, ReadOptions, Taken};
use crate::compression::Compression;
use crate::error::{Error, Result};
use crate::oci::layer_label;
use crate::progress::{Meter, Phase, Reporter, Silent, Task};
use crate::source::{Downloads, Image, LayerBlob, LayerDiffId};
use crate::warnings::Warnings;

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
    let ways = image.layers.iter().map(|_| Way::Own).collect();
    read_by(ways, image, options, reporter)
}

/// The same where other images have layers of this one: what was read for them is taken, and what they
/// still want is kept for them.
///
/// # Errors
/// As [`read`].
pub fn read_wanted(
    wanted: Wanted,
    image: &Image,
    options: &ReadOptions,
    reporter: &dyn Reporter,
) -> Result<Layers> {
    let ways = wanted.ways(image, &options.limits);
    if let Some(downloads) = &image.downloads {
        let is_taken = |(index, way): (usize, &Way)| matches!(way, Way::Take(_)).then_some(index);
        let taken: Vec<_> = ways.iter().enumerate().filter_map(is_taken).collect();
        downloads.leave_out(&taken);
    }
    read_by(ways, image, options, reporter)
}

fn read_by(
    ways: Vec<Way>,
    image: &Image,
    options: &ReadOptions,
    reporter: &dyn Reporter,
) -> Result<Layers> {
    let layers = image.layers.iter().enumerate();
    let named = layers.map(|(index, layer)| Named {
        label: label_of(image, index),
        diff_id: layer.diff_id.known().cloned(),
    });
    let queue = Queue {
        image,
        verifying: Verifying::start(&image.reference, named.collect(), options.jobs),
        options,
        reporter,
        windows: Windows::new(&options.limits),
        used: image.layers.iter().map(|_| Used::default()).collect(),
        stored_bytes: stored_bytes(image),
        order: order(image, options.jobs),
        next: AtomicUsize::new(0),
        lowest_failed: AtomicUsize::new(usize::MAX),
        results: image.layers.iter().map(|_| Mutex::default()).collect(),
        readers: image.layers.iter().map(|_| Mutex::default()).collect(),
        meters: waiting(image, reporter),
        ways,
    };
    queue.run()?;
    queue.collect()
}

/// Ends the downloads, also on the way out of a panic: else they would be waited for.
struct CancelOnDrop<'a>(Option<&'a dyn Downloads>);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(downloads) = self.0 {
            downloads.cancel();
        }
    }
}

struct Queue<'a> {
    image: &'a Image,
    ways: Vec<Way>,
    verifying: Verifying,
    windows: Windows,
    options: &'a ReadOptions,
    reporter: &'a dyn Reporter,
    used: Vec<Used>,
    stored_bytes: Vec<u64>,
    order: Vec<usize>,
    next: AtomicUsize,
    lowest_failed: AtomicUsize,
    results: Vec<Mutex<Option<Result<ReadLayer>>>>,
    /// Of the layers that other images may read.
    readers: Vec<Mutex<Option<Reader>>>,
    /// Of all layers: each waits for its turn.
    meters: Vec<Arc<dyn Meter>>,
}

impl Queue<'_> {
    /// # Errors
    /// [`Error::Io`] where downloads need a thread and none is to be had.
    fn run(&self) -> Result<()> {
        let jobs = self.options.jobs.get().min(self.image.layers.len());
        let downloads = self.image.downloads.as_deref();
        if jobs <= 1 && downloads.is_none() {
            self.work();
            return Ok(());
        }
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
        std::thread::scope(|scope| {
            if let Some(downloads) = downloads {
                let work = || downloads.work(&self.meters, self.reporter);
                for index in 0..downloads.threads() {
                    match named("download").spawn_scoped(scope, work) {
                        Ok(_) => {}
                        // Readers wait for what comes: one there must be.
                        Err(error) if index == 0 => {
                            return Err(Error::io("cannot start a thread", error));
                        }
                        Err(_) => break,
                    }
                }
            }
            // This one reads, too: others are welcome but not needed.
            let readers: Vec<_> = (1..jobs)
                .map_while(|_| named("read").spawn_scoped(scope, || self.work()).ok())
                .collect();
            let cancel = CancelOnDrop(downloads);
            self.work();
            let ended: Vec<_> = readers.into_iter().map(|reader| reader.join()).collect();
            drop(cancel);
            if let Some(panic) = ended.into_iter().find_map(Result::err) {
                std::panic::resume_unwind(panic);
            }
            Ok(())
        })
    }

    /// Takes layers in their order until there are none left, but for those above one that has
    /// failed.
    fn work(&self) {
        loop {
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(&index) = self.order.get(turn) else {
                break;
            };
            // A layer below is never stopped for one above: it may be the one to report.
            let stop = || self.lowest_failed.load(Ordering::Relaxed) < index;
            if stop() {
                continue;
            }
            let meter = &self.meters[index];
            let result = match &self.ways[index] {
                Way::Own => self.read(index, (&self.verifying, index), meter, &stop),
                Way::Give(slot) => self.give(index, slot, meter, &stop),
                Way::Take(kept) => self.take(index, kept, &**meter),
            };
            if result.is_err() {
                self.lowest_failed.fetch_min(index, Ordering::Relaxed);
            }
            *lock(&self.results[index]) = Some(result);
        }
    }

    /// Reads a layer for all images that want it.
    fn give(
        &self,
        index: usize,
        slot: &Slot,
        meter: &Arc<dyn Meter>,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<ReadLayer> {
        let diff_id = self.image.layers[index].diff_id.known().cloned();
        let label = label_of(self.image, index);
        let named = vec![Named { label, diff_id }];
        let verifying = Verifying::start(&self.image.reference, named, self.options.jobs);
        self.verifying.share(index, verifying.clone());
        let read = self.read(index, (&verifying, 0), meter, stop);
        verifying.has_all();
        let read = read?;
        let reader = Reader::default();
        *lock(&self.readers[index]) = Some(reader.clone());
        slot.keep(Kept {
            entries: Arc::clone(&read.changeset.entries),
            tar: read.tar.clone(),
            tar_bytes: read.changeset.layer.tar_bytes,
            compression: read.compression,
            noticed: read.noticed.clone(),
            verifying,
            reader,
            stored: StoredPlace::of(&self.image.layers[index]),
        });
        Ok(read)
    }

    /// Takes a layer that was read for another image.
    fn take(&self, index: usize, kept: &Kept, meter: &dyn Meter) -> Result<ReadLayer> {
        let budget = Budget::new(&self.options.limits, &self.used, &self.stored_bytes, index);
        let blob = &self.image.layers[index];
        let taken = ReadLayer::taken(kept, blob, &self.options.limits, &budget)?;
        *lock(&self.readers[index]) = Some(kept.reader.clone());
        self.verifying.share(index, kept.verifying.clone());
        self.verify_own(index, kept)?;
        meter.finish("read for another image");
        Ok(taken)
    }

    /// Hashes an image's own stored bytes of a layer that was read elsewhere.
    fn verify_own(&self, index: usize, kept: &Kept) -> Result<()> {
        let blob = &self.image.layers[index];
        let Some(stored) = blob.stored.at_hand() else {
            return Ok(());
        };
        if StoredPlace::of(blob) == kept.stored || matches!(blob.diff_id, LayerDiffId::Hashed(_)) {
            return Ok(());
        }
        let of_tar = || blob.diff_id.known().cloned().map(Expected::Tar);
        let expected = match &blob.digest {
            Some(digest) => Some(Expected::Stored(digest.clone())),
            None if Compression::detect(stored)? == Compression::None => of_tar(),
            None => None,
        };
        let silent: Arc<dyn Meter> = Arc::new(Silent);
        self.verifying.add(Check {
            layer: index,
            which: Which::Stored,
            bytes: stored.clone(),
            verification: Verification::new(expected)?,
            progress: LayerProgress::new(&silent, &blob.stored, 1),
            is_counted: false,
        });
        Ok(())
    }

    fn read(
        &self,
        index: usize,
        (verifying, layer): (&Verifying, usize),
        meter: &Arc<dyn Meter>,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<ReadLayer> {
        let blob = &self.image.layers[index];
        loop {
            let stored = blob.stored.open(stop)?;
            if stored.is_whole() {
                meter.status("reading");
            }
            let read = BlobReader {
                layer,
                blob,
                stored: &stored,
                options: self.options,
                budget: &Budget::new(&self.options.limits, &self.used, &self.stored_bytes, index),
                verifying,
                windows: &self.windows,
                stop,
            }
            .read(meter);
            match read {
                // Damaged bytes are better called so than by what they happened to break; and those
                // that arrive may be right the next time.
                Err(Error::BadImage { .. } | Error::Unsupported { .. } | Error::Mismatch(_))
                    if !stored.is_right(stop)? => {}
                read => return read,
            }
        }
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
                        .in_layer(label_of(self.image, index))
                        .in_image(&self.image.reference);
                    return self
                        .verifying
                        .unless_damaged(Err(error))
                        .map(|(never, _)| never);
                }
            }
        }
        let taken = self.ways.iter().filter_map(|way| match way {
            Way::Take(kept) => Some(kept.verifying.clone()),
            _ => None,
        });
        let taken = Taken(taken.collect());
        let readers = self.readers.iter().map(|reader| lock(reader).take());
        Ok(Layers {
            changesets,
            put_in: Vec::new(),
            contents: Contents {
                shared: readers.collect(),
                ..Contents::of_layers(tars)
            },
            warnings,
            verifying: self.verifying,
            taken,
        })
    }

    fn outcome(&self, index: usize) -> Result<ReadLayer> {
        let unread = || {
            Err(Error::Mismatch(format!(
                "layer {} was not read",
                label_of(self.image, index)
            )))
        };
        let result = lock(&self.results[index]).take();
        let is_taken = matches!(self.ways[index], Way::Take(_));
        let is_at_hand = self.image.layers[index].stored.at_hand().is_some() || is_taken;
        if matches!(result, Some(Err(_))) && !is_at_hand {
            // What is no longer waited for cannot be read again.
            return result.unwrap_or_else(unread);
        }
        if !within(&self.options.limits, &self.used, &self.stored_bytes, index) {
            // It was charged for what the layers below had used at that moment. Now that they are
            // known to the last entry, it fails at the same place every time.
            let silent: Arc<dyn Meter> = Arc::new(Silent);
            match &self.ways[index] {
                Way::Take(kept) => self.take(index, kept, &Silent)?,
                _ => self.read(index, (&self.verifying, index), &silent, &|| false)?,
            };
        }
        result.unwrap_or_else(unread)
    }
}

/// From the base upwards, as downloads come; but what is at hand, the longest first where several
/// are read at once, so that no long one is left for the end.
fn order(image: &Image, jobs: NonZeroUsize) -> Vec<usize> {
    let mut order: Vec<_> = (0..image.layers.len()).collect();
    if image.downloads.is_none() && jobs > NonZeroUsize::MIN {
        order.sort_by_key(|index| std::cmp::Reverse(image.layers[*index].stored.length_bytes()));
    }
    order
}

/// For each layer how many bytes it and those below it are stored in, each blob counted once: a
/// blob may be listed again and again.
fn stored_bytes(image: &Image) -> Vec<u64> {
    let mut digests = HashSet::new();
    let mut regions = HashSet::new();
    let mut sum: u64 = 0;
    let mut sums = Vec::with_capacity(image.layers.len());
    for layer in &image.layers {
        let is_new = match (&layer.digest, layer.stored.at_hand()) {
            (Some(digest), _) => digests.insert(digest),
            (None, Some(region)) => {
                regions.insert((Arc::as_ptr(&region.file), region.offset_bytes))
            }
            (None, None) => true,
        };
        if is_new {
            sum = sum.saturating_add(layer.stored.length_bytes());
        }
        sums.push(sum);
    }
    sums
}

/// A task for every layer of an image, and what it waits for.
fn waiting(image: &Image, reporter: &dyn Reporter) -> Vec<Arc<dyn Meter>> {
    let for_what = match image.downloads {
        Some(_) => "a connection",
        None => "a free reader",
    };
    let begin = |index| {
        let meter = begin(image, index, reporter);
        meter.wait(for_what);
        meter
    };
    (0..image.layers.len()).map(begin).collect()
}

fn begin(image: &Image, index: usize, reporter: &dyn Reporter) -> Arc<dyn Meter> {
    let name = format!("layer {}", label_of(image, index));
    let length_bytes = image.layers[index].stored.length_bytes();
    reporter
        .begin(Task::bytes(Phase::Layers, &name, length_bytes))
        .into()
}

fn label_of(image: &Image, index: usize) -> String {
    let LayerBlob {
        digest, diff_id, ..
    } = &image.layers[index];
    let diff_id = || diff_id.known().map(|diff_id| &diff_id.0);
    layer_label(index, image.layers.len(), digest.as_ref().or_else(diff_id))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
