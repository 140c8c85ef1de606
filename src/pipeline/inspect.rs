//! What an image or a filesystem says of itself.

use std::path::Path;

use super::doubts::{Done, doubts};
use super::listing::without_name;
use super::request::{ImageRequest, Subject};
use super::root_hash::{self, FoundVerity};
use crate::artifact::{Artifact, Told};
use crate::error::{Error, Result};
use crate::inspect::Filesystem;
use crate::layers;
use crate::oci::{ChainId, DiffId, Digest};
use crate::progress::Reporter;
use crate::source::{self, ArtifactOffer, DaemonOptions, Image, Offer, Place, Surveyed};
use crate::tree::{FlattenOptions, flatten};
use crate::units::Timestamp;
use crate::view::View;

/// What was found.
#[derive(Debug)]
#[non_exhaustive]
pub enum Inspected {
    /// A filesystem.
    Filesystem(Box<InspectedFilesystem>),
    /// An image.
    Image(Box<InspectedImage>),
    /// A filesystem in a registry.
    Artifact(Box<InspectedArtifact>),
    /// Several images, none of which is meant more than another.
    Several {
        /// What was asked for.
        reference: String,
        /// The images.
        offers: Vec<Offer>,
        /// Why none was chosen; nothing where none was asked for.
        why: Option<Error>,
    },
}

/// A filesystem by its superblock.
#[derive(Debug)]
#[non_exhaustive]
pub struct InspectedFilesystem {
    /// What it says of itself.
    pub filesystem: Filesystem,
    /// Why nothing in it can be read, where that shows at a glance: the root directory's inode or
    /// its blocks are damaged.
    pub damage: Option<String>,
    /// What whoever reads it should know.
    pub warnings: Vec<String>,
    /// The hash tree of dm-verity behind it; why it cannot be read, where there is one.
    pub verity: Option<Result<FoundVerity>>,
}

/// A filesystem in a registry by its documents. No segment of it was read.
#[derive(Debug)]
#[non_exhaustive]
pub struct InspectedArtifact {
    /// The full name that it was found by, with its transport.
    pub reference: String,
    /// The digest of its manifest.
    pub manifest_digest: Digest,
    /// What the manifest says.
    pub artifact: Artifact,
    /// What the configuration tells.
    pub told: Told,
    /// All filesystems under the name, this one among them.
    pub offers: Vec<ArtifactOffer>,
}

/// An image by its documents.
#[derive(Debug)]
#[non_exhaustive]
pub struct InspectedImage {
    /// The image.
    pub image: Image,
    /// All images where it was found.
    pub offers: Vec<Offer>,
    /// What is known of its layers, base first.
    pub layers: Vec<InspectedLayer>,
    /// Names in the tree, the root's among them; known where the layers were read and make one.
    pub entries: Option<u64>,
    /// The name of the stack of layers, the same from whichever source and compression.
    pub chain_id: ChainId,
    /// What was noticed on the way.
    pub warnings: Vec<String>,
}

/// A layer's insides.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InspectedLayer {
    /// The hash of its tar: as the image states it, or as it was found.
    pub diff_id: DiffId,
    /// The length of its tar; known where it was read, or is stored uncompressed.
    pub tar_bytes: Option<u64>,
    /// What its tar holds, whiteouts and what is replaced later among it; known where it was read.
    pub members: Option<u64>,
}

/// Tells what `subject` is; of an image's layers everything where they are to be read and verified,
/// too.
///
/// # Errors
/// See [`crate::Error`].
pub fn inspect(subject: &Subject, with_layers: bool, reporter: &dyn Reporter) -> Result<Inspected> {
    match subject {
        Subject::Filesystem(path) => {
            let filesystem = Filesystem::read(path)?;
            let damage = damage(path);
            let end = filesystem.superblock.bytes();
            let inspected = InspectedFilesystem {
                damage,
                warnings: doubts(&filesystem.superblock, path, Done::Shown),
                verity: root_hash::behind_filesystem(path, end),
                filesystem,
            };
            Ok(Inspected::Filesystem(Box::new(inspected)))
        }
        Subject::Image(request) => inspect_image(&request.or_filesystem(), with_layers, reporter),
    }
}

