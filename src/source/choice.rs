//! One of several: by the platform, or by what the user is to say.

use std::collections::HashMap;

use super::documents::Documents;
use super::parts::Wanted;
use crate::error::{Error, Result, shown};
use crate::oci::document;
use crate::oci::media_type::Kind;
use crate::oci::{Descriptor, Platform};

pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The whole name, where containerd and docker put only the tag into the annotation above.
pub(super) const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// How a user would choose each of an index' images: by its name, where that is its alone.
pub(super) fn choices(descriptors: &[Descriptor]) -> Vec<String> {
    let mut bearers: HashMap<&str, &Descriptor> = HashMap::new();
    let mut is_shared: HashMap<&str, bool> = HashMap::new();
    for descriptor in descriptors {
        if let Some(name) = name(descriptor) {
            let bearer = bearers.entry(name).or_insert(descriptor);
            *is_shared.entry(name).or_default() |= bearer.digest != descriptor.digest;
        }
    }
    let choice = |descriptor: &Descriptor| match name(descriptor) {
        Some(name) if !is_shared[name] => format!(":{}", shown(name)),
        _ => format!("@{}", descriptor.digest),
    };
    let mut choices: Vec<_> = descriptors.iter().map(choice).collect();
    choices.dedup();
    choices
}

/// What an entry is called.
fn name(descriptor: &Descriptor) -> Option<&str> {
    [CONTAINERD_NAME, REF_NAME]
        .iter()
        .find_map(|key| descriptor.annotation(key))
}

/// All that entries of one name are called; nothing where they are several.
pub(super) fn names(descriptors: &[Descriptor]) -> Vec<String> {
    let Some((first, others)) = descriptors.split_first() else {
        return Vec::new();
    };
    if others.iter().any(|other| name(other) != name(first)) {
        return Vec::new();
    }
    let names = [CONTAINERD_NAME, REF_NAME].map(|key| first.annotation(key));
    names.into_iter().flatten().map(str::to_owned).collect()
}

/// An error that names what could have been chosen, where too little was said.
pub(super) fn several(problem: &str, choices: &[String]) -> Error {
    told(problem, choices, Error::unsupported)
}

/// The same where what was said is not there.
pub(super) fn not_there(problem: &str, choices: &[String]) -> Error {
    told(problem, choices, Error::absent)
}

/// The error for a place in a list of so many images.
pub(super) fn no_such_place(index: usize, images: usize) -> Error {
    Error::absent(format!(
        "@{index}: expected the place of one of {images} images, from @0"
    ))
}

fn told(problem: &str, choices: &[String], error: impl Fn(String) -> Error) -> Error {
    const SHOWN: usize = 20;
    if choices.is_empty() {
        return Error::bad_image("no image: the list of images is empty");
    }
    let more = match choices.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = choices[..choices.len().min(SHOWN)].join(", ");
    error(format!(
        "{problem}: choose by appending one of {shown}{more}"
    ))
}

/// Whether a descriptor is not known to point at something else than an image. One with a platform
/// is believed, so that a registry is not asked for those of all platforms.
pub(super) fn may_be_image(documents: &Documents, descriptor: &Descriptor) -> bool {
    if descriptor.kind() != Kind::Manifest {
        return false;
    }
    if descriptor.platform.is_some() {
        return true;
    }
    match documents.manifest(descriptor) {
        Ok(Some(manifest)) => manifest.is_image,
        Ok(None) => descriptor.artifact_type.is_empty(),
        // What is wrong with it is told when it is chosen.
        Err(_) => true,
    }
}

