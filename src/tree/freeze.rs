//! The growing tree put into its final order.

use super::frozen::{Directory, Node, NodeId, NodeKind, Tree};
use super::growing::{Children, GrowingKind, GrowingNode, GrowingTree, Slot};
use crate::warnings::Warnings;

const NOT_MET: u32 = u32::MAX;

/// Which slot becomes which node.
struct Order {
    /// By place in the canonical order.
    slots: Vec<Slot>,
    /// By slot; [`NOT_MET`] for what is not part of the tree.
    ids: Vec<u32>,
    /// By place in the canonical order.
    link_counts: Vec<u32>,
}

/// Numbers the nodes in canonical order, counts their names and drops everything else.
pub(super) fn freeze(tree: GrowingTree, warnings: Warnings) -> Tree {
    let mut growing = tree.into_nodes();
    let order = order(&growing);
    let layers = order.slots.iter().map(|slot| growing[slot.index()].layer);
    let layers = layers.collect();
    let nodes = order
        .slots
        .iter()
        .zip(&order.link_counts)
        .map(|(slot, link_count)| {
            let node = &mut growing[slot.index()];
            let kind = match std::mem::replace(&mut node.kind, GrowingKind::Vacant) {
                GrowingKind::Directory(children) => NodeKind::Directory(Directory {
                    children: children
                        .into_iter()
                        .map(|(name, child)| (name, NodeId(order.ids[child.index()])))
                        .collect(),
                }),
                GrowingKind::Leaf(kind) => kind,
                GrowingKind::PendingLink(_) | GrowingKind::Vacant => {
                    unreachable!(
                        "links are resolved at each layer's end and no name leads to a vacant slot"
                    )
                }
            };
            Node {
                attributes: super::frozen::Attributes {
                    xattrs: std::mem::take(&mut node.attributes.xattrs),
                    ..node.attributes
                },
                kind,
                link_count: *link_count,
            }
        })
        .collect();
    Tree {
        nodes,
        layers,
        warnings,
    }
}

fn order(growing: &[GrowingNode]) -> Order {
    let mut order = Order {
        slots: Vec::with_capacity(growing.len()),
        ids: vec![NOT_MET; growing.len()],
        link_counts: Vec::with_capacity(growing.len()),
    };
    let mut open = vec![Slot::ROOT];
    while let Some(slot) = open.pop() {
        let directory = order.meet(slot, 2);
        let first = open.len();
        for child in children(&growing[slot.index()]).values() {
            if matches!(growing[child.index()].kind, GrowingKind::Directory(_)) {
                order.link_counts[directory] += 1;
                open.push(*child);
            } else if order.ids[child.index()] == NOT_MET {
                order.meet(*child, 1);
            } else {
                order.link_counts[order.ids[child.index()] as usize] += 1;
            }
        }
        open[first..].reverse();
    }
    order
}

impl Order {
    fn meet(&mut self, slot: Slot, link_count: u32) -> usize {
        let place = self.slots.len();
        self.ids[slot.index()] = place as u32;
        self.slots.push(slot);
        self.link_counts.push(link_count);
        place
    }
}

fn children(node: &GrowingNode) -> &Children {
    static NONE: Children = Children::new();
    match &node.kind {
        GrowingKind::Directory(children) => children,
        _ => &NONE,
    }
}
