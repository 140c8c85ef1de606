//! Filters as a model has them: on a listing, name by name, by the letter of what is promised.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::changeset::{Item, ItemKind, Listing};

/// What is kept of a listing.
pub fn kept(
    listing: &Listing,
    include: &[String],
    exclude: &[String],
    remove: &[String],
) -> Listing {
    let mut included = BTreeSet::new();
    let mut whole = BTreeSet::new();
    for path in include {
        let mut passed = Vec::new();
        if let Some(last) = resolve(listing, path, &mut passed) {
            included.extend(passed);
            whole.insert(last);
        }
    }
    let removed: BTreeSet<_> = remove
        .iter()
        .filter_map(|path| resolve(listing, path, &mut Vec::new()))
        .collect();
    let is_kept = |path: &Vec<u8>| {
        let above = prefixes(path);
        let is_included = include.is_empty()
            || included.contains(path)
            || above.iter().any(|above| whole.contains(*above));
        let goes = |above: &&[u8]| removed.contains(*above) || is_excluded(listing, above, exclude);
        is_included && !above.iter().any(goes)
    };
    let names = listing
        .0
        .iter()
        .filter(|(path, _)| path.is_empty() || is_kept(path));
    linked(names.map(|(path, item)| (path.clone(), node(listing, item))))
}

/// A path and the directories above it, but the root.
fn prefixes(path: &[u8]) -> Vec<&[u8]> {
    let slashes = (0..path.len()).filter(|at| path[*at] == b'/');
    slashes.map(|at| &path[..at]).chain([path]).collect()
}

/// What a name is, and the first name of the file it is one of.
fn node(listing: &Listing, item: &Item) -> (Item, Vec<u8>) {
    match &item.kind {
        ItemKind::Link(first) => (listing.0[first].clone(), first.clone()),
        _ => (item.clone(), item.path.clone()),
    }
}

/// A listing of names, the first that is left of each file being the one that others link to.
fn linked(names: impl Iterator<Item = (Vec<u8>, (Item, Vec<u8>))>) -> Listing {
    let mut firsts: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut listing = Listing::default();
    for (path, (item, group)) in names {
        let first = firsts.entry(group).or_insert_with(|| path.clone());
        let item = match *first == path {
            true => Item {
                path: path.clone(),
                ..item
            },
            false => Item::new(&path, ItemKind::Link(first.clone())),
        };
        listing.0.insert(path, item);
    }
    listing
}

/// The name that a path leads to, symbolic links before the last component followed; what was passed.
fn resolve(listing: &Listing, path: &str, passed: &mut Vec<Vec<u8>>) -> Option<Vec<u8>> {
    let mut components: Vec<Vec<u8>> = split(path.as_bytes());
    components.reverse();
    let mut here: Vec<Vec<u8>> = Vec::new();
    let mut hops = 0;
    loop {
        let component = components.pop()?;
        if component == b".." {
            here.pop();
            continue;
        }
        let name = [&here[..], std::slice::from_ref(&component)]
            .concat()
            .join(&b'/');
        let item = listing.0.get(&name)?;
        if components.is_empty() {
            return Some(name);
        }
        passed.push(name);
        match node(listing, item).0.kind {
            ItemKind::Directory => here.push(component),
            ItemKind::Symlink(target) => {
                hops += 1;
                if hops > 255 {
                    return None;
                }
                if target.starts_with(b"/") {
                    here.clear();
                }
                components.extend(split(&target).into_iter().rev());
            }
            _ => return None,
        }
    }
}

fn split(path: &[u8]) -> Vec<Vec<u8>> {
    let components = path.split(|byte| *byte == b'/');
    components
        .filter(|component| !component.is_empty() && *component != b".")
        .map(<[u8]>::to_vec)
        .collect()
}

fn is_excluded(listing: &Listing, path: &[u8], exclude: &[String]) -> bool {
    let is_directory = node(listing, &listing.0[path]).0.kind == ItemKind::Directory;
    let last = exclude.iter().rev().find(|pattern| {
        let pattern = pattern.strip_prefix('!').unwrap_or(pattern);
        let bare = pattern.strip_suffix('/').unwrap_or(pattern);
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap();
        (is_directory || bare.len() == pattern.len())
            && match bare.contains('/') {
                true => matches(bare.strip_prefix('/').unwrap_or(bare).as_bytes(), path),
                false => matches(bare.as_bytes(), name),
            }
    });
    last.is_some_and(|pattern| !pattern.starts_with('!'))
}

/// Of `*`, `?`, `**/` in front and `/**` behind.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', b'*', b'/', rest @ ..], _) => {
            matches(rest, text)
                || text
                    .iter()
                    .enumerate()
                    .any(|(at, byte)| *byte == b'/' && matches(rest, &text[at + 1..]))
        }
        ([b'/', b'*', b'*'], [b'/', _, ..]) => true,
        ([b'*', rest @ ..], _) => {
            matches(rest, text)
                || matches!(text, [byte, more @ ..] if *byte != b'/' && matches(pattern, more))
        }
        ([b'?', rest @ ..], [byte, more @ ..]) => *byte != b'/' && matches(rest, more),
        ([one, rest @ ..], [byte, more @ ..]) => one == byte && matches(rest, more),
        _ => false,
    }
}