/// Tells which images a daemon has.
///
/// # Errors
/// As [`source::daemon_offers`].
pub fn inspect_daemon(options: &DaemonOptions, reporter: &dyn Reporter) -> Result<Inspected> {
    Ok(Inspected::Several {
        reference: "docker-daemon:".to_owned(),
        offers: source::daemon_offers(options, reporter)?,
        why: None,
    })
}

fn inspect_image(
    request: &ImageRequest,
    with_layers: bool,
    reporter: &dyn Reporter,
) -> Result<Inspected> {
    let place = Place::within(&request.reference, &request.open.reach)?;
    let Surveyed {
        offers,
        is_narrowed,
        chosen,
    } = source::survey(&place, &request.open, reporter)?;
    // What is no image may be a filesystem that was pushed.
    if let Err(Error::Unsupported { .. }) = &chosen
        && let Some(found) = source::artifact_at(&place, &request.open, reporter)?
    {
        return Ok(Inspected::Artifact(Box::new(InspectedArtifact {
            told: Told::of(&found.config),
            reference: found.reference,
            manifest_digest: found.manifest_digest,
            artifact: found.artifact,
            offers: found.offers,
        })));
    }
    let image = match chosen {
        Ok(image) => image,
        // Which there are is what was asked.
        Err(error @ Error::Unsupported { .. }) if !is_narrowed && offers.len() > 1 => {
            let reference = request.reference.to_string();
            let why = Some(error);
            return Ok(Inspected::Several {
                reference,
                offers,
                why,
            });
        }
        Err(error) => return Err(error),
    };
    let mut warnings = image.warnings.clone();
    let mut entries = None;
    let layers: Vec<_> = if with_layers {
        let read = layers::read(&image, &request.read_options(), reporter)?;
        let diff_ids = read.verifying.diff_ids()?;
        read.verifying.finish()?;
        warnings.merge(read.warnings);
        let summaries = read.changesets.iter().map(|changeset| &changeset.layer);
        let known = diff_ids.into_iter().zip(summaries);
        let known = known.map(|(diff_id, summary)| InspectedLayer {
            diff_id,
            tar_bytes: Some(summary.tar_bytes),
            members: Some(summary.entry_count),
        });
        let known = known.collect();
        let options = FlattenOptions {
            default_time: Timestamp::from_seconds(0),
            limits: request.open.limits.clone(),
            file_flags: request.open.file_flags,
        };
        entries = match flatten(read.changesets, &options, reporter) {
            Ok(tree) => Some(tree.name_count()),
            // The layers are sound, and there is no more to be told of them.
            Err(error) => {
                reporter.warn(&error.to_string());
                None
            }
        };
        known
    } else {
        let diff_ids = image.diff_ids(reporter)?;
        let known = diff_ids.into_iter().zip(&image.layers);
        let known = known.map(|(diff_id, layer)| {
            Ok(InspectedLayer {
                diff_id,
                tar_bytes: layers::unread_tar_bytes(layer)?,
                members: None,
            })
        });
        known.collect::<Result<_>>()?
    };
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id.clone()).collect();
    Ok(Inspected::Image(Box::new(InspectedImage {
        chain_id: ChainId::of(&diff_ids),
        warnings: warnings.lines().collect(),
        image,
        offers,
        layers,
        entries,
    })))
}

/// What is wrong with the root directory, without which nothing can be read.
fn damage(path: &Path) -> Option<String> {
    let read = || -> Result<()> {
        let view = View::open(path)?;
        view.read_dir(&view.root()?).map(drop)
    };
    match read() {
        Err(error @ Error::BadImage { .. }) => {
            Some(without_name(&error.to_string(), path).to_owned())
        }
        // What our own view does not read may be sound.
        _ => None,
    }
}
