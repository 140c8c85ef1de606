//! Who owns what, and what the root allows.

use super::TreeEdits;
use crate::edits::{Owner, OwnerMapping};
use crate::tree::growing::{GrowingTree, Slot};

/// Gives all that is in the tree to whom it shall belong, and the root its mode. Users that are named
/// elsewhere than as an owner (in ACLs, in a file capability's `rootid`) stay who they are.
pub(super) fn give(tree: &mut GrowingTree, edits: &TreeEdits) {
    if edits.owner.is_some() || !edits.map_owner.is_empty() {
        for node in tree.nodes_mut() {
            let attributes = &mut node.attributes;
            let before = Owner {
                uid: attributes.uid,
                gid: attributes.gid,
            };
            let after = edits
                .owner
                .unwrap_or_else(|| mapped(before, &edits.map_owner));
            (attributes.uid, attributes.gid) = (after.uid, after.gid);
        }
    }
    if let Some(mode) = edits.root_mode {
        tree.node_mut(Slot::ROOT).attributes.set_mode(mode.bits());
    }
}

/// Who an owner becomes: the first mapping that fits the pair, or else of each number the first that
/// fits it; nobody is mapped twice.
fn mapped(before: Owner, mappings: &[OwnerMapping]) -> Owner {
    let mut after = before;
    let (mut is_user_mapped, mut is_group_mapped) = (false, false);
    for mapping in mappings {
        match *mapping {
            OwnerMapping::Pair { from, to } if from == before => {
                if !is_user_mapped {
                    after.uid = to.uid;
                }
                if !is_group_mapped {
                    after.gid = to.gid;
                }
                return after;
            }
            OwnerMapping::Pair { .. } => {}
            OwnerMapping::Number { from, to } => {
                if !is_user_mapped && from == before.uid {
                    after.uid = to;
                    is_user_mapped = true;
                }
                if !is_group_mapped && from == before.gid {
                    after.gid = to;
                    is_group_mapped = true;
                }
            }
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(before: &str, mappings: &[&str]) -> String {
        let mappings: Vec<_> = mappings.iter().map(|text| text.parse().unwrap()).collect();
        mapped(before.parse().unwrap(), &mappings).to_string()
    }

    #[test]
    fn numbers_are_mapped_each_for_itself_and_once() {
        assert_eq!(map("1000:1000", &["1000:0"]), "0:0");
        assert_eq!(map("1000:33", &["1000:0"]), "0:33");
        assert_eq!(map("1:2", &["1:2", "2:1"]), "2:1");
        assert_eq!(map("5:5", &["5:6", "5:7"]), "6:6");
        assert_eq!(map("7:7", &["5:6"]), "7:7");
    }

    #[test]
    fn pairs_are_mapped_together_and_the_first_that_fits_counts() {
        assert_eq!(map("1:2", &["1:2:3:4"]), "3:4");
        assert_eq!(map("1:3", &["1:2:3:4"]), "1:3");
        assert_eq!(map("1:2", &["1:2:3:4", "1:9"]), "3:4");
        assert_eq!(map("1:2", &["1:9", "1:2:3:4"]), "9:4");
    }
}
