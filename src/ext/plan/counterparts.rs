//! Which node of an earlier filesystem a tree's node was.

use super::earlier::Earlier;
use super::inode_numbers::file_type;
use crate::ondisk::inode::FileType;
use crate::tree::{NodeId, NodeKind, Tree};

/// For each of the tree's nodes the place in [`Earlier::nodes`] of what had one of its names, if that
/// was of the same type. The first name in the tree's order counts, and what was one node is
/// nobody's twice.
///
/// The tree is walked and not what is earlier, which may have circles.
pub fn counterparts(tree: &Tree, earlier: &Earlier) -> Vec<Option<u32>> {
    let mut of = vec![None; tree.nodes().len()];
    let mut is_taken = vec![false; earlier.nodes.len()];
    if let Some(root) = earlier.nodes.first()
        && root.kind == FileType::Directory
    {
        of[NodeId::ROOT.index()] = Some(0);
        is_taken[0] = true;
    }
    for (id, node) in tree.nodes() {
        let (NodeKind::Directory(directory), Some(own)) = (&node.kind, of[id.index()]) else {
            continue;
        };
        let own = &earlier.nodes[own as usize];
        for (name, child) in &directory.children {
            if of[child.index()].is_some() {
                continue;
            }
            let Some(found) = own.child(name) else {
                continue;
            };
            let (Some(was), Some(is_taken)) = (
                earlier.nodes.get(found as usize),
                is_taken.get_mut(found as usize),
            ) else {
                continue;
            };
            if was.kind == file_type(&tree.node(*child).kind) && !*is_taken {
                *is_taken = true;
                of[child.index()] = Some(found);
            }
        }
    }
    of
}
