//! What a tree was made from.

use std::fmt;

use super::edit::EditsDigest;
use crate::oci::{ChainId, DiffId, Digest, DigestHasher};

/// Whatever determines a tree, in words: who makes the same of the same has the same recipe, and
/// who does not has another. What tells a filesystem from others comes of it.
///
/// Its text is the chain ID of the layers and a line's end; where edits have changed what the layers
/// show, the word `edits`, a space, the digest of what they did and a line's end follow. A digest's
/// text has no line's end in it, so that no recipe of two lines is ever the text of a chain ID alone,
/// and trees without edits keep the recipe they have always had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    chain_id: ChainId,
    edits: Option<EditsDigest>,
}

impl Recipe {
    /// Layers as they are, by their diff IDs, base first. These need not be known before the tree is:
    /// a tree has no recipe, and who names what is made of it waits for one.
    pub fn of_layers(diff_ids: &[DiffId]) -> Self {
        Self {
            chain_id: ChainId::of(diff_ids),
            edits: None,
        }
    }

    /// The same layers with what edits did to them, if they did anything.
    #[must_use]
    pub fn with_edits(self, edits: Option<EditsDigest>) -> Self {
        Self { edits, ..self }
    }

    /// The chain ID, where the tree is what the layers show and nothing else.
    pub fn chain_id(&self) -> Option<&ChainId> {
        self.edits.is_none().then_some(&self.chain_id)
    }

    /// The SHA-256 of its text, the name of a tree that is more than its layers.
    pub fn digest(&self) -> Digest {
        DigestHasher::sha256().of(self.to_string().as_bytes())
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.chain_id)?;
        match &self.edits {
            Some(edits) => writeln!(f, "edits {edits}"),
            None => Ok(()),
        }
    }
}
