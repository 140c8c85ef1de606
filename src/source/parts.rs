//! From a manifest and its blobs, or what stands for them, to an [`Image`].

use super::documents::Documents;
use super::image::{Image, LayerBlob, LayerDiffId};
use super::spooler::Spooled;
use super::store::Store;
use crate::artifact::is_artifact;
use crate::blobs::StoredBlob;
use crate::error::{Error, Result, shown};
use crate::oci::document;
use crate::oci::media_type::{self, LayerKind};
use crate::oci::{
    Descriptor, DiffId, Digest, ImageConfig, NO_DATE, Platform, RootFs, layer_label, parse_created,
};
use crate::warnings::Warnings;

/// The platform asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub platform: Platform,
    /// Whether a person asked, and an image for another platform is an error.
    pub is_explicit: bool,
}

/// An image's parts, found and verified one by one but not yet held against each other.
#[derive(Debug)]
pub(super) struct Parts {
    pub manifest_digest: Option<Digest>,
    pub config_digest: Digest,
    pub config: ImageConfig,
    /// The configuration as it is written.
    pub config_bytes: Vec<u8>,
    pub layers: Vec<StoredLayer>,
    /// What the image is called where it was found, the name that chose it first.
    pub names: Vec<String>,
    /// What was noticed while they were looked for.
    pub warnings: Warnings,
}

/// A layer's stored bytes and what is said about them.
#[derive(Debug)]
pub(super) struct StoredLayer {
    pub digest: Option<Digest>,
    pub media_type: Option<String>,
    pub stored: StoredBlob,
}

impl Parts {
    /// The parts of the image that `descriptor` points at.
    pub(super) fn of_manifest(documents: &Documents, descriptor: &Descriptor) -> Result<Self> {
        let absent =
            |what: &str, digest: &Digest| Error::bad_image(format!("{what} {digest}: absent"));
        let manifest = documents
            .whole_manifest(descriptor)?
            .ok_or_else(|| absent("manifest", &descriptor.digest))?;
        let config_type = &manifest.config.media_type;
        if !media_type::is_image_config(config_type) {
            let help = match is_artifact("", config_type) {
                true => {
                    " (a filesystem that layerpress push put there; layerpress pull fetches it)"
                }
                false => "",
            };
            return Err(Error::unsupported(format!(
                "manifest {}: an artifact and not a container image: its configuration is of the type {}{help}",
                descriptor.digest,
                shown(config_type)
            )));
        }
        let config_digest = manifest.config.digest.clone();
        let (config, config_bytes) = documents
            .whole_config(&manifest.config)?
            .ok_or_else(|| absent("configuration", &config_digest))?;
        let count = manifest.layers.len();
        let layers = manifest
            .layers
            .iter()
            .enumerate()
            .map(|(index, layer)| StoredLayer::of_descriptor(&documents.store, layer, index, count))
            .collect::<Result<_>>()?;
        Ok(Self {
            manifest_digest: Some(descriptor.digest.clone()),
            config_digest,
            config,
            config_bytes,
            layers,
            names: Vec::new(),
            warnings: Warnings::default(),
        })
    }

    /// The same under names.
    pub(super) fn named(self, names: Vec<String>) -> Self {
        Self { names, ..self }
    }

    /// Holds the parts against each other and against what was asked for.
    pub(super) fn into_image(self, reference: &str, wanted: &Wanted) -> Result<Image> {
        let mut warnings = self.warnings;
        let config = self.config;
        let platform = config.platform();
        check_platform(&config, wanted, &mut warnings)?;
        let kind = &config.rootfs.kind;
        // Empty where Go had nothing to write.
        if !["layers", ""].contains(&kind.as_str()) {
            return Err(Error::bad_image(format!(
                "configuration {}: expected a rootfs of type layers, found {}",
                self.config_digest,
                shown(kind)
            )));
        }
        let diff_ids = &config.rootfs.diff_ids;
        if diff_ids.len() != self.layers.len() {
            return Err(Error::bad_image(format!(
                "expected as many layers as diff IDs, {}, found {}",
                diff_ids.len(),
                self.layers.len()
            )));
        }
        let made_layers = config
            .history
            .iter()
            .filter(|step| !step.empty_layer)
            .count();
        if !config.history.is_empty() && made_layers != diff_ids.len() {
            let counts = format!("{made_layers} steps, {} layers", diff_ids.len());
            warnings.count(
                "the history does not tell of every layer",
                counts.as_bytes(),
            );
        }
        let created = config.created.as_deref().and_then(parse_created);
        if let (None, Some(text)) = (created, &config.created)
            && !text.is_empty()
        {
            let start = text.as_bytes().get(..100).unwrap_or(text.as_bytes());
            warnings.count("the created time is no RFC 3339 date", start);
        }
        let created = created.filter(|created| *created != NO_DATE);
        let layers = diff_ids
            .iter()
            .zip(self.layers)
            .map(|(diff_id, layer)| LayerBlob {
                diff_id: LayerDiffId::Stated(DiffId(diff_id.clone())),
                digest: layer.digest,
                media_type: layer.media_type,
                stored: layer.stored,
                whiteouts: true,
            });
        Ok(Image {
            reference: reference.to_owned(),
            names: self.names,
            manifest_digest: self.manifest_digest,
            config_digest: Some(self.config_digest),
            platform: Some(platform),
            created,
            layers: layers.collect(),
            downloads: None,
            config,
            config_bytes: Some(self.config_bytes),
            warnings,
        })
    }
}

