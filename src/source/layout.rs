//! OCI image layouts (OCI image-spec, image-layout.md): from `index.json` to the images.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::choice::{self, CONTAINERD_NAME, REF_NAME, by_platform, choices, not_there, several};
use super::documents::{self, Documents};
use super::image::Offer;
use super::parts::{Parts, Wanted};
use super::reference::Selector;
use super::store;
use crate::error::{Error, Result, shown};
use crate::oci::document;
use crate::oci::media_type::Kind;
use crate::oci::{Descriptor, Digest, full_image_name};

/// Indexes inside indexes; real images have one or two.
const MAX_INDEX_DEPTH: usize = 8;

/// Images under all names together: no list of more is read by anybody.
const MAX_LISTED: usize = 100_000;

/// Finds the image that was asked for.
pub(super) fn find(
    documents: &Documents,
    selector: Option<&Selector>,
    wanted: &Wanted,
) -> Result<Parts> {
    let top = top(documents)?;
    let chosen = match selector {
        None => without_name(documents, &top)?,
        Some(Selector::Name(name)) => by_name(&top, name)?,
        Some(Selector::Index(index)) => by_index(&top, *index)?,
        Some(Selector::Digest(digest)) => by_digest(documents, &top, digest)?,
    };
    let names = choice::names(&chosen);
    Ok(find_among(documents, chosen, wanted)?.named(names))
}

/// The image that a manifest or index is, or the one in it for the platform.
pub(super) fn find_among(
    documents: &Documents,
    top: Vec<Descriptor>,
    wanted: &Wanted,
) -> Result<Parts> {
    let manifest = by_platform(documents, images(walk(documents, top)?), wanted)?;
    Parts::of_manifest(documents, &manifest)
}

/// All images that a manifest or index of a registry leads to, as it describes them: the manifests
/// of other platforms are not read for it.
pub(super) fn offers_below(documents: &Documents, top: Descriptor) -> Result<Vec<Offer>> {
    let images = images(walk(documents, vec![top])?);
    if let [only] = &images[..] {
        return Ok(vec![offer(documents, only)]);
    }
    let listed = |descriptor: &Descriptor| Offer {
        names: Vec::new(),
        manifest_digest: Some(descriptor.digest.clone()),
        config_digest: None,
        platform: descriptor.platform.clone(),
        is_at_hand: true,
        created: None,
        size_bytes: None,
    };
    Ok(images.iter().map(listed).collect())
}

/// All manifests that a manifest or index of a registry leads to, itself among them; none of an
/// attestation.
pub(super) fn manifests_below(documents: &Documents, top: Descriptor) -> Result<Vec<Descriptor>> {
    Ok(images(walk(documents, vec![top])?))
}

/// What one entry of `index.json` leads to.
pub(super) struct Group {
    pub entry: Descriptor,
    /// Attestations left out.
    pub images: Vec<Descriptor>,
}

