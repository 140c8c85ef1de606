//! JSON documents: of bounded size, held against their descriptors before they are believed.

use serde::de::{DeserializeOwned, IgnoredAny};

use super::media_type::{self, Kind, OCI_INDEX, OCI_MANIFEST};
use super::{Descriptor, Digest, DigestHasher};
use crate::error::{Error, Result, shown};

/// No manifest, index or configuration may be larger; registries stop at the same size.
pub const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// Refuses a document that is too large.
pub fn check_size(size_bytes: u64, name: &str) -> Result<()> {
    if size_bytes > MAX_DOCUMENT_BYTES {
        return Err(Error::bad_image(format!(
            "{name}: expected at most {MAX_DOCUMENT_BYTES} bytes, found {size_bytes}"
        )));
    }
    Ok(())
}

/// Holds a blob's length against its descriptor. A length of 0 is also what a descriptor says that
/// has none; the digest speaks for such a blob alone, as it does to containerd.
pub fn check_length(length_bytes: u64, descriptor: &Descriptor, name: &str) -> Result<()> {
    if descriptor.size != 0 && length_bytes != descriptor.size {
        return Err(Error::bad_image(format!(
            "{name}: expected {} bytes, found {length_bytes}",
            descriptor.size,
        )));
    }
    Ok(())
}

/// Holds bytes against the digest they are named by.
pub fn check_digest(bytes: &[u8], expected: &Digest, name: &str) -> Result<()> {
    let found = DigestHasher::like(expected)?.of(bytes);
    if found != *expected {
        return Err(Error::bad_image(format!(
            "{name}: expected the digest {expected}, found {found}"
        )));
    }
    Ok(())
}

/// Holds the digest of what was read against the one it was asked for by.
pub fn check_found(expected: &Digest, found: &Digest) -> Result<()> {
    if found != expected {
        return Err(Error::bad_image(format!(
            "expected bytes of the digest {expected}, found {found}"
        )));
    }
    Ok(())
}

/// Reads JSON. As in Go, bytes of a text that are no UTF-8 become U+FFFD.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], name: &str) -> Result<T> {
    serde_json::from_str(&String::from_utf8_lossy(bytes)).map_err(|error| {
        let told = shown(&error.to_string());
        Error::bad_image(match error.is_syntax() {
            true => format!("{name}: expected JSON, found something else: {told}"),
            false => format!("{name}: {told}"),
        })
    })
}

/// Refuses as no `what` the bytes from `place` that are no JSON, whatever they are called: as the page of
/// a portal that comes in a manifest's place.
pub fn check_json(bytes: &[u8], what: &str, place: &str) -> Result<()> {
    let read = serde_json::from_str::<IgnoredAny>(&String::from_utf8_lossy(bytes));
    read.map(drop).map_err(|error| {
        let told = shown(&error.to_string());
        Error::bad_image(format!(
            "{place}: expected {what} as JSON, found something else: {told}"
        ))
    })
}

/// The fields by which indexes and manifests are told apart.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
    fs_layers: Option<IgnoredAny>,
}

/// What a document is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A list of manifests and further indexes.
    Index,
    /// One image, or an artifact.
    Manifest,
}

/// Refuses a document that could be read as something else than it is named: an index that is also
/// a manifest means one image to one tool and another to the next (CVE-2021-41190).
///
/// What a document calls itself is held against what it must be, as containerd does it: a manifest
/// of OCI's type in docker's place, or the reverse, is one all the same.
pub fn check_form(bytes: &[u8], form: Form, name: &str) -> Result<()> {
    let outline: Outline = parse(bytes, name)?;
    if outline.fs_layers.is_some() || outline.schema_version == Some(1) {
        return Err(schema_1(name));
    }
    // Go writes no 0, and reads what is absent as one.
    if let Some(version) = outline
        .schema_version
        .filter(|version| ![0, 2].contains(version))
    {
        return Err(Error::bad_image(format!(
            "{name}: expected schemaVersion 2, found {version}"
        )));
    }
    let is_manifest = outline.layers.is_some() || outline.config.is_some();
    let wrong = match form {
        Form::Index if is_manifest => Some("an index, found fields of a manifest"),
        Form::Manifest if outline.manifests.is_some() => {
            Some("a manifest, found fields of an index")
        }
        _ => None,
    };
    if let Some(wrong) = wrong {
        return Err(Error::bad_image(format!("{name}: expected {wrong}")));
    }
    let own = outline.media_type.unwrap_or_default();
    let (expected, denied) = match form {
        Form::Index => ("an index", Kind::Manifest),
        Form::Manifest => ("a manifest", Kind::Index),
    };
    if media_type::kind(&own) == denied {
        return Err(Error::bad_image(format!(
            "{name}: expected the media type of {expected}, found {}",
            shown(&own)
        )));
    }
    Ok(())
}

/// The media type of a document that nobody calls anything: its own word, or else its form.
pub fn media_type_by_form(bytes: &[u8], name: &str) -> Result<&'static str> {
    let outline: Outline = parse(bytes, name)?;
    let own = outline.media_type.unwrap_or_default();
    Ok(match media_type::kind(&own) {
        Kind::Index => OCI_INDEX,
        Kind::Manifest => OCI_MANIFEST,
        _ if outline.manifests.is_some() => OCI_INDEX,
        _ => OCI_MANIFEST,
    })
}

/// What a document at the top calls itself, whatever that is; its form, where it does not.
pub fn own_media_type(bytes: &[u8], name: &str) -> Result<String> {
    let outline: Outline = parse(bytes, name)?;
    if outline.fs_layers.is_some() {
        return Err(schema_1(name));
    }
    let by_form = match outline.manifests {
        Some(_) => OCI_INDEX,
        None => OCI_MANIFEST,
    };
    let own = outline.media_type.filter(|own| !own.is_empty());
    Ok(own.unwrap_or_else(|| by_form.to_owned()))
}

/// The refusal of docker's first manifest format.
pub fn schema_1(name: &str) -> Error {
    Error::unsupported(format!(
        "{name}: a docker schema 1 manifest; `skopeo copy` with `--format v2s2` or `--format oci` converts the image"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_told_to_be_something_else() {
        let told = |bytes: &[u8]| {
            parse::<Outline>(bytes, "index.json")
                .err()
                .map(|e| e.to_string())
        };
        let page = told(b"<html>").unwrap();
        assert!(
            page.starts_with("index.json: expected JSON, found something else: "),
            "{page}"
        );
        // What is JSON, as far as it goes, says by itself what is wrong.
        for bytes in [&b"[]"[..], b"{\"schemaVersion\": \"2\"}", b"{"] {
            let told = told(bytes).unwrap_or_default();
            assert!(
                !told.is_empty() && !told.contains("something else"),
                "{told}"
            );
        }
        assert_eq!(told(b"{}"), None);
        for bytes in [&b"{}"[..], b"[\"\xff\"]"] {
            check_json(bytes, "a manifest", "URL").unwrap();
        }
        let page = check_json(b"", "a manifest", "URL")
            .unwrap_err()
            .to_string();
        assert!(
            page.starts_with("URL: expected a manifest as JSON, found something else: "),
            "{page}"
        );
    }
}
