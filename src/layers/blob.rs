//! One layer from blob to changeset. Its bytes are handed over to be verified on the way.

use std::sync::Arc;

use super::ahead::ReadAhead;
use super::budget::Budget;
use super::compression::Compression;
use super::decompress::Decompressor;
use super::layer_progress::LayerProgress;
use super::plain::PlainTar;
use super::stored::StoredReader;
use super::tar::{self, Index};
use super::tee::{Expansion, Spool, Tee};
use super::verification::{Expected, Verification};
use super::verifying::{Check, Verifying, Which};
use super::{Changeset, LayerSummary, ReadOptions};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::progress::Meter;
use crate::region::FileRegion;
use crate::source::LayerBlob;
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
    pub(super) options: &'a ReadOptions,
    pub(super) budget: &'a Budget<'a>,
    pub(super) verifying: &'a Verifying,
    pub(super) stop: &'a (dyn Fn() -> bool + Sync),
}

impl BlobReader<'_> {
    /// Indexes the layer's tar and hands its bytes over to be verified.
    ///
    /// # Errors
    /// Whatever is wrong with the layer, but for its digests.
    pub(super) fn read(&self, meter: Box<dyn Meter>) -> Result<ReadLayer> {
        let blob = self.blob;
        let compression = Compression::detect(&blob.stored)?;
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
            Compression::Zstd => self.compressed(meter, Decompressor::zstd)?,
        };
        warnings.merge(index.warnings);
        Ok(ReadLayer {
            changeset: Changeset {
                layer: LayerSummary {
                    diff_id: blob.diff_id.clone(),
                    digest: blob.digest.clone(),
                    media_type: blob.media_type.clone(),
                    stored_bytes: blob.stored.length_bytes,
                    tar_bytes: self.budget.tar_bytes(),
                    entry_count: index.entries.len() as u64,
                },
                entries: index.entries,
                whiteouts: blob.whiteouts,
            },
            tar,
            warnings,
        })
    }

    /// Stored bytes and tar are the same, stay where they are, and are hashed as one.
    fn plain(&self, meter: Box<dyn Meter>) -> Result<(Index, FileRegion)> {
        let blob = self.blob;
        let diff_id = Expected::Tar(blob.diff_id.clone());
        let progress = LayerProgress::new(meter, usize::from(!blob.is_hashed));
        if blob.is_hashed {
            progress.meter().add(blob.stored.length_bytes);
        } else {
            self.verifying.add(Check {
                layer: self.layer,
                which: Which::Stored,
                bytes: blob.stored.clone(),
                verification: Verification::new(self.stored_digest().into_iter().chain([diff_id]))?,
                progress: Arc::clone(&progress),
                is_counted: true,
            });
        }
        let tar = PlainTar::new(&blob.stored, self.budget, self.stop);
        let index = tar::index(tar, &self.options.limits, self.budget)?;
        progress.one_less();
        Ok((index, blob.stored.clone()))
    }

    /// The tar goes into a spool, and is hashed as that grows.
    fn compressed<'s>(
        &'s self,
        meter: Box<dyn Meter>,
        decompressor: impl FnOnce(StoredReader<'s>, &Limits) -> Result<Decompressor<'s>>,
    ) -> Result<(Index, FileRegion)> {
        let blob = self.blob;
        let digest = self.stored_digest();
        let checks = 1 + usize::from(digest.is_some());
        let progress = LayerProgress::new(meter, checks);
        if digest.is_some() {
            self.verifying.add(Check {
                layer: self.layer,
                which: Which::Stored,
                bytes: blob.stored.clone(),
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
        let stored = StoredReader::new(&blob.stored, Arc::clone(&progress), self.stop);
        let decompressor = decompressor(stored, limits)?;
        let expansion = Expansion {
            stored_bytes: blob.stored.length_bytes,
            max_expansion: limits.max_expansion,
            from_bytes: limits.max_expansion_from,
        };
        let (index, tar) = std::thread::scope(|scope| {
            let mut tee = Tee {
                reader: ReadAhead::start(scope, decompressor)?,
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
            Ok((index, tee.spool.file))
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

    fn stored_digest(&self) -> Option<Expected> {
        self.blob.digest.clone().map(Expected::Stored)
    }
}
