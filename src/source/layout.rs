//! OCI image layouts (OCI image-spec, image-layout.md): from `index.json` to one manifest.

use std::collections::HashSet;

use super::document::{self, Form};
use super::offer::Offer;
use super::parts::{self, Parts, Wanted};
use super::reference::Selector;
use super::store::Store;
use crate::error::{Error, Result};
use crate::oci::media_type::{self, Kind};
use crate::oci::{Descriptor, Digest, ImageIndex, Platform, full_image_name};

/// Indexes inside indexes; real images have one or two.
const MAX_INDEX_DEPTH: usize = 8;

const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The whole name, where containerd and docker put only the tag into the annotation above.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Finds the image that was asked for.
pub(super) fn find(store: &Store, selector: Option<&Selector>, wanted: &Wanted) -> Result<Parts> {
    let top = read_top(store)?;
    let chosen = match selector {
        None => without_name(top)?,
        Some(Selector::Name(name)) => by_name(top, name)?,
        Some(Selector::Index(index)) => by_index(top, *index)?,
        Some(Selector::Digest(digest)) => by_digest(store, top, digest)?,
    };
    let manifest = by_platform(store, images(walk(store, chosen)?), wanted)?;
    Parts::of_manifest(store, &manifest)
}

/// The image that a manifest or index of a registry is, or the one in it for the platform.
#[cfg(feature = "network")]
pub(super) fn find_below(store: &Store, top: Descriptor, wanted: &Wanted) -> Result<Parts> {
    let manifest = by_platform(store, images(walk(store, vec![top])?), wanted)?;
    Parts::of_manifest(store, &manifest)
}

/// All images that a manifest or index of a registry leads to, as it describes them: the manifests
/// of other platforms are not read for it.
#[cfg(feature = "network")]
pub(super) fn offers_below(store: &Store, top: Descriptor) -> Result<Vec<Offer>> {
    let images = images(walk(store, vec![top])?);
    if let [only] = &images[..] {
        return Ok(vec![offer(store, only, Vec::new())]);
    }
    let listed = |descriptor: &Descriptor| Offer {
        names: Vec::new(),
        manifest_digest: Some(descriptor.digest().clone()),
        config_digest: None,
        platform: platform(descriptor),
        is_at_hand: true,
    };
    Ok(images.iter().map(listed).collect())
}

/// The image whose configuration is `config_digest`, where the index leads to one that is whole.
pub(super) fn find_config(store: &Store, config_digest: &Digest) -> Result<Option<Parts>> {
    let is_manifest = |descriptor: &Descriptor| {
        media_type::kind(descriptor.media_type().as_ref()) == Kind::Manifest
    };
    for descriptor in images(walk(store, read_top(store)?)?) {
        if !is_manifest(&descriptor) {
            continue;
        }
        let manifest = match parts::manifest(store, &descriptor) {
            // An artifact beside the image is none of our business.
            Err(Error::Unsupported { .. }) => continue,
            manifest => manifest?,
        };
        let Some(manifest) = manifest.filter(|found| found.config().digest() == config_digest)
        else {
            continue;
        };
        let mut is_whole = store.blob(config_digest)?.is_some();
        for layer in manifest.layers() {
            is_whole &= store.blob(layer.digest())?.is_some();
        }
        if is_whole {
            return Parts::of_manifest(store, &descriptor).map(Some);
        }
    }
    Ok(None)
}

/// All images that the index leads to, attestations left out.
///
/// # Errors
/// Where the index itself cannot be read; what it leads to may be damaged.
pub(super) fn offers(store: &Store) -> Result<Vec<Offer>> {
    let top = read_top(store)?;
    let names = |top: &Descriptor| {
        let names = [CONTAINERD_NAME, REF_NAME].map(|key| annotation(top, key));
        let mut names: Vec<_> = names.into_iter().flatten().map(str::to_owned).collect();
        names.dedup();
        names
    };
    let mut offers: Vec<Offer> = Vec::new();
    for descriptor in top {
        let names = names(&descriptor);
        for image in images(walk(store, vec![descriptor])?) {
            let listed = offers
                .iter_mut()
                .find(|offer| offer.manifest_digest.as_ref() == Some(image.digest()));
            match listed {
                // Listed once for each of its names.
                Some(offer) => offer.names.extend(names.clone()),
                None => offers.push(offer(store, &image, names.clone())),
            }
        }
    }
    for offer in &mut offers {
        offer.names.sort();
        offer.names.dedup();
    }
    Ok(offers)
}