impl Group {
    /// The manifests at hand whose configuration is one of those that `is_wanted`.
    pub(super) fn with_config(
        &self,
        documents: &Documents,
        is_wanted: impl Fn(&Digest) -> bool,
    ) -> Result<Option<&Descriptor>> {
        for image in &self.images {
            if image.kind() != Kind::Manifest {
                continue;
            }
            let manifest = match documents.manifest(image) {
                // Docker's first form beside the image is none of our business.
                Err(Error::Unsupported { .. }) => None,
                manifest => manifest?,
            };
            if manifest.is_some_and(|manifest| is_wanted(&manifest.config.digest)) {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }
}

/// All entries of `index.json`, each once.
pub(super) fn groups(documents: &Documents) -> Result<Vec<Group>> {
    let mut seen = HashSet::new();
    let mut listed = 0;
    let mut groups = Vec::new();
    for entry in top(documents)?.iter() {
        if !seen.insert(entry.digest.clone()) {
            continue;
        }
        let images = images(walk(documents, vec![entry.clone()])?);
        listed += images.len();
        check_listed(listed)?;
        groups.push(Group {
            entry: entry.clone(),
            images,
        });
    }
    Ok(groups)
}

fn check_listed(listed: usize) -> Result<()> {
    if listed > MAX_LISTED {
        return Err(Error::bad_image(format!(
            "index.json: expected at most {MAX_LISTED} images under all its names, found more"
        )));
    }
    Ok(())
}

/// All images that the index leads to, attestations left out.
///
/// # Errors
/// Where the index itself cannot be read; what it leads to may be damaged.
pub(super) fn offers(documents: &Documents) -> Result<Vec<Offer>> {
    let mut names: HashMap<Digest, Vec<String>> = HashMap::new();
    for entry in top(documents)?.iter() {
        let own = [CONTAINERD_NAME, REF_NAME].map(|key| entry.annotation(key));
        names
            .entry(entry.digest.clone())
            .or_default()
            .extend(own.into_iter().flatten().map(str::to_owned));
    }
    let mut places: HashMap<Digest, usize> = HashMap::new();
    let mut offers: Vec<Offer> = Vec::new();
    let mut named = 0;
    for group in groups(documents)? {
        let names = &names[&group.entry.digest];
        for image in group.images {
            named += names.len();
            check_listed(named)?;
            // Listed once for all of its names.
            let place = *places.entry(image.digest.clone()).or_insert_with(|| {
                offers.push(offer(documents, &image));
                offers.len() - 1
            });
            offers[place].names.extend(names.iter().cloned());
        }
    }
    for offer in &mut offers {
        offer.names.sort();
        offer.names.dedup();
    }
    Ok(offers)
}

/// An image whose documents are damaged is offered all the same; choosing it tells what is wrong.
fn offer(documents: &Documents, descriptor: &Descriptor) -> Offer {
    let manifest = documents.manifest(descriptor).ok().flatten();
    let own = manifest
        .as_ref()
        .and_then(|manifest| documents.config(&manifest.config).ok().flatten());
    Offer {
        names: Vec::new(),
        manifest_digest: Some(descriptor.digest.clone()),
        created: own.as_ref().and_then(|own| own.created),
        size_bytes: manifest.as_ref().map(|manifest| manifest.size_bytes),
        is_at_hand: own.is_some(),
        platform: descriptor.platform.clone().or(own.map(|own| own.platform)),
        config_digest: manifest.map(|manifest| manifest.config.digest.clone()),
    }
}

fn top(documents: &Documents) -> Result<Rc<[Descriptor]>> {
    documents.top(|| read_top(documents))
}

fn read_top(documents: &Documents) -> Result<Vec<Descriptor>> {
    let read = |name: &str| {
        let region = documents.store.find(name)?;
        region.map(|region| store::read(&region, name)).transpose()
    };
    // There are layouts without this file: BuildKit's, for years.
    if let Some(layout) = read("oci-layout")? {
        check_version(&layout)?;
    }
    let without = || documents.store.without("an OCI image layout", "index.json");
    let index = read("index.json")?.ok_or_else(without)?;
    let listed = documents::index(&index, "index.json")?;
    listed
        .into_iter()
        .map(|descriptor| documents.typed(descriptor))
        .collect()
}

fn check_version(layout: &[u8]) -> Result<()> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Layout {
        image_layout_version: String,
    }
    let layout: Layout = document::parse(layout, "oci-layout")?;
    let version = layout.image_layout_version;
    if version.starts_with("1.") {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "oci-layout: expected a version 1 layout, found {}",
        shown(&version)
    )))
}

/// Everything that `top` leads to, itself included, each once. Indexes whose blobs are absent lead
/// nowhere: an archive need not hold every platform.
fn walk(documents: &Documents, top: Vec<Descriptor>) -> Result<Vec<Descriptor>> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let mut to_do: Vec<_> = top
        .into_iter()
        .rev()
        .map(|descriptor| (descriptor, 0))
        .collect();
    while let Some((descriptor, depth)) = to_do.pop() {
        if !seen.insert(descriptor.digest.clone()) {
            continue;
        }
        let descriptor = documents.typed(descriptor)?;
        if is_index(&descriptor) {
            if depth == MAX_INDEX_DEPTH {
                return Err(Error::bad_image(format!(
                    "index {}: expected at most {MAX_INDEX_DEPTH} indexes one inside the other",
                    descriptor.digest
                )));
            }
            if let Some(inner) = documents.index(&descriptor)? {
                let unseen = inner.iter().rev();
                let unseen = unseen.filter(|inner| !seen.contains(&inner.digest));
                to_do.extend(unseen.map(|inner| (inner.clone(), depth + 1)));
            }
        }
        found.push(descriptor);
    }
    Ok(found)
}

