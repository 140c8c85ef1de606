//! What is told of a filesystem that was held against a root hash.

use serde::Serialize;

use crate::cli::shown::text::{counted, thousands};
use crate::error::escape_path;
use crate::pipeline::{DamagedBlock, DamagedTreeBlock, HeldAgainstRootHash, uuid_text};
use crate::units::BLOCK_SIZE;

/// The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownProof {
    /// Whether every block is what the root hash is of.
    sound: bool,
    /// The root hash that the data give.
    computed_root_hash: String,
    /// Whether data and tree agree, and have another root hash than the one that was given.
    another: bool,
    uuid: String,
    salt: String,
    hash_file: String,
    hash_offset_bytes: u64,
    data_blocks: u64,
    hash_blocks: u64,
    damaged_data_blocks: u64,
    damaged_hash_blocks: u64,
    /// Data blocks of which damaged hash blocks tell nothing.
    unproven_data_blocks: u64,
    /// The first of them.
    damaged: Vec<ShownDamage>,
    /// Why it cannot be told what damaged blocks are of.
    unowned: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownDamage {
    /// Of the data, or in a level of the tree.
    block: u64,
    /// `null` for data; level 0 has the digests of the data.
    level: Option<usize>,
    /// In its file.
    offset_bytes: u64,
    /// What of the filesystem it is.
    part: Option<String>,
    path: Option<String>,
    inode: Option<u32>,
    #[serde(skip)]
    text: String,
}

impl ShownProof {
    pub fn of(held: &HeldAgainstRootHash) -> Self {
        let proof = &held.proof;
        let data_blocks = held.superblock.data_blocks;
        let data = held.data.iter().map(ShownDamage::of_data);
        let tree = held.tree.iter().map(ShownDamage::of_tree);
        Self {
            sound: proof.is_sound(),
            computed_root_hash: proof.computed.to_string(),
            another: proof.is_another,
            uuid: uuid_text(held.superblock.uuid),
            salt: held.superblock.salt.to_string(),
            hash_file: held.hash_file.display().to_string(),
            hash_offset_bytes: held.hash_offset_bytes,
            data_blocks,
            hash_blocks: held.tree_blocks,
            damaged_data_blocks: proof.data.count,
            damaged_hash_blocks: proof.tree.count,
            unproven_data_blocks: proof.unproven,
            damaged: data.chain(tree).collect(),
            unowned: held.unowned.clone(),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let all = counted(self.data_blocks, "data block", "data blocks");
        if self.sound {
            let hashes = counted(self.hash_blocks, "hash block", "hash blocks");
            return format!("sound: {all}, {hashes}\n");
        }
        if self.another {
            return format!(
                "different: data and hash tree agree, and are those of another root hash:\n{}\n",
                self.computed_root_hash
            );
        }
        let mut text = String::new();
        let mut left = [self.damaged_data_blocks, self.damaged_hash_blocks];
        for damage in &self.damaged {
            text.push_str(&damage.text);
            left[usize::from(damage.level.is_some())] -= 1;
        }
        for (left, what) in left.into_iter().zip(["data", "hash"]) {
            if left > 0 {
                text.push_str(&format!("and {} more {what} blocks\n", thousands(left)));
            }
        }
        if let Some(why) = &self.unowned {
            text.push_str(&format!("what they are of cannot be told: {why}\n"));
        }
        text.push_str(&format!(
            "damaged: {} of {all}, {} of {}",
            thousands(self.damaged_data_blocks),
            thousands(self.damaged_hash_blocks),
            counted(self.hash_blocks, "hash block", "hash blocks")
        ));
        if self.unproven_data_blocks > 0 {
            let unproven = thousands(self.unproven_data_blocks);
            text.push_str(&format!("; of {unproven} data blocks the hashes are lost"));
        }
        text.push('\n');
        if self.unproven_data_blocks == self.data_blocks {
            text.push_str(
                "the topmost hash block is damaged, or the root hash is another filesystem's\n",
            );
        }
        text
    }
}

impl ShownDamage {
    fn of_data(damaged: &DamagedBlock) -> Self {
        let DamagedBlock { block, owner } = damaged;
        let byte = block * BLOCK_SIZE;
        let of = owner.as_ref().map(|owner| format!(": {owner}"));
        let text = format!(
            "data block {block} at byte {byte}{}\n",
            of.unwrap_or_default()
        );
        let owner = owner.as_ref();
        let path = owner.and_then(|owner| owner.path.as_ref());
        Self {
            block: *block,
            level: None,
            offset_bytes: byte,
            part: owner.map(|owner| owner.part.to_string()),
            path: path.map(|path| format!("/{}", escape_path(path))),
            inode: owner.and_then(|owner| owner.inode).map(|inode| inode.0),
            text,
        }
    }

    fn of_tree(damaged: &DamagedTreeBlock) -> Self {
        let DamagedTreeBlock {
            level,
            block,
            offset_bytes,
            ref data,
        } = *damaged;
        let text = format!(
            "hash block {block} of level {level} at byte {offset_bytes}, for data blocks {} to {}\n",
            data.start,
            data.end.saturating_sub(1)
        );
        Self {
            block,
            level: Some(level),
            offset_bytes,
            part: None,
            path: None,
            inode: None,
            text,
        }
    }
}
