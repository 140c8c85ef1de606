//! What `docker save` writes: `manifest.json` and the files it names.
//!
//! Since docker 25 the archive is an OCI layout besides. `manifest.json` then says which images there
//! are, each for the platform of the daemon that saved it; `index.json` also leads to the same
//! images for other platforms.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;

use super::choice::{self, not_there, several};
use super::documents::Documents;
use super::image::Offer;
use super::layout::{self, Group};
use super::parts::{Parts, StoredLayer, Wanted, check_layer_type, said};
use super::reference::Selector;
use super::store;
use crate::blobs::StoredBlob;
use crate::error::{Error, Result, shown};
use crate::oci::document;
use crate::oci::go_json::{list, or_default};
use crate::oci::{Descriptor, Digest, ImageConfig, full_image_name, layer_label, leading_map};
use crate::region::FileRegion;
use crate::warnings::Warnings;

/// One image of `manifest.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Entry {
    #[serde(deserialize_with = "or_default")]
    config: String,
    #[serde(deserialize_with = "list")]
    repo_tags: Vec<String>,
    #[serde(deserialize_with = "list")]
    layers: Vec<String>,
    /// By diff ID where a layer came from; since docker 25.
    #[serde(deserialize_with = "leading_map")]
    layer_sources: BTreeMap<String, Descriptor>,
}

/// The archive's two lists.
struct Lists<'a> {
    documents: &'a Documents<'a>,
    entries: Vec<Entry>,
    /// What `index.json` leads to; nothing where there is none.
    groups: Vec<Group>,
    is_layout: bool,
}

/// Finds the image that was asked for.
pub(super) fn find(
    documents: &Documents,
    selector: Option<&Selector>,
    wanted: &Wanted,
) -> Result<Parts> {
    let lists = Lists::read(documents)?;
    let entries = &lists.entries;
    let not_there = |problem: &str| {
        let mut all = choices(entries);
        all.extend(choice::choices(&lists.without_entry()?));
        Err(not_there(problem, &all))
    };
    let chosen = match selector {
        None => {
            let others = lists.without_entry()?;
            if !others.is_empty() {
                if entries.is_empty() {
                    return layout::find(documents, selector, wanted);
                }
                let mut choices = choices(entries);
                choices.extend(choice::choices(&others));
                return Err(several("several images, none named", &choices));
            }
            (0..entries.len()).collect()
        }
        Some(Selector::Name(name)) => match by_name(entries, name) {
            found if !found.is_empty() => found,
            _ if lists.is_layout && layout::has_name(documents, name)? => {
                return layout::find(documents, selector, wanted);
            }
            _ => {
                let shown = shown(name);
                return not_there(&format!("no image is named {shown}"));
            }
        },
        Some(Selector::Index(index)) if *index < entries.len() => vec![*index],
        Some(Selector::Index(index)) => {
            return Err(choice::no_such_place(*index, entries.len()));
        }
        Some(Selector::Digest(digest)) => match lists.by_image_id(digest)? {
            // Exactly this one, whatever the platform.
            Some(index) => {
                let entry = &entries[index];
                return Ok(lists.parts(entry)?.named(names(entry, selector)));
            }
            // Docker's containerd store gives an image the ID of its index or manifest.
            None if lists.is_layout => return layout::find(documents, selector, wanted),
            None => return not_there(&format!("no image has the ID {digest}")),
        },
    };
    let entry = &entries[lists.only_image(chosen, wanted)?];
    let parts = lists.for_platform(entry, wanted)?;
    Ok(parts.named(names(entry, selector)))
}

/// All images of the archive.
///
/// # Errors
/// Where the lists cannot be read; a configuration may be damaged.
pub(super) fn offers(documents: &Documents) -> Result<Vec<Offer>> {
    let lists = Lists::read(documents)?;
    let mut offers = if lists.is_layout {
        layout::offers(documents)?
    } else {
        Vec::new()
    };
    let mut places = HashMap::new();
    for (place, offer) in offers.iter().enumerate() {
        if let Some(digest) = offer.config_digest.clone() {
            places.entry(digest).or_insert(place);
        }
    }
    for entry in &lists.entries {
        let config = documents.named_config(&entry.config).ok();
        let listed = config
            .as_ref()
            .and_then(|config| places.get(&config.digest).copied());
        if let Some(place) = listed {
            // The index has the names, too, but not always in full.
            let names = &mut offers[place].names;
            names.extend(entry.repo_tags.iter().cloned());
            names.sort();
            names.dedup();
            continue;
        }
        let outline = config.as_ref().map(|config| &config.outline);
        let sizes = entry.layers.iter().map(|name| {
            let found = documents.store.find(name).ok().flatten();
            found.map(|region| region.length_bytes)
        });
        offers.push(Offer {
            created: outline.and_then(|outline| outline.created),
            size_bytes: sizes.sum(),
            names: entry.repo_tags.clone(),
            manifest_digest: None,
            is_at_hand: config.is_some(),
            platform: outline.map(|outline| outline.platform.clone()),
            config_digest: config.map(|config| config.digest),
        });
    }
    Ok(offers)
}

