//! Trees that are changed between flattening and planning: against models of their own, against git's
//! word on patterns, and what names them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod filters;
mod identity;
mod model;
mod patterns;
mod random;

use std::collections::HashMap;

use layerpress::Edits;
use layerpress::error::{Error, Result};
use layerpress::layers::{Data, Origin};
use layerpress::progress::Silent;
use layerpress::tree::{
    Changed, Changing, ContentRef, FlattenOptions, LeftOut, TreeEdits, effect, flatten_with,
};
use support::changeset::{DEFAULT_TIME, Item, ItemKind, Layer, Listing, changesets};

/// Of the tests' layers.
fn options() -> FlattenOptions {
    FlattenOptions {
        default_time: DEFAULT_TIME,
        ..FlattenOptions::default()
    }
}

/// A layer of names, each a file that holds its own name; those that end with a slash are
/// directories, `a -> b` is a symbolic link, `a = b` a hard link.
fn layer(names: &[&str]) -> Layer {
    let item = |name: &&str| {
        if let Some((name, target)) = name.split_once(" -> ") {
            return Item::new(name.as_bytes(), ItemKind::Symlink(target.into()));
        }
        if let Some((name, target)) = name.split_once(" = ") {
            return Item::new(name.as_bytes(), ItemKind::Link(target.into()));
        }
        match name.strip_suffix('/') {
            Some(name) => Item::new(name.as_bytes(), ItemKind::Directory),
            None => Item::new(name.as_bytes(), ItemKind::File(name.as_bytes().to_vec())),
        }
    };
    Layer {
        whiteouts: true,
        items: names.iter().map(item).collect(),
    }
}

/// Edits from the form that recipes hold.
fn edits(json: serde_json::Value) -> Edits {
    serde_json::from_value(json).unwrap()
}

/// What edits make of layers.
struct Edited {
    listing: Listing,
    left_out: LeftOut,
    digest: Option<String>,
    warnings: Vec<String>,
    /// How many contents were hashed.
    hashed: usize,
}

impl Edited {
    fn paths(&self) -> Vec<String> {
        let paths = self.listing.0.keys().filter(|path| !path.is_empty());
        paths
            .map(|path| layerpress::error::escape_path(path))
            .collect()
    }
}

fn edited(layers: &[Layer], edits: &Edits) -> Result<Edited> {
    let (changesets, contents) = changesets(layers);
    let changing = Changing {
        edits: &TreeEdits::of(edits)?,
        put_in: Vec::new(),
    };
    let changed = flatten_with(changesets, changing, &options(), &Silent)?;
    let Changed {
        tree,
        before,
        left_out,
    } = &changed;
    let mut hashed = 0;
    let mut hash = |file: &ContentRef| {
        hashed += 1;
        Ok::<_, Error>(content_digest(file, &contents))
    };
    let digest = match before {
        Some(before) => effect(before, tree, &mut hash)?,
        None => None,
    };
    Ok(Edited {
        listing: Listing::of_tree(tree, &contents),
        left_out: *left_out,
        digest: digest.map(|digest| digest.to_string()),
        warnings: tree.warnings.lines().collect(),
        hashed,
    })
}

fn content_digest(file: &ContentRef, contents: &[Vec<u8>]) -> [u8; 32] {
    let Data::Contiguous { offset_bytes } = &file.content.data else {
        panic!("the tests' layers hold no such file");
    };
    let (Origin::Layer(layer) | Origin::PutIn(layer)) = file.origin;
    let start = *offset_bytes as usize;
    let end = start + file.content.size_bytes as usize;
    layerpress::listing::ContentHasher::digest(&contents[layer as usize][start..end]).0
}

/// By path: whether two listings that one digest names are one.
#[derive(Default)]
struct Named(HashMap<Option<String>, Listing>);

impl Named {
    /// What contradicts what was seen before.
    fn contradiction(&mut self, edited: &Edited) -> Option<String> {
        for (digest, listing) in &self.0 {
            if (*digest == edited.digest) != (*listing == edited.listing) {
                return Some(format!(
                    "{digest:?} and {:?} name\n{}",
                    edited.digest,
                    listing.difference(&edited.listing, ["one", "other"])
                ));
            }
        }
        self.0.insert(edited.digest.clone(), edited.listing.clone());
        None
    }
}
