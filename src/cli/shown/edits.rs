//! What edits did to a tree.

use serde::Serialize;

use super::text::thousands;
use crate::pipeline::{LeftOut, Names};
use crate::units::ByteSize;

/// The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownEdits {
    /// Of what they did; `null` where that is nothing.
    edits_digest: Option<String>,
    /// Of layers and edits together, which stands in `lost+found` where edits did something.
    recipe_digest: Option<String>,
    /// Names that filters and removals left out.
    left_out_entries: u64,
    /// Of files of which no name is left.
    left_out_bytes: u64,
}

impl ShownEdits {
    /// What is shown of them.
    pub fn of(names: &Names, left_out: LeftOut) -> Self {
        let edits = names.edits_digest.as_ref();
        Self {
            edits_digest: edits.map(ToString::to_string),
            recipe_digest: edits.map(|_| names.recipe_digest.to_string()),
            left_out_entries: left_out.names,
            left_out_bytes: left_out.bytes,
        }
    }

    /// For people, the digest with what was left out; nothing where there is nothing to tell.
    pub fn row(&self) -> Option<(&'static str, String)> {
        let digest = self.edits_digest.clone()?;
        let left_out = self
            .left_out()
            .map(|left_out| format!("{left_out} left out"));
        let lines = [Some(digest), left_out].into_iter().flatten();
        Some(("edits", lines.collect::<Vec<_>>().join("\n")))
    }

    /// For people, what was left out.
    pub fn left_out(&self) -> Option<String> {
        let size = ByteSize(self.left_out_bytes);
        match self.left_out_entries {
            0 => None,
            1 => Some(format!("1 entry, {size}")),
            entries => Some(format!("{} entries, {size}", thousands(entries))),
        }
    }
}
