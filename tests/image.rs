//! A whole image pressed by the program itself: proven, listed by the kernel, and then lived in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use assert_cmd::Command;
use layerpress::ext::{Kind, SizePolicy};
use layerpress::listing::compare;
use layerpress::units::{ByteSize, FileFlags};
use rustix::fs::XattrFlags;

use support::oracles::{
    self, Mounted, e2fsck_clean, e2fsck_clean_after_use, is_root, kernel_listing, skip,
};
use support::press::{Pressed, Wanted, press, press_with};
use support::rootfs::{Item, Rootfs, What, bytes, directory, file, link, sparse, symlink, zeros};
use support::second_reader;
use support::tarball::write_tar;

/// A bit of everything, under a directory of one block and one of many.
fn everything() -> Rootfs {
    let mut items = vec![
        directory("").mode(0o755),
        directory("bin"),
        file("bin/busybox", bytes(1_000_000))
            .mode(0o4755)
            .flags(FileFlags::JOURNAL.with(FileFlags::NODUMP)),
        link("bin/sh", "bin/busybox"),
        symlink("bin/ash", "busybox").flags(FileFlags::NODUMP),
        directory("dev"),
        Item::new("dev/null", What::Character(1, 3)).mode(0o666),
        Item::new("dev/sda", What::Block(8, 0))
            .mode(0o660)
            .owner(0, 6),
        Item::new("run", What::Fifo).mode(0o600),
        directory("tmp").mode(0o1777),
        directory("home").owner(100_000, 100_000).mtime(-5, 5),
        file("home/wide", bytes(20_000))
            .xattr("user.large", bytes(1000))
            .owner(70_000, 80_000),
        file("home/same", bytes(3)).xattr("user.large", bytes(1000)),
        file("home/tagged", bytes(3)).xattr("user.small", "s"),
        symlink("home/long", "t".repeat(300)),
        sparse("home/sparse", 100 << 20, &[(50 << 20, &bytes(9000))]),
        zeros("home/zeros", 5 << 20),
        directory("many").flags(FileFlags::NOATIME.with(FileFlags::TOPDIR)),
    ];
    items.extend(
        (0..3000).map(|index| file(format!("many/file number {index}"), bytes(index % 99))),
    );
    Rootfs::of(items)
}

fn layerpress() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_layerpress"));
    command.env_remove("SOURCE_DATE_EPOCH");
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

/// Every kind with the journals that it can have, as options.
const KINDS: [(&str, &[&str]); 3] = [
    ("ext2", &["none"]),
    ("ext3", &["auto", "4M", "37M"]),
    ("ext4", &["auto", "none", "4M", "37M"]),
];

#[test]
fn an_image_of_every_kind_is_pressed_and_proven_whatever_its_size_and_journal() {
    let directory = tempfile::tempdir().unwrap();
    let tar = directory.path().join("rootfs.tar");
    let image = directory.path().join("image.img");
    write_tar(&everything(), &tar);
    let expected = everything().expected();
    let sizes = ["107%", "250%", "fit", "+0", "+64M", "200M", "300M"];
    for (kind, journals) in KINDS {
        for (size, journal) in sizes
            .iter()
            .flat_map(|size| journals.iter().map(move |journal| (size, journal)))
        {
            let mut command = layerpress();
            command.args(["build", "--verify", "--free-inodes", "77", "--file-flags"]);
            command.args(["--fs", kind, "--size", size, "--journal", journal, "-o"]);
            command.arg(&image);
            command.arg(format!("rootfs:{}", tar.display()));
            command.assert().success();
            e2fsck_clean(&image);
            if second_reader::has_checksums(&image) {
                second_reader::recompute(&image).clean();
            }
            if is_root() {
                let differences = compare(&expected, &kernel_listing(&image));
                assert!(
                    differences.is_empty(),
                    "{kind} {size} {journal}: {}",
                    differences[0]
                );
            }
        }
    }
    if !is_root() {
        skip("only root mounts");
    }
}

