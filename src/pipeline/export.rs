//! A filesystem written back as a container image.

mod base;

use std::collections::BTreeMap;
use std::fs::File;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::doubts::{Done, doubts};
use super::flatten::Flattened;
use super::request::{ImageRequest, setters};
use super::start::{passed_over, start_in};
use crate::error::{Error, Result, escape_path};
use crate::export::{self, Base, Exported, LayerOptions};
use crate::ext::Ext;
use crate::image_writer::{
    Blob, ImageDocuments, ImageTarget, ImageWriter, LayerCompression, Step, WriteOptions,
    WrittenLayer, config_above, manifest, new_config,
};
use crate::oci::{Digest, Platform};
use crate::pinned::identity_at;
use crate::progress::Reporter;
use crate::put_in::start_document;
use crate::source::{self, Place};
use crate::units::{Date, Timestamp};
use crate::view::View;
use crate::warnings::Warnings;
use base::{ReadBase, read_base, take_over};

/// What made the new layer, in the image's history.
pub const CREATED_BY: &str = "layerpress export";

/// What is written back, upon what and as what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportRequest {
    /// The filesystem image.
    pub image: PathBuf,
    /// The image whose layers come first, of which only what differs is written; without one the
    /// whole filesystem is the only layer.
    pub base: Option<ImageRequest>,
    /// Without a base: where in the filesystem its start configuration is; by default
    /// `/etc/image.json`, if a build has put it there.
    pub config_file: Option<Vec<u8>>,
    /// Without a base: what the image runs on, which no filesystem says.
    pub platform: Option<Platform>,
    /// The time of the image, in seconds since 1970 (`SOURCE_DATE_EPOCH`). By default that of the base
    /// or when the filesystem was written last, whichever is later.
    pub created_seconds: Option<i64>,
    /// Labels to set in the configuration.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// What the history says of the new layer.
    pub created_by: String,
    /// How the new layer is compressed.
    pub compression: LayerCompression,
    /// On how many threads at most; one for each processor by default.
    pub jobs: NonZeroUsize,
    /// Whether the flags that chattr sets are kept.
    pub file_flags: bool,
    /// Whether what is there already stays: a file, or in a layout the image of the same name.
    pub no_clobber: bool,
    /// Where an archive is made that goes to standard output.
    pub work_dir: PathBuf,
}

impl ExportRequest {
    /// All of a filesystem as one layer; what is not kept anywhere goes to `work_dir` meanwhile.
    pub fn new(image: impl Into<PathBuf>, work_dir: impl Into<PathBuf>) -> Self {
        Self {
            image: image.into(),
            base: None,
            config_file: None,
            platform: None,
            created_seconds: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            created_by: CREATED_BY.to_owned(),
            compression: LayerCompression::default(),
            jobs: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            file_flags: false,
            no_clobber: false,
            work_dir: work_dir.into(),
        }
    }

    setters! {
        with_base: base: ImageRequest,
        with_config_file: config_file: Vec<u8>,
        with_platform: platform: Platform,
        with_created_seconds: created_seconds: i64,
        with_labels: labels: BTreeMap<String, String>,
        with_annotations: annotations: BTreeMap<String, String>,
        with_created_by: created_by: String,
        with_compression: compression: LayerCompression,
        with_jobs: jobs: NonZeroUsize,
        with_file_flags: file_flags: bool,
        with_no_clobber: no_clobber: bool,
    }
}

/// An image that was written.
#[derive(Debug)]
#[non_exhaustive]
pub struct ExportedImage {
    /// The base, as it was found.
    pub base: Option<ExportBase>,
    /// The manifest's digest.
    pub manifest_digest: Digest,
    /// The configuration's digest, which docker calls the image ID.
    pub config_digest: Digest,
    /// What it runs on.
    pub platform: Platform,
    /// When it was made.
    pub created: Timestamp,
    /// Where in the filesystem the start configuration was, if one was taken from there.
    pub config_file: Option<String>,
    /// What the new layer holds.
    pub exported: Exported,
    /// The new layer as it is stored.
    pub layer: WrittenLayer,
    /// All layers, base first.
    pub layer_count: usize,
    /// Bytes of all of them as they are stored, each blob once.
    pub stored_bytes: u64,
    /// Everything that was noticed.
    pub warnings: Warnings,
}

