//! The tree so far and what is needed to go on.

use super::FlattenOptions;
use super::growing::{GrowingTree, Slot, implied_attributes};
use crate::layers::Origin;
use crate::warnings::Warnings;

/// What is carried from entry to entry; how each is applied says `changeset`.
pub(super) struct Flattening<'a> {
    pub tree: GrowingTree,
    pub options: &'a FlattenOptions,
    pub warnings: Warnings,
    /// The layer being applied; what is put in counts on behind the layers.
    pub layer: u32,
    /// Whose bytes its files' contents are.
    pub origin: Origin,
    /// Whether what is put in takes the place of what is not of its kind.
    pub replaces: bool,
    /// Hard links of this layer whose targets had not come when they did.
    pub pending: Vec<Slot>,
}

impl<'a> Flattening<'a> {
    /// Before the base layer.
    pub fn new(options: &'a FlattenOptions) -> Self {
        let root = implied_attributes(options.default_time);
        Self {
            tree: GrowingTree::new(root, options.limits.max_entries),
            options,
            warnings: Warnings::default(),
            layer: 0,
            origin: Origin::Layer(0),
            replaces: true,
            pending: Vec::new(),
        }
    }
}
