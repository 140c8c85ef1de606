//! One layer from blob to changeset. Its bytes are handed over to be verified on the way.

use std::sync::Arc;

use super::ahead::ReadAhead;
use super::budget::Budget;
use super::compression::{Compression, MAGIC_BYTES};
use super::decompress::Decompressor;
use super::layer_progress::LayerProgress;
use super::own_copy::own_copy;
use super::plain::PlainTar;
use super::stored::StoredReader;
use super::tar::{self, Index};
use super::tee::{Expansion, Spool, Tee};
use super::verification::{Expected, Verification};
use super::verifying::{Check, Verifying, Which};
use super::windows::Windows;
use super::{Changeset, LayerSummary, ReadOptions};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::progress::Meter;
use crate::region::FileRegion;
use crate::source::{LayerBlob, OpenBlob};
use crate::warnings::Warnings;

/// A layer, read but not verified.
#[derive(Debug)]
pub(super) struct ReadLayer {
    pub(super) changeset: Changeset,
    pub(super) tar: FileRegion,
    pub(super) warnings: Warnings,
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
        let mut warnings = Warnings::default();
        if let Some(media_type) = &blob.media_type
            && compression.is_denied_by(media_type)?
        {
            warnings.count(
                "layer compressed in another way than its media type says",
                media_type.as_bytes(),
            );
        }
        let (index, tar) = match compression {
            Compression::None => self.plain(meter)?,
            Compression::Gzip => {
                self.compressed(meter, |stored, _| Ok(Decompressor::gzip(stored)))?
            }
            Compression::Zstd => {
                // Before anything is told about the layer that others might wait for.
                let _window = self.windows.take();
                self.compressed(meter, Decompressor::zstd)?
            }
        };
        warnings.merge(index.warnings);
        Ok(ReadLayer {
            changeset: Changeset {
                layer: LayerSummary {
                    diff_id: blob.diff_id.clone(),
                    digest: blob.digest.clone(),
                    media_type: blob.media_type.clone(),
                    stored_bytes,
                    tar_bytes: self.budget.tar_bytes(),
                    entry_count: index.entries.len() as u64,
                },
                entries: index.entries.into(),
                whiteouts: blob.whiteouts,
            },
            tar,
            warnings,
        })
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
        let is_hashed =
            blob.is_hashed || (is_arriving && blob.digest.as_ref() == Some(&blob.diff_id.0));
        let progress = LayerProgress::new(meter, &blob.stored, usize::from(!is_hashed));
        if is_hashed {
            progress.add(blob.stored.length_bytes());
        } else if !is_arriving {
            self.verify_plain(stored, &progress)?;
        }
        let tar = PlainTar::new(stored, self.budget, self.stop);
        let index = tar::index(tar, &self.options.limits, self.budget)?;
        self.expect_right()?;
        if is_arriving && !is_hashed {
            self.verify_plain(stored, &progress)?;
        }
        progress.one_less();
        Ok((index, stored.region().clone()))
    }

    fn verify_plain(&self, stored: &OpenBlob, progress: &Arc<LayerProgress>) -> Result<()> {
        let diff_id = Expected::Tar(self.blob.diff_id.clone());
        self.verifying.add(Check {
            layer: self.layer,
            which: Which::Stored,
            bytes: stored.region().clone(),
            verification: Verification::new(self.stored_digest().into_iter().chain([diff_id]))?,
            progress: Arc::clone(progress),
            is_counted: true,
        });
        Ok(())
    }

    /// The tar goes into a spool, and is hashed as that grows.
    fn compressed<'s>(
        &'s self,
        meter: &Arc<dyn Meter>,
        decompressor: impl FnOnce(StoredReader<'s>, &Limits) -> Result<Decompressor<'s>>,
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
        let spool = Spool::new(&self.options.work_dir)?;
        let growing = self.verifying.add_growing(Check {
            layer: self.layer,
            which: Which::Tar,
            bytes: FileRegion {
                file: Arc::clone(&spool.file),
                offset_bytes: 0,
                length_bytes: 0,
            },
            verification: Verification::new([Expected::Tar(blob.diff_id.clone())])?,
            progress: Arc::clone(&progress),
            is_counted: false,
        });
        let limits = &self.options.limits;
        let stored = StoredReader::new(self.stored, Arc::clone(&progress), self.stop);
        let decompressor = decompressor(stored, limits)?;
        let expansion = Expansion {
            stored_bytes: blob.stored.length_bytes(),
            max_expansion: limits.max_expansion,
            from_bytes: limits.max_expansion_from,
        };
        let (index, tar) = std::thread::scope(|scope| {
            let mut tee = Tee {
                reader: ReadAhead::start(scope, decompressor),
                spool,
                growing: &growing,
                budget: self.budget,
                expansion,
            };
            let index = tar::index(&mut tee, limits, self.budget)?;
            let left = tee.reader.left_bytes()?;
            if left > 0 {
                return Err(Error::bad_image(format!(
                    "expected the end of the compressed stream at the blob's end, found {left} bytes more"
                )));
            }
            self.expect_right()?;
            Ok((index, tee.spool.finish()))
        })?;
        let tar = FileRegion {
            file: tar,
            offset_bytes: 0,
            length_bytes: self.budget.tar_bytes(),
        };
        growing.whole();
        progress.one_less();
        Ok((index, tar))
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
