//! What each layer does to the tree below it, counted while it is applied.

use super::frozen::NodeKind;
use crate::layers::Origin;

/// What one layer does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayerTally {
    /// Names that were not there before. One that the layer hides first counts as hidden and added.
    pub added: u64,
    /// Names that were there and lead to something else now, and directories with other attributes.
    pub changed: u64,
    /// Names of lower layers that are gone: by whiteouts, and below what was replaced.
    pub hidden: u64,
    /// Bytes of lower layers' files of which the last name went, be it for another file.
    pub hidden_bytes: u64,
}

/// A file's data that no name leads to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HiddenData {
    /// The layer it is in, from 0, the base.
    pub layer: u32,
    /// Where its first byte is in that layer's tar.
    pub offset_bytes: u64,
    /// The layer that took its last name.
    pub hidden_by: u32,
}

/// What all layers did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Base first.
    pub layers: Vec<LayerTally>,
    /// What no one sees any more, in the order it was hidden.
    pub hidden: Vec<HiddenData>,
}

impl Tally {
    /// The layer that is being applied.
    fn layer(&self) -> u32 {
        (self.layers.len() as u32).saturating_sub(1)
    }

    pub(super) fn count(&mut self, count: impl FnOnce(&mut LayerTally)) {
        if let Some(layer) = self.layers.last_mut() {
            count(layer);
        }
    }

    /// A name was given to something; `before` is the layer of what had it.
    pub(super) fn named(&mut self, before: Option<u32>) {
        let layer = self.layer();
        self.count(|tally| match before {
            None => tally.added += 1,
            Some(before) if before < layer => tally.changed += 1,
            // Twice in one layer: counted when it came first.
            Some(_) => {}
        });
    }

    /// A name that a layer gave is gone, and nothing took it.
    pub(super) fn hid(&mut self, of_layer: u32) {
        let layer = self.layer();
        self.count(|tally| tally.hidden += u64::from(of_layer < layer));
    }

    /// The last name of something is gone.
    pub(super) fn lost(&mut self, kind: &NodeKind) {
        let NodeKind::Regular(file) = kind else {
            return;
        };
        let Origin::Layer(of_layer) = file.origin else {
            return;
        };
        let Some(first) = file.content.extents().next() else {
            return;
        };
        let hidden_by = self.layer();
        let bytes: u64 = file.content.extents().map(|one| one.length_bytes).sum();
        if of_layer < hidden_by {
            self.count(|tally| tally.hidden_bytes = tally.hidden_bytes.saturating_add(bytes));
        }
        self.hidden.push(HiddenData {
            layer: of_layer,
            offset_bytes: first.offset_bytes,
            hidden_by,
        });
    }
}
