//! One layer from blob to changeset: a single chain that every byte is pulled through once.

use super::budget::Budget;
use super::compression::Compression;
use super::decompress::Decompressor;
use super::stored::StoredReader;
use super::tar;
use super::tee::{Expansion, Spool, Tee};
use super::verification::{Expected, Verification};
use super::{Changeset, LayerSummary, ReadOptions};
use crate::error::{Error, Result};
use crate::progress::Meter;
use crate::region::FileRegion;
use crate::source::LayerBlob;
use crate::warnings::Warnings;

/// A layer, verified.
#[derive(Debug)]
pub(super) struct ReadLayer {
    pub(super) changeset: Changeset,
    pub(super) tar: FileRegion,
    pub(super) warnings: Warnings,
}

/// Reads a blob to its last byte: digest, diff ID, entries.
///
/// # Errors
/// Whatever is wrong with the layer; where its stored bytes are not the ones the image names, that.
pub(super) fn read_blob(
    blob: &LayerBlob,
    options: &ReadOptions,
    budget: &Budget<'_>,
    meter: &dyn Meter,
    stop: &dyn Fn() -> bool,
) -> Result<ReadLayer> {
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
    let stored_digest = blob.digest.clone().map(Expected::Stored);
    let diff_id = Expected::Tar(blob.diff_id.clone());
    let (of_stored, of_tar, spool, expansion);
    if compression == Compression::None {
        // Stored bytes and tar are the same, and hashed as one.
        of_stored = Verification::new(stored_digest.into_iter().chain([diff_id]))?;
        of_tar = Verification::default();
        spool = None;
        expansion = None;
    } else {
        of_stored = Verification::new(stored_digest)?;
        of_tar = Verification::new([diff_id])?;
        spool = Some(Spool::new(&options.work_dir)?);
        expansion = Some(Expansion {
            stored_bytes: blob.stored.length_bytes,
            max_expansion: options.limits.max_expansion,
            from_bytes: options.limits.max_expansion_from,
        });
    }
    let stored = StoredReader::new(&blob.stored, of_stored, meter, stop);
    let mut tee = Tee {
        reader: Decompressor::new(compression, stored, &options.limits)?,
        verification: of_tar,
        spool,
        budget,
        expansion,
    };
    let indexed = tar::index(&mut tee, &options.limits, budget);
    let index = match indexed {
        Ok(index) => index,
        // Damaged bytes are better called so than by what they happened to break.
        Err(error @ (Error::BadImage { .. } | Error::Unsupported { .. })) => {
            tee.reader.into_stored()?.finish()?;
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    let left = tee.reader.into_stored()?.finish()?;
    tee.verification.finish()?;
    if left > 0 {
        return Err(Error::bad_image(format!(
            "expected the end of the compressed stream at the blob's end, found {left} bytes more"
        )));
    }
    let tar = match tee.spool {
        Some(spool) => FileRegion::whole(spool.file)
            .map_err(|error| Error::io("cannot read a spooled layer's length", error))?,
        None => blob.stored.clone(),
    };
    warnings.merge(index.warnings);
    Ok(ReadLayer {
        changeset: Changeset {
            layer: LayerSummary {
                diff_id: blob.diff_id.clone(),
                digest: blob.digest.clone(),
                media_type: blob.media_type.clone(),
                stored_bytes: blob.stored.length_bytes,
                tar_bytes: budget.tar_bytes(),
                entry_count: index.entries.len() as u64,
            },
            entries: index.entries,
            whiteouts: blob.whiteouts,
        },
        tar,
        warnings,
    })
}
