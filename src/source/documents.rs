//! The documents of a store, each read, hashed and parsed once however often it is pointed at.
//!
//! What is kept of them is small: of a manifest its configuration's digest, of a configuration its
//! platform. The one that is chosen in the end is read once more for the rest.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

use super::store::{self, Store};
use crate::error::{Error, Result, shown};
use crate::oci::document::{self, Form};
use crate::oci::media_type::{self, LayerKind};
use crate::oci::{
    Descriptor, Digest, DigestHasher, ImageConfig, ImageIndex, ImageManifest, NO_DATE, Platform,
    parse_created,
};
use crate::region::FileRegion;
use crate::units::Timestamp;

/// Bytes of all documents that a registry may have read for one image, and of all indexes anywhere:
/// what is read of them stays in memory.
const MAX_KEPT_BYTES: u64 = 64 << 20;

/// A store whose documents are remembered.
pub(super) struct Documents<'a> {
    pub(super) store: Store<'a>,
    top: Memo<(), Rc<[Descriptor]>>,
    types: Memo<Digest, &'static str>,
    indexes: Memo<Digest, Option<Read<Rc<[Descriptor]>>>>,
    manifests: Memo<Digest, Option<Read<Manifest>>>,
    configs: Memo<Digest, Option<Read<ConfigOutline>>>,
    named: Memo<(u64, u64), NamedConfig>,
    kept_bytes: Cell<u64>,
}

/// What a document says, and how long it is.
#[derive(Debug, Clone)]
struct Read<T> {
    length_bytes: u64,
    says: T,
}

/// What a manifest says about what it is.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    pub config: Descriptor,
    /// Whether it is an image's and not an artifact's that borrows the form.
    pub is_image: bool,
    /// Bytes of all its layers as they are stored.
    pub size_bytes: u64,
}

/// What a configuration says about what it is.
#[derive(Debug, Clone)]
pub(super) struct ConfigOutline {
    pub platform: Platform,
    pub created: Option<Timestamp>,
}

/// A docker archive's configuration, which is named by its place.
#[derive(Debug, Clone)]
pub(super) struct NamedConfig {
    pub digest: Digest,
    pub outline: ConfigOutline,
}

impl<'a> Documents<'a> {
    pub(super) fn of(store: Store<'a>) -> Self {
        Self {
            store,
            top: Memo::default(),
            types: Memo::default(),
            indexes: Memo::default(),
            manifests: Memo::default(),
            configs: Memo::default(),
            named: Memo::default(),
            kept_bytes: Cell::new(0),
        }
    }

    /// What `read` says that the list at the top has in it.
    pub(super) fn top(
        &self,
        read: impl FnOnce() -> Result<Vec<Descriptor>>,
    ) -> Result<Rc<[Descriptor]>> {
        self.top.get((), || read().map(Rc::from))
    }

    /// What an index lists, `None` where its blob is absent.
    pub(super) fn index(&self, descriptor: &Descriptor) -> Result<Option<Rc<[Descriptor]>>> {
        self.remembered(&self.indexes, descriptor, "index", |bytes, name| {
            if !self.store.keeps_documents() {
                self.keep(bytes)?;
            }
            index(bytes, name).map(Rc::from)
        })
    }

    /// What a manifest is, `None` where its blob is absent.
    pub(super) fn manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>> {
        self.remembered(&self.manifests, descriptor, "manifest", |bytes, name| {
            let manifest = manifest(bytes, name)?;
            let sizes = manifest.layers.iter().map(|layer| layer.size);
            Ok(Manifest {
                is_image: is_image(&manifest),
                size_bytes: sizes.fold(0, u64::saturating_add),
                config: manifest.config,
            })
        })
    }

    /// What the configuration at `descriptor` is, `None` where its blob is absent.
    pub(super) fn config(&self, descriptor: &Descriptor) -> Result<Option<ConfigOutline>> {
        self.remembered(&self.configs, descriptor, "configuration", outline)
    }

    /// The whole manifest.
    pub(super) fn whole_manifest(&self, descriptor: &Descriptor) -> Result<Option<ImageManifest>> {
        self.parsed_as(descriptor, "manifest", manifest)
    }

    /// The whole configuration, read and as it is written.
    pub(super) fn whole_config(
        &self,
        descriptor: &Descriptor,
    ) -> Result<Option<(ImageConfig, Vec<u8>)>> {
        self.parsed_as(descriptor, "configuration", |bytes, name| {
            Ok((document::parse(bytes, name)?, bytes.to_vec()))
        })
    }

    /// What a document says, found out once, if it is as long as this pointer has it: others may have
    /// had it right.
    fn remembered<T: Clone>(
        &self,
        known: &Memo<Digest, Option<Read<T>>>,
        descriptor: &Descriptor,
        what: &str,
        parse: impl FnOnce(&[u8], &str) -> Result<T>,
    ) -> Result<Option<T>> {
        let read = known.get(descriptor.digest.clone(), || {
            self.parsed_as(descriptor, what, |bytes, name| {
                Ok(Read {
                    length_bytes: bytes.len() as u64,
                    says: parse(bytes, name)?,
                })
            })
        })?;
        let Some(read) = read else {
            return Ok(None);
        };
        let name = format!("{what} {}", descriptor.digest);
        document::check_length(read.length_bytes, descriptor, &name)?;
        Ok(Some(read.says))
    }

