//! Writes container images: blobs by their digests, and the documents that lead to them.
//!
//! ```text
//! target      where an image goes, as skopeo names it
//! blob        bytes on their way into a blob: hashed, counted
//! layer       a tar that is nowhere yet, compressed while it is made
//! config      the image's configuration: that of the base with one step more, or a new one
//! documents   manifest, index, and the list of docker's archives
//! layout      into a layout's directory (OCI image-spec, image-layout.md)
//! archive     into a tar: a layout's, or what docker save writes
//! ```
//!
//! Nothing that is half written has a name. A blob's file gets its name, its digest, when it is whole,
//! and the index that leads to it is replaced by a rename after that. What is written is made of what
//! is given alone: neither clock nor host is in it.

mod archive;
mod blob;
mod config;
mod documents;
mod layer;
mod layout;
mod target;

use std::fs::File;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;

pub use blob::Blob;
pub use config::{Step, config_above, new_config};
pub use documents::{ImageDocuments, manifest};
pub use layer::{LayerCompression, WrittenLayer};
pub use target::{Form, ImageTarget};

use archive::Archive;
use blob::Sink;
use layout::Layout;

use crate::error::Result;
use crate::host_space;
use crate::oci::{Digest, document};
use crate::progress::Meter;
use crate::region::FileRegion;
use crate::units::Timestamp;

/// An image in the making.
#[derive(Debug)]
pub struct ImageWriter<'a> {
    target: &'a ImageTarget,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Layout(Layout),
    Archive(Box<Archive>),
}

/// How an image is written.
#[derive(Debug)]
pub struct WriteOptions<'a> {
    /// The time of an archive's members.
    pub time: Timestamp,
    /// Whether what is there already stays: a file, or in a layout the image of the same name.
    pub no_clobber: bool,
    /// Where an archive is made that goes to `stream`.
    pub work_dir: &'a Path,
    /// Standard output, for a target that is it.
    pub stream: Option<File>,
}

impl<'a> ImageWriter<'a> {
    /// Looks at what is there, and begins.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] where something else is in the way, [`crate::Error::BadImage`]
    /// for a layout that is none, [`crate::Error::Io`].
    pub fn begin(target: &'a ImageTarget, options: WriteOptions<'_>) -> Result<Self> {
        let place = match target.form {
            Form::Layout => Place::Layout(Layout::begin(target, options.no_clobber)?),
            Form::OciArchive | Form::DockerArchive => {
                Place::Archive(Box::new(Archive::begin(target, options)?))
            }
        };
        Ok(Self { target, place })
    }

    /// Writes a new layer of the tar that `produce` makes, which is at most about `at_most_bytes`
    /// long; compressed on as many threads as `jobs` says, to the same bytes for any number.
    ///
    /// # Errors
    /// Those of `produce`; [`crate::Error::Io`] where it cannot be written.
    pub fn layer<T>(
        &mut self,
        compression: LayerCompression,
        jobs: NonZeroUsize,
        at_most_bytes: u64,
        produce: impl FnOnce(&mut dyn Write) -> Result<T>,
    ) -> Result<(T, WrittenLayer)> {
        self.blob(at_most_bytes, |sink| {
            let written = layer::write(sink, compression, jobs, produce);
            written.map_err(|error| host_space::explained(error, sink.path(), None))
        })
        .map(|((made, unnamed), blob)| (made, unnamed.named(blob)))
    }

    /// Takes over a blob as it is stored, by its digest where that is known.
    ///
    /// # Errors
    /// [`crate::Error::BadImage`] where it has another digest, [`crate::Error::Io`].
    pub fn stored(
        &mut self,
        region: &FileRegion,
        digest: Option<&Digest>,
        meter: &dyn Meter,
    ) -> Result<Blob> {
        if let Some(there) = self.there(region, digest)? {
            meter.add(region.length_bytes);
            return Ok(there);
        }
        let copied = self.blob(region.length_bytes, |sink| blob::copy(region, sink, meter));
        let ((), blob) = copied?;
        if let Some(digest) = digest.filter(|digest| blob::is_sha256(digest)) {
            document::check_found(digest, &blob.digest)?;
        }
        Ok(blob)
    }

    /// Writes a small blob.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where it cannot be written.
    pub fn document(&mut self, bytes: &[u8]) -> Result<Blob> {
        let written = self.blob(bytes.len() as u64, |sink| sink.write(bytes));
        written.map(|((), blob)| blob)
    }

    /// Names the image: everything gets its name now.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where that cannot be done; nothing has its name then.
    pub fn finish(self, documents: &ImageDocuments<'_>) -> Result<()> {
        match self.place {
            Place::Layout(layout) => layout.finish(self.target, documents),
            Place::Archive(archive) => archive.finish(self.target, documents),
        }
    }

    fn blob<T>(
        &mut self,
        at_most_bytes: u64,
        fill: impl FnOnce(&mut Sink<'_>) -> Result<T>,
    ) -> Result<(T, Blob)> {
        match &mut self.place {
            Place::Layout(layout) => layout.blob(fill),
            Place::Archive(archive) => archive.blob(at_most_bytes, fill),
        }
    }

    fn there(&mut self, region: &FileRegion, digest: Option<&Digest>) -> Result<Option<Blob>> {
        let Some(digest) = digest.filter(|digest| blob::is_sha256(digest)) else {
            return Ok(None);
        };
        match &mut self.place {
            Place::Layout(layout) => layout.there(region, digest),
            Place::Archive(archive) => Ok(archive.there(region, digest)),
        }
    }
}
