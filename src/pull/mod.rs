//! A filesystem put together of its segments: what of it is in an earlier image at hand, what the cache
//! has, and the rest from the registry.
//!
//! Nothing is believed. A segment is written when its bytes are those of its digest, whoever gave them,
//! and the file is right when the SHA-256 of all that was written is. That is computed beside, in the
//! file's order, of what the file gives back. In memory there is one segment for each thread, plain
//! and stored.

mod earlier;
mod hashing;
mod sparse;
mod tally;
mod work;

pub use earlier::EarlierFile;
pub use tally::{PullShare, PullTally};

use std::num::NonZeroUsize;

use crate::artifact::Artifact;
use crate::error::{Error, Result};
use crate::oci::Digest;
use crate::partial_file::PartialFile;
use crate::progress::Reporter;
use crate::registry::RepositoryBlobs;
use work::Work;

/// Where segments come from.
#[derive(Debug)]
pub(crate) struct From<'a> {
    /// An earlier image, whatever is in it.
    pub(crate) earlier: Option<&'a EarlierFile>,
    /// The cache and the registry.
    pub(crate) blobs: &'a RepositoryBlobs,
}

/// How many threads do what.
#[derive(Debug, Clone, Copy)]
pub struct Threads {
    /// That read the earlier image.
    pub reading: NonZeroUsize,
    /// That fetch segments.
    pub fetching: NonZeroUsize,
}

/// Fills an empty file with the artifact's bytes; what is zeros stays a hole. Tells where they came
/// from.
///
/// # Errors
/// [`Error::BadImage`] where a segment or the whole is not what its digest says, [`Error::Io`] where the
/// file cannot be written; those of [`RepositoryBlobs::fetch`]. What is in the file then is nobody's.
pub(crate) fn fill(
    partial: &PartialFile,
    artifact: &Artifact,
    from: &From<'_>,
    threads: Threads,
    reporter: &dyn Reporter,
) -> Result<PullTally> {
    let file = partial.file();
    let unwritable = |error| Error::path("write", partial.output(), error);
    file.set_len(artifact.size_bytes).map_err(unwritable)?;
    let work = Work::new(partial, artifact, from, reporter);
    let sha256 = std::thread::scope(|scope| {
        let hash = || work.hash();
        let hashing = std::thread::Builder::new().spawn_scoped(scope, hash);
        work.take_of_earlier(threads.reading);
        work.fetch(threads.fetching);
        match hashing {
            Ok(hashing) => hashing
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // Where there is no thread, one after the other.
            Err(_) => hash(),
        }
    });
    // Why something was not written comes before that it could not be hashed.
    let (tally, failed) = work.end();
    if let Some(error) = failed {
        return Err(error);
    }
    let sha256: Digest = sha256?;
    if sha256 != artifact.sha256 {
        return Err(Error::bad_image(format!(
            "expected a file of the SHA-256 {}, found {}, though each segment is what its digest says",
            artifact.sha256.digest(),
            sha256.digest()
        )));
    }
    Ok(tally)
}
