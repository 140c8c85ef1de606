//! Random edits of random trees, against the model; and what one digest names is one tree.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::support::changeset::{Item, ItemKind, Layer};
use super::{Named, edited, edits, model};

fn name() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "c", "a", "b"])
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(name(), 1..4).prop_map(|names| names.join("/"))
}

fn item() -> impl Strategy<Value = Item> {
    let targets = vec![
        "a", "b", "c", "a/b", "b/../c", "../a", "/b", "/c/a", "..", ".",
    ];
    let kind = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..3).prop_map(ItemKind::File),
        3 => Just(ItemKind::Directory),
        3 => select(targets).prop_map(|target| ItemKind::Symlink(target.into())),
        3 => path().prop_map(|path| ItemKind::Link(path.into_bytes())),
    ];
    (path(), kind, 0_u32..3).prop_map(|(path, kind, uid)| Item {
        uid,
        ..Item::new(path.as_bytes(), kind)
    })
}

fn layers() -> impl Strategy<Value = Vec<Layer>> {
    let layer = prop::collection::vec(item(), 0..8).prop_map(|items| Layer {
        whiteouts: true,
        items,
    });
    prop::collection::vec(layer, 1..3)
}

fn patterns() -> impl Strategy<Value = Vec<String>> {
    let pattern = select(vec![
        "a", "/b", "!a", "c/", "a/b", "*/a", "**/b/c", "a/**", "!b/a", "?", "!c", "/a/*", "b/",
    ]);
    prop::collection::vec(pattern.prop_map(str::to_owned), 0..4)
}

fn paths() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(path(), 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 5_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_filters_keep_what_the_model_keeps_and_a_digest_names_one_tree(
        layers in layers(),
        choices in prop::collection::vec((paths(), patterns(), paths()), 1..5),
    ) {
        // What no engine could apply is no tree.
        let Ok(plain) = edited(&layers, &edits(json!({}))) else {
            return Ok(());
        };
        prop_assert_eq!(&plain.digest, &None);
        let mut named = Named::default();
        prop_assert_eq!(named.contradiction(&plain), None);
        for (include, exclude, remove) in choices {
            let asked = json!({"include": include, "exclude": exclude, "remove": remove});
            let found = edited(&layers, &edits(asked)).unwrap();
            let expected = model::kept(&plain.listing, &include, &exclude, &remove);
            let difference = expected.difference(&found.listing, ["model", "edited"]);
            prop_assert!(difference.is_empty(), "{:?} {:?} {:?}\n{}", include, exclude, remove, difference);
            let gone = plain.listing.0.len() - expected.0.len();
            prop_assert_eq!(found.left_out.names, gone as u64);
            prop_assert_eq!(found.hashed, 0);
            prop_assert_eq!(named.contradiction(&found), None);
        }
    }

    #[test]
    fn random_owners_are_those_of_a_map_and_a_digest_names_one_tree(
        layers in layers(),
        mappings in prop::collection::vec((0_u32..4, 0_u32..4), 0..4),
    ) {
        let Ok(plain) = edited(&layers, &edits(json!({}))) else {
            return Ok(());
        };
        let texts: Vec<_> = mappings.iter().map(|(from, to)| format!("{from}:{to}")).collect();
        let found = edited(&layers, &edits(json!({"map-owner": texts}))).unwrap();
        let mapped = |number: u32| {
            let first = mappings.iter().find(|(from, _)| *from == number);
            first.map_or(number, |(_, to)| *to)
        };
        let mut expected = plain.listing.clone();
        for item in expected.0.values_mut().filter(|item| !matches!(item.kind, ItemKind::Link(_))) {
            (item.uid, item.gid) = (mapped(item.uid), mapped(item.gid));
        }
        let difference = expected.difference(&found.listing, ["model", "edited"]);
        prop_assert!(difference.is_empty(), "{}", difference);
        let mut named = Named::default();
        prop_assert_eq!(named.contradiction(&plain), None);
        prop_assert_eq!(named.contradiction(&found), None);
    }
}

/// Were everything one name, or each effect another, these would be seen.
#[test]
fn two_trees_of_one_name_and_one_tree_of_two_names_are_contradictions() {
    let layers = [super::layer(&["a", "b"])];
    let without = |path: &str| edited(&layers, &edits(json!({"remove": [path]}))).unwrap();
    let mut named = Named::default();
    assert_eq!(named.contradiction(&without("a")), None);
    let mut other = without("b");
    other.digest = without("a").digest;
    assert!(named.contradiction(&other).is_some());
    let mut same = without("a");
    same.digest = without("b").digest;
    assert!(named.contradiction(&same).is_some());
}
