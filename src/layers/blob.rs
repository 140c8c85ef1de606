//! One layer from blob to changeset. Its bytes are handed over to be verified on the way.

use std::sync::Arc;

use super::ahead::{ReadAhead, Tee};
use super::budget::Budget;
use super::shared::Kept;
use super::stored::{LayerProgress, StoredReader, own_copy};
use super::verification::{Expected, Verification};
use super::verifying::{Check, Unchanged, Verifying, Which};
use super::windows::Windows;
use super::{Changeset, LayerSummary, ReadOptions};
use crate::compression::{Compression, Decompressor, MAGIC_BYTES, check_expansion};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::oci::DiffId;
use crate::progress::Meter;
use crate::region::FileRegion;
use crate::source::{LayerBlob, LayerDiffId, OpenBlob};
use crate::spool::Spool;
use crate::tar::{Entry, InPlace, Passage, Reader, TarBytes};
use crate::warnings::Warnings;

/// A layer, read but not verified.
#[derive(Debug)]
pub(super) struct ReadLayer {
    pub(super) changeset: Changeset,
    pub(super) tar: FileRegion,
    pub(super) compression: Compression,
    /// What was noticed in the tar.
    pub(super) noticed: Warnings,
    /// What was noticed in all.
    pub(super) warnings: Warnings,
}

impl ReadLayer {
    /// A layer that was read for another image, as this one's `blob`.
    ///
    /// # Errors
    /// As if the blob had been read.
    pub(super) fn taken(
        kept: &Kept,
        blob: &LayerBlob,
        limits: &Limits,
        budget: &Budget<'_>,
    ) -> Result<Self> {
        let stored_bytes = blob.stored.length_bytes();
        let compression = match blob.stored.at_hand() {
            Some(stored) => Compression::detect(stored)?,
            None => kept.compression,
        };
        let warnings = warnings(compression, blob)?;
        match kept.compression {
            Compression::None => budget.add_tar_bytes(kept.tar_bytes)?,
            _ => budget.add_expanded_bytes(kept.tar_bytes)?,
        }
        if compression != Compression::None {
            check_expansion(stored_bytes, kept.tar_bytes, limits)?;
        }
        for entry in &*kept.entries {
            charge(budget, entry)?;
        }
        let entries = Arc::clone(&kept.entries);
        Ok(Self::of(
            blob,
            entries,
            kept.tar_bytes,
            kept.tar.clone(),
            compression,
            (kept.noticed.clone(), warnings),
        ))
    }

    fn of(
        blob: &LayerBlob,
        entries: Arc<Vec<Entry>>,
        tar_bytes: u64,
        tar: FileRegion,
        compression: Compression,
        (noticed, mut warnings): (Warnings, Warnings),
    ) -> Self {
        warnings.merge(noticed.clone());
        Self {
            changeset: Changeset {
                layer: LayerSummary {
                    diff_id: blob.diff_id.known().cloned(),
                    digest: blob.digest.clone(),
                    media_type: blob.media_type.clone(),
                    stored_bytes: blob.stored.length_bytes(),
                    tar_bytes,
                    entry_count: entries.len() as u64,
                },
                entries,
                whiteouts: blob.whiteouts,
            },
            tar,
            compression,
            noticed,
            warnings,
        }
    }
}

/// What is to be said of how a blob is compressed.
///
/// # Errors
/// [`Error::Unsupported`] for an encrypted layer.
fn warnings(compression: Compression, blob: &LayerBlob) -> Result<Warnings> {
    let mut warnings = Warnings::default();
    if let Some(media_type) = &blob.media_type
        && compression.is_denied_by(media_type)?
    {
        warnings.count(
            "layer compressed in another way than its media type says",
            media_type.as_bytes(),
        );
    }
    Ok(warnings)
}

/// Counts an entry.
fn charge(budget: &Budget<'_>, entry: &Entry) -> Result<()> {
    budget
        .add_entry(entry.index_bytes())
        .map_err(|error| error.in_entry(&entry.path).at_byte(entry.header_offset))
}

