//! What no layer can have: refused with its path, or left out and counted.

use std::io::{self, Write};

use layerpress::export::{LayerOptions, write_layer};
use layerpress::ext::Kind;
use layerpress::progress::Silent;
use layerpress::units::FileFlags;
use layerpress::view::View;
use layerpress::{Error, Result};

use crate::rig::{Image, KEEPING_FLAGS, Layer, pressed};
use crate::support::oracles;
use crate::support::press::Pressed;
use crate::support::rootfs::{Item, Rootfs, What, directory, file};

fn whole(pressed: &Pressed) -> Result<Layer> {
    Layer::of(&pressed.image(), None, &KEEPING_FLAGS)
}

fn pressed_of(items: impl IntoIterator<Item = Item>) -> Pressed {
    let root = [directory("")];
    pressed(&Rootfs::of(root.into_iter().chain(items)), Kind::Ext4)
}

fn error(layer: Result<Layer>) -> Error {
    layer.map(|layer| layer.names()).unwrap_err()
}

#[test]
fn a_name_that_would_be_a_whiteout_is_refused_with_its_path_and_what_it_would_do() {
    for (name, would) in [
        (".wh.shadow", "it would hide shadow of the layers below"),
        (".wh.", "it would be a whiteout of nothing"),
        (".wh..", "it would be a whiteout of nothing"),
        (
            ".wh..wh..opq",
            "it would hide everything below its directory",
        ),
        (".wh..wh.plnk", "it would be taken for bookkeeping of aufs"),
    ] {
        for what in [What::Directory, What::Fifo] {
            let path = format!("etc/{name}");
            let pressed = pressed_of([directory("etc"), Item::new(path, what)]);
            let error = error(whole(&pressed));
            assert!(matches!(error, Error::Unsupported { .. }));
            let expected = format!("etc/{name}: expected no name that begins with .wh.");
            let text = error.to_string();
            assert!(
                text.starts_with(&expected) && text.ends_with(would),
                "{text}"
            );
        }
    }
    let names = [".wh", "a.wh.b", ".whale"];
    let pressed = pressed_of(names.map(|name| file(name, *b"x")));
    let found = whole(&pressed).unwrap().names();
    assert_eq!(found, ["./", ".wh", ".whale", "a.wh.b"]);
}

#[test]
fn a_name_of_the_base_that_no_whiteout_can_hide_is_refused() {
    let base = Image::of(&Rootfs::of([directory(""), file(".wh.a", *b"x")]));
    let pressed = pressed_of([]);
    let layer = Layer::of(&pressed.image(), Some(&base.base()), &KEEPING_FLAGS);
    let text = error(layer).to_string();
    assert!(
        text.contains("found .wh.a: no whiteout can hide it"),
        "{text}"
    );
}

#[test]
fn a_journal_that_needs_recovery_is_refused_with_the_way_out() {
    let pressed = pressed_of([]);
    oracles::debugfs_write(&pressed.image(), &["feature needs_recovery"]);
    let error = error(whole(&pressed));
    assert!(matches!(error, Error::BadImage { .. }));
    let text = error.to_string();
    let way_out = format!("`e2fsck -fp {}`", pressed.image().display());
    assert!(
        text.contains(&way_out) && text.contains("mounting it once"),
        "{text}"
    );
}

#[test]
fn sockets_are_left_out_and_counted_and_hide_what_the_base_has_there() {
    let items = || {
        [
            directory("run"),
            Item::new("run/one", What::Fifo),
            Item::new("run/two", What::Fifo),
        ]
    };
    let base = Image::of(&Rootfs::of([directory("")].into_iter().chain(items())));
    let pressed = pressed_of(items());
    let socket = "set_inode_field /run/two mode 0140644";
    oracles::debugfs_write(&pressed.image(), &[socket]);
    let layer = whole(&pressed).unwrap();
    assert_eq!(layer.names(), ["./", "run/", "run/one"]);
    assert_eq!(layer.exported.left_out_sockets, 1);
    let warnings: Vec<_> = layer.exported.warnings.lines().collect();
    assert_eq!(
        warnings,
        ["a socket cannot be in a tar and was left out: run/two"]
    );
    let layer = Layer::of(&pressed.image(), Some(&base.base()), &KEEPING_FLAGS).unwrap();
    assert_eq!(layer.names(), ["./", "run/", "run/.wh.two"]);
}

#[test]
fn the_lost_found_of_mke2fs_is_left_out_and_any_other_is_not() {
    let pressed = pressed_of([]);
    let layer = whole(&pressed).unwrap();
    assert_eq!(layer.names(), ["./"]);
    assert!(layer.exported.left_out_lost_found);
    for change in [
        &["set_inode_field /lost+found mode 040755"][..],
        &["set_inode_field /lost+found gid 1"],
        &["ea_set /lost+found user.found something"],
        &["mkdir /lost+found/found"],
        &["cd /lost+found", "mknod found p"],
    ] {
        let pressed = pressed_of([]);
        oracles::debugfs_write(&pressed.image(), change);
        let layer = whole(&pressed).unwrap();
        let names = layer.names();
        assert_eq!(names[1], "lost+found/", "{change:?}");
        assert!(!layer.exported.left_out_lost_found, "{change:?}");
        // The build's own note is not a part of it.
        let xattrs = &layer.entries()[1].xattrs;
        let notes = xattrs
            .iter()
            .filter(|xattr| xattr.name.starts_with(b"user.layerpress"));
        assert_eq!(notes.count(), 0, "{change:?}");
    }
}

