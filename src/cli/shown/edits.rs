//! What edits did to a tree.

use serde::Serialize;

use super::text::{counted, thousands};
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

    /// For people; nothing where there is nothing to tell.
    pub fn row(&self) -> Option<(&'static str, String)> {
        let mut text = self.edits_digest.clone()?;
        if self.left_out_entries > 0 {
            text += &format!(
                "\n{} left out, {}",
                match self.left_out_entries {
                    1 => counted(1, "entry", "entries"),
                    entries => format!("{} entries", thousands(entries)),
                },
                ByteSize(self.left_out_bytes)
            );
        }
        Some(("edits", text))
    }
}
