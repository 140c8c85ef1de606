//! What of the layers' tree is kept.

use std::collections::{BTreeMap, BTreeSet};

use super::TreeEdits;
use super::trace::{Last, Name, trace};
use crate::edits::TreePath;
use crate::error::{Error, Result};
use crate::tree::flattening::Flattening;
use crate::tree::growing::{Children, GrowingTree, Lost, Slot};

/// What is told of what matches nothing.
const NOTHING_INCLUDED: &str = "--include matches nothing";
const NOTHING_EXCLUDED: &str = "--exclude matches nothing";
const NOTHING_REMOVED: &str = "--remove matches nothing";

/// Leaves out what is not to be kept. Every path and pattern speaks of the tree as it was before: an
/// included path and a removed one lead through symbolic links as the kernel would, but for their last
/// component; patterns look at names alone.
///
/// # Errors
/// [`Error::Absent`] for what matches nothing, where that is refused.
pub(super) fn filter(flattening: &mut Flattening<'_>, edits: &TreeEdits) -> Result<Lost> {
    let mut unmatched = Vec::new();
    let tree = &flattening.tree;
    let kept = Kept::of(tree, &edits.include, &mut unmatched);
    let removed = removed(tree, &edits.remove, &mut unmatched);
    let mut matched = vec![false; edits.exclude.texts().count()];
    let doomed = doomed(tree, &kept, &removed, edits, &mut matched);
    for (text, _) in edits
        .exclude
        .texts()
        .zip(&matched)
        .filter(|(_, matched)| !**matched)
    {
        unmatched.push((NOTHING_EXCLUDED, text.as_bytes().to_vec()));
    }
    if edits.strict && !unmatched.is_empty() {
        return Err(refused(&unmatched));
    }
    for (what, text) in unmatched {
        flattening.warnings.count(what, &text);
    }
    let mut lost = Lost::default();
    for Name { directory, name } in doomed {
        let more = flattening.tree.unlink(directory, &name);
        lost.names += more.names;
        lost.bytes = lost.bytes.saturating_add(more.bytes);
    }
    Ok(lost)
}

fn refused(unmatched: &[(&str, Vec<u8>)]) -> Error {
    const SHOWN: usize = 5;
    let shown = unmatched.iter().take(SHOWN);
    let mut shown: Vec<_> = shown
        .map(|(what, text)| format!("{what}: {}", crate::error::escape_path(text)))
        .collect();
    if let Some(more) = unmatched.len().checked_sub(SHOWN + 1) {
        shown.push(format!("and {} more", more + 1));
    }
    Error::absent(format!("{} (--strict refuses that)", shown.join("; ")))
}

fn shown(path: &TreePath) -> Vec<u8> {
    [b"/", path.as_bytes()].concat()
}

/// How a name is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Keep {
    /// Of what is below it, only what is kept itself.
    Alone,
    /// With all that is below it.
    Whole,
}

/// What is kept, by directory and name; everything where nothing was asked for.
struct Kept(Option<BTreeMap<Name, Keep>>);

impl Kept {
    fn of(
        tree: &GrowingTree,
        include: &[TreePath],
        unmatched: &mut Vec<(&'static str, Vec<u8>)>,
    ) -> Self {
        if include.is_empty() {
            return Self(None);
        }
        let mut kept = BTreeMap::new();
        for path in include {
            if path.is_root() {
                return Self(None);
            }
            let Some(mut names) = trace(tree, &[Slot::ROOT], path.as_bytes(), Last::AsItIs) else {
                unmatched.push((NOTHING_INCLUDED, shown(path)));
                continue;
            };
            let last = names.pop().map(|name| (name, Keep::Whole));
            let passed = names.into_iter().map(|name| (name, Keep::Alone));
            for (name, keep) in passed.chain(last) {
                let known = kept.entry(name).or_insert(keep);
                *known = keep.max(*known);
            }
        }
        Self(Some(kept))
    }
}

fn removed(
    tree: &GrowingTree,
    remove: &[TreePath],
    unmatched: &mut Vec<(&'static str, Vec<u8>)>,
) -> BTreeSet<Name> {
    let mut removed = BTreeSet::new();
    for path in remove {
        let names = trace(tree, &[Slot::ROOT], path.as_bytes(), Last::AsItIs);
        match names.and_then(|mut names| names.pop()) {
            Some(name) => drop(removed.insert(name)),
            None => unmatched.push((NOTHING_REMOVED, shown(path))),
        }
    }
    removed
}

/// A directory that is being looked through.
struct Open<'t> {
    directory: Slot,
    rest: std::collections::btree_map::Iter<'t, Box<[u8]>, Slot>,
    path_bytes: usize,
    /// Whether all of it is kept, as far as that goes.
    is_whole: bool,
    /// Whether it is left out already: then it is only of interest to patterns that match nothing
    /// else.
    is_doomed: bool,
}

/// The names that are to go, none of them below another. Each name in the tree is looked at once.
fn doomed(
    tree: &GrowingTree,
    kept: &Kept,
    removed: &BTreeSet<Name>,
    edits: &TreeEdits,
    matched: &mut [bool],
) -> Vec<Name> {
    let mut doomed = Vec::new();
    if kept.0.is_none() && removed.is_empty() && edits.exclude.is_empty() {
        return doomed;
    }
    let children = |slot: Slot| -> &Children { tree.children(slot) };
    let mut path = Vec::new();
    let mut buffer = Vec::new();
    let mut open = vec![Open {
        directory: Slot::ROOT,
        rest: children(Slot::ROOT).iter(),
        path_bytes: 0,
        is_whole: kept.0.is_none(),
        is_doomed: false,
    }];
    while let Some(at) = open.last_mut() {
        path.truncate(at.path_bytes);
        let Some((name, &slot)) = at.rest.next() else {
            open.pop();
            continue;
        };
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        let is_directory = tree.is_directory(slot);
        let is_excluded = !edits.exclude.is_empty()
            && edits
                .exclude
                .leave_out(&path, is_directory, matched, &mut buffer);
        let name = Name {
            directory: at.directory,
            name: name.clone(),
        };
        let keep = match &kept.0 {
            Some(kept) if !at.is_whole => kept.get(&name).copied(),
            _ => Some(Keep::Whole),
        };
        let goes = is_excluded || keep.is_none() || removed.contains(&name);
        let is_doomed = at.is_doomed || goes;
        if goes && !at.is_doomed {
            doomed.push(name);
        }
        if is_directory && !(is_doomed && edits.exclude.is_empty()) {
            open.push(Open {
                directory: slot,
                rest: children(slot).iter(),
                path_bytes: path.len(),
                is_whole: keep == Some(Keep::Whole),
                is_doomed,
            });
        }
    }
    doomed
}