/// What an image was written upon.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportBase {
    /// The image as it was named.
    pub reference: String,
    /// Its manifest's digest, where it has one.
    pub manifest_digest: Option<Digest>,
    /// Its configuration's digest.
    pub config_digest: Option<Digest>,
    /// Its layers.
    pub layer_count: usize,
}

/// Writes what a filesystem holds as an image to `target`; an archive whose path is `-` goes to
/// `stream`.
///
/// # Errors
/// [`Error::BadImage`] where the filesystem's journal holds changes that are not in their places, or it
/// or the base is damaged; [`Error::Unsupported`] for names that begin with `.wh.`, for a base that is
/// no container image, without one where nobody says what the image runs on, and where the target
/// cannot be written to; see [`crate::Error`].
pub fn export(
    request: &ExportRequest,
    target: &ImageTarget,
    stream: Option<File>,
    reporter: &dyn Reporter,
) -> Result<ExportedImage> {
    let view = View::open(&request.image)?;
    // Rather than after the base has been read.
    view.expect_recovered()?;
    refuse_inputs(request, target)?;
    let own = match request.base {
        Some(_) => None,
        None => Some(own_config(request, reporter)?),
    };
    let base = request.base.as_ref();
    let base = base.map(|base| read_base(base, request, &view, reporter));
    let base = base.transpose()?;
    let created = created(request, base.as_ref(), &view)?;
    let options = WriteOptions {
        time: created,
        no_clobber: request.no_clobber,
        work_dir: &request.work_dir,
        stream,
    };
    let mut writer = ImageWriter::begin(target, options)?;
    let mut layers = match &base {
        Some(base) => take_over(base, &mut writer, reporter)?,
        None => Vec::new(),
    };
    let (exported, layer) = new_layer(request, base.as_ref(), &view, &mut writer, reporter)?;
    layers.push((layer.blob.clone(), request.compression.media_type()));

    let step = Step {
        diff_id: &layer.diff_id,
        created,
        created_by: &request.created_by,
        labels: &request.labels,
    };
    let (platform, config, config_file) = match (&base, own) {
        (Some(base), _) => {
            let config = config_above(&base.config, &step);
            let config = config.map_err(|error| {
                let name = &base.flattened.image.reference;
                error.in_image(name)
            })?;
            let platform = base.flattened.image.platform.clone().ok_or_else(|| {
                Error::Mismatch("a base with a configuration and without a platform".to_owned())
            })?;
            (platform, config, None)
        }
        (None, Some(own)) => {
            let config = new_config(&own.platform, own.runtime, &step)?;
            (own.platform, config, own.path)
        }
        (None, None) => {
            return Err(Error::Mismatch(
                "an image without a configuration".to_owned(),
            ));
        }
    };
    let config = writer.document(&config)?;
    let manifest = manifest(&config, &layers, &request.annotations)?;
    let manifest = writer.document(&manifest)?;
    writer.finish(&ImageDocuments {
        manifest: &manifest,
        config: &config,
        layers: &layers,
        platform: &platform,
    })?;
    let mut warnings = exported.warnings.clone();
    for doubt in doubts(view.superblock(), &request.image, Done::Exported) {
        warnings.tell(&doubt);
    }
    if let Some(base) = &base {
        warnings.merge(base.flattened.warnings.clone());
    }
    Ok(ExportedImage {
        base: base.as_ref().map(ExportBase::of),
        manifest_digest: manifest.digest,
        config_digest: config.digest,
        platform,
        created,
        config_file,
        exported,
        layer,
        layer_count: layers.len(),
        stored_bytes: stored_bytes(&layers),
        warnings,
    })
}

