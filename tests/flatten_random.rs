//! Flattening of random layers, against a second flattening and against what every tree must be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use layerpress::progress::Silent;
use layerpress::tree::{FlattenOptions, NodeId, NodeKind, Tree, flatten};
use proptest::prelude::*;
use proptest::sample::select;
use support::changeset::{DEFAULT_TIME, Item, ItemKind, Layer, Listing, changesets, model};

fn options() -> FlattenOptions {
    FlattenOptions {
        default_time: DEFAULT_TIME,
        ..FlattenOptions::default()
    }
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    let name = select(vec!["a", "b", "c", "a", "b", "a", "b", "c", "..", "."]);
    let prefix = select(vec!["", "", "", "./", "/"]);
    (prefix, prop::collection::vec(name, 1..4))
        .prop_map(|(prefix, names)| format!("{prefix}{}", names.join("/")).into_bytes())
}

fn kind() -> impl Strategy<Value = ItemKind> {
    let targets = vec![
        "a", "b", "c", "a/b", "b/../c", "../a", "/b", "/c/a", "..", ".",
    ];
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..3).prop_map(ItemKind::File),
        4 => Just(ItemKind::Directory),
        2 => select(targets).prop_map(|target| ItemKind::Symlink(target.into())),
        3 => path().prop_map(ItemKind::Link),
        1 => Just(ItemKind::Fifo),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let whiteout = select(vec!["", "", "", ".wh.", ".wh.", "opaque"]);
    let xattrs = prop::collection::btree_map(
        select(vec![b"user.a".to_vec(), b"user.b".to_vec()]),
        prop::collection::vec(any::<u8>(), 0..2),
        0..2,
    );
    (path(), kind(), whiteout, 0_u16..0o10000, 0_u32..3, xattrs).prop_map(
        |(path, kind, whiteout, mode, uid, xattrs)| {
            let slash = path.iter().rposition(|byte| *byte == b'/');
            let (directory, name) = path.split_at(slash.map_or(0, |slash| slash + 1));
            let path = match whiteout {
                ".wh." if name != b".." && name != b"." => [directory, b".wh.", name].concat(),
                "opaque" => [&path, &b"/.wh..wh..opq"[..]].concat(),
                _ => path,
            };
            Item {
                mode,
                uid,
                xattrs,
                ..Item::new(&path, kind)
            }
        },
    )
}

fn layers() -> impl Strategy<Value = Vec<Layer>> {
    let layer = prop::collection::vec(item(), 0..7).prop_map(|items| Layer {
        whiteouts: true,
        items,
    });
    prop::collection::vec(layer, 1..5).prop_map(|mut layers| {
        layers.insert(0, base());
        layers
    })
}

/// Something for the random layers to hit; without it most of them are refused at once.
fn base() -> Layer {
    let items = [
        (&b"a"[..], ItemKind::Directory),
        (b"a/b", ItemKind::Directory),
        (b"a/b/c", ItemKind::File(b"c".to_vec())),
        (b"a/a", ItemKind::File(b"a".to_vec())),
        (b"b", ItemKind::Directory),
        (b"b/a", ItemKind::Link(b"a/a".to_vec())),
        (b"b/b", ItemKind::Symlink(b"../a/b".to_vec())),
        (b"c", ItemKind::Symlink(b"/a".to_vec())),
    ];
    Layer {
        whiteouts: true,
        items: items.map(|(path, kind)| Item::new(path, kind)).into(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_layers_show_what_the_plain_model_shows(layers in layers()) {
        let (changesets, contents) = changesets(&layers);
        let shown = flatten(changesets, &options(), &Silent);
        match (shown, model::flatten(&layers)) {
            (Ok(tree), Ok(expected)) => {
                check(&tree);
                let listing = Listing::of_tree(&tree, &contents);
                let difference = expected.difference(&listing, ["model", "flatten"]);
                prop_assert!(difference.is_empty(), "\n{}", difference);
            }
            (Err(_), Err(model::Refused)) => {}
            (Ok(_), Err(model::Refused)) => prop_assert!(false, "only the model refuses"),
            (Err(error), Ok(_)) => prop_assert!(false, "only flatten refuses: {}", error),
        }
    }
}

/// What is true of every tree.
fn check(tree: &Tree) {
    let mut order = Vec::new();
    let mut names: BTreeMap<NodeId, u32> = BTreeMap::new();
    visit(tree, NodeId::ROOT, &mut order, &mut names);
    let all: Vec<_> = tree.nodes().map(|(id, _)| id).collect();
    assert_eq!(
        order, all,
        "the nodes stand in canonical order and all have names"
    );
    for (id, node) in tree.nodes() {
        let expected = match &node.kind {
            NodeKind::Directory(directory) => {
                let is_directory = |id| matches!(tree.node(id).kind, NodeKind::Directory(_));
                2 + directory
                    .children
                    .iter()
                    .filter(|(_, id)| is_directory(*id))
                    .count() as u32
            }
            _ => names[&id],
        };
        assert_eq!(node.link_count, expected, "{id:?}");
        assert!(
            node.attributes
                .xattrs
                .is_sorted_by(|one, next| one.name < next.name)
        );
    }
}

fn visit(tree: &Tree, id: NodeId, order: &mut Vec<NodeId>, names: &mut BTreeMap<NodeId, u32>) {
    order.push(id);
    let NodeKind::Directory(directory) = &tree.node(id).kind else {
        panic!("{id:?} is no directory");
    };
    assert!(directory.children.is_sorted_by(|one, next| one.0 < next.0));
    let mut below = Vec::new();
    for (name, child) in &directory.children {
        assert!(!name.starts_with(b".wh."), "a whiteout is left");
        if matches!(tree.node(*child).kind, NodeKind::Directory(_)) {
            below.push(*child);
            continue;
        }
        let count = names.entry(*child).or_insert(0);
        *count += 1;
        if *count == 1 {
            order.push(*child);
        }
    }
    for child in below {
        visit(tree, child, order, names);
    }
}
