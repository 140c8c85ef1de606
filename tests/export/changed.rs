//! What a layer says of each kind of change, entry by entry, and what it costs in entries.

use layerpress::ext::Kind;
use layerpress::tar::EntryKind;

use crate::rig::{Image, KEEPING_FLAGS, Layer, expect_same, pressed};
use crate::support::rootfs::{
    Item, MTIME, Rootfs, What, bytes, directory, file, link, sparse, symlink,
};

const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// The layer that makes one of the other, its law held.
fn layer_between(before: &Rootfs, after: &Rootfs) -> Layer {
    let pressed = pressed(after, Kind::Ext4);
    let base = Image::of(before);
    let layer = Layer::of(&pressed.image(), Some(&base.base()), &KEEPING_FLAGS).unwrap();
    expect_same(Image::of(after).listing(), &layer, Some(&base));
    layer
}

/// Items below a root with attributes of its own.
fn rootfs(items: impl IntoIterator<Item = Item>) -> Rootfs {
    let root = directory("").mode(0o755).mtime(1_600_000_000, 0);
    Rootfs::of([root].into_iter().chain(items))
}

/// A base and what it became, with every change there is.
pub fn scenario() -> (Rootfs, Rootfs) {
    let long = "n".repeat(255);
    let long = long.as_str();
    let before = rootfs(
        [
            directory("all-gone").mode(0o750),
            file("all-gone/one", *b"1"),
            directory("all-gone/two"),
            file("all-gone/two/deep", *b"2"),
            file("all-gone/three", *b"3"),
            directory("becomes-file"),
            file("becomes-file/inside", *b"x"),
            file("becomes-directory", *b"x"),
            symlink("becomes-real", "kept"),
            directory("becomes-symlink"),
            file("becomes-symlink/inside", *b"x"),
            file("capable", bytes(5000))
                .mode(0o755)
                .xattr("security.capability", CAPABILITY),
            file("content", bytes(10_000)),
            directory("deep"),
            directory("deep/in")
                .owner(7, 8)
                .mode(0o711)
                .mtime(1_500_000_000, 5),
            directory("deep/in/it").xattr("user.kept", "k"),
            file("deep/in/it/changed", *b"before"),
            file("deep/in/it/kept", *b"kept"),
            directory("few-gone"),
            file("few-gone/gone", *b"x"),
            file(format!("few-gone/{long}"), *b"x"),
            file("few-gone/kept", *b"x"),
            directory("gone"),
            file("gone/inside", *b"x"),
            file("grown/../grown-link", *b"x"),
            directory("kept").mode(0o700),
            file("kept/file", bytes(9000)).xattr("user.a", "1"),
            Item::new("kept/fifo", What::Fifo),
            Item::new("kept/null", What::Character(1, 3)),
            file("linked-one", *b"linked"),
            link("linked-two", "linked-one"),
            file("owner", *b"x"),
            file("split-one", *b"split"),
            link("split-two", "split-one"),
            file("joined-one", *b"joined"),
            file("joined-two", *b"joined"),
            file("time", *b"x"),
        ]
        .into_iter()
        .filter(|item| !item.path.windows(2).any(|two| two == b"..")),
    );
    let after = rootfs([
        directory("all-gone").mode(0o750),
        directory("all-gone/two"),
        file("all-gone/new", *b"new"),
        file("becomes-file", *b"a file now"),
        directory("becomes-directory").mode(0o1777),
        file("becomes-directory/inside", *b"x"),
        directory("becomes-real"),
        file("becomes-real/inside", *b"x"),
        symlink("becomes-symlink", "kept"),
        file("capable", bytes(5000))
            .mode(0o4755)
            .xattr("security.capability", CAPABILITY),
        link("capable-too", "capable"),
        file("content", {
            let mut changed = bytes(10_000);
            changed[9_999] ^= 1;
            changed
        }),
        directory("deep"),
        directory("deep/in")
            .owner(7, 8)
            .mode(0o711)
            .mtime(1_500_000_000, 5),
        directory("deep/in/it").xattr("user.kept", "k"),
        file("deep/in/it/changed", *b"after!"),
        file("deep/in/it/kept", *b"kept"),
        directory("few-gone"),
        file("few-gone/kept", *b"x"),
        directory("kept").mode(0o700),
        file("kept/file", bytes(9000)).xattr("user.a", "1"),
        Item::new("kept/fifo", What::Fifo),
        Item::new("kept/null", What::Character(1, 3)),
        file("linked-one", *b"linked"),
        link("linked-three", "linked-one"),
        link("linked-two", "linked-one"),
        file("owner", *b"x").owner(1, u32::MAX - 1),
        file("split-one", *b"split"),
        file("split-two", *b"split"),
        file("joined-one", *b"joined"),
        link("joined-two", "joined-one"),
        file("time", *b"x").mtime(MTIME.seconds, MTIME.nanoseconds + 1),
    ]);
    (before, after)
}

