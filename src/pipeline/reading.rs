//! Layers read once, for as many filesystems as are made of them.

use std::path::PathBuf;
use std::sync::Arc;

use super::request::ImageRequest;
use crate::error::Result;
use crate::layers::{self, Layers, Wanted};
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
    Opened::at(place, request, reporter)?.read(None, request, reporter)
}

/// An image found, of which no layer was read.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) place: Place,
    pub(super) image: Image,
    edits: TreeEdits,
}

impl Opened {
    /// # Errors
    /// See [`crate::Error`].
    pub(super) fn at(
        place: Place,
        request: &ImageRequest,
        reporter: &dyn Reporter,
    ) -> Result<Self> {
        // What makes no sense is better told now than after the image has been read.
        let edits = TreeEdits::of(&request.edits)?;
        put_in::check(&request.edits, &request.put_in_from)?;
        let image = source::open(&place, &open_options(request), reporter);
        let image = image.map_err(|error| request.named(error))?;
        Ok(Self {
            place,
            image,
            edits,
        })
    }

    /// Reads the layers; those that other images have are shared with them where they are `wanted`.
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub(super) fn read(
        self,
        wanted: Option<Wanted>,
        request: &ImageRequest,
        reporter: &dyn Reporter,
    ) -> Result<Reading> {
        let named = |error| request.named(error);
        let image = self.image;
        let options = request.read_options();
        let layers = match wanted {
            Some(wanted) => layers::read_wanted(wanted, &image, &options, reporter),
            None => layers::read(&image, &options, reporter),
        };
        let mut layers = layers.map_err(named)?;
        put_in::read(
            &request.edits,
            &image.config.config,
            &open_options(request),
            &request.put_in_from,
            &mut layers,
            reporter,
        )
        .map_err(named)?;
        Ok(Reading {
            image: Arc::new(image),
            layers,
            place: self.place,
            limits: request.open.limits.clone(),
            file_flags: request.open.file_flags,
            edits: self.edits,
            put_in: request.put_in(),
        })
    }
}

pub(super) fn open_options(request: &ImageRequest) -> OpenOptions {
    OpenOptions {
        one_file_system: request.open.one_file_system || request.edits.one_file_system,
        ..request.open.clone()
    }
}
