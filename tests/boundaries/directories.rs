//! Directories: one block, an index of one level, of two, and names that collide in it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;

use layerpress::ext::Profile;
use layerpress::ext::plan::directory_layout::{DirectoryLayout, IndexedLayout};
use layerpress::ondisk::hash::half_md4;

use super::support::oracles::{Mounted, e2fsck_clean_after_use, is_root, run, skip};
use super::support::press::{HASH_SEED, Pressed, Wanted, press, press_tree};
use super::support::rootfs::{Item, Rootfs, bytes, directory, file, link};

fn seed() -> [u32; 4] {
    std::array::from_fn(|word| {
        u32::from_le_bytes(HASH_SEED[4 * word..4 * word + 4].try_into().unwrap())
    })
}

/// So many names of so many bytes.
fn numbered(count: usize, length: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |index| format!("{index:0>length$}"))
}

/// A directory whose names are links to few files, so that names cost no inodes.
fn full_of_links(path: &str, names: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<Item> {
    let mut items = vec![directory(path)];
    for (index, name) in names.into_iter().enumerate() {
        let target = format!("{path}-{}", index / 60_000);
        if index % 60_000 == 0 {
            items.push(file(&target, *b"linked"));
        }
        let name = [path.as_bytes(), b"/", name.as_ref()].concat();
        items.push(link(name, target));
    }
    items
}

/// Blocks of a directory, by debugfs.
fn blocks_of(pressed: &Pressed, path: &str) -> u64 {
    let stat = pressed.debugfs(&format!("stat {path}"));
    let size = stat.split("Size: ").nth(1).unwrap();
    let size: u64 = size.split_whitespace().next().unwrap().parse().unwrap();
    size / 4096
}

fn is_indexed(pressed: &Pressed, path: &str) -> bool {
    let stat = pressed.debugfs(&format!("stat {path}"));
    stat.contains("Flags: 0x1000")
}

fn layout_of(names: &[Vec<u8>]) -> IndexedLayout {
    let names: Vec<_> = names.iter().map(Vec::as_slice).collect();
    match DirectoryLayout::of(&Profile::EXT3, &names, seed(), true).unwrap() {
        DirectoryLayout::Indexed(layout) => layout,
        DirectoryLayout::Linear(_) => panic!("expected an index"),
    }
}

#[test]
fn a_directory_is_linear_up_to_one_full_block_and_indexed_from_then_on() {
    let mut items = vec![directory("empty")];
    items.extend(full_of_links("one", numbered(1, 8)));
    items.extend(full_of_links("full", numbered(254, 8)));
    items.extend(full_of_links("more", numbered(255, 8)));
    items.extend(full_of_links("leaf", numbered(256, 8)));
    items.extend(full_of_links("leaves", numbered(257, 8)));
    let pressed = press(&Rootfs::of(items)).judged();
    for (path, blocks) in [
        ("/empty", 1),
        ("/one", 1),
        ("/full", 1),
        ("/more", 2),
        ("/leaf", 2),
        ("/leaves", 3),
    ] {
        assert_eq!(blocks_of(&pressed, path), blocks, "{path}");
        assert_eq!(is_indexed(&pressed, path), blocks > 1, "{path}");
    }
}

#[test]
fn the_index_gets_a_second_level_with_its_509th_leaf() {
    // 16 names of 248 bytes fill a leaf to its last byte.
    let mut items = full_of_links("508", numbered(508 * 16, 248));
    items.extend(full_of_links("509", numbered(508 * 16 + 1, 248)));
    let pressed = press(&Rootfs::of(items)).judged();
    assert_eq!(blocks_of(&pressed, "/508"), 1 + 508);
    assert_eq!(blocks_of(&pressed, "/509"), 1 + 1 + 509);
    // It misses room for checksums and says so, which is no complaint.
    let arguments = ["-R", "htree_dump /509"].map(OsStr::new);
    let image = pressed.image();
    let dump = run("debugfs", arguments.into_iter().chain([image.as_os_str()])).stdout;
    let dump = String::from_utf8_lossy(&dump);
    assert!(dump.contains("Indirect levels: 1"), "{dump:.500}");
}

#[test]
fn directories_of_50_000_and_200_000_names_are_whole() {
    let mut items = full_of_links("50000", numbered(50_000, 20));
    items.extend(full_of_links("200000", numbered(200_000, 24)));
    let pressed = press(&Rootfs::of(items)).judged();
    // Beyond direct and single indirect blocks: more than 1036.
    assert_eq!(blocks_of(&pressed, "/200000"), 1 + 4 + 1563);
    assert!(is_indexed(&pressed, "/50000"));
}

#[test]
fn a_root_directory_of_many_blocks_keeps_the_block_mke2fs_gave_it() {
    let items = numbered(3000, 12).map(|name| file(name, *b"x"));
    let pressed = press(&Rootfs::of(items)).judged();
    assert!(is_indexed(&pressed, "/"));
    assert!(blocks_of(&pressed, "/") > 12);
}

#[test]
fn names_beyond_ascii_are_found_through_the_index() {
    let names = (0..2000).map(|index| format!("größe-{index}-日本語").into_bytes());
    let stray = (0..500_u16).map(|index| {
        let [high, low] = index.to_be_bytes();
        vec![0xff, 0x80, high | 0x80, low | 0x80, 0xc3]
    });
    let names: BTreeSet<_> = names.chain(stray).collect();
    let pressed = press(&Rootfs::of(full_of_links("odd", &names))).judged();
    assert!(is_indexed(&pressed, "/odd"));
    let stat = pressed.debugfs("stat /odd/größe-1234-日本語");
    assert!(stat.contains("Type: regular"), "{stat}");
}

/// Names of 248 bytes, 16 to a leaf, with everything that collides among many.
fn colliding_names() -> Vec<Vec<u8>> {
    let mut by_hash: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    for name in numbered(400_000, 248).map(String::into_bytes) {
        let hash = half_md4(&name, seed()).major;
        by_hash.entry(hash).or_default().push(name);
    }
    by_hash
        .into_values()
        .enumerate()
        .filter(|(index, names)| names.len() > 1 || index % 50 == 0)
        .flat_map(|(_, names)| names)
        .collect()
}

#[test]
fn names_of_one_hash_stay_in_one_leaf_and_are_found() {
    let names = colliding_names();
    let layout = layout_of(&names);
    let mut start = 0;
    let mut early = 0;
    for leaf in &layout.leaves {
        early += u32::from(leaf.end - start < 16);
        start = leaf.end;
    }
    // Besides the last one, a leaf is left unfilled only for names that must stay together.
    assert!(early > 1, "no pair at a leaf's end: look for other names");
    press(&Rootfs::of(full_of_links("colliding", &names))).judged();
}

/// 17 names of 255 bytes with the hash 0x5f32dfaa under [`HASH_SEED`], found by trying 2^35: more
/// than a leaf holds. The rest of each name is the same.
const ONE_HASH: [&str; 17] = [
    "0000000000",
    "f7f6c71f00",
    "0bdf39d401",
    "669b49b801",
    "c011b8ad01",
    "d77ed88901",
    "1a61872402",
    "cb61cf8702",
    "81340fc704",
    "63b3a2a805",
    "7ef945ed05",
    "eacf08d505",
    "71c26e5f06",
    "2d564bac07",
    "5d0bbcf507",
    "30abce9309",
    "5e7fe34609",
];

fn names_of_one_hash() -> Vec<Vec<u8>> {
    let name = |varied| format!("{}{varied}{}", "x".repeat(224), "y".repeat(21));
    ONE_HASH.map(|varied| name(varied).into_bytes()).to_vec()
}

#[test]
fn names_of_one_hash_beyond_a_leaf_go_on_in_the_next_and_are_found_there() {
    let colliding = names_of_one_hash();
    for name in &colliding {
        assert_eq!(half_md4(name, seed()).major, 0x5f32_dfaa);
    }
    let fillers = numbered(200, 248).map(String::into_bytes);
    let alone = colliding.clone();
    let among: Vec<_> = fillers.chain(colliding.clone()).collect();
    let layout = layout_of(&among);
    assert!(layout.leaves.iter().any(|leaf| leaf.hash == 0x5f32_dfab));
    let mut items = full_of_links("alone", &alone);
    items.extend(full_of_links("among", &among));
    let pressed = press(&Rootfs::of(items)).judged();
    if !is_root() {
        skip("only root mounts");
        return;
    }
    // The kernel finds each by name to remove it, and what is left is sound.
    let mounted = Mounted::read_write(&pressed.image());
    for name in colliding.iter().step_by(2) {
        let name = String::from_utf8(name.clone()).unwrap();
        std::fs::remove_file(mounted.mount_point().join("among").join(&name)).unwrap();
        std::fs::write(mounted.mount_point().join("alone").join(&name), "new").unwrap();
    }
    drop(mounted);
    e2fsck_clean_after_use(&pressed.image());
}

#[test]
fn a_lost_and_found_of_the_image_is_kept_as_it_is() {
    let own = || directory("lost+found").mode(0o755).owner(7, 8);
    let entries =
        |count| numbered(count, 24).map(|name| file(format!("lost+found/{name}"), bytes(10)));
    let rootfs = Rootfs::of([own().xattr("user.kept", "yes")]);
    let empty = press(&rootfs).judged();
    assert_eq!(blocks_of(&empty, "/lost+found"), 4);
    let mut few: Vec<_> = std::iter::once(own()).chain(entries(3)).collect();
    few.push(directory("lost+found/sub"));
    few.push(file("lost+found/sub/file", bytes(5)));
    let few = press(&Rootfs::of(few)).judged();
    assert_eq!(blocks_of(&few, "/lost+found"), 4);
    // 32 bytes an entry: 128 to a block, 127 beside the dots.
    for (count, blocks) in [(511, 4), (512, 5), (5000, 40)] {
        let many = std::iter::once(own()).chain(entries(count));
        let many = press(&Rootfs::of(many)).judged();
        assert_eq!(blocks_of(&many, "/lost+found"), blocks, "{count}");
        assert!(!is_indexed(&many, "/lost+found"));
    }
}

#[test]
fn a_lost_and_found_that_is_no_directory_is_refused() {
    for item in [
        file("lost+found", *b"x"),
        super::support::rootfs::symlink("lost+found", "elsewhere"),
    ] {
        super::assert_refused(&Rootfs::of([item]), &["lost+found: expected a directory"]);
    }
    // Elsewhere the name is like any other.
    let elsewhere = Rootfs::of([directory("a"), file("a/lost+found", *b"x")]);
    press_tree(&elsewhere, Wanted::default()).unwrap().judged();
}