/// An image whose documents are damaged is offered all the same; choosing it tells what is wrong.
fn offer(store: &Store, descriptor: &Descriptor, names: Vec<String>) -> Offer {
    let manifest = parts::manifest(store, descriptor).ok().flatten();
    let config = manifest
        .as_ref()
        .and_then(|manifest| parts::config(store, manifest).ok().flatten());
    let own = config.as_ref().map(|config| config.platform());
    Offer {
        names,
        manifest_digest: Some(descriptor.digest().clone()),
        platform: platform(descriptor).or(own),
        is_at_hand: config.is_some(),
        config_digest: manifest.map(|manifest| manifest.config().digest().clone()),
    }
}

fn read_top(store: &Store) -> Result<Vec<Descriptor>> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Layout {
        image_layout_version: String,
    }
    let read = |name: &str| {
        let region = store.find(name)?.ok_or_else(|| {
            Error::bad_image(format!("not an OCI image layout: expected the file {name}"))
        })?;
        document::read(&region, name)
    };
    let layout: Layout = document::parse(&read("oci-layout")?, "oci-layout")?;
    let version = layout.image_layout_version;
    if !version.starts_with("1.") {
        return Err(Error::unsupported(format!(
            "oci-layout: expected a version 1 layout, found {}",
            document::shown(&version)
        )));
    }
    index(&read("index.json")?, None, "index.json")
}

fn index(bytes: &[u8], media_type: Option<&str>, name: &str) -> Result<Vec<Descriptor>> {
    document::check_form(bytes, Form::Index, media_type, name)?;
    let index: ImageIndex = document::parse(bytes, name)?;
    Ok(index.manifests().clone())
}

/// Everything that `top` leads to, itself included, each once. Indexes whose blobs are absent lead
/// nowhere: an archive need not hold every platform.
fn walk(store: &Store, top: Vec<Descriptor>) -> Result<Vec<Descriptor>> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let mut to_do: Vec<_> = top
        .into_iter()
        .rev()
        .map(|descriptor| (descriptor, 0))
        .collect();
    while let Some((descriptor, depth)) = to_do.pop() {
        if !seen.insert(descriptor.digest().clone()) {
            continue;
        }
        let media_type = descriptor.media_type().as_ref();
        if media_type::kind(media_type) == Kind::Index {
            let name = format!("index {}", descriptor.digest());
            if depth == MAX_INDEX_DEPTH {
                return Err(Error::bad_image(format!(
                    "{name}: expected at most {MAX_INDEX_DEPTH} indexes one inside the other"
                )));
            }
            if let Some(bytes) = document::blob(store, &descriptor, "index")? {
                let inner = index(&bytes, Some(media_type), &name)?;
                to_do.extend(inner.into_iter().rev().map(|inner| (inner, depth + 1)));
            }
        }
        found.push(descriptor);
    }
    Ok(found)
}

/// What is left when indexes and attestations are taken away.
fn images(descriptors: Vec<Descriptor>) -> Vec<Descriptor> {
    let is_image = |descriptor: &Descriptor| {
        media_type::kind(descriptor.media_type().as_ref()) != Kind::Index
            && !is_attestation(descriptor)
    };
    descriptors.into_iter().filter(is_image).collect()
}

/// BuildKit lists its attestations as manifests of an unknown platform.
fn is_attestation(descriptor: &Descriptor) -> bool {
    annotation(descriptor, "vnd.docker.reference.type") == Some("attestation-manifest")
        || platform(descriptor).is_some_and(|platform| platform.is_unknown())
}

fn annotation<'a>(descriptor: &'a Descriptor, key: &str) -> Option<&'a str> {
    descriptor
        .annotations()
        .as_ref()?
        .get(key)
        .map(String::as_str)
}

fn platform(descriptor: &Descriptor) -> Option<Platform> {
    descriptor.platform().as_ref().map(Platform::from)
}

fn without_name(top: Vec<Descriptor>) -> Result<Vec<Descriptor>> {
    let top: Vec<_> = top
        .into_iter()
        .filter(|descriptor| !is_attestation(descriptor))
        .collect();
    let names: HashSet<_> = top
        .iter()
        .map(|descriptor| annotation(descriptor, REF_NAME))
        .collect();
    if is_one_image(&top) || (names.len() == 1 && all_have_platforms(&top)) {
        return Ok(top);
    }
    let choices: Vec<_> = top
        .iter()
        .map(|descriptor| format!(":{}", choice(descriptor)))
        .collect();
    Err(several("several images, none named", &choices))
}

fn by_name(top: Vec<Descriptor>, name: &str) -> Result<Vec<Descriptor>> {
    let full = full_image_name(name);
    let with = |matches: &dyn Fn(&Descriptor) -> bool| -> Vec<Descriptor> {
        top.iter()
            .filter(|descriptor| matches(descriptor))
            .cloned()
            .collect()
    };
    let mut found = with(&|descriptor| annotation(descriptor, REF_NAME) == Some(name));
    if found.is_empty() {
        found = with(&|descriptor| {
            annotation(descriptor, CONTAINERD_NAME).is_some_and(|own| full_image_name(own) == full)
        });
    }
    let shown = document::shown(name);
    if found.is_empty() {
        let choices: Vec<_> = top.iter().map(|top| format!(":{}", choice(top))).collect();
        return Err(several(&format!("no image is named {shown}"), &choices));
    }
    if is_one_image(&found) || all_have_platforms(&found) {
        return Ok(found);
    }
    let choices: Vec<_> = found
        .iter()
        .map(|found| format!("@{}", found.digest()))
        .collect();
    Err(several(
        &format!("several images are named {shown}"),
        &choices,
    ))
}

