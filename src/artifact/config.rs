//! The configuration: what is known of the file, and which file that is.
//!
//! It is the build's manifest where there is one, or else what the filesystem says of itself. Whoever
//! reads it may rely on `output`, which names the file by length and SHA-256, and on nothing else.

use serde::{Deserialize, Serialize};

use super::Artifact;
use crate::error::{Error, Result, shown};
use crate::manifest::{Manifest, ManifestFile, ManifestVerity};
use crate::oci::document;

/// The form of a configuration that no build's manifest is at hand for.
pub const SCHEMA: &str = "layerpress.artifact-config.v1";

/// What the file is called in every configuration: its name on the disk it came from is that disk's
/// own, and two files of the same bytes make the same artifact.
const FILE_NAME: &str = "filesystem.img";

/// What a hash tree in a file of its own is called, which is no part of the artifact.
const TREE_NAME: &str = "filesystem.img.verity";

/// What a filesystem without a build's manifest says of itself. Keys are those of the build's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Config {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The digest of what determines the tree, where it stands in the filesystem: where layerpress made it
    /// of an image with edits.
    pub recipe_digest: Option<String>,
    /// The file.
    pub output: ConfigOutput,
    /// What is in it.
    pub filesystem: ConfigFilesystem,
    /// The hash tree of dm-verity behind the filesystem, where there is one.
    pub verity: Option<ConfigVerity>,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigOutput {
    /// Its length.
    pub size_bytes: u64,
    /// The SHA-256 of its bytes, as 64 digits.
    pub sha256: String,
}

/// The filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigFilesystem {
    /// `ext2`, `ext3` or `ext4`.
    pub r#type: String,
    /// Its length, without what stands behind it.
    pub size_bytes: u64,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// `s_uuid`.
    pub uuid: String,
    /// `s_volume_name`, escaped.
    pub label: String,
}

/// The hash tree of dm-verity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigVerity {
    /// What is hashed before each block, in hexadecimal.
    pub salt: String,
    /// Where in the file its superblock is.
    pub hash_offset_bytes: u64,
    /// Blocks of the filesystem.
    pub data_blocks: u64,
}

impl Config {
    /// The document's bytes.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where it cannot be told as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(no_json)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The bytes of a build's manifest as a configuration: without the names that files had on the host,
    /// and without files that are no part of the artifact.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where it cannot be told as JSON.
    pub fn of_build(manifest: &Manifest) -> Result<Vec<u8>> {
        let mut manifest = manifest.clone();
        let own_name = std::mem::replace(&mut manifest.output.name, FILE_NAME.to_owned());
        if let Some(verity) = &mut manifest.verity {
            verity.file = tree_name(verity, &own_name).to_owned();
        }
        manifest.files = vec![ManifestFile {
            name: FILE_NAME.to_owned(),
            ..manifest.output.clone()
        }];
        manifest.to_bytes().map_err(no_json)
    }
}

fn tree_name(verity: &ManifestVerity, own_name: &str) -> &'static str {
    match verity.file == own_name {
        true => FILE_NAME,
        false => TREE_NAME,
    }
}

/// What every configuration says.
#[derive(Deserialize)]
struct Outline {
    output: ConfigOutput,
}

impl Artifact {
    /// Holds the configuration's bytes against what the manifest says: their length and digest, and that
    /// it is this file's and no other's. Errors begin with `name`.
    ///
    /// # Errors
    /// [`Error::BadImage`] where they are another's.
    pub fn check_config(&self, bytes: &[u8], name: &str) -> Result<()> {
        document::check_length(bytes.len() as u64, &self.config, name)?;
        document::check_digest(bytes, &self.config.digest, name)?;
        let Outline { output } = document::parse(bytes, name)?;
        let expected = (self.size_bytes, self.sha256.digest());
        if (output.size_bytes, output.sha256.as_str()) != expected {
            return Err(Error::bad_image(format!(
                "{name}: expected the configuration of a file of {} bytes with the SHA-256 {}, found that of one of {} bytes with {}",
                expected.0,
                expected.1,
                output.size_bytes,
                shown(&output.sha256)
            )));
        }
        Ok(())
    }
}

fn no_json(error: serde_json::Error) -> Error {
    Error::Mismatch(format!("cannot make JSON: {error}"))
}