impl<'a> Lists<'a> {
    fn read(documents: &'a Documents<'a>) -> Result<Self> {
        let name = "manifest.json";
        let region = documents.store.find(name)?;
        let region = region.ok_or_else(|| documents.store.without("a docker archive", name))?;
        #[derive(Deserialize)]
        struct Entries(#[serde(deserialize_with = "list")] Vec<Entry>);
        let Entries(entries) = document::parse(&store::read(&region, name)?, name)?;
        let has = |name: &str| documents.store.find(name).map(|found| found.is_some());
        let is_layout = has("index.json")? && has("oci-layout")?;
        let groups = if is_layout {
            layout::groups(documents)?
        } else {
            Vec::new()
        };
        Ok(Self {
            documents,
            entries,
            groups,
            is_layout,
        })
    }

    /// What `index.json` names and `manifest.json` does not, as far as it is there: images that
    /// are not for the platform of who saved them.
    fn without_entry(&self) -> Result<Vec<Descriptor>> {
        let mut configs = HashSet::new();
        if !self.groups.is_empty() {
            for entry in &self.entries {
                configs.insert(self.documents.named_config(&entry.config)?.digest);
            }
        }
        let mut others = Vec::new();
        for group in &self.groups {
            let is_image = |image: &Descriptor| {
                let manifest = self.documents.manifest(image).ok().flatten();
                manifest.is_some_and(|manifest| manifest.is_image)
            };
            let listed = group.with_config(self.documents, |config| configs.contains(config))?;
            if listed.is_none() && group.images.iter().any(is_image) {
                others.push(group.entry.clone());
            }
        }
        Ok(others)
    }

    fn by_image_id(&self, id: &Digest) -> Result<Option<usize>> {
        for (index, entry) in self.entries.iter().enumerate() {
            if self.documents.named_config(&entry.config)?.digest == *id {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// Of images that share their names the one for the platform; between images of different names
    /// nothing but a name chooses.
    fn only_image(&self, chosen: Vec<usize>, wanted: &Wanted) -> Result<usize> {
        let entry = |index: usize| &self.entries[index];
        let mut configs = HashSet::new();
        let mut images = Vec::new();
        for index in chosen {
            let config = self.documents.named_config(&entry(index).config);
            // What is wrong with the only one is told when it is read.
            if !config.is_ok_and(|config| !configs.insert(config.digest)) {
                images.push(index);
            }
        }
        if let [index] = images[..] {
            return Ok(index);
        }
        let has_same_tags = |pair: &[usize]| entry(pair[0]).repo_tags == entry(pair[1]).repo_tags;
        let is_named = |index: &usize| !entry(*index).repo_tags.is_empty();
        if !images.is_empty() && images.iter().all(is_named) && images.windows(2).all(has_same_tags)
        {
            let mut suitable = Vec::new();
            for &index in &images {
                let config = self.documents.named_config(&entry(index).config)?;
                let platform = config.outline.platform;
                let suitability = wanted.platform.suitability(&platform);
                suitable.extend(suitability.map(|fit| (fit, index)));
            }
            let best = suitable.iter().map(|(fit, _)| *fit).max();
            suitable.retain(|(fit, _)| Some(*fit) == best);
            if let [(_, index)] = suitable[..] {
                return Ok(index);
            }
            let choices: Vec<_> = images.iter().map(|index| format!(":@{index}")).collect();
            return Err(several("several images of one name", &choices));
        }
        Err(several(
            "several images, none named",
            &choices(&self.entries),
        ))
    }

    /// The image of an entry, or what its name means for the platform.
    fn for_platform(&self, entry: &Entry, wanted: &Wanted) -> Result<Parts> {
        let config = self.documents.named_config(&entry.config)?.digest;
        for group in &self.groups {
            let own = group.with_config(self.documents, |other| *other == config)?;
            let Some(own) = own else {
                continue;
            };
            let best = choice::by_platform(self.documents, group.images.clone(), wanted)?;
            if best.digest == own.digest {
                break;
            }
            return Parts::of_manifest(self.documents, &best);
        }
        self.parts(entry)
    }

    /// The very image of an entry: by its manifest, where the index leads to one that is whole.
    fn parts(&self, entry: &Entry) -> Result<Parts> {
        let documents = self.documents;
        let named = documents.named_config(&entry.config)?;
        for group in &self.groups {
            let own = group.with_config(documents, |other| *other == named.digest)?;
            if let Some(manifest) = own
                && self.is_whole(manifest)?
            {
                return Parts::of_manifest(documents, manifest);
            }
        }
        let mut warnings = Warnings::default();
        check_name(&entry.config, &named.digest, &mut warnings)?;
        let (config, config_bytes) = documents.whole_named_config(&entry.config)?;
        Ok(Parts {
            manifest_digest: None,
            layers: self.layers(entry, &config)?,
            config_digest: named.digest,
            config,
            config_bytes,
            names: Vec::new(),
            warnings,
        })
    }

    fn is_whole(&self, manifest: &Descriptor) -> Result<bool> {
        let Some(manifest) = self.documents.whole_manifest(manifest)? else {
            return Ok(false);
        };
        let mut is_whole = self.documents.store.has_blob(&manifest.config.digest)?;
        for layer in &manifest.layers {
            is_whole &= self.documents.store.has_blob(&layer.digest)?;
        }
        Ok(is_whole)
    }

    fn layers(&self, entry: &Entry, config: &ImageConfig) -> Result<Vec<StoredLayer>> {
        let layer = |(index, name): (usize, &String)| {
            let position = layer_label(index, entry.layers.len(), None);
            let shown = format!("layer {position} {}", shown(name));
            let stored = self
                .documents
                .store
                .find(name)?
                .ok_or_else(|| Error::bad_image(format!("{shown}: absent")))?;
            let source = config
                .rootfs
                .diff_ids
                .get(index)
                .and_then(|diff_id| entry.layer_sources.get(diff_id.as_ref()))
                .filter(|source| is_of(source, name, &stored));
            if let Some(source) = source {
                check_layer_type(&source.media_type, &shown)?;
                document::check_length(stored.length_bytes, source, &shown)?;
            }
            Ok(StoredLayer {
                digest: source.map(|source| source.digest.clone()),
                media_type: source.and_then(|source| said(&source.media_type)),
                stored: StoredBlob::AtHand(stored),
            })
        };
        entry.layers.iter().enumerate().map(layer).collect()
    }
}

/// Whether a layer's source is the file in the archive, and not the blob of a registry that docker
/// once pulled and now keeps in another form: the diff ID speaks for such a file alone.
fn is_of(source: &Descriptor, name: &str, stored: &FileRegion) -> bool {
    let (algorithm, digits) = (source.digest.algorithm(), source.digest.digest());
    name == format!("blobs/{algorithm}/{digits}")
        || (source.size == stored.length_bytes && name.contains(digits))
}

fn by_name(entries: &[Entry], name: &str) -> Vec<usize> {
    let is_named = |entry: &Entry| entry.repo_tags.iter().any(|tag| means(name, tag));
    (0..entries.len())
        .filter(|&index| is_named(&entries[index]))
        .collect()
}

/// Whether a name as it was typed is that of a tag.
fn means(name: &str, tag: &str) -> bool {
    tag == name || full_image_name(tag) == full_image_name(name)
}

/// What an entry is called, the name that chose it first.
fn names(entry: &Entry, selector: Option<&Selector>) -> Vec<String> {
    let mut names = entry.repo_tags.clone();
    if let Some(Selector::Name(name)) = selector {
        names.sort_by_key(|tag| !means(name, tag));
    }
    names
}

/// How a user would choose each entry: by its name, where that is its alone.
fn choices(entries: &[Entry]) -> Vec<String> {
    let mut bearers: HashMap<&str, usize> = HashMap::new();
    for tag in entries.iter().flat_map(|entry| &entry.repo_tags) {
        *bearers.entry(tag).or_default() += 1;
    }
    let choice = |(index, entry): (usize, &Entry)| {
        let mut tags = entry.repo_tags.iter();
        match tags.find(|tag| bearers[tag.as_str()] == 1) {
            Some(tag) => format!(":{}", shown(tag)),
            None => format!(":@{index}"),
        }
    };
    entries.iter().enumerate().map(choice).collect()
}

/// Holds a configuration against the digest that its name is. A blob's path is one; the names of
/// older archives, `HEX.json` and `sha256:HEX`, are to docker names like any other.
fn check_name(name: &str, digest: &Digest, warnings: &mut Warnings) -> Result<()> {
    let is_blob = name.strip_prefix("blobs/sha256/");
    let hex = is_blob
        .or_else(|| name.strip_suffix(".json"))
        .or_else(|| name.strip_prefix("sha256:"));
    let named: Option<Digest> = hex.and_then(|hex| format!("sha256:{hex}").parse().ok());
    match named {
        Some(named) if named != *digest && is_blob.is_some() => Err(Error::bad_image(format!(
            "configuration {}: expected the digest {named}, found {digest}",
            shown(name)
        ))),
        Some(named) if named != *digest => {
            warnings.count(
                "the configuration is named by a digest that it does not have",
                name.as_bytes(),
            );
            Ok(())
        }
        _ => Ok(()),
    }
}
