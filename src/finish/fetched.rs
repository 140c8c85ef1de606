//! A file that was made elsewhere and is here, whole and held against its SHA-256.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::{FinishOptions, FinishedFilesystem, files, sidecar};
use crate::error::{Error, Result};
use crate::oci::Digest;
use crate::partial_file::PartialFile;
use crate::progress::Reporter;

/// A file that is right, and has no name yet.
#[derive(Debug)]
pub struct FetchedFile {
    /// The file, to its last byte.
    pub partial: PartialFile,
    /// What its bytes were found to hash to.
    pub sha256: Digest,
    /// Documents that came with it, and where they go.
    pub documents: Vec<(PathBuf, Vec<u8>)>,
}

/// Names the file, and with it what is written beside it. Of the options those count that say which
/// files there are and how they are named.
///
/// # Errors
/// [`Error::Io`] and [`Error::Unsupported`] where something cannot be written or named. Nothing is left
/// then.
pub fn finish_fetched(
    fetched: FetchedFile,
    options: &FinishOptions,
    reporter: &dyn Reporter,
) -> Result<FinishedFilesystem> {
    let FetchedFile {
        partial,
        sha256,
        documents,
    } = fetched;
    let output = partial.output().to_owned();
    let metadata = partial.file().metadata();
    let metadata = metadata.map_err(|error| Error::path("read", &output, error))?;
    let mut finished = FinishedFilesystem {
        path: output.clone(),
        sha256: Some(sha256),
        compressed: None,
        verity: None,
        file_bytes: metadata.len(),
        host_bytes: metadata.blocks() * 512,
        files: Vec::new(),
    };
    finished.list(&partial)?;
    let mut named = Vec::new();
    for sidecar in options.sidecars(&output) {
        let content = sidecar.content(&finished)?;
        named.push(files::write(sidecar.path(), &content, &mut finished.files)?);
    }
    named.push(partial);
    // Who looks for the output by what tells of it finds that it is there.
    for (path, content) in documents {
        named.push(files::write(&path, &content, &mut finished.files)?);
    }
    options.persist(named, &output)?;
    sidecar::note_earlier(&finished, options, reporter);
    Ok(finished)
}