fn new_layer(
    request: &ExportRequest,
    base: Option<&ReadBase>,
    view: &View,
    writer: &mut ImageWriter<'_>,
    reporter: &dyn Reporter,
) -> Result<(Exported, WrittenLayer)> {
    let base = base.map(|base| {
        let Flattened { tree, contents, .. } = &base.flattened;
        Base::of::<Ext>(tree, contents)
    });
    let options = LayerOptions {
        file_flags: request.file_flags,
    };
    // Names and attributes lie in the filesystem's blocks, too.
    let at_most = view.max_data_bytes().saturating_mul(2);
    let written = writer.layer(request.compression, request.jobs, at_most, |output| {
        export::write_layer(view, base.as_ref(), &options, output, reporter)
    });
    written.map_err(|error| error.in_image(&request.image.display().to_string()))
}

/// What a filesystem without a base says of the image that is made of it.
struct OwnConfig {
    platform: Platform,
    runtime: Option<serde_json::Value>,
    path: Option<String>,
}

fn own_config(request: &ExportRequest, reporter: &dyn Reporter) -> Result<OwnConfig> {
    let Some(platform) = request.platform.clone() else {
        return Err(Error::usage(format!(
            "{}: expected --base IMAGE or --platform OS/ARCH, as in linux/amd64: a filesystem does not say what it runs on",
            escape_path(request.image.as_os_str().as_bytes())
        )));
    };
    let found = start_in(&request.image, request.config_file.as_deref())?;
    let Some(found) = found else {
        if let Some(wrong) = passed_over(&request.image) {
            reporter.warn(&format!(
                "{wrong}; the image says nothing of how it starts (--config-file PATH takes a file for it as it is)"
            ));
        }
        return Ok(OwnConfig {
            platform,
            runtime: None,
            path: None,
        });
    };
    let start = start_document(&found.runtime)?;
    let runtime = serde_json::from_slice(&start)
        .map_err(|error| Error::Mismatch(format!("start configuration: {error}")))?;
    Ok(OwnConfig {
        platform,
        runtime: Some(runtime),
        path: Some(found.path),
    })
}

/// Never the clock's: the same filesystem and base are the same image at any time. Of years that have four
/// digits: a configuration writes it as RFC 3339 (5.6) does, and no engine reads one with another.
fn created(request: &ExportRequest, base: Option<&ReadBase>, view: &View) -> Result<Timestamp> {
    let found = || {
        if let Some(seconds) = request.created_seconds {
            return Timestamp::from_seconds(seconds);
        }
        let written = i64::try_from(view.written_seconds()).unwrap_or(0);
        let written = Timestamp::from_seconds(written);
        let base = base.and_then(|base| base.flattened.image.created);
        base.map_or(written, |base| base.max(written))
    };
    let found = found();
    if (0..=9999).contains(&Date::of(found.seconds).year) {
        return Ok(found);
    }
    Err(Error::unsupported(format!(
        "{}: expected a time in the years 0 to 9999 for the image, found {} seconds since 1970 (--source-date-epoch gives another)",
        escape_path(request.image.as_os_str().as_bytes()),
        found.seconds
    )))
}

/// What is written replaces what has its name: that must not be what is read.
fn refuse_inputs(request: &ExportRequest, target: &ImageTarget) -> Result<()> {
    let path = target.path();
    let refused = |what: &str| {
        Err(Error::unsupported(format!(
            "{}: expected an output other than {what}",
            escape_path(path.as_os_str().as_bytes())
        )))
    };
    let own = identity_at(path);
    if own.is_some() && own == identity_at(&request.image) {
        return refused("the filesystem image itself");
    }
    let Some(base) = &request.base else {
        return Ok(());
    };
    let place = Place::within(&base.reference, &base.open.reach)?;
    if is_file(path) && source::is_input(&place, path) {
        return refused(&format!("the base: it is, or belongs to, {place}"));
    }
    Ok(())
}

/// A layout may well get an image more.
fn is_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

fn stored_bytes(layers: &[(Blob, &'static str)]) -> u64 {
    let each: BTreeMap<&str, u64> = layers
        .iter()
        .map(|(blob, _)| (blob.digest.as_ref(), blob.size_bytes))
        .collect();
    each.values().sum()
}