#[test]
fn a_hash_seed_of_zeros_is_refused_and_a_uuid_of_zeros_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let tar = directory.path().join("rootfs.tar");
    let image = directory.path().join("image.img");
    write_tar(&everything(), &tar);
    let build = |option: &str| {
        layerpress()
            .args(["build", "--verify", "--file-flags", option])
            .arg("00000000-0000-0000-0000-000000000000")
            .arg("-o")
            .arg(&image)
            .arg(format!("rootfs:{}", tar.display()))
            .assert()
    };
    // mke2fs would make one by chance.
    let refused = build("--hash-seed").code(5);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("not all zeros"), "{said}");
    build("--uuid").success();
}

#[test]
fn every_judge_fails_on_a_damaged_image() {
    let pressed = press(&everything()).judged();
    let fails = |what: &str, judge: &dyn Fn(&Pressed)| {
        let judged = catch_unwind(AssertUnwindSafe(|| judge(&pressed)));
        assert!(judged.is_err(), "{what} was not noticed");
    };
    let whole = fs::read(pressed.image()).unwrap();
    let image = || {
        OpenOptions::new()
            .write(true)
            .open(pressed.image())
            .unwrap()
    };
    let needle = bytes(1_000_000);
    let content = whole
        .windows(4096)
        .position(|window| window == &needle[..4096]);
    image()
        .write_all_at(b"\0", content.unwrap() as u64 + 100)
        .unwrap();
    fails("a wrong byte of content", &Pressed::read_back);
    if is_root() {
        fails("a wrong byte of content", &Pressed::seen_by_the_kernel);
    } else {
        skip("only root mounts");
    }
    fs::write(pressed.image(), &whole).unwrap();
    pressed.checked();
    // s_free_blocks_count and the first block bitmap.
    for (offset, what) in [
        (1024 + 0x0c, "a wrong count"),
        (block_bitmap(&pressed), "a wrong bitmap"),
    ] {
        image()
            .write_all_at(&[whole[offset] ^ 1], offset as u64)
            .unwrap();
        fails(what, &Pressed::checked);
        fs::write(pressed.image(), &whole).unwrap();
    }
}

/// Where the first group's block bitmap ends, in bytes: its last block is free.
fn block_bitmap(pressed: &Pressed) -> usize {
    let stats = pressed.debugfs("stats");
    let block = stats.split("block bitmap at ").nth(1).unwrap();
    let block: usize = block.split(',').next().unwrap().parse().unwrap();
    let blocks = pressed.plan.sized.geometry.blocks as usize;
    block * 4096 + blocks.min(32_768) / 8 - 1
}

