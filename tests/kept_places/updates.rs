//! What an update changes of an image.

use layerpress::ext::{Kind, SizePolicy};
use layerpress::units::ByteSize;

use super::support::press::{Pressed, Wanted, press_like, press_with};
use super::support::rootfs::{Rootfs, bytes, file};
use super::{differing_blocks, kept_figures, kinds, like, read, sample};

fn fresh(rootfs: &Rootfs, wanted: Wanted) -> Pressed {
    // With room for what comes later.
    let size = SizePolicy::FitPlus(ByteSize(20 << 20));
    press_with(rootfs, Wanted { size, ..wanted }).unwrap()
}

fn inode_of(pressed: &Pressed, path: &str) -> String {
    let said = pressed.debugfs(&format!("stat /{path}"));
    let (_, number) = said.split_once("Inode: ").unwrap();
    number.split_whitespace().next().unwrap().to_owned()
}

fn blocks_of(pressed: &Pressed, path: &str) -> String {
    let said = pressed.debugfs(&format!("blocks /{path}"));
    // Behind the command itself.
    said.lines().skip(1).collect()
}

#[test]
fn the_same_image_again_is_the_same_byte_for_byte() {
    for wanted in kinds() {
        let old = fresh(&sample(), wanted);
        let new = press_like(&sample(), like(wanted), &old.image()).unwrap();
        let figures = kept_figures(&new);
        assert_eq!((figures.moved.inodes, figures.new.inodes), (0, 0));
        assert_eq!((figures.moved.blocks, figures.new.blocks), (0, 0));
        assert_eq!((figures.split_files, figures.runs), (0, figures.fresh_runs));
        assert!(read(&old.image()) == read(&new.image()), "{wanted:?}");
    }
}

#[test]
fn a_grown_file_a_new_one_and_a_removed_one_change_little_and_nothing_else_moves() {
    for wanted in kinds() {
        let old = fresh(&sample(), wanted);
        let mut items = sample().items;
        for item in &mut items {
            if item.path == b"a/f05" {
                item.what = file("", bytes(20_000)).what;
            }
        }
        items.retain(|item| item.path != b"a/f20");
        items.push(file("a/0-first", bytes(30_000)));
        let new = press_like(&Rootfs::of(items.clone()), like(wanted), &old.image()).unwrap();
        let new = new.judged();
        let figures = kept_figures(&new);
        assert_eq!(figures.new.inodes, 1);
        assert_eq!((figures.moved.inodes, figures.resized_inodes), (1, 1));
        for path in [
            "a/f04",
            "a/f21",
            "b/sparse",
            "a/deep",
            "a/deep/large",
            "b/target",
        ] {
            assert_eq!(inode_of(&old, path), inode_of(&new, path), "{path}");
            assert_eq!(blocks_of(&old, path), blocks_of(&new, path), "{path}");
        }
        assert_eq!(inode_of(&old, "a/f05"), inode_of(&new, "a/f05"));
        // Eight and five blocks of data, a directory's, few of inodes and bitmaps, and the copies.
        let differing = differing_blocks(&old.image(), &new.image());
        assert!(differing < 13 + 8 + 12, "{wanted:?}: {differing}");
        let again = press_like(&Rootfs::of(items), like(wanted), &old.image()).unwrap();
        assert!(read(&again.image()) == read(&new.image()), "{wanted:?}");
    }
}

#[test]
fn nothing_of_what_was_removed_stays_readable_and_its_blocks_are_taken_by_what_is_new() {
    let secret = b"nobody is to read this any more ".repeat(4000);
    for wanted in kinds() {
        let mut items = sample().items;
        items.push(file("a/secret", &secret[..]));
        let old = fresh(&Rootfs::of(items), wanted);
        let mut items = sample().items;
        items.push(file("a/successor", bytes(secret.len())));
        let new = press_like(&Rootfs::of(items), like(wanted), &old.image()).unwrap();
        let new = new.judged();
        assert_eq!(blocks_of(&old, "a/secret"), blocks_of(&new, "a/successor"));
        assert_eq!(inode_of(&old, "a/secret"), inode_of(&new, "a/successor"));
        let removed = press_like(&sample(), like(wanted), &old.image()).unwrap();
        removed.checked();
        let bytes = read(&removed.image());
        let found = bytes.windows(32).any(|window| window == &secret[..32]);
        assert!(!found, "{wanted:?}");
    }
}

#[test]
fn a_path_of_another_type_and_the_second_name_of_a_file_keep_nothing_of_others() {
    let wanted = Wanted::kind(Kind::Ext4);
    let old = fresh(&sample(), wanted);
    let mut items = sample().items;
    for item in &mut items {
        match &item.path[..] {
            // What was one file is two.
            b"b/zlink" => item.what = file("", bytes(1 + 3 * 1500)).what,
            b"b/middle" => *item = super::symlink("b/middle", [b'x'; 100]),
            b"b/target" => *item = super::directory("b/target"),
            _ => {}
        }
    }
    let new = press_like(&Rootfs::of(items), like(wanted), &old.image()).unwrap();
    let new = new.judged();
    let figures = kept_figures(&new);
    assert_eq!((figures.new.inodes, figures.moved.inodes), (3, 0));
    assert_eq!(inode_of(&old, "a/f03"), inode_of(&new, "a/f03"));
    assert_ne!(inode_of(&old, "b/zlink"), inode_of(&new, "b/zlink"));
}
