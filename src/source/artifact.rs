//! A filesystem that was pushed to a registry: which of those that a name leads to, and its documents.

use serde::Deserialize;

use super::documents::Documents;
use super::layout;
use super::open::OpenOptions;
use super::parts::Wanted;
use super::place::Place;
use super::store::Store;
use crate::artifact::{Artifact, is_artifact};
use crate::error::{Error, Result, shown};
use crate::oci::document;
use crate::oci::media_type::Kind;
use crate::oci::{Descriptor, Digest, Platform};
use crate::progress::Reporter;
use crate::registry::{Registry, RepositoryBlobs};

/// Platforms told in an error.
const MAX_OFFERED: usize = 40;

/// A filesystem in a registry.
#[derive(Debug)]
pub struct FoundArtifact {
    /// The full name that it was found by, with its transport.
    pub reference: String,
    /// The same without, as an image's names.
    pub names: Vec<String>,
    /// The digest of its manifest.
    pub manifest_digest: Digest,
    /// What the manifest says.
    pub artifact: Artifact,
    /// The configuration's bytes, which are what their digest says.
    pub config: Vec<u8>,
    /// All filesystems under the name, this one among them.
    pub offers: Vec<ArtifactOffer>,
    /// Where its segments are.
    pub(crate) blobs: RepositoryBlobs,
}

/// A filesystem of those for several platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactOffer {
    /// The digest of its manifest.
    pub manifest_digest: Digest,
    /// What the tree in it runs on, where that is known.
    pub platform: Option<Platform>,
}

/// Why there is no filesystem.
enum Unfound {
    /// Something else is there, in words.
    Other(String),
    Failed(Error),
}

impl From<Error> for Unfound {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

type Sought<T> = std::result::Result<T, Unfound>;

/// Finds the filesystem that is meant at `place` and verifies its documents.
///
/// # Errors
/// As [`super::open()`]; [`Error::Unsupported`] for a container image, too.
pub fn find_artifact(
    place: &Place,
    options: &OpenOptions,
    reporter: &dyn Reporter,
) -> Result<FoundArtifact> {
    seek(place, options, reporter).map_err(|unfound| match unfound {
        Unfound::Failed(error) => error,
        Unfound::Other(found) => {
            let what =
                format!("expected a filesystem that layerpress push put there, found {found}");
            let error = Error::unsupported(what);
            match place.repository() {
                Ok(name) => error.in_image(&format!("docker://{name}")),
                Err(_) => error,
            }
        }
    })
}

/// The same for who does not know what is at `place`: `None` where that is something else.
///
/// # Errors
/// As [`find_artifact`].
pub fn artifact_at(
    place: &Place,
    options: &OpenOptions,
    reporter: &dyn Reporter,
) -> Result<Option<FoundArtifact>> {
    if place.repository().is_err() {
        return Ok(None);
    }
    match seek(place, options, reporter) {
        Ok(found) => Ok(Some(found)),
        Err(Unfound::Other(_)) => Ok(None),
        Err(Unfound::Failed(error)) => Err(error),
    }
}

fn seek(place: &Place, options: &OpenOptions, reporter: &dyn Reporter) -> Sought<FoundArtifact> {
    let name = place.repository()?;
    let reference = format!("docker://{name}");
    let find = || {
        let work_dir = options.work_dir.clone();
        let registry = Registry::open(name, &options.registry, work_dir.clone(), reporter)?;
        let top = registry.top()?;
        let documents = Documents::of(Store::Registry(Box::new(registry)));
        let wanted = Wanted {
            is_explicit: options.platform.is_some(),
            platform: options
                .platform
                .clone()
                .unwrap_or_else(Platform::of_this_machine),
        };
        let (manifest, mut offers) = choose(&documents, top, &wanted)?;
        let artifact = read(&documents, &manifest)?;
        if offers.is_empty() {
            offers.push(ArtifactOffer {
                manifest_digest: manifest.digest.clone(),
                platform: artifact.platform.clone(),
            });
        }
        check_platform(&manifest, &artifact, &wanted)?;
        let config = documents
            .store
            .document(&artifact.config, "configuration")?;
        let name = format!("configuration {}", artifact.config.digest);
        let config = config.ok_or_else(|| Error::bad_image(format!("{name}: absent")))?;
        artifact.check_config(&config, &name)?;
        let store = documents.store;
        Ok((manifest.digest, config, artifact, offers, store, work_dir))
    };
    let found = find().map_err(|unfound| match unfound {
        Unfound::Failed(error) => Unfound::Failed(error.in_image(&reference)),
        other => other,
    });
    let (manifest_digest, config, artifact, offers, store, work_dir) = found?;
    Ok(FoundArtifact {
        reference,
        names: vec![name.to_string()],
        manifest_digest,
        artifact,
        config,
        offers,
        blobs: store.into_blobs(work_dir)?,
    })
}

/// The manifest that is meant: of an index the one for the platform. With it all that are known to be
/// filesystems; none where there is but one.
fn choose(
    documents: &Documents,
    top: Descriptor,
    wanted: &Wanted,
) -> Sought<(Descriptor, Vec<ArtifactOffer>)> {
    let mut found = layout::manifests_below(documents, top)?;
    // Where an index tells artifacts from images, images are not asked for.
    let is_stated = |descriptor: &Descriptor| is_artifact(&descriptor.artifact_type, "");
    if found.iter().any(is_stated) {
        found.retain(is_stated);
    }
    if let [only] = &found[..] {
        return Ok((only.clone(), Vec::new()));
    }
    let mut offers = Vec::new();
    let mut best: Option<(u32, &Descriptor)> = None;
    let mut offered: Vec<String> = Vec::new();
    let mut artifacts = Vec::new();
    for descriptor in &found {
        if descriptor.kind() != Kind::Manifest {
            continue;
        }
        let platform = match &descriptor.platform {
            // One for another platform is not asked for what it is.
            Some(platform) if wanted.platform.suitability(platform).is_none() => platform.clone(),
            stated => {
                if !is_stated(descriptor) && !is_one(documents, descriptor)? {
                    continue;
                }
                artifacts.push(descriptor);
                let own = || read(documents, descriptor).map(|artifact| artifact.platform);
                match stated.clone().map_or_else(own, |stated| Ok(Some(stated)))? {
                    Some(platform) => platform,
                    None => continue,
                }
            }
        };
        if is_stated(descriptor) || artifacts.last() == Some(&descriptor) {
            offers.push(ArtifactOffer {
                manifest_digest: descriptor.digest.clone(),
                platform: Some(platform.clone()),
            });
        }
        let suitability = wanted.platform.suitability(&platform);
        if let Some(suitability) = suitability
            && best.is_none_or(|(before, _)| suitability > before)
        {
            best = Some((suitability, descriptor));
        }
        let shown = shown(&platform.to_string());
        if !offered.contains(&shown) && offered.len() < MAX_OFFERED {
            offered.push(shown);
        }
    }
    match (best, &artifacts[..]) {
        (Some((_, best)), _) => Ok((best.clone(), offers)),
        (None, [only]) if !wanted.is_explicit => Ok(((*only).clone(), offers)),
        (None, _) if offered.is_empty() => Err(no_filesystem("an index without one")),
        (None, _) => Err(Error::unsupported(format!(
            "no filesystem for {}: choose by --platform one of {}",
            wanted.platform,
            offered.join(", ")
        ))
        .into()),
    }
}

fn is_one(documents: &Documents, descriptor: &Descriptor) -> Result<bool> {
    let manifest = documents.manifest(descriptor)?;
    Ok(manifest.is_some_and(|manifest| is_artifact("", &manifest.config.media_type)))
}

/// What of a manifest says what it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Types {
    artifact_type: Option<String>,
    config: Descriptor,
}

