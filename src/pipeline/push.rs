//! A filesystem image into a registry, as an artifact.

mod source;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::request::setters;
use crate::artifact::{ALIGNMENT_BYTES, Artifact, CONFIG_TYPE, Config, MAX_SEGMENT_BYTES};
use crate::compression::{Encoding, EncodingForm};
use crate::error::{Error, Result, shown};
use crate::manifest::Manifest;
use crate::oci::document;
use crate::oci::media_type::OCI_MANIFEST;
use crate::oci::{Descriptor, Digest, DigestHasher, Platform, RegistryReference};
use crate::pinned::Reach;
use crate::progress::Reporter;
use crate::push::{
    Build, Listed, PushTally, Pushing, Segments, Tags, at_tag, check_place, list, put_alone,
    put_into_index, send_blob,
};
use crate::source::{Place, Reference, RegistryOptions};
use crate::units::ByteSize;
use source::Source;

/// Everything about a push.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PushRequest {
    /// The filesystem image.
    pub image: PathBuf,
    /// Where it goes.
    pub reference: Reference,
    /// How the registry is asked.
    pub registry: RegistryOptions,
    /// The length of a segment: a multiple of 4 KiB, 64 MiB at most.
    pub segment_bytes: ByteSize,
    /// How segments are compressed: zstd.
    pub encoding: Encoding,
    /// Segments to compress and send side by side; by default one for each processor, four at least.
    pub jobs: NonZeroUsize,
    /// The manifest of its build, which is then an error where it is another's; by default
    /// `IMAGE.manifest.json`, where that is its own.
    pub manifest: Option<PathBuf>,
    /// The platform for which it is put into an index under the tag.
    pub platform: Option<Platform>,
    /// Another repository of the same registry that segments may be taken over from.
    pub mount_from: Option<String>,
    /// Whether the tag may be taken from something else.
    pub replace: bool,
    /// The directory of a cache in which pushes of this host to one tag wait for each other, so that none
    /// takes out of an index what another put into it. Nothing else is kept there.
    pub locks: Option<PathBuf>,
}

impl PushRequest {
    /// The length of a segment, unless somebody says otherwise.
    pub const SEGMENT_BYTES: ByteSize = ByteSize(4 << 20);

    /// A push of `image`, with all else as usual; `None` where zstd has no usual level.
    pub fn new(image: impl Into<PathBuf>, reference: Reference) -> Option<Self> {
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Some(Self {
            image: image.into(),
            reference,
            registry: RegistryOptions::default(),
            segment_bytes: Self::SEGMENT_BYTES,
            encoding: Encoding::new(EncodingForm::Zstd, None)?,
            jobs: processors.max(NonZeroUsize::MIN.saturating_add(3)),
            manifest: None,
            platform: None,
            mount_from: None,
            replace: false,
            locks: None,
        })
    }

    setters! {
        with_registry: registry: RegistryOptions,
        with_segment_bytes: segment_bytes: ByteSize,
        with_encoding: encoding: Encoding,
        with_jobs: jobs: NonZeroUsize,
        with_manifest: manifest: PathBuf,
        with_platform: platform: Platform,
        with_mount_from: mount_from: String,
        with_replace: replace: bool,
        with_locks: locks: PathBuf,
    }

    /// Whether segments may be so long.
    pub fn is_segment_length(size: ByteSize) -> bool {
        let ByteSize(bytes) = size;
        (ALIGNMENT_BYTES..=MAX_SEGMENT_BYTES).contains(&bytes)
            && bytes.is_multiple_of(ALIGNMENT_BYTES)
    }

    fn check(&self) -> Result<()> {
        let ByteSize(bytes) = self.segment_bytes;
        if !Self::is_segment_length(self.segment_bytes) {
            return Err(Error::unsupported(format!(
                "--segment-size: expected a multiple of 4K, at most 64M, found {bytes} bytes"
            )));
        }
        if self.encoding.form() != EncodingForm::Zstd {
            return Err(Error::unsupported(format!(
                "--compress: expected zstd, which segments are, found {}",
                self.encoding
            )));
        }
        Ok(())
    }
}

