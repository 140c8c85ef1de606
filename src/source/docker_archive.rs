//! What `docker save` writes: `manifest.json` and the files it names.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::document;
use super::layout;
use super::offer::Offer;
use super::parts::{Parts, StoredLayer, Wanted, check_layer_type};
use super::reference::Selector;
use super::store::Store;
use super::stored_blob::StoredBlob;
use crate::error::{Error, Result};
use crate::oci::{Descriptor, Digest, DigestHasher, ImageConfig, full_image_name};

/// One image of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
    /// By diff ID what a manifest would say; since docker 25.
    #[serde(default)]
    layer_sources: Option<BTreeMap<String, Descriptor>>,
}

/// Finds the image that was asked for.
pub(super) fn find(store: &Store, selector: Option<&Selector>, wanted: &Wanted) -> Result<Parts> {
    let entries = read_entries(store)?;
    let chosen = match selector {
        None => (0..entries.len()).collect(),
        Some(Selector::Name(name)) => by_name(&entries, name)?,
        Some(Selector::Index(index)) if *index < entries.len() => vec![*index],
        Some(Selector::Index(index)) => {
            return Err(Error::unsupported(format!(
                "@{index}: expected the place of one of {} images, from @0",
                entries.len()
            )));
        }
        Some(Selector::Digest(digest)) => match by_image_id(store, &entries, digest)? {
            Some(index) => vec![index],
            // Docker's containerd store gives an image the ID of its index or manifest.
            None if is_layout(store)? => return layout::find(store, selector, wanted),
            None => {
                return Err(layout::several(
                    &format!("no image has the ID {digest}"),
                    &choices(&entries),
                ));
            }
        },
    };
    let entry = &entries[only_image(store, &entries, chosen, wanted)?];
    let (config, config_digest) = config(store, &entry.config)?;
    if is_layout(store)?
        && let Some(parts) = layout::find_config(store, &config_digest)?
    {
        return Ok(parts);
    }
    Ok(Parts {
        manifest_digest: None,
        layers: layers(store, entry, &config)?,
        config_digest,
        config,
    })
}

/// All images of the archive.
///
/// # Errors
/// Where the list cannot be read; a configuration may be damaged.
pub(super) fn offers(store: &Store) -> Result<Vec<Offer>> {
    let entries = read_entries(store)?;
    let offer = |entry: &Entry| {
        let config = config(store, &entry.config).ok();
        Offer {
            names: tags(entry).map(str::to_owned).collect(),
            manifest_digest: None,
            is_at_hand: config.is_some(),
            platform: config.as_ref().map(|(config, _)| config.platform()),
            config_digest: config.map(|(_, digest)| digest),
        }
    };
    Ok(entries.iter().map(offer).collect())
}

fn read_entries(store: &Store) -> Result<Vec<Entry>> {
    let name = "manifest.json";
    let region = store
        .find(name)?
        .ok_or_else(|| Error::bad_image("not a docker archive: expected the file manifest.json"))?;
    let entries: Option<Vec<Entry>> = document::parse(&document::read(&region, name)?, name)?;
    Ok(entries.unwrap_or_default())
}

fn by_name(entries: &[Entry], name: &str) -> Result<Vec<usize>> {
    let full = full_image_name(name);
    let is_named =
        |entry: &Entry| tags(entry).any(|tag| tag == name || full_image_name(tag) == full);
    let found: Vec<_> = (0..entries.len())
        .filter(|&index| is_named(&entries[index]))
        .collect();
    if found.is_empty() {
        let shown = document::shown(name);
        return Err(layout::several(
            &format!("no image is named {shown}"),
            &choices(entries),
        ));
    }
    Ok(found)
}

