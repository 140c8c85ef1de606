//! Flattening of what is too much, and of much.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Instant;

use layerpress::limits::Limits;
use layerpress::progress::Silent;
use layerpress::tree::{FlattenOptions, Tree, flatten};
use layerpress::{Error, Result};
use support::changeset::{Item, ItemKind, Layer, changesets};

fn layer(items: Vec<Item>) -> Layer {
    Layer {
        whiteouts: true,
        items,
    }
}

fn file(path: impl AsRef<[u8]>) -> Item {
    Item::new(path.as_ref(), ItemKind::File(Vec::new()))
}

fn symlink(path: &str, target: &str) -> Item {
    Item::new(path.as_bytes(), ItemKind::Symlink(target.into()))
}

fn within(limits: Limits, layers: &[Layer]) -> Result<Tree> {
    let options = FlattenOptions {
        limits,
        ..FlattenOptions::default()
    };
    flatten(changesets(layers).0, &options, &Silent)
}

fn refused(limits: Limits, layers: &[Layer]) -> String {
    within(limits, layers).unwrap_err().to_string()
}

#[test]
fn an_error_names_the_layer_the_entry_and_its_byte() {
    let base = layer(vec![file("a")]);
    let top = layer(vec![file("b"), file("d\n/.wh.")]);
    let error = refused(Limits::default(), &[base, top]);
    let place = "layer 2 of 2 sha256:e3b0c44298fc: d\\x0a/.wh.: at byte 512: ";
    assert!(error.starts_with(place), "{error}");
}

#[test]
fn a_link_that_never_found_its_target_is_named_at_the_layers_end() {
    let link = Item::new(b"b", ItemKind::Link(b"c".to_vec()));
    let layers = [layer(vec![file("a"), link, file("d")])];
    let error = refused(Limits::default(), &layers);
    assert!(error.contains(": b: at byte 512: expected"), "{error}");
}

#[test]
fn entries_are_counted_over_all_layers() {
    let layers = [layer(vec![file("a"), file("b")]), layer(vec![file("a")])];
    let limits = |max_entries| Limits {
        max_entries,
        ..Limits::default()
    };
    assert!(within(limits(3), &layers).is_ok());
    let error = refused(limits(2), &layers);
    assert!(
        error.contains("at most 2 entries over all layers (--max-entries), found 3"),
        "{error}"
    );
}

#[test]
fn directories_that_only_their_children_name_count_as_entries() {
    let layers = [layer(vec![file("a/b/c/d"), file("e")])];
    let limits = |max_entries| Limits {
        max_entries,
        ..Limits::default()
    };
    assert!(within(limits(5), &layers).is_ok());
    let error = refused(limits(4), &layers);
    assert!(
        error.contains("at most 4 entries (--max-entries)"),
        "{error}"
    );
}

#[test]
fn depth_is_counted_in_the_tree_and_not_only_in_the_name() {
    let limits = Limits {
        max_path_depth: 6,
        ..Limits::default()
    };
    let base = || vec![file("a/b/c/x"), symlink("l", "a/b/c")];
    let mut fits = base();
    fits.push(file("l/d/e/f"));
    assert!(within(limits.clone(), &[layer(fits)]).is_ok());
    let mut deep = base();
    deep.push(file("l/d/e/f/g"));
    let error = refused(limits, &[layer(deep)]);
    assert!(
        error.contains("at most 6 components in a path (--max-path-depth)"),
        "{error}"
    );
}

#[test]
fn a_chain_of_long_symbolic_links_does_not_make_an_entry_expensive() {
    let dots = "d/../".repeat(1000);
    let mut items = vec![Item::new(b"d", ItemKind::Directory)];
    items.extend(
        (0..200).map(|index| symlink(&format!("l{index}"), &format!("{dots}l{}", index + 1))),
    );
    items.push(file("l0/f"));
    let error = refused(Limits::default(), &[layer(items)]);
    assert!(error.contains("16384 bytes together"), "{error}");
}

#[test]
fn a_chain_of_255_symbolic_links_is_followed_and_one_of_256_refused() {
    for (length, fits) in [(255, true), (256, false)] {
        let mut items = vec![Item::new(b"l0", ItemKind::Directory)];
        items.extend(
            (1..=length).map(|index| symlink(&format!("l{index}"), &format!("l{}", index - 1))),
        );
        items.push(file(format!("l{length}/f")));
        assert_eq!(
            within(Limits::default(), &[layer(items)]).is_ok(),
            fits,
            "{length}"
        );
    }
}

#[test]
fn the_deepest_path_allowed_is_made_replaced_and_dropped_without_recursion() {
    let limits = Limits {
        max_path_depth: 100_000,
        ..Limits::default()
    };
    let path = vec!["d"; 100_000].join("/");
    let tree = within(limits.clone(), &[layer(vec![file(&path)])]).unwrap();
    assert_eq!(tree.nodes().len(), 100_001);
    let layers = [layer(vec![file(&path)]), layer(vec![file("d")])];
    assert_eq!(within(limits, &layers).unwrap().nodes().len(), 2);
}

#[test]
fn a_circle_of_waiting_links_is_an_error_and_no_endless_loop() {
    let link = |index: usize, target: usize| {
        let target = format!("l{target}").into_bytes();
        Item::new(format!("l{index}").as_bytes(), ItemKind::Link(target))
    };
    let mut items: Vec<_> = (0..10_000).map(|index| link(index, index + 1)).collect();
    items.push(link(10_000, 5_000));
    let error = within(Limits::default(), &[layer(items)]).unwrap_err();
    assert!(matches!(error, Error::BadImage { .. }), "{error}");
    assert!(error.to_string().contains("circle"), "{error}");
}

/// Nothing is asserted of the time, which is the machine's; a quadratic step would be minutes.
#[test]
fn much_of_everything_takes_time_in_proportion() {
    let timed = |what: &str, layers: Vec<Layer>, nodes: usize| {
        let (changesets, _) = changesets(&layers);
        drop(layers);
        let start = Instant::now();
        let tree = flatten(changesets, &FlattenOptions::default(), &Silent).unwrap();
        println!("{what}: {:.2} s", start.elapsed().as_secs_f64());
        assert_eq!(tree.nodes().len(), nodes);
    };
    let wide = |count: usize| {
        (0..count)
            .map(|index| file(format!("d/{index:07}")))
            .collect()
    };
    timed(
        "100,000 files in one directory",
        vec![layer(wide(100_000))],
        100_002,
    );
    timed(
        "200,000 files in one directory",
        vec![layer(wide(200_000))],
        200_002,
    );
    timed(
        "120 layers over the same 2,000 paths",
        (0..120).map(|_| layer(wide(2_000))).collect(),
        2_002,
    );
    let whiteouts = (0..100_000)
        .map(|index| file(format!("d/.wh.{index:07}")))
        .collect();
    timed(
        "100,000 whiteouts",
        vec![layer(wide(100_000)), layer(whiteouts)],
        2,
    );
    let links = (0..100_000).map(|index| {
        let target = format!("{:07}", index + 1).into_bytes();
        Item::new(format!("{index:07}").as_bytes(), ItemKind::Link(target))
    });
    let links = links.chain([file("0100000")]).collect();
    timed(
        "100,000 links that wait for one another",
        vec![layer(links)],
        2,
    );
}
