//! The base of an exported image: read, and taken over as it is stored.

use super::{ExportBase, ExportRequest};
use crate::compression::Compression;
use crate::error::{Error, Result};
use crate::image_writer::{Blob, ImageWriter, LayerCompression};
use crate::oci::{DiffId, layer_label};
use crate::pipeline::flatten::Flattened;
use crate::pipeline::reading::read;
use crate::pipeline::request::ImageRequest;
use crate::progress::{Phase, Reporter, Task};
use crate::source::LayerBlob;
use crate::view::View;

/// A base that was read and found to be what it says.
pub(super) struct ReadBase {
    pub(super) flattened: Flattened,
    diff_ids: Vec<DiffId>,
    /// Its configuration as it is written.
    pub(super) config: Vec<u8>,
}

impl ExportBase {
    pub(super) fn of(base: &ReadBase) -> Self {
        let image = &base.flattened.image;
        Self {
            reference: image.reference.clone(),
            manifest_digest: image.manifest_digest.clone(),
            config_digest: image.config_digest.clone(),
            layer_count: image.layers.len(),
        }
    }
}

pub(super) fn read_base(
    base: &ImageRequest,
    request: &ExportRequest,
    view: &View,
    reporter: &dyn Reporter,
) -> Result<ReadBase> {
    let mut base = base.clone();
    base.open.file_flags = request.file_flags;
    base.open.held_against = Some(request.image.clone());
    let reading = read(&base, reporter)?;
    // Directories that no layer describes are of the time that the build gave them: the image's own,
    // of which a superblock has no more than the seconds, or another.
    let made = i64::try_from(view.made_seconds()).ok();
    let own = reading.image.created.map(|created| created.seconds);
    let made = made.filter(|made| own != Some(*made));
    let (flattened, verifying) = reading.flatten(made, reporter)?;
    let diff_ids = verifying.diff_ids()?;
    verifying.finish()?;
    let Some(config) = flattened.image.config_bytes.clone() else {
        return Err(Error::unsupported(
            "expected a container image as the base, found a root filesystem (without --base the whole filesystem becomes a layer)",
        )
        .in_image(&flattened.image.reference));
    };
    Ok(ReadBase {
        flattened,
        diff_ids,
        config,
    })
}

/// Takes the base's layers over as they are stored.
pub(super) fn take_over(
    base: &ReadBase,
    writer: &mut ImageWriter<'_>,
    reporter: &dyn Reporter,
) -> Result<Vec<(Blob, &'static str)>> {
    let image = &base.flattened.image;
    let count = image.layers.len();
    let each = image.layers.iter().zip(&base.diff_ids).enumerate();
    let taken = each.map(|(index, (layer, diff_id))| {
        let label = layer_label(index, count, layer.digest.as_ref().or(Some(&diff_id.0)));
        take_layer(layer, diff_id, &label, writer, reporter)
            .map_err(|error| error.in_layer(label).in_image(&image.reference))
    });
    taken.collect()
}

fn take_layer(
    layer: &LayerBlob,
    diff_id: &DiffId,
    label: &str,
    writer: &mut ImageWriter<'_>,
    reporter: &dyn Reporter,
) -> Result<(Blob, &'static str)> {
    // It was read to its end: what arrived is there.
    let stored = layer.stored.open(&|| false)?;
    let region = stored.region();
    let compression = Compression::detect(region)?;
    let digest = match (&layer.digest, compression) {
        (Some(digest), _) => Some(digest),
        (None, Compression::None) => Some(&diff_id.0),
        (None, _) => None,
    };
    let name = format!("take over layer {label}");
    let meter = reporter.begin(Task::bytes(Phase::Export, &name, region.length_bytes));
    let blob = writer.stored(region, digest, &*meter)?;
    meter.finish("taken over");
    Ok((blob, LayerCompression::media_type_of(compression)))
}