/// Where that is what its diff ID names, nothing is lost.
const ENDED_IN_PADDING: &str = "tar that ends within the padding after its last file's data";

/// The entries of a tar in its order, and what was noticed.
type Index = (Vec<Entry>, Warnings);

/// Goes along with reading a layer in its place: waits for its bytes and counts them.
struct Charged<'a> {
    blob: &'a OpenBlob,
    budget: &'a Budget<'a>,
    stop: &'a (dyn Fn() -> bool + Sync),
}

impl Passage for Charged<'_> {
    fn reach(&self, bytes: u64) -> Result<()> {
        if (self.stop)() {
            return Err(Error::Cancelled);
        }
        self.blob.wait_for(bytes, self.stop).map(drop)
    }

    fn pass(&self, bytes: u64) -> Result<()> {
        self.budget.add_tar_bytes(bytes)
    }
}

/// How a layer is read.
pub(super) struct BlobReader<'a> {
    pub(super) layer: usize,
    pub(super) blob: &'a LayerBlob,
    pub(super) stored: &'a OpenBlob,
    pub(super) options: &'a ReadOptions,
    pub(super) budget: &'a Budget<'a>,
    pub(super) verifying: &'a Verifying,
    pub(super) windows: &'a Windows,
    pub(super) stop: &'a (dyn Fn() -> bool + Sync),
}

