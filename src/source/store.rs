//! A set of files that holds images: a directory, an archive or a registry's repository.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::archive::Archive;
use super::document;
#[cfg(feature = "network")]
use super::downloads::Downloads;
#[cfg(feature = "network")]
use super::registry::Registry;
use super::stored_blob::StoredBlob;
use crate::error::{Error, Result};
use crate::oci::{Descriptor, Digest};
use crate::region::FileRegion;

/// Where the files of an image are.
#[derive(Debug)]
pub(super) enum Store<'a> {
    Directory(PathBuf),
    Archive(Archive),
    #[cfg(feature = "network")]
    Registry(Box<Registry<'a>>),
    #[cfg(not(feature = "network"))]
    #[allow(dead_code)]
    Nothing(std::convert::Infallible, std::marker::PhantomData<&'a ()>),
}

impl Store<'_> {
    /// The file called `name`, `None` where there is none.
    ///
    /// In a directory symbolic links are followed, wherever they lead: build systems link blobs
    /// into their layouts, and a blob is held against its digest in any case. In an archive they
    /// never leave the archive.
    pub(super) fn find(&self, name: &str) -> Result<Option<FileRegion>> {
        match self {
            Self::Archive(archive) => archive.find(name),
            // A registry has blobs by their digests, and no names.
            #[cfg(feature = "network")]
            Self::Registry(_) => Ok(None),
            #[cfg(not(feature = "network"))]
            Self::Nothing(never, _) => match *never {},
            Self::Directory(directory) => {
                let path = directory.join(name);
                let file = match open_regular_file(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    file => file.and_then(FileRegion::whole),
                };
                file.map(Some)
                    .map_err(|error| Error::path("read", &path, error))
            }
        }
    }

    /// A blob by its digest (OCI image-spec, image-layout.md, "Blobs").
    pub(super) fn blob(&self, digest: &Digest) -> Result<Option<FileRegion>> {
        // A parsed digest has neither slashes nor dots in a row: it cannot lead anywhere else.
        self.find(&format!("blobs/{}/{}", digest.algorithm(), digest.digest()))
    }

    /// Whether a blob is at hand; a registry's are, once they are asked for.
    pub(super) fn has_blob(&self, digest: &Digest) -> Result<bool> {
        match self {
            #[cfg(feature = "network")]
            Self::Registry(registry) => registry.has_blob(digest),
            _ => Ok(self.blob(digest)?.is_some()),
        }
    }

    /// The bytes of the document that `descriptor` points at, not yet held against it; `None` where
    /// there is none.
    pub(super) fn document(&self, descriptor: &Descriptor, name: &str) -> Result<Option<Vec<u8>>> {
        #[cfg(feature = "network")]
        if let Self::Registry(registry) = self {
            return registry.document(descriptor);
        }
        match self.blob(descriptor.digest())? {
            Some(region) => document::read(&region, name).map(Some),
            None => Ok(None),
        }
    }

    /// Whether documents stay in memory once they have been read.
    pub(super) fn keeps_documents(&self) -> bool {
        match self {
            #[cfg(feature = "network")]
            Self::Registry(_) => true,
            _ => false,
        }
    }

    /// What is to be done before the layers given so far can be read; `None` for what is here.
    #[cfg(feature = "network")]
    pub(super) fn into_downloads(self) -> Option<Box<dyn Downloads>> {
        match self {
            Self::Registry(registry) => Some(registry.into_downloads()),
            _ => None,
        }
    }

    /// The stored bytes of the layer at `index`; `None` where they are not there. A registry is
    /// asked about those that `may_be_elsewhere`.
    pub(super) fn layer(
        &self,
        descriptor: &Descriptor,
        index: usize,
        may_be_elsewhere: bool,
    ) -> Result<Option<StoredBlob>> {
        #[cfg(feature = "network")]
        if let Self::Registry(registry) = self {
            if may_be_elsewhere && !registry.has_blob(descriptor.digest())? {
                return Ok(None);
            }
            return Ok(Some(registry.layer(descriptor, index)));
        }
        let _ = (index, may_be_elsewhere);
        Ok(self.blob(descriptor.digest())?.map(StoredBlob::AtHand))
    }
}

/// Opens a file for reading; a FIFO or a device in its place is an error and no endless wait.
pub(super) fn open_regular_file(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}
