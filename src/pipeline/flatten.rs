//! An image read and flattened.

use std::sync::Arc;

use super::reading::{Reading, read};
use super::request::ImageRequest;
use crate::error::Result;
use crate::filesystem::ContentDigests;
use crate::layers::{Contents, Layers, Verifying};
use crate::oci::DiffId;
use crate::progress::Reporter;
use crate::source::Image;
use crate::tree::{
    Changed, Changing, EditsDigest, FlattenOptions, LeftOut, Recipe, Tree, effect, flatten_with,
};
use crate::units::{ByteSize, Timestamp};
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
    /// The digest of what edits did to it, if they did anything.
    pub edits_digest: Option<EditsDigest>,
    /// What was left out of what the layers show.
    pub left_out: LeftOut,
    /// Everything that was noticed on the way.
    pub warnings: Warnings,
}

impl Flattened {
    /// What it was made from, when the layers' diff IDs are known.
    pub(super) fn recipe(&self, diff_ids: &[DiffId]) -> Recipe {
        Recipe::of_layers(diff_ids).with_edits(self.edits_digest.clone())
    }
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

/// The same with the diff IDs of the layers.
pub(super) fn flattened_and_named(
    request: &ImageRequest,
    made_seconds: Option<i64>,
    reporter: &dyn Reporter,
) -> Result<(Flattened, Vec<DiffId>)> {
    let (flattened, verifying) = read(request, reporter)?.flatten(made_seconds, reporter)?;
    let diff_ids = verifying.diff_ids()?;
    verifying.finish()?;
    Ok((flattened, diff_ids))
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
            ..
        } = layers;
        let made = made(&image, made_seconds);
        let options = FlattenOptions {
            default_time: made,
            limits: self.limits,
            file_flags: self.file_flags,
        };
        let changing = Changing {
            edits: &self.edits,
            put_in,
        };
        let changed = flatten_with(changesets, changing, &options, reporter)
            .and_then(|changed| Ok((edits_digest(&changed, &contents)?, changed)))
            .map_err(|error| error.in_image(&self.place.to_string()));
        let ((edits_digest, changed), verifying) = verifying.unless_damaged(changed)?;
        let Changed { tree, left_out, .. } = changed;
        tell_left_out(left_out, reporter);
        let mut warnings = image.warnings.clone();
        for more in [reading, tree.warnings.clone()] {
            warnings.merge(more);
        }
        let flattened = Flattened {
            image,
            contents,
            tree,
            made,
            edits_digest,
            left_out,
            warnings,
        };
        Ok((flattened, verifying))
    }
}

/// What edits did, over contents where these may differ.
fn edits_digest(changed: &Changed, contents: &Contents) -> Result<Option<EditsDigest>> {
    let Some(before) = &changed.before else {
        return Ok(None);
    };
    let mut digests = ContentDigests::new(contents);
    effect(before, &changed.tree, &mut |file| Ok(digests.of(file)?.0))
}

fn tell_left_out(left_out: LeftOut, reporter: &dyn Reporter) {
    let LeftOut { names, bytes } = left_out;
    if names > 0 {
        let names = match names {
            1 => "1 entry".to_owned(),
            _ => format!("{names} entries"),
        };
        reporter.note(&format!(
            "left out of what the layers show: {names}, {}",
            ByteSize(bytes)
        ));
    }
}

/// The filesystem's time: asked for, or the image's own, or the first second mke2fs can be given.
fn made(image: &Image, wanted_seconds: Option<i64>) -> Timestamp {
    match wanted_seconds {
        Some(seconds) => Timestamp::from_seconds(seconds),
        None => image.created.unwrap_or(Timestamp::from_seconds(1)),
    }
}
