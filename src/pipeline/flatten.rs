//! An image read and flattened.

use std::sync::Arc;

use super::reading::{Reading, read};
use super::request::ImageRequest;
use crate::error::Result;
use crate::layers::{Contents, Layers, Verifying};
use crate::oci::ChainId;
use crate::progress::Reporter;
use crate::source::Image;
use crate::tree::{FlattenOptions, Tree, flatten_with};
use crate::units::Timestamp;
use crate::warnings::Warnings;

/// An image read and flattened.
#[derive(Debug)]
pub struct Flattened {
    /// The image.
    pub image: Arc<Image>,
    /// Its layers' bytes.
    pub contents: Contents,
    /// What it shows.
    pub tree: Tree,
    /// The time of what has none of its own.
    pub made: Timestamp,
    /// Everything that was noticed on the way.
    pub warnings: Warnings,
}

/// Reads an image and flattens it, without writing anything but spools. Directories that no layer
/// describes are of `made_seconds` (since 1970), or of the time the image was created.
///
/// # Errors
/// See [`crate::Error`].
pub fn flattened(
    request: &ImageRequest,
    made_seconds: Option<i64>,
    reporter: &dyn Reporter,
) -> Result<Flattened> {
    Ok(flattened_and_named(request, made_seconds, reporter)?.0)
}

/// The same with the chain ID of the layers.
pub(super) fn flattened_and_named(
    request: &ImageRequest,
    made_seconds: Option<i64>,
    reporter: &dyn Reporter,
) -> Result<(Flattened, ChainId)> {
    let (flattened, verifying) = read(request, reporter)?.flatten(made_seconds, reporter)?;
    let chain_id = ChainId::of(&verifying.diff_ids()?);
    verifying.finish()?;
    Ok((flattened, chain_id))
}

impl Reading {
    /// Flattens the layers while they are still being verified.
    pub(super) fn flatten(
        self,
        made_seconds: Option<i64>,
        reporter: &dyn Reporter,
    ) -> Result<(Flattened, Verifying)> {
        let Self { image, layers, .. } = self;
        let Layers {
            changesets,
            put_in,
            contents,
            warnings: reading,
            verifying,
        } = layers;
        let made = made(&image, made_seconds);
        let options = FlattenOptions {
            default_time: made,
            limits: self.limits,
            file_flags: self.file_flags,
        };
        let tree = flatten_with(changesets, put_in, &options, reporter)
            .map_err(|error| error.in_image(&self.place.to_string()));
        let (tree, verifying) = verifying.unless_damaged(tree)?;
        let mut warnings = image.warnings.clone();
        for more in [reading, tree.warnings.clone()] {
            warnings.merge(more);
        }
        let flattened = Flattened {
            image,
            contents,
            tree,
            made,
            warnings,
        };
        Ok((flattened, verifying))
    }
}

/// The filesystem's time: asked for, or the image's own, or the first second mke2fs can be given.
fn made(image: &Image, wanted_seconds: Option<i64>) -> Timestamp {
    match wanted_seconds {
        Some(seconds) => Timestamp::from_seconds(seconds),
        None => image.created.unwrap_or(Timestamp::from_seconds(1)),
    }
}
