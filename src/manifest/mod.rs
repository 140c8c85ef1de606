//! What is told of a build in a file beside its output: what went in, how, and what came out.
//!
//! Nothing here is of the machine that built it: no path but the names of files, no time but the
//! image's, no user. The same image, request and versions give the same bytes everywhere.

mod request;
mod start;

pub use request::{Requested, RequestedVerity};
pub use start::Start;

use serde::{Deserialize, Serialize};

/// The version of the form.
pub const SCHEMA: &str = "layerpress.manifest.v1";

/// The document. Keys are those of every `--json`; digests have their algorithm before them, but a
/// file's `sha256`, which is 64 digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// What went in.
    pub image: ManifestImage,
    /// What was asked for, as far as bytes depend on it.
    pub request: Requested,
    /// The SHA-256 of `request` in its shortest JSON, keys in the order they have here.
    pub request_sha256: String,
    /// The digest of what determines the tree: the layers, and what the edits did.
    pub recipe_digest: String,
    /// The digest of what the edits did; none where the tree is what the layers show.
    pub edits_digest: Option<String>,
    /// The digest of what was put in, where some of that came of the host (`--overlay`, `--add`): the same
    /// request puts in something else when that changes.
    pub put_in_digest: Option<String>,
    /// The filesystem that this one was laid out like, where it was like one: the same image and request
    /// give another when that changes.
    #[serde(default)]
    pub like: Option<ManifestLike>,
    /// How a container of the image starts, as its configuration says.
    pub start: Start,
    /// The file that the filesystem is in, with a hash tree that was appended; under the name that it has,
    /// or would have where only what it is compressed to is kept.
    pub output: ManifestFile,
    /// What came out.
    pub filesystem: ManifestFilesystem,
    /// What is in it.
    pub counts: Counts,
    /// The hash tree of dm-verity, where there is one.
    pub verity: Option<ManifestVerity>,
    /// What the output was held against before it got its name.
    pub proofs: Proofs,
    /// Every file that was written, but this one; ascending by name.
    pub files: Vec<ManifestFile>,
    /// Who made it.
    pub versions: Versions,
}

/// The image that went in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManifestImage {
    /// Its full name where it was found, without transport and path; none where it has none there.
    pub reference: Option<String>,
    /// The digest of its configuration; a root filesystem has none.
    pub image_id: Option<String>,
    /// The digest of its manifest; archives of older `docker save` and root filesystems have none.
    pub manifest_digest: Option<String>,
    /// The name of its stack of layers.
    pub chain_id: String,
    /// What it runs on, as in `linux/amd64`; of a root filesystem what `--platform` said.
    pub platform: Option<String>,
    /// When it was made, RFC 3339, as its configuration says.
    pub created: Option<String>,
    /// Its layers, base first.
    pub layers: Vec<ManifestLayer>,
}

/// A layer of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManifestLayer {
    /// Its place; the base layer's is 1.
    pub index: u64,
    /// The digest of the stored blob, where a manifest says so.
    pub digest: Option<String>,
    /// The digest of the uncompressed tar.
    pub diff_id: String,
}

/// The filesystem that came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManifestFilesystem {
    /// `ext2`, `ext3` or `ext4`.
    pub r#type: String,
    /// Its length, without what stands behind it.
    pub size_bytes: u64,
    /// What an ordinary user can still write, as df tells it.
    pub available_bytes: u64,
    /// What only root can write besides.
    pub reserved_bytes: u64,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// Its blocks.
    pub blocks: Blocks,
    /// Its inodes.
    pub inodes: Inodes,
    /// The journal; 0 where there is none.
    pub journal_bytes: u64,
    /// `s_uuid`.
    pub uuid: String,
    /// `s_hash_seed`.
    pub hash_seed: String,
    /// `s_volume_name`.
    pub label: String,
}

/// A filesystem's blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Blocks {
    /// All.
    pub total: u64,
    /// What an ordinary user can still take.
    pub available: u64,
    /// What only root can take besides.
    pub reserved: u64,
}

/// A filesystem's inodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Inodes {
    /// All.
    pub total: u64,
    /// Those that are free.
    pub free: u64,
}

/// The filesystem that another was laid out like, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManifestLike {
    /// The SHA-256 of the whole file that it was in, 64 digits.
    pub sha256: String,
    /// `kept`, or `fresh` where size, inodes and journal are not those that it had.
    pub layout: String,
    /// Why they are not.
    pub fresh_because: Option<String>,
    /// Names in it whose places could not be told.
    pub left_out_names: u64,
    /// What keeps its place.
    pub kept: ManifestTally,
    /// What was there and has another place.
    pub moved: ManifestTally,
    /// What was not there.
    pub new: ManifestTally,
    /// Of the moved inodes those of another number of blocks.
    pub resized_inodes: u64,
    /// Files in more runs of blocks than a layout like no other would give them.
    pub split_files: u64,
    /// Runs of blocks in which the content of all files lies.
    pub runs: u64,
    /// The same in a layout like no other.
    pub fresh_runs: u64,
}

/// Inodes and blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManifestTally {
    /// Inodes, each once whatever its names.
    pub inodes: u64,
    /// Blocks.
    pub blocks: u64,
}

/// What is in the filesystem, mke2fs's own `lost+found` aside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// All names, the root's among them.
    pub entries: u64,
    /// Directories.
    pub directories: u64,
    /// Regular files; one with several names is one.
    pub files: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Character devices.
    pub character_devices: u64,
    /// Block devices.
    pub block_devices: u64,
    /// FIFOs.
    pub fifos: u64,
    /// Names beyond each file's first.
    pub hard_links: u64,
    /// What the regular files hold, holes included.
    pub content_bytes: u64,
    /// Regular files with the setuid bit.
    pub setuid_files: u64,
    /// Regular files with the setgid bit.
    pub setgid_files: u64,
    /// Files with capabilities.
    pub files_with_capabilities: u64,
    /// Files and directories with an access or default ACL.
    pub entries_with_acls: u64,
    /// Whatever has any extended attribute, those two kinds among them.
    pub entries_with_xattrs: u64,
}

/// The hash tree of dm-verity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManifestVerity {
    /// The hash that vouches for all data.
    pub root_hash: String,
    /// What is hashed before each block, in hexadecimal.
    pub salt: String,
    /// The name of the file that it is in.
    pub file: String,
    /// Where in that file its superblock is.
    pub hash_offset_bytes: u64,
    /// Blocks of the filesystem.
    pub data_blocks: u64,
    /// Blocks of the tree, the superblock's not counted.
    pub hash_blocks: u64,
}

/// What the output was held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Proofs {
    /// Whether `e2fsck -fn` had nothing to say.
    pub e2fsck: bool,
    /// Whether everything was read back and held against the image.
    pub verify: bool,
    /// Whether a hash tree of dm-verity was made of what was proven.
    pub verity: bool,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManifestFile {
    /// Its name, without a path; what is no UTF-8 escaped.
    pub name: String,
    /// Its length.
    pub size_bytes: u64,
    /// The SHA-256 of its bytes, as 64 digits.
    pub sha256: String,
}

/// Who made the output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Versions {
    /// layerpress.
    pub layerpress: String,
    /// mke2fs, which has the version of e2fsprogs.
    pub e2fsprogs: String,
}

impl Manifest {
    /// The document's bytes: JSON of two columns' indent and a newline.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a document.
    ///
    /// # Errors
    /// For what is none, and for one of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if manifest.schema != SCHEMA {
            return Err(format!(
                "expected the schema {SCHEMA}, found {}",
                manifest.schema
            ));
        }
        Ok(manifest)
    }
}
