//! A set of files that holds images: a directory, an archive or a registry's repository.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;

use super::archive::Archive;
use super::document;
#[cfg(feature = "network")]
use super::downloads::Downloads;
use super::pinned::Pinned;
#[cfg(feature = "network")]
use super::registry::Registry;
use super::stored_blob::StoredBlob;
use crate::error::{Error, Result};
use crate::oci::{Descriptor, Digest};
use crate::region::FileRegion;

/// Where the files of an image are.
#[derive(Debug)]
pub(super) enum Store<'a> {
    Directory(LayoutDirectory),
    Archive(Archive),
    #[cfg(feature = "network")]
    Registry(Box<Registry<'a>>),
    #[cfg(not(feature = "network"))]
    #[allow(dead_code)]
    Nothing(std::convert::Infallible, std::marker::PhantomData<&'a ()>),
}

/// A layout's directory, held: should another get its name, nothing of that one is read.
#[derive(Debug)]
pub(super) struct LayoutDirectory {
    held: OwnedFd,
    path: PathBuf,
}

impl Store<'_> {
    /// The files in a directory.
    pub(super) fn directory(path: &Path) -> Result<Self> {
        let held = Pinned::behind(CWD, path).and_then(|pinned| pinned.open_directory());
        Ok(Self::Directory(LayoutDirectory {
            held: held.map_err(|error| Error::path("open", path, error))?,
            path: path.to_owned(),
        }))
    }

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
                let file = match open_regular_file_in(&directory.held, Path::new(name)) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    file => file.and_then(FileRegion::whole),
                };
                file.map(Some)
                    .map_err(|error| Error::path("read", &directory.path.join(name), error))
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

/// Opens a file for reading. Anything else in its place is an error before it is opened: a FIFO
/// would wait, and a device may do something at once.
pub(super) fn open_regular_file(path: &Path) -> io::Result<File> {
    open_regular_file_in(CWD, path)
}

/// The same, a path that begins in `directory`.
fn open_regular_file_in(directory: impl AsFd, path: &Path) -> io::Result<File> {
    Pinned::behind(&directory, path)?.open_behind(&directory, path)
}
