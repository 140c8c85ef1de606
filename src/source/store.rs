//! A set of named files that holds images: a directory or an archive.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::archive::Archive;
use crate::error::{Error, Result};
use crate::oci::Digest;
use crate::region::FileRegion;

/// Where the files of an image are.
#[derive(Debug)]
pub(super) enum Store {
    Directory(PathBuf),
    Archive(Archive),
}

impl Store {
    /// The file called `name`, `None` where there is none.
    ///
    /// In a directory symbolic links are followed, wherever they lead: build systems link blobs
    /// into their layouts, and a blob is held against its digest in any case. In an archive they
    /// never leave the archive.
    pub(super) fn find(&self, name: &str) -> Result<Option<FileRegion>> {
        match self {
            Self::Archive(archive) => archive.find(name),
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