impl BlobReader<'_> {
    /// Indexes the layer's tar and hands its bytes over to be verified.
    ///
    /// # Errors
    /// Whatever is wrong with the layer, but for its digests; for one that arrives also that its
    /// bytes were the wrong ones.
    pub(super) fn read(&self, meter: &Arc<dyn Meter>) -> Result<ReadLayer> {
        let blob = self.blob;
        let stored_bytes = blob.stored.length_bytes();
        self.stored
            .wait_for(stored_bytes.min(MAGIC_BYTES as u64), self.stop)?;
        let compression = Compression::detect(self.stored.region())?;
        let warnings = warnings(compression, blob)?;
        // Before anything is told about the layer that others might wait for.
        let waits = || meter.wait("a decompression slot");
        let _window = (compression == Compression::Zstd).then(|| self.windows.take(waits));
        let (index, tar) = match compression {
            Compression::None => self.plain(meter)?,
            compression => self.compressed(meter, compression)?,
        };
        let (entries, noticed) = index;
        Ok(ReadLayer::of(
            blob,
            entries.into(),
            self.budget.tar_bytes(),
            tar,
            compression,
            (noticed, warnings),
        ))
    }

    /// Stored bytes and tar are the same, stay where they are, and are hashed as one. Where others
    /// may write them, that is done with a copy.
    fn plain(&self, meter: &Arc<dyn Meter>) -> Result<(Index, FileRegion)> {
        let blob = self.blob;
        let is_arriving = self.stored.is_verified_on_the_way();
        let copy = match is_arriving {
            true => None,
            false => own_copy(self.stored, self.options, self.stop)?,
        };
        let stored = copy.as_ref().unwrap_or(self.stored);
        let is_hashed = match &blob.diff_id {
            LayerDiffId::Hashed(_) => true,
            LayerDiffId::Stated(DiffId(stated)) => {
                is_arriving && blob.digest.as_ref() == Some(stated)
            }
            LayerDiffId::Unstated => {
                let file = &stored.region().file;
                self.verifying.watch(Unchanged::since_now(file)?);
                false
            }
        };
        let progress = LayerProgress::new(meter, &blob.stored, usize::from(!is_hashed));
        if is_hashed {
            progress.add(blob.stored.length_bytes());
        } else if !is_arriving {
            self.verify_plain(stored, &progress)?;
        }
        let index = self.index(InPlace::new(
            stored.region(),
            Charged {
                blob: stored,
                budget: self.budget,
                stop: self.stop,
            },
        ))?;
        self.expect_right()?;
        if is_arriving && !is_hashed {
            self.verify_plain(stored, &progress)?;
        }
        progress.is_read();
        Ok((index, stored.region().clone()))
    }

    fn verify_plain(&self, stored: &OpenBlob, progress: &Arc<LayerProgress>) -> Result<()> {
        self.verifying.add(Check {
            layer: self.layer,
            which: Which::Stored,
            bytes: stored.region().clone(),
            verification: self.verification_of_tar(self.stored_digest())?,
            progress: Arc::clone(progress),
            is_counted: true,
        });
        Ok(())
    }

    /// The tar goes into a spool, and is hashed as that grows.
    fn compressed(
        &self,
        meter: &Arc<dyn Meter>,
        compression: Compression,
    ) -> Result<(Index, FileRegion)> {
        let blob = self.blob;
        let digest = self.stored_digest();
        let checks = 1 + usize::from(digest.is_some());
        let progress = LayerProgress::new(meter, &blob.stored, checks);
        if digest.is_some() {
            self.verifying.add(Check {
                layer: self.layer,
                which: Which::Stored,
                bytes: self.stored.region().clone(),
                verification: Verification::new(digest)?,
                progress: Arc::clone(&progress),
                is_counted: false,
            });
        }
        let spool = Spool::new(&self.options.work_dir, "a layer")?;
        let growing = self.verifying.add_growing(Check {
            layer: self.layer,
            which: Which::Tar,
            bytes: FileRegion {
                file: Arc::clone(spool.file()),
                offset_bytes: 0,
                length_bytes: 0,
            },
            verification: self.verification_of_tar(None)?,
            progress: Arc::clone(&progress),
            is_counted: false,
        });
        let limits = &self.options.limits;
        let stored = StoredReader::new(self.stored, Arc::clone(&progress), self.stop);
        let decompressor = Decompressor::new(stored, compression, limits)?;
        let (index, tar) = std::thread::scope(|scope| {
            let mut tee = Tee {
                reader: ReadAhead::start(scope, decompressor),
                spool,
                growing: &growing,
                budget: self.budget,
                limits,
                stored_bytes: blob.stored.length_bytes(),
            };
            let index = self.index(&mut tee)?;
            self.expect_right()?;
            Ok((index, tee.spool.finish()))
        })?;
        growing.whole();
        progress.is_read();
        Ok((index, tar))
    }

    fn index(&self, tar: impl TarBytes) -> Result<Index> {
        let mut reader = Reader::new(tar, &self.options.limits);
        let stated = match &self.blob.diff_id {
            LayerDiffId::Stated(diff_id) => Some(diff_id),
            LayerDiffId::Hashed(_) | LayerDiffId::Unstated => None,
        };
        if stated.is_some() {
            reader = reader.vouched_for();
        }
        let mut entries = Vec::new();
        while let Some(entry) = reader.next_entry()? {
            charge(self.budget, &entry)?;
            entries.push(entry);
        }
        entries.shrink_to_fit();
        let ended_in_padding = reader.ended_in_padding();
        let mut noticed = reader.finish()?;
        if let Some((byte, DiffId(diff_id))) = ended_in_padding.zip(stated) {
            // Of a layer that several images have, its own name.
            noticed.count_with(ENDED_IN_PADDING, || {
                format!("layer {diff_id}, byte {byte}").into_bytes()
            });
        }
        Ok((entries, noticed))
    }

    /// Holds the tar's bytes against its diff ID and what else they must have, or finds the diff ID.
    fn verification_of_tar(&self, stored: Option<Expected>) -> Result<Verification> {
        match self.blob.diff_id.known() {
            Some(diff_id) => {
                let diff_id = Expected::Tar(diff_id.clone());
                Verification::new(stored.into_iter().chain([diff_id]))
            }
            None => Verification::finding_diff_id(stored),
        }
    }

    /// What the stored bytes must still be held against.
    fn stored_digest(&self) -> Option<Expected> {
        let digest = self.blob.digest.clone().map(Expected::Stored);
        digest.filter(|_| !self.stored.is_verified_on_the_way())
    }

    /// Refuses what was read of bytes that have turned out to be wrong.
    fn expect_right(&self) -> Result<()> {
        if self.stored.is_right(self.stop)? {
            return Ok(());
        }
        Err(Error::bad_image("what had arrived was not the blob"))
    }
}
