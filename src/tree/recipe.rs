//! What a tree was made from.

use std::fmt;

use crate::oci::{ChainId, DiffId};

/// Whatever determines a tree, in words: who makes the same of the same has the same recipe, and
/// who does not has another. What tells a filesystem from others comes of it.
///
/// Its text is the chain ID of the layers and a line's end. Whatever else comes to determine a tree
/// (edits, by the digest of what they did) is told in further lines, and only where it is there: a
/// digest's text has no line's end in it, so that no recipe of several lines is ever the text of a
/// chain ID alone, and trees without edits keep the recipe they have always had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    chain_id: ChainId,
}

impl Recipe {
    /// Layers as they are, by their diff IDs, base first. These need not be known before the tree is:
    /// a tree has no recipe, and who names what is made of it waits for one.
    pub fn of_layers(diff_ids: &[DiffId]) -> Self {
        Self {
            chain_id: ChainId::of(diff_ids),
        }
    }

    /// The chain ID, where the tree is what the layers show and nothing else.
    pub fn chain_id(&self) -> Option<&ChainId> {
        Some(&self.chain_id)
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.chain_id)
    }
}