fn is_index(descriptor: &Descriptor) -> bool {
    descriptor.kind() == Kind::Index
}

/// What is left when indexes and attestations are taken away.
fn images(descriptors: Vec<Descriptor>) -> Vec<Descriptor> {
    let is_image = |descriptor: &Descriptor| !is_index(descriptor) && !is_attestation(descriptor);
    descriptors.into_iter().filter(is_image).collect()
}

/// BuildKit lists its attestations as manifests of an unknown platform.
fn is_attestation(descriptor: &Descriptor) -> bool {
    descriptor.annotation("vnd.docker.reference.type") == Some("attestation-manifest")
        || (descriptor.platform.as_ref()).is_some_and(|platform| platform.is_unknown())
}

fn without_name(documents: &Documents, top: &[Descriptor]) -> Result<Vec<Descriptor>> {
    let top: Vec<_> = top
        .iter()
        .filter(|descriptor| !is_attestation(descriptor))
        .cloned()
        .collect();
    let is_settled = |top: &[Descriptor]| {
        let names: HashSet<_> = top.iter().map(|top| top.annotation(REF_NAME)).collect();
        is_one_image(top) || (names.len() == 1 && all_have_platforms(top))
    };
    if is_settled(&top) {
        return Ok(top);
    }
    // What stands beside an image, as its signature does, is no choice.
    let mut images = Vec::new();
    for descriptor in &top {
        if may_be_image(documents, descriptor)? {
            images.push(descriptor.clone());
        }
    }
    if !images.is_empty() && is_settled(&images) {
        return Ok(images);
    }
    Err(several("several images, none named", &choices(&top)))
}

/// Whether a descriptor leads to anything but artifacts.
fn may_be_image(documents: &Documents, descriptor: &Descriptor) -> Result<bool> {
    if !is_index(descriptor) {
        return Ok(choice::may_be_image(documents, descriptor));
    }
    let images = images(walk(documents, vec![descriptor.clone()])?);
    Ok(images
        .iter()
        .any(|image| choice::may_be_image(documents, image)))
}

/// Whether an image of the layout is called `name`.
pub(super) fn has_name(documents: &Documents, name: &str) -> Result<bool> {
    Ok(!named(&top(documents)?, name).is_empty())
}

fn named(top: &[Descriptor], name: &str) -> Vec<Descriptor> {
    let with = |matches: &dyn Fn(&Descriptor) -> bool| -> Vec<Descriptor> {
        let matching = top.iter().filter(|descriptor| matches(descriptor));
        matching.cloned().collect()
    };
    let found = with(&|descriptor| descriptor.annotation(REF_NAME) == Some(name));
    if !found.is_empty() {
        return found;
    }
    let full = full_image_name(name);
    with(&|descriptor| {
        descriptor
            .annotation(CONTAINERD_NAME)
            .is_some_and(|own| full_image_name(own) == full)
    })
}

fn by_name(top: &[Descriptor], name: &str) -> Result<Vec<Descriptor>> {
    let found = named(top, name);
    let shown = shown(name);
    if found.is_empty() {
        let problem = format!("no image is named {shown}");
        return Err(not_there(&problem, &choices(top)));
    }
    if is_one_image(&found) || all_have_platforms(&found) {
        return Ok(found);
    }
    let problem = format!("several images are named {shown}");
    Err(several(&problem, &choices(&found)))
}

fn by_index(top: &[Descriptor], index: usize) -> Result<Vec<Descriptor>> {
    let found = top.get(index).cloned();
    let found = found.ok_or_else(|| choice::no_such_place(index, top.len()))?;
    Ok(vec![found])
}

fn by_digest(
    documents: &Documents,
    top: &[Descriptor],
    digest: &Digest,
) -> Result<Vec<Descriptor>> {
    let found = walk(documents, top.to_vec())?
        .into_iter()
        .find(|found| found.digest == *digest);
    found.map(|found| vec![found]).ok_or_else(|| {
        Error::absent(format!(
            "@{digest}: the index leads to no manifest of this digest"
        ))
    })
}

fn is_one_image(descriptors: &[Descriptor]) -> bool {
    descriptors
        .windows(2)
        .all(|pair| pair[0].digest == pair[1].digest)
}

fn all_have_platforms(descriptors: &[Descriptor]) -> bool {
    descriptors
        .iter()
        .all(|descriptor| descriptor.platform.is_some())
}
