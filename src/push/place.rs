//! What a tag means now, and what it may mean then.

use serde_json::{Value, json};

use super::Pushing;
use super::index::{check_objects, manifests, update};
use super::turns::Tags;
use crate::artifact::{ARTIFACT_TYPE, PLATFORM, is_artifact};
use crate::error::{Error, Result, shown};
use crate::oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use crate::oci::{Digest, DigestHasher, Platform, document};

/// Platforms told in an error.
const MAX_TOLD: usize = 40;

/// What a tag means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AtTag {
    Nothing,
    /// A filesystem, by its manifest's digest, and what that says of its platform.
    Artifact(Digest, u64, Option<Platform>),
    /// An index of filesystems, for these platforms.
    Index(Vec<String>),
    /// What else it is, for an error.
    Other(String),
}

/// Asks what a tag means.
///
/// # Errors
/// Those of the registry.
pub(crate) fn at_tag(repository: &Pushing<'_>, tag: &str) -> Result<AtTag> {
    let found = repository.manifest(tag)?;
    if let Some((_, bytes)) = &found {
        check_objects(bytes, tag)?;
    }
    Ok(found.map_or(AtTag::Nothing, |(_, bytes)| meaning(&bytes)))
}

fn meaning(bytes: &[u8]) -> AtTag {
    let Ok(value) = document::parse::<Value>(bytes, "") else {
        return AtTag::Other("something that is no manifest".to_owned());
    };
    let text = |value: &Value, key: &str| {
        let text = value.get(key).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    if let Some(list) = value.get("manifests").and_then(Value::as_array) {
        let is_ours = |entry: &Value| is_artifact(&text(entry, "artifactType"), "");
        if !list.iter().all(is_ours) {
            return AtTag::Other("an index of container images".to_owned());
        }
        let platforms = list.iter().map(|entry| {
            let platform = platform_of(entry).map(|platform| platform.to_string());
            platform.unwrap_or_else(|| "an unknown platform".to_owned())
        });
        return AtTag::Index(platforms.collect());
    }
    let config_type = value.get("config").map(|config| text(config, "mediaType"));
    let own_type = text(&value, "artifactType");
    if !is_artifact(&own_type, &config_type.unwrap_or_default()) {
        return AtTag::Other(match &*own_type {
            "" => "a container image".to_owned(),
            other => format!("an artifact of the type {}", shown(other)),
        });
    }
    let platform = value.get("annotations").map(|all| text(all, PLATFORM));
    let platform = platform.and_then(|platform| platform.parse().ok());
    let digest = DigestHasher::sha256().of(bytes);
    AtTag::Artifact(digest, bytes.len() as u64, platform)
}

/// The platform of an entry in an index.
fn platform_of(entry: &Value) -> Option<Platform> {
    let platform = entry.get("platform")?;
    let text = |key| platform.get(key).and_then(Value::as_str);
    Some(Platform::new(
        text("os").unwrap_or("linux"),
        text("architecture")?,
        text("variant"),
    ))
}

/// Holds what a tag means against what it is to mean: a filesystem, or an index with one for `platform`.
/// Errors call it `name`.
///
/// # Errors
/// [`Error::Unsupported`] where something would be lost.
pub(crate) fn check_place(found: &AtTag, platform: Option<&Platform>, name: &str) -> Result<()> {
    let lost = match (found, platform) {
        (AtTag::Nothing, _)
        | (AtTag::Artifact(..), None)
        | (AtTag::Artifact(_, _, Some(_)) | AtTag::Index(_), Some(_)) => return Ok(()),
        (AtTag::Other(what), _) => format!("found {what}: another tag keeps it"),
        (AtTag::Index(platforms), None) => {
            let told: Vec<_> = platforms
                .iter()
                .take(MAX_TOLD)
                .map(|text| shown(text))
                .collect();
            format!(
                "found an index of filesystems for {}: --platform puts this one into it",
                told.join(", ")
            )
        }
        (AtTag::Artifact(_, _, None), Some(_)) => {
            "found a filesystem for an unknown platform: without --platform it is replaced"
                .to_owned()
        }
    };
    Err(Error::unsupported(format!(
        "{name}: expected nothing there, or a filesystem, {lost}, --replace does not"
    )))
}

/// Puts a manifest under a tag, unless the tag means it already. Tells what
/// [`Pushing::put_manifest`] does, `None` where there was nothing to put. What the tag means may have
/// changed since the push began; `replace` is whether anything may be lost.
///
/// # Errors
/// Those of the registry and of [`check_place`].
pub(crate) fn put_alone(
    tags: &Tags<'_>,
    tag: &str,
    (digest, bytes): (&Digest, &[u8]),
    replace: bool,
) -> Result<Option<bool>> {
    let _turn = tags.turn(tag);
    let found = at_tag(tags.repository, tag)?;
    if !replace {
        check_place(&found, None, "the tag")?;
    }
    if matches!(&found, AtTag::Artifact(found, ..) if found == digest) {
        return Ok(None);
    }
    let put = tags.repository.put_manifest(tag, OCI_MANIFEST, bytes)?;
    Ok(Some(put))
}

/// Puts a manifest that the repository has into the index under a tag, in the place of what was there
/// for its platform. Gives the index's digest, and whether it was written. What the tag means may have
/// changed since the push began; `replace` is whether anything else may be lost.
///
/// # Errors
/// Those of the registry and of [`check_place`].
pub(crate) fn put_into_index(
    tags: &Tags<'_>,
    tag: &str,
    (digest, size): (&Digest, u64),
    platform: &Platform,
    replace: bool,
) -> Result<(Digest, bool)> {
    update(tags, tag, |found| {
        if !replace {
            let found = found.map_or(AtTag::Nothing, meaning);
            check_place(&found, Some(platform), "the tag")?;
        }
        let own = entry(digest, size, platform);
        Ok(with(found.unwrap_or_default(), own, platform))
    })
}

fn entry(digest: &Digest, size: u64, platform: &Platform) -> Value {
    let mut told = json!({ "os": platform.os(), "architecture": platform.architecture() });
    if let Some(variant) = platform.variant() {
        told["variant"] = variant.into();
    }
    json!({
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "digest": digest.to_string(),
        "size": size,
        "platform": told,
    })
}

/// The index with an entry for a platform; `None` where it has that.
fn with(found: &[u8], own: Value, platform: &Platform) -> Option<Value> {
    let index_of = |entries: &[Value]| json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
    let mut index = match meaning(found) {
        AtTag::Index(_) => document::parse(found, "").ok()?,
        AtTag::Artifact(digest, size, Some(other)) => index_of(&[entry(&digest, size, &other)]),
        _ => index_of(&[]),
    };
    let list = manifests(&mut index)?;
    if list.contains(&own) {
        return None;
    }
    list.retain(|entry| platform_of(entry).as_ref() != Some(platform));
    list.push(own);
    // The same whoever pushes first.
    list.sort_by_cached_key(|entry| platform_of(entry).map(|platform| platform.to_string()));
    Some(index)
}