/// The image that a flat tar makes. Its only layer is the tar, in which `.wh.` names mean nothing;
/// what was not hashed on the way here will be while it is read.
pub(super) fn of_root(tar: Spooled, reference: &str, wanted: &Wanted, warnings: Warnings) -> Image {
    let hashed = tar.sha256.map(DiffId).map(LayerDiffId::Hashed);
    // It does not say for which platform it is.
    let platform = wanted.is_explicit.then(|| wanted.platform.clone());
    let said = platform.as_ref();
    Image {
        reference: reference.to_owned(),
        names: Vec::new(),
        manifest_digest: None,
        config_digest: None,
        config: ImageConfig {
            os: said.map_or("", Platform::os).to_owned(),
            architecture: said.map_or("", Platform::architecture).to_owned(),
            variant: said.and_then(Platform::variant).map(str::to_owned),
            rootfs: RootFs {
                kind: "layers".to_owned(),
                diff_ids: Vec::new(),
            },
            ..ImageConfig::default()
        },
        config_bytes: None,
        platform,
        created: None,
        layers: vec![LayerBlob {
            diff_id: hashed.unwrap_or(LayerDiffId::Unstated),
            digest: None,
            media_type: None,
            stored: StoredBlob::AtHand(tar.region),
            whiteouts: false,
        }],
        downloads: None,
        warnings,
    }
}

/// An image that leaves out its variant or its architecture is not refused for it: an index may
/// have told them apart.
fn check_platform(config: &ImageConfig, wanted: &Wanted, warnings: &mut Warnings) -> Result<()> {
    let (asked, found) = (&wanted.platform, config.platform());
    let is_same_but_for_variant =
        (asked.os(), asked.architecture()) == (found.os(), found.architecture());
    if asked.suitability(&found).is_some()
        || config.architecture.is_empty()
        || (config.variant.is_none() && is_same_but_for_variant)
    {
        return Ok(());
    }
    let shown = shown(&found.to_string());
    if wanted.is_explicit {
        return Err(Error::unsupported(format!(
            "expected an image for {}, found one for {shown} only (--platform {shown} takes it)",
            wanted.platform
        )));
    }
    warnings.count(
        "the image is for another platform than this machine's",
        shown.as_bytes(),
    );
    Ok(())
}

impl StoredLayer {
    /// The layer that a manifest's `descriptor` points at, the one at `index` from the base of `count`.
    fn of_descriptor(
        store: &Store,
        descriptor: &Descriptor,
        index: usize,
        count: usize,
    ) -> Result<Self> {
        let position = layer_label(index, count, None);
        let name = format!("layer {position} {}", descriptor.digest);
        let media_type = &descriptor.media_type;
        let kind = check_layer_type(media_type, &name)?;
        // Found out now rather than after the layer has been read.
        crate::oci::DigestHasher::like(&descriptor.digest)?;
        let urls = &descriptor.urls;
        let may_be_elsewhere = kind == LayerKind::NonDistributableTar || !urls.is_empty();
        let Some(stored) = store.layer(descriptor, index, may_be_elsewhere)? else {
            if may_be_elsewhere {
                let url = urls.first().map_or("elsewhere", String::as_str);
                return Err(Error::unsupported(format!(
                    "{name}: not part of the image but to be had from {}; layerpress fetches nothing that an image points at",
                    shown(url)
                )));
            }
            return Err(Error::bad_image(format!("{name}: absent")));
        };
        document::check_length(stored.length_bytes(), descriptor, &name)?;
        Ok(Self {
            digest: Some(descriptor.digest.clone()),
            media_type: said(media_type),
            stored,
        })
    }
}

/// A media type that says anything.
pub(super) fn said(media_type: &str) -> Option<String> {
    Some(media_type.to_owned()).filter(|media_type| !media_type.is_empty())
}

/// Refuses layers that are no tars.
pub(super) fn check_layer_type(media_type: &str, name: &str) -> Result<LayerKind> {
    let shown = shown(media_type);
    match media_type::layer_kind(media_type) {
        LayerKind::Encrypted => Err(Error::unsupported(format!(
            "{name}: encrypted ({shown}); `skopeo copy --decryption-key` decrypts the image"
        ))),
        LayerKind::Unknown => Err(Error::unsupported(format!(
            "{name}: expected a tar, a tar+gzip or a tar+zstd, found the media type {shown}"
        ))),
        kind => Ok(kind),
    }
}