fn by_image_id(store: &Store, entries: &[Entry], id: &Digest) -> Result<Option<usize>> {
    for (index, entry) in entries.iter().enumerate() {
        if config(store, &entry.config)?.1 == *id {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Whether the archive is an OCI image layout besides, as since docker 25.
fn is_layout(store: &Store) -> Result<bool> {
    Ok(store.find("index.json")?.is_some() && store.find("oci-layout")?.is_some())
}

/// Of images that share their names the one for the platform; between images of different names
/// nothing but a name chooses.
fn only_image(
    store: &Store,
    entries: &[Entry],
    mut chosen: Vec<usize>,
    wanted: &Wanted,
) -> Result<usize> {
    chosen.dedup_by_key(|index| &entries[*index].config);
    if let [index] = chosen[..] {
        return Ok(index);
    }
    let has_same_tags = |pair: &[usize]| entries[pair[0]].repo_tags == entries[pair[1]].repo_tags;
    let is_named = |index: &usize| tags(&entries[*index]).next().is_some();
    if !chosen.is_empty() && chosen.iter().all(is_named) && chosen.windows(2).all(has_same_tags) {
        let mut suitable = Vec::new();
        for &index in &chosen {
            let platform = config(store, &entries[index].config)?.0.platform();
            suitable.extend(
                wanted
                    .platform
                    .suitability(&platform)
                    .map(|fit| (fit, index)),
            );
        }
        let best = suitable.iter().map(|(fit, _)| *fit).max();
        suitable.retain(|(fit, _)| Some(*fit) == best);
        if let [(_, index)] = suitable[..] {
            return Ok(index);
        }
        let choices: Vec<_> = chosen.iter().map(|index| format!(":@{index}")).collect();
        return Err(layout::several("several images of one name", &choices));
    }
    Err(layout::several(
        "several images, none named",
        &choices(entries),
    ))
}

fn tags(entry: &Entry) -> impl Iterator<Item = &str> {
    entry.repo_tags.iter().flatten().map(String::as_str)
}

fn choices(entries: &[Entry]) -> Vec<String> {
    let choice = |(index, entry): (usize, &Entry)| match tags(entry).next() {
        Some(tag) => format!(":{}", document::shown(tag)),
        None => format!(":@{index}"),
    };
    entries.iter().enumerate().map(choice).collect()
}

/// The configuration in the file `name`, and its digest: the name's where the name is one, after
/// the bytes have been held against it.
fn config(store: &Store, name: &str) -> Result<(ImageConfig, Digest)> {
    let shown = format!("configuration {}", document::shown(name));
    let region = store
        .find(name)?
        .ok_or_else(|| Error::bad_image(format!("{shown}: absent")))?;
    let bytes = document::read(&region, &shown)?;
    let digest = match digest_in_name(name) {
        Some(digest) => {
            document::check_digest(&bytes, &digest, &shown)?;
            digest
        }
        None => {
            let mut hasher = DigestHasher::sha256();
            hasher.update(&bytes);
            hasher.finish()
        }
    };
    Ok((document::parse(&bytes, &shown)?, digest))
}

/// `HEX.json` of old and `blobs/sha256/HEX` of new.
fn digest_in_name(name: &str) -> Option<Digest> {
    let hex = name
        .strip_suffix(".json")
        .or_else(|| name.strip_prefix("blobs/sha256/"))?;
    format!("sha256:{hex}").parse().ok()
}

fn layers(store: &Store, entry: &Entry, config: &ImageConfig) -> Result<Vec<StoredLayer>> {
    let names = entry.layers.as_deref().unwrap_or_default();
    let layer = |(index, name): (usize, &String)| {
        let shown = format!("layer {}", document::shown(name));
        let stored = store
            .find(name)?
            .ok_or_else(|| Error::bad_image(format!("{shown}: absent")))?;
        let source = config
            .rootfs
            .diff_ids
            .get(index)
            .and_then(|diff_id| entry.layer_sources.as_ref()?.get(diff_id.as_ref()));
        if let Some(source) = source {
            check_layer_type(source.media_type().as_ref(), &shown)?;
            document::check_length(stored.length_bytes, source, &shown)?;
        }
        Ok(StoredLayer {
            digest: source.map(|source| source.digest().clone()),
            media_type: source.map(|source| source.media_type().to_string()),
            stored: StoredBlob::AtHand(stored),
        })
    };
    names.iter().enumerate().map(layer).collect()
}