/// Creates, appends, renames, removes and tags in a directory; `names` are already there.
fn live_in(directory: &Path, names: &[String], rounds: usize) {
    for index in 0..rounds {
        fs::write(
            directory.join(format!("created {index}")),
            bytes(index % 9000),
        )
        .unwrap();
    }
    for (index, name) in names.iter().enumerate() {
        let path = directory.join(name);
        match index % 5 {
            0 => fs::remove_file(&path).unwrap(),
            1 => {
                let mut file = OpenOptions::new().append(true).open(&path).unwrap();
                file.write_all(&bytes(5000)).unwrap();
            }
            2 => fs::rename(&path, directory.join(format!("renamed {index}"))).unwrap(),
            3 => {
                let value = bytes(if index % 2 == 0 { 30 } else { 500 });
                rustix::fs::setxattr(&path, "user.tag", &value, XattrFlags::empty()).unwrap();
            }
            _ => fs::hard_link(&path, directory.join(format!("linked {index}"))).unwrap(),
        }
    }
    for index in (0..rounds).step_by(2) {
        fs::remove_file(directory.join(format!("created {index}"))).unwrap();
    }
    for index in 0..50 {
        fs::create_dir(directory.join(format!("sub {index}"))).unwrap();
    }
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_result_lives_as_ext2() {
    lives(Kind::Ext2);
}

#[test]
fn the_result_lives_as_ext3() {
    lives(Kind::Ext3);
}

#[test]
fn the_result_lives_as_ext4() {
    lives(Kind::Ext4);
}

fn lives(kind: Kind) {
    if !is_root() {
        skip("only root mounts");
        return;
    }
    let items = everything().items.into_iter().chain([
        directory("leaf"),
        directory("deep"),
        file("deep/target", *b"linked"),
        directory("empty"),
        directory("collide"),
    ]);
    // An index of one leaf more than a root block takes, every leaf full to its last byte.
    let deep = (0..509 * 16 - 5).map(|index| link(format!("deep/{index:0248}"), "deep/target"));
    let full = (0..254).map(|index| file(format!("leaf/{index:08}"), bytes(index)));
    let rootfs = Rootfs::of(items.chain(deep).chain(full));
    let wanted = Wanted {
        kind,
        room: layerpress::ext::Room {
            free_inodes: 20_000,
            ..Wanted::default().room
        },
        ..Wanted::size(SizePolicy::FitPlus(ByteSize(300 << 20)))
    };
    let pressed = press_with(&rootfs, wanted).unwrap().judged();
    let mounted = Mounted::read_write(&pressed.image());
    let root = mounted.mount_point();
    for (name, rounds) in [
        ("empty", 2000),
        ("leaf", 2000),
        ("many", 4000),
        ("deep", 3000),
        ("", 500),
    ] {
        let directory = root.join(name);
        live_in(&directory, &names_in(&directory), rounds);
    }
    // Files that the map has already grown around: appended to over each level's edge.
    let mut busybox = OpenOptions::new()
        .append(true)
        .open(root.join("bin/busybox"))
        .unwrap();
    busybox.write_all(&bytes(6_000_000)).unwrap();
    let sparse = OpenOptions::new()
        .write(true)
        .open(root.join("home/sparse"))
        .unwrap();
    sparse.write_all_at(&bytes(100_000), 10 << 20).unwrap();
    sparse.set_len(30 << 20).unwrap();
    let zeros = OpenOptions::new()
        .write(true)
        .open(root.join("home/zeros"))
        .unwrap();
    zeros.write_all_at(&bytes(100_000), 1 << 20).unwrap();
    // The shared attribute block loses one of its two files, and the other keeps it.
    fs::remove_file(root.join("home/same")).unwrap();
    assert_eq!(oracles::xattrs_of(&root.join("home/wide")).len(), 1);
    fs::remove_dir_all(root.join("many")).unwrap();
    drop((busybox, sparse, zeros));
    drop(mounted);
    e2fsck_clean_after_use(&pressed.image());
    let mounted = Mounted::read_only(&pressed.image());
    let root = mounted.mount_point();
    assert_eq!(
        fs::read(root.join("bin/sh")).unwrap(),
        [bytes(1_000_000), bytes(6_000_000)].concat()
    );
    assert_eq!(
        fs::read(root.join("leaf/created 1999")).unwrap(),
        bytes(1999)
    );
    assert_eq!(
        fs::read_link(root.join("home/long")).unwrap().as_os_str(),
        &*"t".repeat(300)
    );
    assert!(!root.join("many").exists());
}

#[test]
fn the_result_takes_files_to_its_last_block_and_inode() {
    if !is_root() {
        skip("only root mounts");
        return;
    }
    let rootfs = Rootfs::of([directory("d"), file("d/f", bytes(5000))]);
    for kind in Kind::ALL {
        let wanted = Wanted {
            kind,
            ..Wanted::size(SizePolicy::Exact(ByteSize(20 << 20)))
        };
        fill_to_the_last(&press_with(&rootfs, wanted).unwrap());
    }
}

fn fill_to_the_last(pressed: &Pressed) {
    let plan = &pressed.plan;
    let (blocks, inodes) = (plan.free_blocks_after(), plan.free_inodes_after());
    let mounted = Mounted::read_write(&pressed.image());
    let root = mounted.mount_point();
    fs::create_dir(root.join("names")).unwrap();
    let mut made = 1;
    while File::create(root.join(format!("names/{made}"))).is_ok() {
        made += 1;
    }
    assert_eq!(made, inodes);
    let mut last = OpenOptions::new()
        .append(true)
        .open(root.join("d/f"))
        .unwrap();
    let mut written = 0;
    while last.write_all(&bytes(4096)).is_ok() {
        written += 1;
    }
    // Names and maps take the rest; and where there are extents the kernel keeps a fiftieth of the
    // blocks for splitting them.
    let kept = match plan.profile.kind {
        Kind::Ext4 => u64::from(plan.sized.geometry.blocks / 50),
        Kind::Ext2 | Kind::Ext3 => 0,
    };
    assert!(
        written + kept + 20 > blocks && written < blocks,
        "{written} of {blocks}"
    );
    drop(last);
    drop(mounted);
    e2fsck_clean_after_use(&pressed.image());
}
