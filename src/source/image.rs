//! An image found, and what there was to choose from.

use super::spooler::sha256;
use crate::blobs::{Downloads, StoredBlob};
use crate::error::{Error, Result};
use crate::oci::{DiffId, Digest, ImageConfig, Platform, full_image_name};
use crate::progress::Reporter;
use crate::units::Timestamp;
use crate::warnings::Warnings;

/// An image found and chosen: none of its layers has been read yet.
#[derive(Debug)]
pub struct Image {
    /// The image as the user named it, with its transport; in a registry by its full name.
    pub reference: String,
    /// What it is called where it was found, the name that chose it first: in a registry its full name,
    /// in docker's archives names with tags, in layouts what annotations say, which may be a tag alone.
    pub names: Vec<String>,
    /// The manifest's digest; archives of older `docker save` and root filesystems have none.
    pub manifest_digest: Option<Digest>,
    /// The configuration's digest, which docker calls the image ID; `None` for a root filesystem.
    pub config_digest: Option<Digest>,
    /// The image configuration as found (for a root filesystem a minimal one is made up, which
    /// states no diff ID).
    pub config: ImageConfig,
    /// The image configuration as it is written; `None` for a root filesystem.
    pub config_bytes: Option<Vec<u8>>,
    /// What the image runs on, as its configuration says; of a root filesystem, which does not say
    /// it, what was asked for.
    pub platform: Option<Platform>,
    /// When the image was made, for what has no time of its own.
    pub created: Option<Timestamp>,
    /// The layers, base first; as many as a configuration that was found has diff IDs.
    pub layers: Vec<LayerBlob>,
    /// What is to be done before the layers can be read; none where they are at hand.
    pub downloads: Option<Box<dyn Downloads>>,
    /// What was noticed while choosing.
    pub warnings: Warnings,
}

impl Image {
    /// Its full name where it was found, without transport and path: `docker.io/library/debian:12`. A
    /// tag alone, as layouts have it, is the name of no image and stays as it is.
    pub fn full_name(&self) -> Option<String> {
        let name = self.names.first()?;
        Some(match name.contains([':', '/']) {
            true => full_image_name(name),
            false => name.clone(),
        })
    }

    /// The layers' diff IDs, base first: as stated, and where nobody has, computed now, for which
    /// the layer is read. Who reads the layers anyway gets them from [`layers::Verifying`].
    ///
    /// # Errors
    /// [`Error::Io`] where a layer cannot be read.
    ///
    /// [`layers::Verifying`]: crate::layers::Verifying::diff_ids
    pub fn diff_ids(&self, reporter: &dyn Reporter) -> Result<Vec<DiffId>> {
        let layers = self.layers.iter().map(|layer| match layer.diff_id.known() {
            Some(known) => Ok(known.clone()),
            None => {
                let region = layer.stored.at_hand().ok_or_else(|| {
                    Error::Mismatch("expected a layer without a diff ID to be at hand".to_owned())
                })?;
                sha256(region, &self.reference, reporter).map(DiffId)
            }
        });
        layers.collect()
    }
}

/// A layer as it is stored.
#[derive(Debug, Clone)]
pub struct LayerBlob {
    /// What its uncompressed tar hashes to, as far as that is known.
    pub diff_id: LayerDiffId,
    /// What its stored bytes must hash to, where a manifest says so.
    pub digest: Option<Digest>,
    /// The media type the manifest gives, which may lie about the compression.
    pub media_type: Option<String>,
    /// The stored bytes; a length that differs from the manifest's was refused already, or is when
    /// they arrive.
    pub stored: StoredBlob,
    /// Whether `.wh.` names delete (a layer) or are names like any other (a flat root filesystem).
    pub whiteouts: bool,
}

/// What is known of a layer's diff ID before the layer has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerDiffId {
    /// The image's configuration states it: what its uncompressed tar must hash to.
    Stated(DiffId),
    /// It was computed of these very bytes a moment ago, so that hashing them again would prove
    /// nothing.
    Hashed(DiffId),
    /// Nobody has stated it, and it is computed while the layer is read.
    Unstated,
}

impl LayerDiffId {
    /// The diff ID, where there is one yet.
    pub fn known(&self) -> Option<&DiffId> {
        match self {
            Self::Stated(diff_id) | Self::Hashed(diff_id) => Some(diff_id),
            Self::Unstated => None,
        }
    }
}

/// One image of a layout's index or of an archive's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What it is called: tags, full names; none for one that only its digest or its place names.
    pub names: Vec<String>,
    /// The manifest's digest; archives of older `docker save` have no manifest.
    pub manifest_digest: Option<Digest>,
    /// The configuration's digest, where it is at hand.
    pub config_digest: Option<Digest>,
    /// What it runs on, as the index says, or else its configuration.
    pub platform: Option<Platform>,
    /// Whether its manifest and configuration are at hand: an index may list more than an archive
    /// holds.
    pub is_at_hand: bool,
    /// When it was made, where its configuration is at hand and says so.
    pub created: Option<Timestamp>,
    /// Bytes of its layers as they are stored, as far as its manifest or an archive tells; what a
    /// daemon says that they take.
    pub size_bytes: Option<u64>,
}