    fn parsed_as<T>(
        &self,
        descriptor: &Descriptor,
        what: &str,
        parse: impl FnOnce(&[u8], &str) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some(bytes) = self.blob(descriptor, what)? else {
            return Ok(None);
        };
        parse(&bytes, &format!("{what} {}", descriptor.digest)).map(Some)
    }

    /// What the configuration in the file called `name` is.
    pub(super) fn named_config(&self, name: &str) -> Result<NamedConfig> {
        let (region, shown) = self.named_file(name)?;
        // One file may have many spellings.
        let place = (region.offset_bytes, region.length_bytes);
        self.named.get(place, || {
            let bytes = store::read(&region, &shown)?;
            Ok(NamedConfig {
                digest: DigestHasher::sha256().of(&bytes),
                outline: outline(&bytes, &shown)?,
            })
        })
    }

    /// All of the configuration in the file called `name`, read and as it is written.
    pub(super) fn whole_named_config(&self, name: &str) -> Result<(ImageConfig, Vec<u8>)> {
        let (region, shown) = self.named_file(name)?;
        let bytes = store::read(&region, &shown)?;
        Ok((document::parse(&bytes, &shown)?, bytes))
    }

    /// A configuration's file, and what errors call it.
    fn named_file(&self, name: &str) -> Result<(FileRegion, String)> {
        let shown = format!("configuration {}", shown(name));
        let region = self.store.find(name)?;
        let region = region.ok_or_else(|| Error::bad_image(format!("{shown}: absent")))?;
        Ok((region, shown))
    }

    /// The same pointer with what it points at found out where it does not say it.
    pub(super) fn typed(&self, descriptor: Descriptor) -> Result<Descriptor> {
        if !descriptor.media_type.is_empty() {
            return Ok(descriptor);
        }
        let media_type = self.types.get(descriptor.digest.clone(), || {
            let found = self.parsed_as(&descriptor, "manifest", document::media_type_by_form)?;
            Ok(found.unwrap_or(media_type::OCI_MANIFEST))
        })?;
        Ok(Descriptor {
            media_type: media_type.to_owned(),
            ..descriptor
        })
    }

    fn blob(&self, descriptor: &Descriptor, what: &str) -> Result<Option<Vec<u8>>> {
        let bytes = self.store.document(descriptor, what)?;
        if let Some(bytes) = &bytes
            && self.store.keeps_documents()
        {
            self.keep(bytes)?;
        }
        Ok(bytes)
    }

    fn keep(&self, bytes: &[u8]) -> Result<()> {
        let kept = self.kept_bytes.get().saturating_add(bytes.len() as u64);
        self.kept_bytes.set(kept);
        if kept > MAX_KEPT_BYTES {
            return Err(Error::bad_image(format!(
                "expected manifests, indexes and configurations of at most {MAX_KEPT_BYTES} bytes together, found more"
            )));
        }
        Ok(())
    }
}

/// What an index lists.
pub(super) fn index(bytes: &[u8], name: &str) -> Result<Vec<Descriptor>> {
    document::check_form(bytes, Form::Index, name)?;
    let index: ImageIndex = document::parse(bytes, name)?;
    Ok(index.manifests)
}

fn manifest(bytes: &[u8], name: &str) -> Result<ImageManifest> {
    document::check_form(bytes, Form::Manifest, name)?;
    document::parse(bytes, name)
}

/// Signatures and the like have layers that are no tars, or a configuration of their own kind.
fn is_image(manifest: &ImageManifest) -> bool {
    let is_tar =
        |layer: &Descriptor| media_type::layer_kind(&layer.media_type) != LayerKind::Unknown;
    media_type::is_image_config(&manifest.config.media_type)
        && (manifest.layers.is_empty() || manifest.layers.iter().any(is_tar))
}

/// What a configuration says about platform and time alone: whatever else is in it takes no memory.
fn outline(bytes: &[u8], name: &str) -> Result<ConfigOutline> {
    use crate::oci::go_json::or_default;
    #[derive(serde::Deserialize)]
    struct Outline {
        #[serde(default)]
        created: Option<String>,
        #[serde(default, deserialize_with = "or_default")]
        architecture: String,
        #[serde(default, deserialize_with = "or_default")]
        os: String,
        #[serde(default)]
        variant: Option<String>,
    }
    let outline: Outline = document::parse(bytes, name)?;
    let config = ImageConfig {
        architecture: outline.architecture,
        os: outline.os,
        variant: outline.variant,
        ..ImageConfig::default()
    };
    let created = outline.created.as_deref().and_then(parse_created);
    Ok(ConfigOutline {
        platform: config.platform(),
        created: created.filter(|time| *time != NO_DATE),
    })
}

/// Results by what they were made from; failures, too, are found out once.
struct Memo<K, T>(RefCell<HashMap<K, Result<T>>>);

impl<K, T> Default for Memo<K, T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Eq + Hash, T: Clone> Memo<K, T> {
    fn get(&self, key: K, make: impl FnOnce() -> Result<T>) -> Result<T> {
        if let Some(known) = self.0.borrow().get(&key) {
            return known.clone();
        }
        let made = make();
        let result = made.clone();
        self.0.borrow_mut().insert(key, made);
        result
    }
}

#[cfg(test)]
mod tests;
