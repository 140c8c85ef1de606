//! A filesystem fetched from a registry, of what is new in it only where an earlier one is at hand.

use std::path::PathBuf;

use super::claimed::{Claimed, distinct};
use super::request::{ImageRequest, setters};
use super::words::fill;
use crate::error::{Error, Result, escape_path};
use crate::finish::{
    FetchedFile, FinishOptions, FinishedFilesystem, ImageWords, Sha256File, finish_fetched,
};
use crate::host_space;
use crate::leftovers;
use crate::oci::{Digest, Platform, repository_and_tag};
use crate::partial_file::{PartialFile, refuse_existing};
use crate::pinned::identity_at;
use crate::progress::Reporter;
use crate::pull::{self, EarlierFile, PullTally, Threads};
use crate::source::{FoundArtifact, Place, find_artifact};
use crate::units::ByteSize;

/// What is made of a filesystem in a registry.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PullRequest {
    /// Where it goes; a regular file there is replaced. In its last component, and in that of the
    /// manifest, words are filled in as in [`super::OutputRequest::path`]; `{id}` is the
    /// configuration's.
    pub output: PathBuf,
    /// An earlier image, from which what is the same is taken. It may be what is replaced.
    pub like: Option<PathBuf>,
    /// Whether `OUTPUT.sha256` is written, and what is in it.
    pub sha256: Option<Sha256File>,
    /// Where the configuration goes that was pushed with it.
    pub manifest: Option<PathBuf>,
    /// Wait until everything is on the disk before the output gets its name.
    pub sync: bool,
    /// Replace no file that is there.
    pub no_clobber: bool,
}

impl PullRequest {
    /// A file and nothing beside it.
    pub fn new(output: impl Into<PathBuf>) -> Self {
        Self {
            output: output.into(),
            like: None,
            sha256: None,
            manifest: None,
            sync: false,
            no_clobber: false,
        }
    }

    setters! {
        with_like: like: Option<PathBuf>,
        with_sha256: sha256: Option<Sha256File>,
        with_manifest: manifest: Option<PathBuf>,
        with_sync: sync: bool,
        with_no_clobber: no_clobber: bool,
    }

    fn finish(&self) -> FinishOptions {
        FinishOptions {
            fsck: false,
            sha256: self.sha256,
            sync: self.sync,
            no_clobber: self.no_clobber,
            ..FinishOptions::default()
        }
    }

    /// Every file that is written.
    fn paths(&self) -> Vec<PathBuf> {
        let mut paths = self.finish().files(&self.output);
        paths.extend(self.manifest.clone());
        paths
    }

    /// With words in each name; as long as they are not known, in those that need none.
    fn filled(mut self, words: Option<&ImageWords>) -> Result<Self> {
        for path in [&mut self.output].into_iter().chain(&mut self.manifest) {
            fill(path, words)?;
        }
        Ok(self)
    }

    /// Each file can be made, and only the output takes the earlier image's place.
    fn check(&self) -> Result<()> {
        let paths = self.paths();
        distinct(&paths)?;
        let earlier = self.like.as_deref().and_then(identity_at);
        for path in &paths {
            let made = PartialFile::create(path);
            drop(made.map_err(|error| host_space::explained(error, path, None))?);
            if self.no_clobber {
                refuse_existing(path)?;
            }
            if earlier.is_some() && *path != self.output && identity_at(path) == earlier {
                return Err(Error::unsupported(format!(
                    "{}: expected a file other than the earlier image (--like), found the same",
                    escape_path(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))
                )));
            }
        }
        Ok(())
    }
}

/// A filesystem that was fetched.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pulled {
    /// The full name that it was found by, with its transport.
    pub reference: String,
    /// The digest of its manifest.
    pub manifest_digest: Digest,
    /// What the tree in it runs on, where that is known.
    pub platform: Option<Platform>,
    /// How many segments it has.
    pub segments: u64,
    /// Where its bytes came from.
    pub tally: PullTally,
    /// The file; its SHA-256 is known.
    pub file: FinishedFilesystem,
}

/// Fetches a filesystem from the registry that `image` names one in. Of the request for an image the
/// reference counts, the platform, the registry, the directory for work and the ceiling of bytes.
///
/// # Errors
/// See [`crate::Error`]. Nothing is left behind on an error, but for segments in the cache.
pub fn pull(
    image: &ImageRequest,
    request: &PullRequest,
    reporter: &dyn Reporter,
) -> Result<Pulled> {
    let place = Place::of_registry(&image.reference, &image.open.reach)?;
    let early = request.clone().filled(None)?;
    early.check()?;
    let begun = leftovers::begin(&early.output);
    let earlier = request.like.as_deref().map(EarlierFile::open).transpose()?;
    let found = find_artifact(&place, &image.open, reporter)?;
    let request = request.clone().filled(Some(&words(&found)))?;
    if request.paths() != early.paths() {
        request.check()?;
    }
    let _claimed = Claimed::new(&request.paths())?;
    let _begun = leftovers::begin(&request.output);
    drop(begun);
    fetch(&found, earlier.as_ref(), image, &request, reporter)
        .map_err(|error| error.in_image(&found.reference))
}

fn fetch(
    found: &FoundArtifact,
    earlier: Option<&EarlierFile>,
    image: &ImageRequest,
    request: &PullRequest,
    reporter: &dyn Reporter,
) -> Result<Pulled> {
    let artifact = &found.artifact;
    let most = image.open.limits.max_bytes;
    if artifact.size_bytes > most {
        return Err(Error::bad_image(format!(
            "expected a file of at most {most} bytes, found one of {} (--max-bytes raises the limit)",
            artifact.size_bytes
        )));
    }
    let needed = ByteSize(artifact.plain_bytes());
    let explained = |error| host_space::explained(error, &request.output, Some(needed));
    let partial = PartialFile::create(&request.output).map_err(explained)?;
    let from = pull::From {
        earlier,
        blobs: &found.blobs,
    };
    let threads = Threads {
        reading: image.jobs,
        fetching: image.open.registry.downloads,
    };
    let tally = pull::fill(&partial, artifact, &from, threads, reporter).map_err(explained)?;
    let manifest = request.manifest.clone();
    let documents = manifest.map(|path| (path, found.config.clone()));
    let fetched = FetchedFile {
        partial,
        sha256: artifact.sha256.clone(),
        documents: documents.into_iter().collect(),
    };
    let file = finish_fetched(fetched, &request.finish(), reporter).map_err(explained)?;
    Ok(Pulled {
        reference: found.reference.clone(),
        manifest_digest: found.manifest_digest.clone(),
        platform: artifact.platform.clone(),
        segments: artifact.segments.len() as u64,
        tally,
        file,
    })
}

/// What is said for names of outputs.
fn words(found: &FoundArtifact) -> ImageWords {
    let (name, tag) = repository_and_tag(&found.names);
    let platform = found.artifact.platform.as_ref();
    ImageWords {
        id: Some(found.artifact.config.digest.digest().to_owned()),
        digest: Some(found.manifest_digest.digest().to_owned()),
        tag: tag.map(str::to_owned),
        name: name.map(str::to_owned),
        arch: platform.map(|platform| platform.architecture().to_owned()),
    }
}
