//! A set of files that holds images: a directory, an archive or a registry's repository.

use std::io;
use std::path::{Path, PathBuf};

use super::archive::Archive;
use crate::blobs::{Downloads, StoredBlob};
use crate::error::{Error, Result};
use crate::oci::document;
use crate::oci::{Descriptor, Digest};
use crate::pinned::Reach;
use crate::region::FileRegion;
use crate::registry::{Registry, RepositoryBlobs};

/// Where the files of an image are.
pub(super) enum Store<'a> {
    /// A layout's directory, held: should another get its name, nothing of that one is read.
    Directory {
        held: Reach,
        path: PathBuf,
    },
    Archive(Archive),
    Registry(Box<Registry<'a>>),
}

impl Store<'_> {
    /// The files in a directory.
    pub(super) fn directory(path: &Path, reach: &Reach) -> Result<Self> {
        Ok(Self::Directory {
            held: reach
                .inside(path)
                .map_err(|error| Error::path("open", path, error))?,
            path: path.to_owned(),
        })
    }

    /// The file called `name`, `None` where there is none.
    ///
    /// In a directory symbolic links are followed, wherever they lead unless that is confined: build
    /// systems link blobs into their layouts, and a blob is held against its digest in any case. In an archive they
    /// never leave the archive.
    pub(super) fn find(&self, name: &str) -> Result<Option<FileRegion>> {
        match self {
            Self::Archive(archive) => archive.find(name),
            // A registry has blobs by their digests, and no names.
            Self::Registry(_) => Ok(None),
            Self::Directory { held, path } => {
                let file = match held.open_regular_file(Path::new(name)) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    file => file.and_then(FileRegion::whole),
                };
                file.map(Some)
                    .map_err(|error| Error::path("read", &path.join(name), error))
            }
        }
    }

    /// The error of who looked for `name`, which is not there: what is, and which transport takes that.
    pub(super) fn without(&self, what: &str, name: &str) -> Error {
        let has = |name| self.find(name).is_ok_and(|found| found.is_some());
        let is_archive = matches!(self, Self::Archive(_));
        let found = if has("manifest.json") && is_archive {
            "found a docker archive (docker save), which docker-archive: takes"
        } else if has("manifest.json") {
            "found manifest.json: `skopeo copy dir:PATH oci:DIRECTORY` makes a layout of an image of skopeo's dir:, and docker-archive: takes an unpacked docker archive in a tar"
        } else if has("index.json") {
            "found an OCI image layout, which oci-archive: takes"
        } else if has("repositories") {
            "found an archive of docker before 1.10, which `docker load` and `docker save` bring up to date"
        } else if is_archive {
            "found a tar of other files, which rootfs: takes as a root filesystem"
        } else {
            "found a directory of other files, which rootfs: takes as a root filesystem"
        };
        Error::bad_image(format!("not {what}: expected the file {name}, {found}"))
    }

    /// A blob by its digest (OCI image-spec, image-layout.md, "Blobs").
    pub(super) fn blob(&self, digest: &Digest) -> Result<Option<FileRegion>> {
        // A parsed digest has neither slashes nor dots in a row: it cannot lead anywhere else.
        self.find(&format!("blobs/{}/{}", digest.algorithm(), digest.digest()))
    }

    /// Whether a blob is at hand; a registry's are, once they are asked for.
    pub(super) fn has_blob(&self, digest: &Digest) -> Result<bool> {
        match self {
            Self::Registry(registry) => registry.has_blob(digest),
            _ => Ok(self.blob(digest)?.is_some()),
        }
    }

    /// The document that `descriptor` points at, `None` where the blob is absent.
    ///
    /// # Errors
    /// [`Error::BadImage`] where size or digest are not what the descriptor says.
    pub(super) fn document(&self, descriptor: &Descriptor, what: &str) -> Result<Option<Vec<u8>>> {
        let name = format!("{what} {}", descriptor.digest);
        let bytes = match self {
            Self::Registry(registry) => registry.document(descriptor)?,
            _ => {
                let region = self.blob(&descriptor.digest)?;
                region.map(|region| read(&region, &name)).transpose()?
            }
        };
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        document::check_length(bytes.len() as u64, descriptor, &name)?;
        document::check_digest(&bytes, &descriptor.digest, &name)?;
        Ok(Some(bytes))
    }

    /// Whether documents stay in memory once they have been read.
    pub(super) fn keeps_documents(&self) -> bool {
        matches!(self, Self::Registry(_))
    }

    /// What is to be done before the layers given so far can be read; `None` for what is here.
    pub(super) fn into_downloads(self) -> Option<Box<dyn Downloads>> {
        match self {
            Self::Registry(registry) => Some(registry.into_downloads()),
            _ => None,
        }
    }

    /// A registry's blobs, for who wants them one by one.
    ///
    /// # Errors
    /// For any other store.
    pub(super) fn into_blobs(self, work_dir: PathBuf) -> Result<RepositoryBlobs> {
        match self {
            Self::Registry(registry) => Ok(registry.into_blobs(work_dir)),
            _ => Err(Error::Mismatch("blobs of no registry".to_owned())),
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
        if let Self::Registry(registry) = self {
            if may_be_elsewhere && !registry.has_blob(&descriptor.digest)? {
                return Ok(None);
            }
            return Ok(Some(registry.layer(descriptor, index)));
        }
        Ok(self.blob(&descriptor.digest)?.map(StoredBlob::AtHand))
    }
}

/// A document's bytes.
pub(super) fn read(region: &FileRegion, name: &str) -> Result<Vec<u8>> {
    document::check_size(region.length_bytes, name)?;
    let mut bytes = vec![0; usize::try_from(region.length_bytes).unwrap_or(usize::MAX)];
    region
        .read_exact_at(&mut bytes, 0)
        .map_err(|error| Error::io(format!("cannot read {name}"), error))?;
    Ok(bytes)
}
