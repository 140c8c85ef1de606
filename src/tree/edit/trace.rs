//! What a path leads to in a tree, through symbolic links, and the names on the way.

use crate::tree::frozen::NodeKind;
use crate::tree::growing::{GrowingKind, GrowingTree, Slot};
use crate::tree::walk::{MAX_FOLLOWED_BYTES, MAX_HOPS, Remaining};

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub directory: Slot,
    pub name: Box<[u8]>,
}

/// Whether the last component is followed where it is a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Followed,
    AsItIs,
}

/// The name that a path below `start` (directories from the root on) leads to, and all that were
/// passed before it, each of which is needed to come there. `None` where it leads to nothing or in a
/// circle; the root has no name.
pub(super) fn trace(
    tree: &GrowingTree,
    start: &[Slot],
    path: &[u8],
    last: Last,
) -> Option<Vec<Name>> {
    let mut open = start.to_vec();
    let mut passed = Vec::new();
    let mut remaining = Remaining::of(path);
    let mut hops = 0;
    let mut followed_bytes = 0;
    while let Some(name) = remaining.next_component() {
        if name == b".." {
            if open.len() > 1 {
                open.pop();
            }
            continue;
        }
        let directory = *open.last()?;
        let slot = tree.child(directory, &name)?;
        passed.push(Name {
            directory,
            name: name.into(),
        });
        match &tree.node(slot).kind {
            GrowingKind::Directory(_) => open.push(slot),
            GrowingKind::Leaf(NodeKind::Symlink(_))
                if last == Last::AsItIs && remaining.is_at_end() => {}
            GrowingKind::Leaf(NodeKind::Symlink(target)) => {
                hops += 1;
                followed_bytes += target.len();
                if hops > MAX_HOPS || followed_bytes > MAX_FOLLOWED_BYTES {
                    return None;
                }
                if target.starts_with(b"/") {
                    open.truncate(1);
                }
                remaining.follow(target);
            }
            _ if remaining.is_at_end() => {}
            _ => return None,
        }
    }
    Some(passed)
}
