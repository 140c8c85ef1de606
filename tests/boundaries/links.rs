//! Symbolic links, names of one inode, subdirectories: as many as there may be, and one more.

use std::os::unix::fs::MetadataExt;

use super::assert_refused;
use super::support::oracles::{Mounted, is_root, skip};
use super::support::press::{Wanted, plan, press, press_tree, tree_of};
use super::support::rootfs::{Item, Rootfs, directory, file, link, symlink};

#[test]
fn symlinks_of_59_and_60_and_4095_bytes_lead_where_they_led() {
    let lengths = [1, 58, 59, 60, 61, 255, 256, 4095];
    let items = lengths.map(|length| symlink(format!("to-{length}"), "t".repeat(length)));
    let odd = symlink("odd", b"\xff\x01 \n\\\"");
    let pressed = press(&Rootfs::of(items.into_iter().chain([odd]))).judged();
    for (path, blocks) in [("/to-59", "Blockcount: 0"), ("/to-60", "Blockcount: 8")] {
        let stat = pressed.debugfs(&format!("stat {path}"));
        assert!(stat.contains(blocks), "{stat}");
    }
}

#[test]
fn a_symlink_of_4096_bytes_or_of_none_is_refused() {
    assert_refused(
        &Rootfs::of([directory("d"), symlink("d/long", "t".repeat(4096))]),
        &["d/long: ", "1 to 4095 bytes", "found 4096 bytes"],
    );
    assert_refused(&Rootfs::of([symlink("none", "")]), &["none: ", "target"]);
}

/// A directory with so many subdirectories.
fn subdirectories(path: &str, count: u32) -> Vec<Item> {
    let mut items = Vec::new();
    if !path.is_empty() {
        items.push(directory(path));
    }
    let at = if path.is_empty() {
        String::new()
    } else {
        format!("{path}/")
    };
    items.extend((0..count).map(|index| directory(format!("{at}{index}"))));
    items
}

#[test]
fn a_directory_has_64_998_subdirectories_and_no_more() {
    assert_refused(
        &Rootfs::of(subdirectories("many", 64_999)),
        &[
            "many: ",
            "at most 64998 directories in a directory, found 64999",
        ],
    );
    let pressed = press_tree(
        &Rootfs::of(subdirectories("many", 64_998)),
        Wanted::default(),
    );
    let pressed = pressed.unwrap();
    pressed.checked();
    if !is_root() {
        skip("only root mounts");
        return;
    }
    let mounted = Mounted::read_only(&pressed.image());
    let many = mounted.mount_point().join("many");
    assert_eq!(many.metadata().unwrap().nlink(), 65_000);
    assert_eq!(std::fs::read_dir(&many).unwrap().count(), 64_998);
    for name in ["0", "31998", "64997"] {
        assert!(many.join(name).metadata().unwrap().is_dir());
    }
}

#[test]
fn lost_and_found_is_one_of_the_roots_subdirectories() {
    assert_refused(
        &Rootfs::of(subdirectories("", 64_998)),
        &[
            "/: ",
            "at most 64997 directories",
            "here the root, beside /lost+found, found 64998",
        ],
    );
    // With its own among them they are as many as elsewhere.
    let mut one_more = subdirectories("", 64_998);
    one_more.push(directory("lost+found"));
    assert_refused(
        &Rootfs::of(one_more),
        &[
            "/: ",
            "at most 64998 directories in a directory, found 64999",
        ],
    );
    let mut with_own = subdirectories("", 64_997);
    with_own.push(directory("lost+found"));
    for rootfs in [Rootfs::of(subdirectories("", 64_997)), Rootfs::of(with_own)] {
        let (tree, _contents) = tree_of(&rootfs).unwrap();
        plan(&tree, Wanted::default()).unwrap();
    }
}

/// A file with so many names in all.
fn named(count: u32) -> Rootfs {
    let names = (1..count).map(|index| link(format!("d/{index}"), "d/0"));
    let items = [directory("d"), file("d/0", *b"content")];
    Rootfs::of(items.into_iter().chain(names))
}

#[test]
fn a_file_has_65_000_names_and_no_more() {
    press(&named(65_000)).judged();
    assert_refused(&named(65_001), &["d/0: ", "65000 links", "found 65001"]);
}

#[test]
fn every_type_but_directories_can_have_several_names() {
    use super::support::rootfs::What;
    let items = [
        file("a", *b"a"),
        symlink("b", "a"),
        Item::new("c", What::Fifo),
        Item::new("d", What::Character(1, 3)),
        Item::new("e", What::Block(8, 0)),
        symlink("f", "f".repeat(100)),
    ];
    let links: Vec<_> = ["a", "b", "c", "d", "e", "f"]
        .into_iter()
        .flat_map(|name| {
            [
                link(format!("z/{name}"), name),
                link(format!("z/{name}{name}"), name),
            ]
        })
        .collect();
    let items = items.into_iter().chain([directory("z")]).chain(links);
    press(&Rootfs::of(items)).judged();
}
