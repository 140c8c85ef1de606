//! What each layer of an image adds, changes and hides, and what of it no one sees any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::reading::{Reading, read};
use super::request::ImageRequest;
use crate::error::Result;
use crate::layers::{Changeset, EntryKind, Layers};
use crate::oci::DiffId;
use crate::progress::Reporter;
use crate::source::Image;
use crate::tree::{FlattenOptions, LayerTally, flatten_and_tally};
use crate::units::Timestamp;

/// An image's layers by what they do.
#[derive(Debug)]
#[non_exhaustive]
pub struct LayerReport {
    /// The image.
    pub image: Arc<Image>,
    /// Base first.
    pub layers: Vec<ReportedLayer>,
    /// Names in the tree, the root's among them.
    pub entries: u64,
    /// Files' data that no name leads to any more, the largest first.
    pub wasted: Vec<WastedFile>,
    /// What was noticed on the way.
    pub warnings: Vec<String>,
}

/// A layer by what it does to what is below it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReportedLayer {
    /// The hash of its tar.
    pub diff_id: DiffId,
    /// Its tar's length.
    pub tar_bytes: u64,
    /// What its tar holds, whiteouts among it.
    pub members: u64,
    /// Bytes of its files' data.
    pub file_bytes: u64,
    /// What it adds, changes and hides.
    pub tally: LayerTally,
    /// Of its files' bytes those that no one sees any more.
    pub wasted_bytes: u64,
}

/// A file of a layer that no one sees any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WastedFile {
    /// As the layer's tar calls it, without a leading `/` or `./`.
    pub path: Vec<u8>,
    /// Its data in the layer, in bytes.
    pub bytes: u64,
    /// The layer, from 1, the base.
    pub layer: u32,
    /// The layer that hides it: by a whiteout, or by something of the same name.
    pub hidden_by: u32,
}

impl LayerReport {
    /// Bytes of all layers' files.
    pub fn file_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.file_bytes).sum()
    }

    /// Of them those that no one sees any more.
    pub fn wasted_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.wasted_bytes).sum()
    }
}

/// Reads an image's layers, verifies them, and tells what each does.
///
/// # Errors
/// See [`crate::Error`].
pub fn layer_report(request: &ImageRequest, reporter: &dyn Reporter) -> Result<LayerReport> {
    let Reading {
        image,
        layers,
        place,
        limits,
        ..
    } = read(request, reporter)?;
    let Layers {
        changesets,
        mut warnings,
        verifying,
        ..
    } = layers;
    let options = FlattenOptions {
        default_time: Timestamp::from_seconds(1),
        limits,
        file_flags: true,
    };
    let flattened = flatten_and_tally(changesets.clone(), &options, reporter)
        .map_err(|error| error.in_image(&place.to_string()));
    let ((tree, tally), verifying) = verifying.unless_damaged(flattened)?;
    let diff_ids = verifying.diff_ids()?;
    verifying.finish()?;
    let hidden = tally.hidden.iter();
    let hidden: BTreeMap<_, _> = hidden
        .map(|data| ((data.layer, data.offset_bytes), data.hidden_by))
        .collect();
    let mut wasted = Vec::new();
    let told = changesets.iter().zip(diff_ids).zip(tally.layers);
    let layers = (0_u32..)
        .zip(told)
        .map(|(index, ((changeset, diff_id), tally))| {
            let before = wasted.len();
            let file_bytes = files(changeset, &mut |offset_bytes, path, bytes| {
                if let Some(hidden_by) = hidden.get(&(index, offset_bytes)) {
                    wasted.push(WastedFile {
                        path: shown_path(path),
                        bytes,
                        layer: index + 1,
                        hidden_by: hidden_by + 1,
                    });
                }
            });
            ReportedLayer {
                diff_id,
                tar_bytes: changeset.layer.tar_bytes,
                members: changeset.layer.entry_count,
                file_bytes,
                tally,
                wasted_bytes: wasted[before..].iter().map(|file| file.bytes).sum(),
            }
        });
    let layers = layers.collect();
    wasted.sort_by(|one, other| {
        let order = |file: &WastedFile| (file.layer, file.path.clone());
        other
            .bytes
            .cmp(&one.bytes)
            .then_with(|| order(one).cmp(&order(other)))
    });
    warnings.merge(image.warnings.clone());
    warnings.merge(tree.warnings.clone());
    Ok(LayerReport {
        layers,
        entries: tree.name_count(),
        wasted,
        warnings: warnings.lines().collect(),
        image,
    })
}

/// Tells each of a layer's files that have data: where that begins in the tar, path and bytes; how
/// many bytes they have together.
fn files(changeset: &Changeset, tell: &mut dyn FnMut(u64, &[u8], u64)) -> u64 {
    let mut all_bytes = 0_u64;
    for entry in changeset.entries.iter() {
        let EntryKind::Regular(content) = &entry.kind else {
            continue;
        };
        let Some(first) = content.extents().next() else {
            continue;
        };
        let bytes = content.extents().map(|extent| extent.length_bytes).sum();
        all_bytes = all_bytes.saturating_add(bytes);
        tell(first.offset_bytes, &entry.path, bytes);
    }
    all_bytes
}

fn shown_path(path: &[u8]) -> Vec<u8> {
    let mut path = path;
    while let Some(rest) = path.strip_prefix(b"./").or_else(|| path.strip_prefix(b"/")) {
        path = rest;
    }
    path.to_vec()
}
