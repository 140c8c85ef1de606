//! `flatten(export(build(X))) = normalise(X)`, for any trees.
//!
//! PROPTEST_CASES sets how many; the default takes about a minute.

use layerpress::ext::Kind;
use proptest::prelude::*;
use proptest::sample::select;

use crate::derived::{derived, edits};
use crate::rig::{Image, KEEPING_FLAGS, Layer, expect_same, pressed};
use crate::support::random_rootfs::{beyond, rootfs};
use crate::support::rootfs::{Rootfs, directory, file};

fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 24;
    }
    config
}

fn kind() -> impl Strategy<Value = Kind> {
    select(vec![Kind::Ext2, Kind::Ext3, Kind::Ext4])
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_tree_comes_back_out_of_its_filesystem(rootfs in rootfs(60), kind in kind()) {
        let pressed = pressed(&rootfs, kind);
        let image = Image::of(&rootfs);
        let layer = Layer::of(&pressed.image(), None, &KEEPING_FLAGS).unwrap();
        expect_same(image.listing(), &layer, None);
        // Upon itself it is nothing.
        let layer = Layer::of(&pressed.image(), Some(&image.base()), &KEEPING_FLAGS).unwrap();
        prop_assert!(layer.exported.is_empty(), "{:?}", layer.names());
        prop_assert_eq!(layer.bytes(), [0; 10_240]);
    }

    #[test]
    fn what_no_filesystem_can_hold_is_no_change(
        rootfs in beyond(30),
        base in beyond(30),
        kind in kind(),
    ) {
        let pressed = pressed(&rootfs, kind);
        let image = Image::of(&rootfs);
        let layer = Layer::of(&pressed.image(), Some(&image.base()), &KEEPING_FLAGS).unwrap();
        prop_assert!(layer.exported.is_empty(), "{:?}", layer.names());
        let layer = Layer::of(&pressed.image(), None, &KEEPING_FLAGS).unwrap();
        expect_same(image.listing(), &layer, None);
        let base = Image::of(&base);
        let layer = Layer::of(&pressed.image(), Some(&base.base()), &KEEPING_FLAGS).unwrap();
        expect_same(image.listing(), &layer, Some(&base));
    }

    #[test]
    fn any_tree_is_made_of_any_other_by_a_layer(
        rootfs in rootfs(40),
        base in rootfs(40),
        kind in kind(),
    ) {
        let pressed = pressed(&rootfs, kind);
        let base = Image::of(&base);
        let layer = Layer::of(&pressed.image(), Some(&base.base()), &KEEPING_FLAGS).unwrap();
        let expected = Image::of(&rootfs).listing();
        expect_same(expected, &layer, Some(&base));
    }

    #[test]
    fn a_tree_is_made_of_what_it_was_before_some_changes(
        before in rootfs(60),
        edits in edits(12),
        kind in kind(),
    ) {
        let after = derived(&before, &edits);
        let pressed = pressed(&after, kind);
        let base = Image::of(&before);
        let layer = Layer::of(&pressed.image(), Some(&base.base()), &KEEPING_FLAGS).unwrap();
        let expected = Image::of(&after).listing();
        expect_same(expected, &layer, Some(&base));
    }
}

// The law can be broken.
#[test]
#[should_panic(expected = "/file: content differs")]
fn a_layer_of_another_tree_is_not_the_same() {
    let with = |content: &str| Rootfs::of([directory(""), file("file", content)]);
    let pressed = pressed(&with("one"), Kind::Ext3);
    let layer = Layer::of(&pressed.image(), None, &KEEPING_FLAGS).unwrap();
    expect_same(Image::of(&with("two")).listing(), &layer, None);
}
