//! Symbolic links that lead nowhere since what they led to was left out.

use super::trace::{Last, trace};
use crate::tree::flattening::Flattening;
use crate::tree::frozen::NodeKind;
use crate::tree::growing::{GrowingKind, GrowingTree, Slot};

const DANGLING: &str = "symbolic link left without what it leads to, which was left out";

/// Counts the links of the layers that led somewhere `before`, and do no longer.
pub(super) fn warn_of_dangling(flattening: &mut Flattening<'_>, before: &GrowingTree) {
    let mut dangling = Vec::new();
    let tree = &flattening.tree;
    let mut path = Vec::new();
    let mut open = vec![(tree.children(Slot::ROOT).iter(), 0)];
    let mut directories = vec![Slot::ROOT];
    while let Some((rest, path_bytes)) = open.last_mut() {
        path.truncate(*path_bytes);
        let Some((name, &slot)) = rest.next() else {
            open.pop();
            directories.pop();
            continue;
        };
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        match &tree.node(slot).kind {
            GrowingKind::Directory(children) => {
                open.push((children.iter(), path.len()));
                directories.push(slot);
            }
            GrowingKind::Leaf(NodeKind::Symlink(target))
                if leads_nowhere(tree, &directories, target)
                    && led_somewhere(before, &path, target) =>
            {
                dangling.push(path.clone());
            }
            _ => {}
        }
    }
    for path in dangling {
        flattening.warnings.count(DANGLING, &path);
    }
}

fn leads_nowhere(tree: &GrowingTree, directories: &[Slot], target: &[u8]) -> bool {
    let start = match target.starts_with(b"/") {
        true => &directories[..1],
        false => directories,
    };
    trace(tree, start, target, Last::Followed).is_none()
}

/// Whether the same link stood at the same path, and led to something.
fn led_somewhere(before: &GrowingTree, path: &[u8], target: &[u8]) -> bool {
    let mut directories = vec![Slot::ROOT];
    for name in path.split(|byte| *byte == b'/') {
        let directory = directories.last().copied().unwrap_or(Slot::ROOT);
        let Some(slot) = before.child(directory, name) else {
            return false;
        };
        match &before.node(slot).kind {
            GrowingKind::Directory(_) => directories.push(slot),
            GrowingKind::Leaf(NodeKind::Symlink(known)) if **known == *target => {}
            _ => return false,
        }
    }
    !leads_nowhere(before, &directories, target)
}