#[test]
fn a_layer_has_what_changed_with_the_directories_above_it_and_nothing_else() {
    let (before, after) = scenario();
    let layer = layer_between(&before, &after);
    let long = format!("few-gone/.wh.{}", "n".repeat(255));
    let names = [
        "./",
        ".wh.gone",
        "becomes-file",
        "becomes-symlink",
        "capable",
        "capable-too",
        "content",
        "joined-one",
        "joined-two",
        "linked-one",
        "linked-three",
        "linked-two",
        "owner",
        "split-two",
        "time",
        "all-gone/",
        // All that is left of it is in the layer, and three names are hidden by one.
        "all-gone/.wh..wh..opq",
        "all-gone/new",
        "all-gone/two/",
        "becomes-directory/",
        "becomes-directory/inside",
        "becomes-real/",
        "becomes-real/inside",
        "deep/",
        "deep/in/",
        "deep/in/it/",
        "deep/in/it/changed",
        "few-gone/",
        "few-gone/.wh.gone",
        &long,
    ];
    let found = layer.names();
    if found != names {
        // `all-gone/two` is as it was but for what is gone in it.
        panic!("{found:#?}");
    }
    let exported = &layer.exported;
    assert_eq!((exported.whiteouts, exported.opaque), (3, 1));
    assert_eq!(exported.entries, names.len() as u64 - 4);
    assert_eq!(exported.warnings.lines().count(), 0);
}

#[test]
fn a_hard_link_has_all_attributes_of_what_it_joins() {
    let (before, after) = scenario();
    let layer = layer_between(&before, &after);
    let entries = layer.entries();
    let entry = |path: &[u8]| entries.iter().find(|entry| *entry.path == *path).unwrap();
    let (one, too) = (entry(b"capable"), entry(b"capable-too"));
    assert_eq!(too.kind, EntryKind::HardLink(b"capable"[..].into()));
    assert_eq!(one.xattrs, too.xattrs);
    assert_eq!(&*too.xattrs[0].value, CAPABILITY);
    assert_eq!((one.mode, one.mtime), (too.mode, too.mtime));
}

#[test]
fn every_attribute_alone_makes_an_entry() {
    let plain = || file("file", *b"content").owner(1, 2);
    let changes = [
        plain().mode(0o640),
        plain().mode(0o4644),
        plain().owner(3, 2),
        plain().owner(1, 3),
        plain().mtime(MTIME.seconds, 0),
        plain().mtime(-5, 7),
        plain().xattr("user.a", "1"),
        plain().xattr("system.posix_acl_access", ACL),
        plain().flags(layerpress::units::FileFlags::NODUMP),
        file("file", *b"c0ntent").owner(1, 2),
        file("file", *b"content\0").owner(1, 2),
        sparse("file", 9000, &[(0, b"content")]).owner(1, 2),
        symlink("file", "content").owner(1, 2),
        Item::new("file", What::Fifo).owner(1, 2),
        Item::new("file", What::Block(1, 2)).owner(1, 2),
        directory("file").owner(1, 2),
    ];
    let before = rootfs([plain()]);
    for change in changes {
        let shown = format!("{change:?}");
        let (one, other) = (before.clone(), rootfs([change]));
        for (before, after) in [(&one, &other), (&other, &one)] {
            let layer = layer_between(before, after);
            assert_eq!(layer.exported.entries, 2, "{shown}");
        }
        let layer = layer_between(&other, &other);
        assert!(layer.exported.is_empty(), "{shown}");
    }
}

/// Of a user with a number, in the form that `getxattr` gives.
const ACL: &[u8] = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xe8\x03\0\0\x04\0\x04\0\xff\xff\xff\xff\x10\0\x04\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";