/// What a manifest says, held against all rules.
fn read(documents: &Documents, descriptor: &Descriptor) -> Sought<Artifact> {
    if descriptor.kind() != Kind::Manifest {
        return Err(no_filesystem(&shown(&descriptor.media_type)));
    }
    let name = format!("manifest {}", descriptor.digest);
    let bytes = documents.store.document(descriptor, "manifest")?;
    let bytes = bytes.ok_or_else(|| Error::bad_image(format!("{name}: absent")))?;
    let manifest = documents.manifest(descriptor)?;
    if manifest.is_some_and(|manifest| manifest.is_image) {
        return Err(no_filesystem(
            "a container image (layerpress build makes a filesystem of it)",
        ));
    }
    let Types {
        artifact_type,
        config,
    } = document::parse(&bytes, &name)?;
    let artifact_type = artifact_type.unwrap_or_default();
    if !is_artifact(&artifact_type, &config.media_type) {
        let found = match &*artifact_type {
            "" => &config.media_type,
            own => own,
        };
        let found = format!("an artifact of the type {}", shown(found));
        return Err(Unfound::Other(found));
    }
    Ok(Artifact::of_manifest(&bytes, &name)?)
}

fn no_filesystem(found: &str) -> Unfound {
    Unfound::Other(found.to_owned())
}

/// The only one there is serves everybody who asked for no platform.
fn check_platform(manifest: &Descriptor, artifact: &Artifact, wanted: &Wanted) -> Result<()> {
    let Some(found) = manifest.platform.as_ref().or(artifact.platform.as_ref()) else {
        return Ok(());
    };
    if !wanted.is_explicit || wanted.platform.suitability(found).is_some() {
        return Ok(());
    }
    let found = shown(&found.to_string());
    Err(Error::unsupported(format!(
        "expected a filesystem for {}, found one for {found} only (--platform {found} takes it)",
        wanted.platform
    )))
}
