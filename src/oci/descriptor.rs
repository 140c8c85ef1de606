//! What points at a blob (OCI image-spec, descriptor.md), and the two documents that are made of
//! such pointers. As leniently as Go reads them; the `oci-spec` crate's own refuse what docker
//! and containerd write.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::go_json::{filtered, list, map, or_default};
use super::{Digest, Platform, media_type};

/// A pointer at a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What the blob is said to be; empty where nothing is said.
    pub media_type: String,
    /// What the blob must hash to.
    pub digest: Digest,
    /// How many bytes it must have; 0 also where nothing is said.
    pub size: u64,
    /// Where else the blob is to be had.
    pub urls: Vec<String>,
    /// What else is said of it.
    pub annotations: BTreeMap<String, String>,
    /// What an image that it points at runs on; none where no architecture is named.
    pub platform: Option<Platform>,
    /// What an artifact that it points at is, empty for an image.
    pub artifact_type: String,
}

impl Descriptor {
    /// A pointer that says no more than it must.
    pub fn new(media_type: String, size: u64, digest: Digest) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: String::new(),
        }
    }

    /// What kind of thing it points at.
    pub fn kind(&self) -> media_type::Kind {
        media_type::kind(&self.media_type)
    }

    /// The annotation called `key`.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }
}

/// A pointer as it is written, which may point nowhere.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Written {
    #[serde(deserialize_with = "or_default")]
    media_type: String,
    #[serde(deserialize_with = "digest")]
    digest: Option<Digest>,
    #[serde(deserialize_with = "or_default")]
    size: u64,
    #[serde(deserialize_with = "list")]
    urls: Vec<String>,
    #[serde(deserialize_with = "map")]
    annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    platform: WrittenPlatform,
    #[serde(deserialize_with = "or_default")]
    artifact_type: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WrittenPlatform {
    #[serde(deserialize_with = "or_default")]
    os: String,
    #[serde(deserialize_with = "or_default")]
    architecture: String,
    #[serde(deserialize_with = "or_default")]
    variant: String,
}

impl WrittenPlatform {
    fn platform(&self) -> Option<Platform> {
        let os = if self.os.is_empty() {
            "linux"
        } else {
            &self.os
        };
        let platform = || Platform::new(os, &self.architecture, Some(&self.variant));
        (!self.architecture.is_empty()).then(platform)
    }
}

impl Written {
    /// The pointer; `None` for one that points nowhere.
    fn leading(self) -> Option<Descriptor> {
        Some(Descriptor {
            platform: self.platform.platform(),
            media_type: self.media_type,
            digest: self.digest?,
            size: self.size,
            urls: self.urls,
            annotations: self.annotations,
            artifact_type: self.artifact_type,
        })
    }
}

impl<'de> Deserialize<'de> for Descriptor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written: Written = or_default(deserializer)?;
        written
            .leading()
            .ok_or_else(|| D::Error::custom("expected a descriptor with a digest, found none"))
    }
}

/// A digest; an empty text is none.
fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Digest>, D::Error> {
    let text: String = or_default(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(D::Error::custom)
}

/// The pointers of a list that point anywhere.
fn leading<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Descriptor>, D::Error> {
    filtered(deserializer, Written::leading)
}

/// The pointers of a map that point anywhere.
pub fn leading_map<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Descriptor>, D::Error> {
    let map: BTreeMap<String, Written> = map(deserializer)?;
    let leading = map
        .into_iter()
        .filter_map(|(key, written)| Some((key, written.leading()?)));
    Ok(leading.collect())
}

/// A list of manifests (image-spec, image-index.md), docker's manifest list being the same.
/// Entries without a digest lead nowhere and are left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ImageIndex {
    /// What it leads to.
    #[serde(deserialize_with = "leading")]
    pub manifests: Vec<Descriptor>,
}

/// An image's parts (image-spec, manifest.md).
#[derive(Debug, Deserialize)]
pub struct ImageManifest {
    /// The configuration.
    pub config: Descriptor,
    /// The layers, base first; each must lead somewhere.
    #[serde(default, deserialize_with = "or_default")]
    pub layers: Vec<Descriptor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn descriptor(fields: &str) -> serde_json::Result<Descriptor> {
        serde_json::from_str(&format!(r#"{{"digest":"{DIGEST}"{fields}}}"#))
    }

    #[test]
    fn whatever_is_null_or_absent_is_empty() {
        let bare = descriptor("").unwrap();
        assert_eq!((&*bare.media_type, bare.size), ("", 0));
        let nulls = r#","mediaType":null,"size":null,"urls":null,"annotations":null,"platform":null,
            "artifactType":null,"data":null"#;
        assert_eq!(descriptor(nulls).unwrap(), bare);
        let inner = r#","urls":[null],"annotations":{"a":null,"b":"c"},
            "platform":{"os":null,"architecture":null,"variant":null,"os.features":null}"#;
        let inner = descriptor(inner).unwrap();
        assert_eq!(inner.annotation("a"), Some(""));
        assert_eq!(inner.annotation("b"), Some("c"));
        assert_eq!(inner.platform, None);
        assert_eq!(descriptor(r#","platform":{}"#).unwrap().platform, None);
        let arm = descriptor(r#","platform":{"architecture":"arm64"}"#).unwrap();
        assert_eq!(arm.platform.unwrap().to_string(), "linux/arm64");
    }

    #[test]
    fn lists_may_be_null_absent_or_have_entries_that_lead_nowhere() {
        let count = |text: &str| {
            let index: ImageIndex = serde_json::from_str(text).unwrap();
            index.manifests.len()
        };
        for empty in [
            "{}",
            r#"{"manifests":null}"#,
            r#"{"manifests":[]}"#,
            r#"{"manifests":[null,{},{"digest":""},{"digest":null}]}"#,
        ] {
            assert_eq!(count(empty), 0, "{empty}");
        }
        let one = format!(r#"{{"manifests":[null,{{"digest":"{DIGEST}"}}]}}"#);
        assert_eq!(count(&one), 1);
        for layers in ["", r#","layers":null"#, r#","layers":[]"#] {
            let text = format!(r#"{{"config":{{"digest":"{DIGEST}"}}{layers}}}"#);
            let manifest: ImageManifest = serde_json::from_str(&text).unwrap();
            assert!(manifest.layers.is_empty());
        }
    }

    #[test]
    fn what_must_lead_somewhere_is_an_error_where_it_does_not() {
        for wrong in [
            r#"{"config":{}}"#,
            r#"{"config":null}"#,
            r#"{"layers":[]}"#,
            &format!(r#"{{"config":{{"digest":"{DIGEST}"}},"layers":[{{}}]}}"#),
            r#"{"config":{"digest":"../../etc/passwd"}}"#,
        ] {
            assert!(
                serde_json::from_str::<ImageManifest>(wrong).is_err(),
                "{wrong}"
            );
        }
        assert!(serde_json::from_str::<ImageIndex>(r#"{"manifests":[{"digest":"x"}]}"#).is_err());
        assert!(serde_json::from_str::<ImageIndex>(r#"{"manifests":7}"#).is_err());
    }
}