#[test]
fn holes_and_zeros_are_the_same_content() {
    let data = bytes(5000);
    let zeros = [&data[..], &[0; 20_000], &data[..]].concat();
    let dense = rootfs([file("file", zeros)]);
    let holes = rootfs([sparse("file", 30_000, &[(0, &data), (25_000, &data)])]);
    assert!(layer_between(&dense, &holes).exported.is_empty());
    assert!(layer_between(&holes, &dense).exported.is_empty());
    let moved = rootfs([sparse("file", 30_000, &[(0, &data), (24_999, &data)])]);
    assert_eq!(layer_between(&dense, &moved).exported.entries, 2);
    let more = rootfs([sparse(
        "file",
        30_000,
        &[(0, &data), (12_000, b"x"), (25_000, &data)],
    )]);
    assert_eq!(layer_between(&holes, &more).exported.entries, 2);
    assert_eq!(layer_between(&more, &holes).exported.entries, 2);
}

#[test]
fn a_directory_is_opaque_only_where_that_takes_fewer_entries() {
    let names = ["d/a", "d/b", "d/c", "d/e/f"];
    let with = |names: &[&str]| {
        let files = names.iter().map(|name| file(name, *b"x"));
        rootfs([directory("d"), directory("d/e")].into_iter().chain(files))
    };
    let before = with(&names);
    for (left, whiteouts, opaque) in [
        // One whiteout says as much as one that is opaque.
        (&names[..3], 1, 0),
        (&names[..2], 2, 0),
        // `d/e` would have to be written again.
        (&names[3..], 3, 0),
        (&[], 0, 1),
    ] {
        let layer = layer_between(&before, &with(left));
        let exported = &layer.exported;
        let found = (exported.whiteouts, exported.opaque);
        assert_eq!(found, (whiteouts, opaque), "{:?}", layer.names());
    }
    // Whatever is in the root directory is hidden name by name: overlayfs knows no opaque root.
    let layer = layer_between(
        &rootfs(["a", "b", "c"].map(|name| file(name, *b"x"))),
        &rootfs([]),
    );
    assert_eq!((layer.exported.whiteouts, layer.exported.opaque), (3, 0));
}

#[test]
fn names_of_one_file_stay_out_of_the_layer_where_only_another_name_of_it_is_gone() {
    let linked = |names: &[&str]| {
        let (first, others) = names.split_first().unwrap();
        let others = others.iter().map(|name| link(name, first));
        rootfs([file(first, *b"x")].into_iter().chain(others))
    };
    let layer = layer_between(&linked(&["a", "b", "c"]), &linked(&["a", "c"]));
    assert_eq!(layer.names(), ["./", ".wh.b"]);
    let layer = layer_between(&linked(&["b", "c"]), &linked(&["a", "b", "c"]));
    assert_eq!(layer.names(), ["./", "a", "b", "c"]);
}

#[test]
fn a_sparse_file_is_written_with_its_zeros_up_to_the_size_of_the_filesystem() {
    let large = 64 << 30;
    let before = rootfs([]);
    let after = rootfs([
        sparse("huge", large, &[(1 << 30, b"data")]),
        sparse("small", 300_000, &[(100_000, b"data")]),
    ]);
    let layer = layer_between(&before, &after);
    assert!(
        layer.exported.tar_bytes < 1 << 20,
        "{}",
        layer.exported.tar_bytes
    );
    assert!(layer.exported.tar_bytes > 300_000);
    let warnings: Vec<_> = layer.exported.warnings.lines().collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("written as a sparse one"),
        "{warnings:?}"
    );
    assert!(warnings[0].ends_with(": huge"), "{warnings:?}");
    let is_sparse = |tar: &[u8]| {
        tar.windows(12)
            .filter(|part| part == b"GNU.sparse.n")
            .count()
    };
    assert_eq!(is_sparse(&layer.bytes()), 1);
}

#[test]
fn the_same_filesystem_and_base_give_the_same_bytes_and_another_order_of_inodes_none_other() {
    let (before, after) = scenario();
    let mut other = after.clone();
    // Files of a directory come in another order, so that everything has another inode and place.
    other.items[1..].sort_by_key(|item| {
        let depth = item.path.iter().filter(|byte| **byte == b'/').count();
        (
            depth,
            matches!(item.what, What::Link(_)),
            std::cmp::Reverse(item.path.clone()),
        )
    });
    let base = Image::of(&before);
    let bytes_of = |rootfs: &Rootfs, kind| {
        let pressed = pressed(rootfs, kind);
        let layer = Layer::of(&pressed.image(), Some(&base.base()), &KEEPING_FLAGS).unwrap();
        layer.bytes()
    };
    let bytes = bytes_of(&after, Kind::Ext4);
    assert!(bytes == bytes_of(&after, Kind::Ext4));
    assert!(bytes == bytes_of(&other, Kind::Ext2));
}
