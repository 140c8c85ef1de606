//! What an export reads and writes: contents once, twice where they are compared and differ, holes
//! never, and no more than there is, whatever the filesystem says.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use layerpress::Error;
use layerpress::export::{Exported, write_layer};
use layerpress::ext::Kind;
use layerpress::progress::Silent;
use layerpress::view::View;

use crate::rig::{Image, KEEPING_FLAGS, Layer, pressed};
use crate::support::oracles;
use crate::support::press::Pressed;
use crate::support::rootfs::{Rootfs, bytes, directory, file, sparse};
use crate::support::sample::make_image_with;

const BLOCKS: u64 = 600;

/// What is read for a name, of whatever kind, beside its content: inode and directory, some of them
/// more than once.
const OTHER_BLOCKS: u64 = 40;

fn rootfs(last: u8) -> Rootfs {
    let mut content = bytes(BLOCKS as usize * 4096);
    *content.last_mut().unwrap() = last;
    let holes = 1 << 40;
    Rootfs::of([
        directory(""),
        file("file", content),
        sparse("holes", holes, &[(holes / 2, b"data")]),
    ])
}

fn blocks_read(pressed: &Pressed, base: Option<&Image>) -> (u64, Exported) {
    let view = View::open(&pressed.image()).unwrap();
    let before = view.blocks_read();
    let base = base.map(Image::base);
    let written = write_layer(
        &view,
        base.as_ref(),
        &KEEPING_FLAGS,
        &mut std::io::sink(),
        &Silent,
    );
    (view.blocks_read() - before, written.unwrap())
}

#[test]
fn contents_are_read_once_and_where_they_are_compared_and_differ_twice() {
    let pressed = pressed(&rootfs(1), Kind::Ext4);
    let (same, other) = (Image::of(&rootfs(1)), Image::of(&rootfs(2)));
    let (whole, exported) = blocks_read(&pressed, None);
    assert!((BLOCKS..BLOCKS + OTHER_BLOCKS).contains(&whole), "{whole}");
    // A tebibyte of holes, too.
    assert!(exported.tar_bytes < (BLOCKS + 20) * 4096);
    let (compared, exported) = blocks_read(&pressed, Some(&same));
    assert!(
        (BLOCKS..BLOCKS + OTHER_BLOCKS).contains(&compared),
        "{compared}"
    );
    assert!(exported.is_empty());
    let (changed, _) = blocks_read(&pressed, Some(&other));
    assert!(
        (2 * BLOCKS..2 * BLOCKS + OTHER_BLOCKS).contains(&changed),
        "{changed}"
    );
}

/// An image of 16 MiB in which three inodes are one of 6 MiB.
fn shared_blocks(directory: &Path) -> PathBuf {
    let root = directory.join("root");
    fs::create_dir(&root).unwrap();
    for name in ["0", "1", "2"] {
        let length = if name == "0" { 6 << 20 } else { 1 };
        fs::write(root.join(name), bytes(length)).unwrap();
    }
    let image = directory.join("image");
    make_image_with(
        &["-t", "ext3", "-b", "4096", "-I", "256"],
        &root,
        &image,
        "16M",
    );
    let place = |name: &str| {
        let told = oracles::debugfs(&image, &[&format!("imap /{name}")]);
        let (_, place) = told.split_once("located at block ").unwrap();
        let (block, offset) = place.trim().split_once(", offset ").unwrap();
        let offset = u64::from_str_radix(offset.trim_start_matches("0x"), 16).unwrap();
        block.parse::<u64>().unwrap() * 4096 + offset
    };
    let file = File::options().read(true).write(true).open(&image).unwrap();
    let mut inode = [0; 256];
    file.read_exact_at(&mut inode, place("0")).unwrap();
    for name in ["1", "2"] {
        file.write_all_at(&inode, place(name)).unwrap();
    }
    image
}

#[test]
fn files_that_share_blocks_are_not_read_beyond_the_size_of_the_filesystem() {
    if !oracles::is_root() {
        oracles::skip("mke2fs gives the root directory to whoever runs it");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let image = shared_blocks(directory.path());
    let items = ["0", "1", "2"].map(|name| file(name, bytes(6 << 20)));
    let view = View::open(&image).unwrap();
    let mut base = Rootfs::of(items);
    let node = view.node(
        view.lookup(b"/0", layerpress::view::Follow::Always)
            .unwrap()
            .node
            .number,
    );
    for item in &mut base.items {
        let stored = &node.as_ref().unwrap().stored;
        (item.mode, item.uid, item.gid) = (stored.mode & 0o7777, stored.uid, stored.gid);
        item.mtime = stored.mtime;
    }
    let base = Image::of(&base);
    for base in [None, Some(base.base())] {
        let error = Layer::of(&image, base.as_ref(), &KEEPING_FLAGS).map(|layer| layer.names());
        let error = error.unwrap_err();
        assert!(matches!(error, Error::BadImage { .. }), "{error}");
        let text = error.to_string();
        assert!(text.ends_with("larger than the filesystem"), "{text}");
        assert!(text.starts_with("2: "), "{text}");
    }
}