/// What was pushed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pushed {
    /// The full name, with its transport.
    pub reference: String,
    /// The digest of the artifact's manifest.
    pub manifest_digest: Digest,
    /// The digest of the index that it is in, where it was put into one.
    pub index_digest: Option<Digest>,
    /// What the manifest says.
    pub artifact: Artifact,
    /// What was there and what was not.
    pub tally: PushTally,
    /// Whether the tag meant something else before.
    pub is_new: bool,
    /// Whether an index under the image's own tag tells of it, since the registry lists no referrers.
    pub has_referrers_tag: bool,
    /// What its superblock says of its state: `clean`, `not clean` or `errors`.
    pub state: &'static str,
    /// Whether its journal holds what has yet to be written to its place.
    pub needs_recovery: bool,
    /// What was noticed on the way.
    pub warnings: Vec<String>,
}

/// Pushes a filesystem image: first its segments and its configuration, then the manifest, and the tag
/// last.
///
/// # Errors
/// See [`crate::Error`]. No tag means anything new then.
pub fn push(request: &PushRequest, reporter: &dyn Reporter) -> Result<Pushed> {
    request.check()?;
    let place = Place::of_registry(&request.reference, &Reach::default())?;
    let target = place.repository()?;
    let name = format!("docker://{target}");
    let source = Source::open(&request.image)?;
    let mut warnings = source.warnings();
    let build = Build::beside(&request.image, request.manifest.as_deref())?;
    let mount_from = mounted(request, target)?;
    let job = || {
        let repository = Pushing::connect(target, &request.registry, mount_from, reporter)?;
        let tag = target.tag().filter(|_| target.digest().is_none());
        if let Some(tag) = tag.filter(|_| !request.replace) {
            let found = at_tag(&repository, tag)?;
            check_place(&found, request.platform.as_ref(), "the tag")?;
        }
        let pushing = Naming {
            request,
            target,
            repository: &repository,
            source: &source,
            build: &build,
        };
        // What would not be what was asked for is found out before anything of it is anywhere.
        if let Some(expected) = target.digest() {
            let known = source.segments(request, &repository, false, reporter)?;
            pushing
                .described(&known, &mut Vec::new())?
                .check(expected)?;
        }
        let sent = source.segments(request, &repository, true, reporter)?;
        let described = pushing.described(&sent, &mut warnings)?;
        if let Some(expected) = target.digest() {
            described.check(expected)?;
        }
        let locks = request.locks.as_deref();
        let tags = Tags::of(&repository, target, locks, reporter);
        pushing.name(described, sent.tally, &tags)
    };
    let pushed = job().map_err(|error: Error| error.in_image(&name))?;
    Ok(Pushed {
        reference: name,
        warnings,
        ..pushed
    })
}

/// The repository to mount from, which must be the registry's own.
fn mounted(request: &PushRequest, target: &RegistryReference) -> Result<Option<String>> {
    let Some(text) = &request.mount_from else {
        return Ok(None);
    };
    // A name alone is a repository of the same registry.
    let full = match text.starts_with(&format!("{}/", target.registry())) {
        true => text.clone(),
        false => format!("{}/{text}", target.registry()),
    };
    let from: RegistryReference = full.parse()?;
    if !from.is_repository_only() || from.registry() != target.registry() {
        return Err(Error::unsupported(format!(
            "--mount-from: expected a repository of {}, without a tag, found {}",
            target.registry(),
            shown(text)
        )));
    }
    // A repository has all of its own blobs.
    let is_own = from.repository() == target.repository();
    Ok((!is_own).then(|| from.repository().to_owned()))
}

/// What is to be named.
struct Described {
    artifact: Artifact,
    config: Vec<u8>,
    manifest: Vec<u8>,
    digest: Digest,
}

impl Described {
    /// Holds it against the digest that it was to have.
    fn check(&self, expected: &Digest) -> Result<()> {
        let digest = &self.digest;
        if digest == expected {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "expected a filesystem whose manifest is {expected}, found one of {digest} (a tag in its place takes any)"
        )))
    }
}

/// What is there where an image does not tell of it.
const NOT_LISTED: &str = " (the filesystem itself is there: that its image tells of it, among its referrers, is what failed)";

/// Giving a name to what is there.
struct Naming<'a> {
    request: &'a PushRequest,
    target: &'a RegistryReference,
    repository: &'a Pushing<'a>,
    source: &'a Source<'a>,
    build: &'a Build,
}

