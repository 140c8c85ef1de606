//! A hash tree of dm-verity as its superblock describes it.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

use crate::cli::shown::table::two_columns;
use crate::cli::shown::text::thousands;
use crate::error::{Error, escape_path};
use crate::pipeline::{FoundVerity, uuid_text};
use crate::units::{BLOCK_SIZE, ByteSize};

/// The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownVerity {
    kind: &'static str,
    path: String,
    /// Why the superblock cannot be read; there is nothing else then.
    damage: Option<String>,
    #[serde(flatten)]
    tree: Option<Tree>,
}

#[derive(Debug, Serialize)]
struct Tree {
    /// If the tree is sound; nothing was checked.
    root_hash: Option<String>,
    salt: String,
    uuid: String,
    hash_type: u32,
    algorithm: &'static str,
    data_block_bytes: u64,
    hash_block_bytes: u64,
    data_blocks: u64,
    /// Without the superblock's.
    hash_blocks: u64,
    /// Of the superblock in its file.
    hash_offset_bytes: u64,
    /// Whether the file ends before the tree does.
    truncated: bool,
}

impl ShownVerity {
    /// What is shown of a superblock found in `path`.
    pub fn of(path: &Path, found: Result<&FoundVerity, &Error>) -> Self {
        Self {
            kind: "verity",
            path: path.display().to_string(),
            damage: found.err().map(ToString::to_string),
            tree: found.ok().map(Tree::of),
        }
    }

    /// For people, of a file of its own.
    pub fn text(&self, terminal: Option<usize>) -> String {
        let file = escape_path(Path::new(&self.path).as_os_str().as_bytes());
        let file = two_columns(&[("file", file)], terminal);
        format!("{file}\n{}", self.details(terminal))
    }

    /// What there is beside the file's name.
    pub fn details(&self, terminal: Option<usize>) -> String {
        match &self.tree {
            Some(tree) => two_columns(&tree.rows(), terminal),
            None => {
                let damage = self.damage.clone().unwrap_or_default();
                two_columns(&[("verity", damage)], terminal)
            }
        }
    }
}

impl Tree {
    fn of(found: &FoundVerity) -> Self {
        let superblock = &found.superblock;
        Self {
            root_hash: found.root_hash.map(|root| root.to_string()),
            salt: superblock.salt.to_string(),
            uuid: uuid_text(superblock.uuid),
            hash_type: 1,
            algorithm: "sha256",
            data_block_bytes: BLOCK_SIZE,
            hash_block_bytes: BLOCK_SIZE,
            data_blocks: superblock.data_blocks,
            hash_blocks: found.tree_blocks,
            hash_offset_bytes: found.hash_offset_bytes,
            truncated: found.is_cut,
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let mut verity = format!(
            "hash type {}, {}, {} of {} blocks of 4 KiB, at byte {}",
            self.hash_type,
            self.algorithm,
            ByteSize((1 + self.hash_blocks) * BLOCK_SIZE),
            thousands(self.data_blocks),
            self.hash_offset_bytes
        );
        if self.truncated {
            verity.push_str("\ncut: the tree is longer than the file");
        }
        let root = match &self.root_hash {
            Some(root) => format!("{root}\nsays the tree; not checked"),
            None => "in nothing but the data".to_owned(),
        };
        vec![
            ("verity", verity),
            ("root hash", root),
            ("salt", self.salt.clone()),
            ("UUID", self.uuid.clone()),
        ]
    }
}
