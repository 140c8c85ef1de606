//! Filesystems and images opened to look into them.

use std::path::PathBuf;

use super::doubts::{Done, doubts};
use super::flatten::Flattened;
use super::reading::read_at;
use super::request::{Subject, setters};
use crate::error::{Error, Result};
use crate::look::{ImageTree, Inside};
use crate::oci::{DiffId, Digest};
use crate::progress::Reporter;
use crate::source::Place;
use crate::view::View;

/// What is looked into.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LookRequest {
    /// A filesystem, or an image.
    pub subject: Subject,
    /// Where in its file a filesystem begins, in bytes.
    pub offset_bytes: u64,
}

impl LookRequest {
    /// A filesystem from its file's start on, or an image.
    pub fn new(subject: Subject) -> Self {
        Self {
            subject,
            offset_bytes: 0,
        }
    }

    setters! {
        with_offset_bytes: offset_bytes: u64,
    }
}

/// Something that can be looked into: see [`Interior::inside`].
#[derive(Debug)]
pub struct Interior(Kind);

#[derive(Debug)]
enum Kind {
    Filesystem {
        view: Box<View>,
        path: PathBuf,
    },
    Image {
        flattened: Box<Flattened>,
        name: String,
        /// What it is read from, and what is put in.
        read: Vec<PathBuf>,
    },
}

/// A layer's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerName {
    /// From 1, the base.
    pub index: u32,
    /// The digest of its stored bytes, where a manifest names one.
    pub digest: Option<Digest>,
    /// The hash of its tar, where the image tells it.
    pub diff_id: Option<DiffId>,
}

/// Opens a filesystem, or reads an image and flattens it. What its reader should know is warned of.
///
/// # Errors
/// See [`crate::Error`].
pub fn look(request: &LookRequest, reporter: &dyn Reporter) -> Result<Interior> {
    match &request.subject {
        Subject::Filesystem(path) => {
            let view = Box::new(View::open_at(path, request.offset_bytes)?);
            for doubt in doubts(view.superblock(), path, Done::Shown) {
                reporter.warn(&doubt);
            }
            let path = path.clone();
            Ok(Interior(Kind::Filesystem { view, path }))
        }
        Subject::Image(_) if request.offset_bytes > 0 => Err(Error::unsupported(
            "--offset is where a filesystem begins in its file, and this is a container image",
        )),
        Subject::Image(image) => {
            let place = Place::within(&image.reference, &image.open.reach)?;
            let path = place.path().map(|path| image.open.reach.at(path));
            let read = path.into_iter().chain(image.put_in()).collect();
            let reading = read_at(place, &image.or_filesystem(), reporter)?;
            let (flattened, verifying) = reading.flatten(None, reporter)?;
            verifying.finish()?;
            for warning in flattened.warnings.lines() {
                reporter.warn(&warning);
            }
            Ok(Interior(Kind::Image {
                flattened: Box::new(flattened),
                name: image.reference.to_string(),
                read,
            }))
        }
    }
}

impl Interior {
    /// What is in it.
    pub fn inside(&self) -> Inside<'_> {
        match &self.0 {
            Kind::Filesystem { view, .. } => Inside::Filesystem(view),
            Kind::Image {
                flattened, name, ..
            } => Inside::Image(ImageTree {
                tree: &flattened.tree,
                contents: &flattened.contents,
                name,
            }),
        }
    }

    /// The files and directories of this machine that it is read from.
    pub(super) fn read(&self) -> &[PathBuf] {
        match &self.0 {
            Kind::Filesystem { path, .. } => std::slice::from_ref(path),
            Kind::Image { read, .. } => read,
        }
    }

    /// What it is called.
    pub fn name(&self) -> String {
        match &self.0 {
            Kind::Filesystem { path, .. } => path.display().to_string(),
            Kind::Image { name, .. } => name.clone(),
        }
    }

    /// Whether names come from layers.
    pub fn has_layers(&self) -> bool {
        matches!(self.0, Kind::Image { .. })
    }

    /// The layer of a node, by what the node says; none in a filesystem and for what is put in behind
    /// the layers.
    pub fn layer(&self, layer: Option<u32>) -> Option<LayerName> {
        let Kind::Image { flattened, .. } = &self.0 else {
            return None;
        };
        let image = &flattened.image;
        let index = layer?;
        let blob = image.layers.get(usize::try_from(index).ok()?)?;
        Some(LayerName {
            index: index + 1,
            digest: blob.digest.clone(),
            diff_id: blob.diff_id.known().cloned(),
        })
    }
}
