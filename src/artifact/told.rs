//! What a configuration tells beyond which file it is of. Nobody vouches for any of it: it is shown, and
//! nothing else is done with it.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::oci::document;

/// What is told, as far as it is there and has the form that it should have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Told {
    /// The digest of what determines the tree.
    pub recipe_digest: Option<String>,
    /// The filesystem in the file.
    pub filesystem: Option<ToldFilesystem>,
    /// The hash tree of dm-verity.
    pub verity: Option<ToldVerity>,
    /// The image that it was built of; in a build's manifest alone.
    pub image: Option<ToldImage>,
    /// Who built it; in a build's manifest alone.
    pub versions: Option<ToldVersions>,
}

/// The filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ToldFilesystem {
    /// `ext2`, `ext3` or `ext4`.
    pub r#type: String,
    /// Its length, without what stands behind it.
    pub size_bytes: u64,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// `s_uuid`.
    pub uuid: String,
    /// `s_volume_name`.
    pub label: String,
}

/// The hash tree of dm-verity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ToldVerity {
    /// The hash that vouches for all data, where the build's manifest has it.
    #[serde(default)]
    pub root_hash: Option<String>,
    /// Where in the file its superblock is.
    pub hash_offset_bytes: u64,
}

/// The image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ToldImage {
    /// Its full name where it was found.
    pub reference: Option<String>,
    /// The digest of its configuration.
    pub image_id: Option<String>,
    /// The digest of its manifest.
    pub manifest_digest: Option<String>,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
}

/// Who built it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ToldVersions {
    /// layerpress.
    pub layerpress: String,
    /// mke2fs.
    pub e2fsprogs: String,
}

impl Told {
    /// Reads a configuration of either form, or of none.
    pub fn of(config: &[u8]) -> Self {
        let config: Value = document::parse(config, "").unwrap_or_default();
        Self {
            recipe_digest: part(&config, "recipe_digest"),
            filesystem: part(&config, "filesystem"),
            verity: part(&config, "verity"),
            image: part(&config, "image"),
            versions: part(&config, "versions"),
        }
    }
}

fn part<T: DeserializeOwned>(config: &Value, key: &str) -> Option<T> {
    serde_json::from_value(config.get(key)?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_told_by_itself_whatever_the_others_are() {
        let config = br#"{ "recipe_digest": 5, "versions": { "layerpress": "1", "e2fsprogs": "2" },
            "image": { "reference": null, "image_id": "sha256:a", "more": [] },
            "verity": { "hash_offset_bytes": -1 }, "filesystem": [] }"#;
        let told = Told::of(config);
        assert_eq!(told.recipe_digest, None);
        assert_eq!(told.versions.unwrap().e2fsprogs, "2");
        assert_eq!(told.image.unwrap().image_id.unwrap(), "sha256:a");
        assert_eq!((told.verity, told.filesystem), (None, None));
        for other in [&b""[..], b"[]", b"{}", b"\xff"] {
            assert_eq!(Told::of(other), Told::default());
        }
    }
}
