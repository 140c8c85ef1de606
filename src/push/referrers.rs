//! How an artifact is found by the image that it is of (OCI distribution-spec 1.1, "Listing Referrers"
//! and "Unavailable Referrers API").

use serde_json::{Value, json};

use super::index::{manifests, update};
use super::turns::Tags;
use crate::artifact::ARTIFACT_TYPE;
use crate::error::{Error, Result};
use crate::oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use crate::oci::{Descriptor, Digest, document};

/// Who tells of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    /// The registry itself.
    ByRegistry,
    /// An index under the image's own tag, which the spec calls the referrers tag.
    ByTag,
}

/// Sees to it that the artifact is found by its subject. `is_noted` is whether the registry said so when
/// it got the manifest, if it got it.
///
/// # Errors
/// Those of the registry; [`Error::Unsupported`] where the referrers tag names something else.
pub(crate) fn list(
    tags: &Tags<'_>,
    subject: &Descriptor,
    manifest: (&Digest, u64),
    is_noted: Option<bool>,
) -> Result<Listed> {
    let by_registry = match is_noted {
        Some(is_noted) => is_noted,
        None => tags.repository.lists_referrers(&subject.digest)?,
    };
    if by_registry {
        return Ok(Listed::ByRegistry);
    }
    let tag = tag(&subject.digest);
    update(tags, &tag, |found| {
        let found = found.map(|bytes| document::parse(bytes, &tag));
        with(found.transpose()?, manifest, &tag)
    })?;
    Ok(Listed::ByTag)
}

/// `sha256-…`: at most 32 letters of the algorithm and 64 of the digest, and no other characters than
/// tags may have.
fn tag(subject: &Digest) -> String {
    let allowed = |text: &str, most| -> String {
        let letters = text.chars().take(most);
        letters
            .map(|letter| match letter {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '-' => letter,
                _ => '-',
            })
            .collect()
    };
    let algorithm = allowed(subject.algorithm().as_ref(), 32);
    format!("{algorithm}-{}", allowed(subject.digest(), 64))
}

/// The index with the artifact in it; `None` where it is.
fn with(found: Option<Value>, (digest, size): (&Digest, u64), tag: &str) -> Result<Option<Value>> {
    let mut index = found
        .unwrap_or_else(|| json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] }));
    let is_index = index.get("layers").is_none() && index.get("config").is_none();
    let list = is_index.then(|| manifests(&mut index)).flatten();
    let list = list.ok_or_else(|| {
        Error::unsupported(format!(
            "the tag {tag}: expected the index of an image's referrers, found something else"
        ))
    })?;
    let digest = digest.to_string();
    if list.iter().any(|entry| entry["digest"] == digest.as_str()) {
        return Ok(None);
    }
    list.push(json!({
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "digest": digest,
        "size": size,
    }));
    Ok(Some(index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::DigestHasher;

    fn digest(text: &str) -> Digest {
        DigestHasher::sha256().of(text.as_bytes())
    }

    #[test]
    fn the_tag_is_the_digest_with_a_hyphen() {
        let tag = tag(&digest(""));
        assert_eq!(
            tag,
            "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let long: Digest = format!("sha512:{}", "a".repeat(128)).parse().unwrap();
        assert_eq!(super::tag(&long), format!("sha512-{}", "a".repeat(64)));
    }

    #[test]
    fn what_others_wrote_stays_and_one_artifact_is_listed_once() {
        let artifact = digest("artifact");
        let add = |found| with(found, (&artifact, 5), "t").unwrap();
        let first = add(None).unwrap();
        assert_eq!(first["manifests"].as_array().unwrap().len(), 1);
        assert_eq!(first["manifests"][0]["artifactType"], ARTIFACT_TYPE);
        assert_eq!(add(Some(first)), None);
        let theirs = json!({
            "manifests": [{ "digest": "sha256:x", "unknown": { "a": 1 } }],
            "annotations": { "b": "c" },
        });
        let both = add(Some(theirs.clone())).unwrap();
        assert_eq!(both["manifests"][0], theirs["manifests"][0]);
        assert_eq!(both["annotations"], theirs["annotations"]);
        assert_eq!(both["manifests"].as_array().unwrap().len(), 2);
        assert!(add(Some(json!({ "manifests": null }))).is_some());
        for other in [
            json!({ "layers": [] }),
            json!([]),
            json!({ "manifests": 5 }),
        ] {
            assert!(with(Some(other), (&artifact, 5), "t").is_err());
        }
    }
}