#[test]
fn a_lost_found_of_the_base_is_held_against_the_filesystems() {
    let with = || [directory(""), directory("lost+found").mode(0o700)];
    let base = Image::of(&Rootfs::of(with()));
    let pressed = pressed(&Rootfs::of(with()), Kind::Ext3);
    let layer = Layer::of(&pressed.image(), Some(&base.base()), &KEEPING_FLAGS).unwrap();
    assert!(layer.exported.is_empty(), "{:?}", layer.names());
    oracles::debugfs_write(&pressed.image(), &["rmdir /lost+found"]);
    let layer = Layer::of(&pressed.image(), Some(&base.base()), &KEEPING_FLAGS).unwrap();
    assert_eq!(layer.names(), ["./", ".wh.lost+found"]);
}

#[test]
fn what_overlayfs_would_take_for_its_own_is_told() {
    let pressed = pressed_of([
        Item::new("zero", What::Character(0, 0)),
        Item::new("zero-block", What::Block(0, 0)),
        directory("mount")
            .xattr("trusted.overlay.opaque", "y")
            .xattr("user.overlay.x", "y")
            .xattr("user.x", "y"),
    ]);
    // The tree is read as a layer's is: it has none of them. A guest may have.
    oracles::debugfs_write(
        &pressed.image(),
        &["ea_set /mount trusted.overlay.opaque y"],
    );
    let layer = whole(&pressed).unwrap();
    let entries = layer.entries();
    let mount = entries
        .iter()
        .find(|entry| *entry.path == *b"mount/")
        .unwrap();
    let names: Vec<_> = mount.xattrs.iter().map(|xattr| &*xattr.name).collect();
    assert_eq!(names, [b"user.x"]);
    assert!(entries.iter().any(|entry| *entry.path == *b"zero"));
    let warnings: Vec<_> = layer.exported.warnings.lines().collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("a character device 0:0") && warnings[0].ends_with(": zero"));
    assert_eq!(warnings[1], "overlayfs extended attributes left out: mount");
}

#[test]
fn what_engines_do_not_keep_of_any_layer_is_written_and_counted() {
    let pressed = pressed_of([
        file("attribute", *b"x")
            .xattr("user.empty", "")
            .xattr("user.x", "y"),
        directory("early").mtime(-1, 999_999_999),
        file("late", *b"x").mtime(9_223_372_036, 0),
        file("trusted", *b"x").xattr("trusted.x", "y"),
        file("usual", *b"x")
            .mtime(9_223_372_035, 999_999_999)
            .xattr("user.x", "y"),
    ]);
    let layer = whole(&pressed).unwrap();
    assert_eq!(layer.entries()[1].xattrs.len(), 2);
    let warnings: Vec<_> = layer.exported.warnings.lines().collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].starts_with("a time before 1970 or after 2262 is written as it is"));
    assert!(
        warnings[0].ends_with(": 2 entries, for example late"),
        "{warnings:?}"
    );
    let trusted = "a trusted.* attribute is written as it is; containerd leaves it out: trusted";
    assert_eq!(warnings[1], trusted);
    assert!(warnings[2].starts_with("an extended attribute without a value is written"));
    assert!(warnings[2].ends_with(": attribute"), "{warnings:?}");
}

#[test]
fn file_flags_are_written_or_counted() {
    let item = || file("kept", *b"x").flags(FileFlags::IMMUTABLE);
    let pressed = pressed_of([item()]);
    let with = whole(&pressed).unwrap();
    assert_eq!(with.entries()[1].file_flags, FileFlags::IMMUTABLE);
    assert_eq!(with.exported.warnings.lines().count(), 0);
    let base = Image::of(&Rootfs::of([directory(""), file("kept", *b"x")]));
    let options = LayerOptions::default();
    for base in [None, Some(base.base())] {
        let without = Layer::of(&pressed.image(), base.as_ref(), &options).unwrap();
        assert_eq!(without.exported.is_empty(), base.is_some());
        let flags = without
            .entries()
            .iter()
            .filter(|entry| !entry.file_flags.is_empty())
            .count();
        assert_eq!(flags, 0);
        let warnings: Vec<_> = without.exported.warnings.lines().collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with(FileFlags::NOT_KEPT), "{warnings:?}");
    }
    let layer = Layer::of(&pressed.image(), Some(&base.base()), &KEEPING_FLAGS).unwrap();
    assert_eq!(layer.names(), ["./", "kept"]);
}

#[test]
fn what_cannot_be_read_is_told_with_its_path() {
    let items = || [directory("d"), file("d/secret", *b"x")];
    let base = Image::of(&Rootfs::of([directory("")].into_iter().chain(items())));
    let pressed = pressed_of(items());
    let encrypted = "set_inode_field /d/secret flags 0x80800";
    oracles::debugfs_write(&pressed.image(), &[encrypted]);
    for base in [None, Some(base.base())] {
        let error = error(Layer::of(
            &pressed.image(),
            base.as_ref(),
            &LayerOptions::default(),
        ));
        let text = error.to_string();
        assert!(matches!(error, Error::Unsupported { .. }), "{text}");
        assert!(
            text.contains("d/secret") && text.contains("encrypted"),
            "{text}"
        );
    }
}

/// Takes so many bytes and no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        match taken {
            0 => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_takes_no_more_is_an_error_wherever_it_ends() {
    let pressed = pressed_of([file("file", vec![7; 3000])]);
    let length = whole(&pressed).unwrap().exported.tar_bytes as usize;
    let view = View::open(&pressed.image()).unwrap();
    let written = |length| write_layer(&view, None, &KEEPING_FLAGS, &mut Full(length), &Silent);
    for taken in [0, 511, 2000, length - 1] {
        let error = written(taken).unwrap_err();
        assert!(matches!(error, Error::Io { .. }));
        assert!(error.to_string().starts_with("cannot write the layer"));
    }
    assert_eq!(written(length).unwrap().tar_bytes as usize, length);
}
