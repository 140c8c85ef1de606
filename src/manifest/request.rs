//! What was asked for, as far as the bytes of what is made depend on it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::oci::DigestHasher;

/// What was asked for: all that determines the bytes besides the image, and nothing else. Neither
/// programs nor credentials nor where things are on the machine are part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Requested {
    /// `ext2`, `ext3` or `ext4`.
    pub filesystem_type: String,
    /// As `--size` takes it.
    pub size: String,
    /// Inodes to stay free.
    pub free_inodes: u32,
    /// As `--journal` takes it.
    pub journal: String,
    /// The UUID in place of the tree's own.
    pub uuid: Option<String>,
    /// The hash seed in place of the one that all filesystems have.
    pub hash_seed: Option<String>,
    /// `s_volume_name`.
    pub label: String,
    /// The time in place of the image's own, in seconds since 1970.
    pub source_date_epoch: Option<i64>,
    /// Whether the flags that chattr sets are kept.
    pub file_flags: bool,
    /// The hash tree of dm-verity, where one is wanted.
    pub verity: Option<RequestedVerity>,
    /// What the output is compressed to, with its level, as `zstd:3`, where that is wanted.
    pub compress: Option<String>,
    /// Whether only that is kept.
    pub compress_only: bool,
    /// The edits of the tree as a recipe writes them, those that were not asked for left out; of a
    /// path on the host its last component.
    pub edits: Map<String, Value>,
}

/// A hash tree that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestedVerity {
    /// Whether it goes into a file of its own.
    pub own_file: bool,
    /// What is hashed before each block, in hexadecimal.
    pub salt: String,
}

/// The edits whose content is on the host: what is made of them depends on more than the request.
const FROM_HOST: [&str; 2] = ["overlay", "add"];

impl Requested {
    /// The SHA-256 of its shortest JSON, keys in the order they have here; of 64 digits.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn sha256(&self) -> serde_json::Result<String> {
        let mut hasher = DigestHasher::sha256();
        hasher.update(&serde_json::to_vec(self)?);
        Ok(hasher.finish().digest().to_owned())
    }

    /// Whether something of the host's goes in, which can change while the request stays the same.
    pub fn reads_host(&self) -> bool {
        FROM_HOST.iter().any(|key| self.edits.contains_key(*key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requested() -> Requested {
        Requested {
            filesystem_type: "ext3".to_owned(),
            size: "107%".to_owned(),
            free_inodes: 0,
            journal: "auto".to_owned(),
            uuid: None,
            hash_seed: None,
            label: String::new(),
            source_date_epoch: None,
            file_flags: false,
            verity: None,
            compress: None,
            compress_only: false,
            edits: Map::new(),
        }
    }

    #[test]
    fn whatever_is_asked_for_changes_the_digest() {
        let plain = requested().sha256().unwrap();
        assert_eq!(plain, requested().sha256().unwrap());
        let changes: [fn(&mut Requested); 13] = [
            |asked| asked.filesystem_type = "ext4".to_owned(),
            |asked| asked.size = "fit".to_owned(),
            |asked| asked.free_inodes = 1,
            |asked| asked.journal = "none".to_owned(),
            |asked| asked.uuid = Some(String::new()),
            |asked| asked.hash_seed = Some(String::new()),
            |asked| asked.label = "root".to_owned(),
            |asked| asked.source_date_epoch = Some(1),
            |asked| asked.file_flags = true,
            |asked| {
                asked.verity = Some(RequestedVerity {
                    own_file: false,
                    salt: String::new(),
                });
            },
            |asked| asked.compress = Some("gzip:6".to_owned()),
            |asked| asked.compress_only = true,
            |asked| {
                asked.edits.insert("remove".to_owned(), Value::Null);
            },
        ];
        let mut digests: Vec<_> = changes
            .iter()
            .map(|change| {
                let mut asked = requested();
                change(&mut asked);
                asked.sha256().unwrap()
            })
            .chain([plain])
            .collect();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), changes.len() + 1);
    }

    #[test]
    fn edits_from_the_host_are_told_from_others() {
        let mut asked = requested();
        asked.edits.insert("mkdir".to_owned(), Value::Null);
        assert!(!asked.reads_host());
        asked.edits.insert("add".to_owned(), Value::Null);
        assert!(asked.reads_host());
    }
}