/// The manifest that serves the platform best; the only one serves any, subject to what its
/// configuration says. One that is not at hand is chosen only where it was asked for, for the error
/// that tells what is absent.
pub(super) fn by_platform(
    documents: &Documents,
    images: Vec<Descriptor>,
    wanted: &Wanted,
) -> Result<Descriptor> {
    let mut manifests: Vec<_> = images
        .iter()
        .filter(|image| image.kind() == Kind::Manifest)
        .collect();
    if manifests.len() > 1 && manifests.iter().any(|image| may_be_image(documents, image)) {
        manifests.retain(|image| may_be_image(documents, image));
    }
    match (&manifests[..], &images[..]) {
        ([only], _) => return Ok((*only).clone()),
        ([], []) => {
            return Err(Error::bad_image(
                "no image: the index leads to no manifest at hand",
            ));
        }
        ([], [other, ..]) => return Err(no_manifest(other)),
        _ => {}
    }
    let mut suitable = Vec::new();
    let mut suitable_absent = Vec::new();
    let mut here = Vec::new();
    let mut offered = Vec::new();
    for &manifest in &manifests {
        let is_here = is_here(documents, manifest)?;
        let Some(platform) = platform_of(documents, manifest)? else {
            continue;
        };
        let suitability = wanted.platform.suitability(&platform);
        let suitability = suitability.map(|suitability| (suitability, manifest));
        if is_here {
            here.push(manifest);
            suitable.extend(suitability);
        } else {
            suitable_absent.extend(suitability);
        }
        let platform = shown(&platform.to_string());
        let shown = if is_here {
            platform
        } else {
            format!("{platform} (not here)")
        };
        if !offered.contains(&shown) && offered.len() <= MAX_OFFERED {
            offered.push(shown);
        }
    }
    let only_here = match &here[..] {
        [only] if !wanted.is_explicit => Some(*only),
        _ => None,
    };
    let unknown = manifests.first().copied().filter(|_| offered.is_empty());
    let chosen = best(&suitable).or(only_here).or(best(&suitable_absent));
    // What none of them is for, no platform chooses.
    let chosen = chosen.or(unknown);
    chosen.cloned().ok_or_else(|| {
        if offered.len() > MAX_OFFERED {
            offered[MAX_OFFERED] = "others".to_owned();
        }
        Error::unsupported(format!(
            "no image for {}: choose by --platform one of {}",
            wanted.platform,
            offered.join(", ")
        ))
    })
}

/// Platforms told in an error.
const MAX_OFFERED: usize = 40;

/// The most suitable manifest; of equals the one listed before, as everywhere.
fn best<'a>(suitable: &[(u32, &'a Descriptor)]) -> Option<&'a Descriptor> {
    let all = suitable.iter().copied();
    all.reduce(|one, other| if other.0 > one.0 { other } else { one })
        .map(|(_, manifest)| manifest)
}

fn no_manifest(other: &Descriptor) -> Error {
    let name = format!("manifest {}", other.digest);
    match other.kind() {
        Kind::Schema1 => document::schema_1(&name),
        _ => Error::unsupported(format!(
            "{name}: expected an image manifest, found the media type {}",
            shown(&other.media_type)
        )),
    }
}

/// Whether manifest and configuration are at hand. What a registry lists, it has: it is not asked
/// about every platform.
fn is_here(documents: &Documents, descriptor: &Descriptor) -> Result<bool> {
    if documents.store.keeps_documents() {
        return Ok(true);
    }
    // A damaged one is there: it must not be passed over for another platform's.
    let Ok(manifest) = documents.manifest(descriptor) else {
        return Ok(true);
    };
    match manifest {
        Some(manifest) => documents.store.has_blob(&manifest.config.digest),
        None => Ok(false),
    }
}

/// The platform as the index names it, else as the configuration does; `None` where neither is at
/// hand.
fn platform_of(documents: &Documents, descriptor: &Descriptor) -> Result<Option<Platform>> {
    if let Some(platform) = &descriptor.platform {
        return Ok(Some(platform.clone()));
    }
    match documents.manifest(descriptor)? {
        Some(manifest) if manifest.is_image => {
            let config = documents.config(&manifest.config)?;
            Ok(config.map(|config| config.platform))
        }
        _ => Ok(None),
    }
}
