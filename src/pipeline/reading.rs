//! Layers read once, for as many filesystems as are made of them.

use std::path::PathBuf;
use std::sync::Arc;

use super::request::ImageRequest;
use crate::error::Result;
use crate::layers::{self, Layers};
use crate::limits::Limits;
use crate::progress::Reporter;
use crate::put_in;
use crate::source::{self, Image, OpenOptions, Place};
use crate::tree::TreeEdits;

/// An image and its layers, read once: a clone shares them. As many filesystems as are wanted can
/// be made of it, one after the other or side by side; the last one gives the work directory's space
/// back as it is made.
#[derive(Debug, Clone)]
pub struct Reading {
    pub(super) image: Arc<Image>,
    pub(super) layers: Layers,
    pub(super) place: Place,
    pub(super) limits: Limits,
    pub(super) file_flags: bool,
    pub(super) edits: TreeEdits,
    /// Files of the host that are put in.
    pub(super) put_in: Vec<PathBuf>,
}

/// Reads an image's layers and begins to verify them, without writing anything but spools.
///
/// # Errors
/// See [`crate::Error`].
pub fn read(request: &ImageRequest, reporter: &dyn Reporter) -> Result<Reading> {
    read_at(
        Place::within(&request.reference, &request.open.reach)?,
        request,
        reporter,
    )
}

/// The same, from where the image is already known to be.
pub(super) fn read_at(
    place: Place,
    request: &ImageRequest,
    reporter: &dyn Reporter,
) -> Result<Reading> {
    // What makes no sense is better told now than after the image has been read.
    let edits = TreeEdits::of(&request.edits)?;
    let named = |error| request.named(error);
    let open = OpenOptions {
        one_file_system: request.open.one_file_system || request.edits.one_file_system,
        ..request.open.clone()
    };
    let image = source::open(&place, &open, reporter).map_err(named)?;
    let mut layers = layers::read(&image, &request.read_options(), reporter).map_err(named)?;
    let start = &image.config.config;
    put_in::read(
        &request.edits,
        start,
        &open,
        &request.put_in_from,
        &mut layers,
        reporter,
    )
    .map_err(named)?;
    Ok(Reading {
        image: Arc::new(image),
        layers,
        place,
        limits: request.open.limits.clone(),
        file_flags: request.open.file_flags,
        edits,
        put_in: request.put_in(),
    })
}