fn by_index(top: Vec<Descriptor>, index: usize) -> Result<Vec<Descriptor>> {
    let count = top.len();
    top.into_iter()
        .nth(index)
        .map(|found| vec![found])
        .ok_or_else(|| {
            Error::unsupported(format!(
                "@{index}: expected the place of one of {count} images, from @0"
            ))
        })
}

fn by_digest(store: &Store, top: Vec<Descriptor>, digest: &Digest) -> Result<Vec<Descriptor>> {
    let found = walk(store, top)?
        .into_iter()
        .find(|found| found.digest() == digest);
    found.map(|found| vec![found]).ok_or_else(|| {
        Error::unsupported(format!(
            "@{digest}: the index leads to no manifest of this digest"
        ))
    })
}

fn is_one_image(descriptors: &[Descriptor]) -> bool {
    descriptors
        .windows(2)
        .all(|pair| pair[0].digest() == pair[1].digest())
}

fn all_have_platforms(descriptors: &[Descriptor]) -> bool {
    descriptors
        .iter()
        .all(|descriptor| descriptor.platform().is_some())
}

/// How a user would name an image of the layout.
fn choice(descriptor: &Descriptor) -> String {
    [CONTAINERD_NAME, REF_NAME]
        .iter()
        .find_map(|key| annotation(descriptor, key))
        .map_or_else(|| format!("@{}", descriptor.digest()), document::shown)
}

/// An error that names what could have been chosen.
pub(super) fn several(problem: &str, choices: &[String]) -> Error {
    const SHOWN: usize = 20;
    if choices.is_empty() {
        return Error::bad_image(format!("{problem}: no image at all"));
    }
    let more = match choices.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = choices[..choices.len().min(SHOWN)].join(", ");
    Error::unsupported(format!(
        "{problem}: choose by appending one of {shown}{more}"
    ))
}

/// The manifest that serves the platform best; the only one serves any, subject to what its
/// configuration says.
fn by_platform(store: &Store, images: Vec<Descriptor>, wanted: &Wanted) -> Result<Descriptor> {
    let kind = |descriptor: &Descriptor| media_type::kind(descriptor.media_type().as_ref());
    let manifests: Vec<_> = images
        .iter()
        .filter(|image| kind(image) == Kind::Manifest)
        .collect();
    match (&manifests[..], &images[..]) {
        ([only], _) => return Ok((*only).clone()),
        ([], []) => {
            return Err(Error::bad_image(
                "no image: the index leads to no manifest at hand",
            ));
        }
        ([], [other, ..]) => {
            let name = format!("manifest {}", other.digest());
            return Err(match kind(other) {
                Kind::Schema1 => document::schema_1(&name),
                _ => Error::unsupported(format!(
                    "{name}: expected an image manifest, found the media type {}",
                    document::shown(other.media_type().as_ref())
                )),
            });
        }
        _ => {}
    }
    let mut best: Option<(u32, &Descriptor)> = None;
    let mut offered = Vec::new();
    for manifest in manifests {
        let Some(platform) = platform_of(store, manifest)? else {
            continue;
        };
        let suitability = wanted.platform.suitability(&platform);
        // Of equals the one listed before, as everywhere.
        if let Some(own) = suitability
            && best.is_none_or(|(other, _)| own > other)
        {
            best = Some((own, manifest));
        }
        let platform = document::shown(&platform.to_string());
        if !offered.contains(&platform) {
            offered.push(platform);
        }
    }
    best.map(|(_, manifest)| manifest.clone()).ok_or_else(|| {
        Error::unsupported(format!(
            "no image for {}: choose by --platform one of {}",
            wanted.platform,
            offered.join(", ")
        ))
    })
}

/// The platform as the index names it, else as the configuration does; `None` where neither is at
/// hand.
fn platform_of(store: &Store, descriptor: &Descriptor) -> Result<Option<Platform>> {
    if let Some(platform) = platform(descriptor) {
        return Ok(Some(platform));
    }
    let manifest = match parts::manifest(store, descriptor) {
        Err(Error::Unsupported { .. }) => return Ok(None),
        manifest => manifest?,
    };
    let Some(manifest) = manifest else {
        return Ok(None);
    };
    Ok(parts::config(store, &manifest)?.map(|config| config.platform()))
}