impl Naming<'_> {
    /// The manifest of these segments.
    fn described(&self, segments: &Segments, warnings: &mut Vec<String>) -> Result<Described> {
        let sha256 = &segments.sha256;
        let build = self.build.of_file(sha256, warnings)?;
        let config = match build {
            Some(build) => Config::of_build(build)?,
            None => self.source.config(sha256)?,
        };
        let descriptor = Descriptor::new(
            CONFIG_TYPE.to_owned(),
            config.len() as u64,
            DigestHasher::sha256().of(&config),
        );
        let mut artifact = Artifact::new(
            descriptor,
            self.source.size_bytes,
            sha256.clone(),
            segments.segments.clone(),
        )?;
        artifact.platform = self.platform(build)?;
        artifact.subject = self.subject(build)?;
        let manifest = artifact.manifest()?;
        Ok(Described {
            artifact,
            config,
            digest: DigestHasher::sha256().of(&manifest),
            manifest,
        })
    }

    fn name(&self, described: Described, mut tally: PushTally, tags: &Tags<'_>) -> Result<Pushed> {
        let Described {
            artifact,
            config,
            manifest,
            digest,
        } = described;
        let (request, size) = (self.request, manifest.len() as u64);
        send_blob(&config, self.repository, &mut tally)?;
        let alone = match (self.target.digest(), &request.platform) {
            (None, None) => self.target.tag(),
            _ => None,
        };
        let noted = match alone {
            Some(tag) => put_alone(tags, tag, (&digest, &manifest), request.replace)?,
            None => self.put(&digest, &manifest)?,
        };
        let listed = artifact
            .subject
            .as_ref()
            .map(|subject| list(tags, subject, (&digest, size), noted));
        let listed = listed.transpose();
        let listed = listed.map_err(|error| error.with_more(NOT_LISTED))?;
        let index = match (&request.platform, self.target.digest(), self.target.tag()) {
            (Some(platform), None, Some(tag)) => {
                let replace = request.replace;
                let manifest = (&digest, size);
                Some(put_into_index(tags, tag, manifest, platform, replace)?)
            }
            _ => None,
        };
        Ok(Pushed {
            reference: String::new(),
            manifest_digest: digest,
            is_new: index
                .as_ref()
                .map_or(noted.is_some(), |(_, is_new)| *is_new),
            index_digest: index.map(|(digest, _)| digest),
            artifact,
            tally,
            has_referrers_tag: listed == Some(Listed::ByTag),
            state: self.source.state(),
            needs_recovery: self.source.needs_recovery(),
            warnings: Vec::new(),
        })
    }

    /// Puts a manifest under its digest alone, unless it is there.
    fn put(&self, digest: &Digest, manifest: &[u8]) -> Result<Option<bool>> {
        let digest = digest.to_string();
        if self.repository.manifest(&digest)?.is_some() {
            return Ok(None);
        }
        let put = self
            .repository
            .put_manifest(&digest, OCI_MANIFEST, manifest)?;
        Ok(Some(put))
    }

    /// The platform that the build tells, or that was typed.
    fn platform(&self, build: Option<&Manifest>) -> Result<Option<Platform>> {
        let told = build.and_then(|build| build.image.platform.as_ref());
        let told: Option<Platform> = told.and_then(|told| told.parse().ok());
        let Some(typed) = &self.request.platform else {
            return Ok(told);
        };
        if let Some(told) = told
            && typed.suitability(&told).is_none()
        {
            return Err(Error::unsupported(format!(
                "--platform: expected {told}, which the filesystem was built for, found {typed}"
            )));
        }
        Ok(Some(typed.clone()))
    }

    /// The manifest of the image that it was built of, where the repository has that.
    fn subject(&self, build: Option<&Manifest>) -> Result<Option<Descriptor>> {
        let told = build.and_then(|build| build.image.manifest_digest.as_ref());
        let Some(digest) = told.and_then(|told| told.parse::<Digest>().ok()) else {
            return Ok(None);
        };
        let Some((media_type, bytes)) = self.repository.manifest(digest.as_ref())? else {
            return Ok(None);
        };
        let name = format!("manifest {digest}");
        document::check_digest(&bytes, &digest, &name)?;
        let media_type = match &*media_type {
            "" => document::own_media_type(&bytes, &name)?,
            own => own.to_owned(),
        };
        Ok(Some(Descriptor::new(
            media_type,
            bytes.len() as u64,
            digest,
        )))
    }
}
