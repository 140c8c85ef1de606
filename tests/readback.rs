//! Reading an image back by our own reader and by two that are not ours finds what is wrong with it.
//!
//! The images are mke2fs's own (`-d`), and changed or damaged by debugfs or byte by byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use layerpress::error::Error;
use layerpress::ext::check::{
    Reader, VerifyReport, read_through_debugfs, read_through_ext4_view, verify,
};
use layerpress::listing::{Field, compare};
use layerpress::progress::{Meter, Reporter, Silent, Task};
use support::directory_tree::{nodes_of, tree_of};
use support::oracles;
use support::sample::{bytes, make_image, make_image_with, sample, settle_root};

fn findings(report: &VerifyReport) -> String {
    report
        .findings
        .iter()
        .map(|finding| format!("{finding}\n"))
        .collect()
}

#[test]
fn an_image_that_is_as_it_should_be_has_no_difference() {
    let Some(sample) = sample() else { return };
    let started = Instant::now();
    let report = sample.verify(&sample.image());
    assert_eq!(findings(&report), "");
    assert_eq!(
        report.readers,
        [Reader::Own, Reader::Debugfs, Reader::Ext4View]
    );
    // Times before 1970 and from 2038 on.
    let unread: Vec<_> = report.unread.iter().map(|unread| unread.reader).collect();
    assert_eq!(unread, [Reader::Ext4View], "{:?}", report.unread);
    assert_eq!(report.names, 29);
    // A terabyte of holes is among it.
    assert!(started.elapsed() < Duration::from_secs(60));
    report.into_result().unwrap();
}

/// One way to damage an image, the path where it must show, and the field.
struct Damage {
    what: &'static str,
    path: &'static str,
    /// `None` for a name that is missing or too many.
    field: Option<Field>,
    commands: &'static [&'static str],
}

const DAMAGES: &[Damage] = &[
    Damage {
        what: "mode",
        path: "one",
        field: Some(Field::Mode),
        commands: &["set_inode_field /one mode 0100751"],
    },
    Damage {
        what: "type",
        path: "etc/fifo",
        field: Some(Field::Kind),
        commands: &["set_inode_field /etc/fifo mode 0140644"],
    },
    Damage {
        what: "user",
        path: "etc/lonely",
        field: Some(Field::Owner),
        commands: &["set_inode_field /etc/lonely uid 7"],
    },
    Damage {
        what: "group beyond 16 bits",
        path: "block",
        field: Some(Field::Owner),
        commands: &["set_inode_field /block gid_hi 1"],
    },
    Damage {
        what: "seconds",
        path: "etc/also",
        field: Some(Field::Mtime),
        commands: &["set_inode_field /etc/also mtime @12345"],
    },
    Damage {
        what: "nanoseconds",
        path: "etc/lonely",
        field: Some(Field::Mtime),
        commands: &["set_inode_field /etc/lonely mtime_extra 4"],
    },
    Damage {
        what: "time of a directory",
        path: "",
        field: Some(Field::Mtime),
        commands: &["set_inode_field / mtime @5"],
    },
    Damage {
        what: "size",
        path: "sparse",
        field: Some(Field::Size),
        commands: &["set_inode_field /sparse size_hi 0x101"],
    },
    Damage {
        what: "link count",
        path: "another",
        field: Some(Field::LinkCount),
        commands: &["set_inode_field /another links_count 4"],
    },
    Damage {
        what: "attribute's value",
        path: "direct",
        field: Some(Field::Xattrs),
        commands: &["ea_set /direct user.binary other"],
    },
    Damage {
        what: "long attribute's value",
        path: "etc/deep",
        field: Some(Field::Xattrs),
        commands: &[
            "ea_set /etc/deep \"user.quote\"\"d and spaced\" 0123456789012345678901234567890123456789012345678901234567890",
        ],
    },
    Damage {
        what: "attribute missing",
        path: "direct",
        field: Some(Field::Xattrs),
        commands: &["ea_rm /direct security.capability"],
    },
    Damage {
        what: "attribute too many",
        path: "short",
        field: Some(Field::Xattrs),
        commands: &["ea_set /short trusted.x y"],
    },
    Damage {
        what: "flag too many",
        path: "one",
        field: Some(Field::Flags),
        commands: &["set_inode_field /one flags 0x40"],
    },
    Damage {
        what: "flag of a directory too many",
        path: "etc/deep",
        field: Some(Field::Flags),
        commands: &["set_inode_field /etc/deep flags 0x10"],
    },
    Damage {
        what: "ACL missing",
        path: "indirect",
        field: Some(Field::Xattrs),
        commands: &["ea_rm /indirect system.posix_acl_access"],
    },
    Damage {
        what: "fast target",
        path: "short",
        field: Some(Field::Body),
        commands: &["set_inode_field /short block[0] 0x00656e70"],
    },
    Damage {
        what: "device's minor number",
        path: "big-device",
        field: Some(Field::Body),
        commands: &["set_inode_field /big-device block[1] 0x11112c71"],
    },
    Damage {
        what: "data that became a hole",
        path: "block",
        field: Some(Field::Body),
        commands: &[
            "set_inode_field /block block[0] 0",
            "set_inode_field /block blocks 0",
        ],
    },
    Damage {
        what: "name missing",
        path: " spaces  ",
        field: None,
        commands: &["unlink \"/ spaces  \""],
    },
    Damage {
        what: "name missing below a directory ext4-view cannot list",
        path: "etc/deep/er/linked",
        field: None,
        commands: &["unlink /etc/deep/er/linked"],
    },
    Damage {
        what: "name too many",
        path: "etc/extra",
        field: None,
        commands: &["mkdir /etc/extra"],
    },
    Damage {
        what: "link group",
        path: "etc/also",
        field: Some(Field::Links),
        commands: &["unlink /etc/also", "ln /etc/lonely /etc/also"],
    },
    Damage {
        what: "lost+found missing",
        path: "lost+found",
        field: None,
        commands: &["unlink /lost+found"],
    },
    Damage {
        what: "lost+found not empty",
        path: "lost+found/x",
        field: None,
        commands: &["ln /one /lost+found/x"],
    },
];

#[test]
fn every_kind_of_damage_is_found_where_it_is() {
    let Some(sample) = sample() else { return };
    for damage in DAMAGES {
        let copy = sample.copy();
        oracles::debugfs_write(&copy, damage.commands);
        let report = sample.verify(&copy);
        let found = report.findings.iter().find(|finding| {
            let difference = &finding.difference;
            let in_field = match damage.field {
                Some(field) => difference.fields.contains(&field),
                None => difference.expected.is_none() || difference.found.is_none(),
            };
            difference.path() == damage.path.as_bytes() && in_field
        });
        assert!(
            found.is_some(),
            "{} was not found:\n{}",
            damage.what,
            findings(&report)
        );
        assert!(matches!(report.into_result(), Err(Error::Mismatch(_))));
    }
}

#[test]
fn the_error_shows_ten_differences_each_with_who_saw_it_and_both_lines() {
    let Some(sample) = sample() else { return };
    let copy = sample.copy();
    let commands = ["one", "direct", "indirect", "block+1", "empty"];
    let commands = commands.map(|name| format!("set_inode_field /{name} uid 9"));
    oracles::debugfs_write(&copy, &commands.each_ref().map(|command| &**command));
    let report = sample.verify(&copy);
    // ext4-view cannot read the inodes of one and empty, whose times are out of its range.
    assert_eq!(report.findings.len(), 5, "{}", findings(&report));
    let error = report.into_result().unwrap_err().to_string();
    let shown =
        error.find("\nlayerpress, debugfs and ext4-view: /direct: owner differs\n- /direct file ");
    assert!(shown.is_some(), "{error}");
    assert!(
        error.contains("\nlayerpress and debugfs: /empty: owner differs\n"),
        "{error}"
    );
    let copy = sample.copy();
    oracles::debugfs_write(&copy, &["unlink /etc"]);
    let report = sample.verify(&copy);
    // Everything below it is missing as well; the root's link count is as debugfs leaves it.
    assert_eq!(report.findings.len(), 7, "{}", findings(&report));
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.difference.found.is_none())
    );
}

#[test]
fn a_single_changed_byte_of_content_is_found_through_each_reader_that_can() {
    let Some(sample) = sample() else { return };
    // ext4-view reads double's last block and the first of block+1; the others are debugfs's: a
    // time beyond 2038, a hole that takes a whole indirect block, a terabyte, a slow target.
    for (path, block, offset) in [
        ("double", 12 + 1024 + 2, 4095),
        ("block+1", 1, 0),
        ("block", 0, 17),
        ("hole-first", 100, 4),
        ("sparse", (5_u64 << 30) / 4096, 0),
        ("slow", 0, 1799),
    ] {
        let copy = sample.copy();
        let mapped = oracles::debugfs(&copy, &[&format!("bmap /{path} {block}")]);
        let disk_block: u64 = mapped.lines().last().unwrap().trim().parse().unwrap();
        assert_ne!(disk_block, 0, "{path}");
        flip(&copy, disk_block * 4096 + offset, 0x20);
        let report = sample.verify(&copy);
        let found = report.findings.iter().find(|finding| {
            let difference = &finding.difference;
            difference.path() == path.as_bytes() && difference.fields == [Field::Body]
        });
        let readers = found.map_or(&[][..], |finding| &finding.readers);
        // Our own alone is no independent proof.
        assert!(
            readers.len() > 1 && readers[0] == Reader::Own,
            "{path}:\n{}",
            findings(&report)
        );
    }
}

fn flip(image: &Path, offset: u64, bits: u8) {
    let image = File::options().read(true).write(true).open(image).unwrap();
    let mut byte = [0];
    image.read_exact_at(&mut byte, offset).unwrap();
    image.write_all_at(&[byte[0] ^ bits], offset).unwrap();
}

#[test]
fn both_readers_and_the_kernel_see_the_same_in_ext2_ext3_and_ext4() {
    let Some(sample) = sample() else { return };
    let root = sample.directory.path().join("root");
    for kind in ["ext2", "ext3", "ext4"] {
        let image = sample.directory.path().join(kind);
        make_image(&root, &image, kind, "160M");
        let kernel = oracles::kernel_listing(&image);
        assert!(kernel.lines().len() > 28);
        let names =
            read_through_debugfs(&image, &oracles::required("debugfs"), 1000, &Silent).unwrap();
        let debugfs = names.view(&mut |_, _| true).unwrap();
        assert_eq!(debugfs.problems, []);
        assert_eq!(compare(&kernel, &debugfs.listing), [], "{kind}");
        let known = |field| {
            debugfs
                .listing
                .lines()
                .iter()
                .all(|line| line.known_fields().any(|known| known == field))
        };
        assert!(
            [Field::Mode, Field::Mtime, Field::Xattrs, Field::Body]
                .into_iter()
                .all(known)
        );
        let ext4_view =
            read_through_ext4_view(&image, 1000, &mut |_, size| size < 1 << 30).unwrap();
        assert_eq!(compare(&kernel, &ext4_view.listing), [], "{kind}");
    }
}

#[test]
fn an_image_of_small_blocks_and_small_inodes_reads_back_as_the_kernel_sees_it() {
    let Some(sample) = sample() else { return };
    // Nothing in there is larger than what blocks of 1 KiB can map.
    let part = sample.directory.path().join("root/etc");
    fs::write(part.join("triple"), bytes(70_000_000)).unwrap();
    for inode_size in ["128", "256"] {
        let image = sample.directory.path().join("small");
        let options = ["-t", "ext2", "-b", "1024", "-I", inode_size];
        make_image_with(&options, &part, &image, "100M");
        let kernel = oracles::kernel_listing(&image);
        let debugfs = oracles::required("debugfs");
        let names = read_through_debugfs(&image, &debugfs, 1000, &Silent).unwrap();
        let view = names.view(&mut |_, _| true).unwrap();
        assert_eq!(view.problems, []);
        assert_eq!(compare(&kernel, &view.listing), [], "{inode_size}");
        let ext4_view = read_through_ext4_view(&image, 1000, &mut |_, _| true).unwrap();
        assert_eq!(ext4_view.problems, []);
        assert_eq!(compare(&kernel, &ext4_view.listing), [], "{inode_size}");
    }
}

#[test]
fn a_directory_listing_equals_the_image_made_of_it_but_for_lost_and_found() {
    let Some(sample) = sample() else { return };
    let mut directory = oracles::directory_listing(&sample.directory.path().join("root"));
    let names = read_through_debugfs(
        &sample.image(),
        &oracles::required("debugfs"),
        1000,
        &Silent,
    )
    .unwrap();
    let mut image = names.view(&mut |_, _| true).unwrap().listing;
    for line in directory.lines_mut().chain(image.lines_mut()) {
        line.mtime = None;
    }
    let differences = compare(&directory, &image);
    let paths: Vec<_> = differences
        .iter()
        .map(|difference| difference.path())
        .collect();
    assert_eq!(paths, [b"lost+found"]);
}

/// Counts the programs that are started.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Reporter for Counting {
    fn begin(&self, task: Task<'_>) -> Box<dyn Meter> {
        Silent.begin(task)
    }
    fn note(&self, _: &str) {}
    fn warn(&self, _: &str) {}
    fn command_line(&self, _: &str) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn ten_thousand_entries_take_a_handful_of_runs() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    for index in 0..100 {
        let inner = root.join(format!("d{index}/s"));
        fs::create_dir_all(&inner).unwrap();
        for file in 0..100 {
            fs::write(inner.join(format!("f{file}")), bytes(file * 90)).unwrap();
        }
    }
    let image = directory.path().join("image.img");
    make_image(&root, &image, "ext3", "200M");
    let (mut nodes, contents) = nodes_of(&root);
    settle_root(&image, &mut nodes);
    let tree = tree_of(nodes);
    let counting = Counting::default();
    let started = Instant::now();
    let debugfs = oracles::required("debugfs");
    let report = verify(&image, &tree, &contents, &debugfs, &counting).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    println!("verified {} names in {seconds:.2} s", report.names);
    assert_eq!(findings(&report), "");
    assert_eq!(report.names, 10_202);
    // Three levels of directories, one for the block size, three batches of inodes.
    assert_eq!(counting.0.into_inner(), 3 + 1 + 3);
    assert!(seconds < 60.0, "{seconds}");
}

#[test]
fn an_attribute_that_debugfs_cannot_be_asked_for_is_told_and_proven_by_our_own_reader() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(root.join("file"), b"x").unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    // debugfs takes a command per line, and shows fewer than forty bytes of a value unasked.
    rustix::fs::lsetxattr(root.join("file"), "user.line\nbreak", &[7; 40], flags).unwrap();
    let made = directory.path().join("image.img");
    make_image(&root, &made, "ext3", "9M");
    let (mut nodes, contents) = nodes_of(&root);
    settle_root(&made, &mut nodes);
    let tree = tree_of(nodes);
    // By this name debugfs would not find it.
    let image = directory.path().join("image?offset=1.img");
    fs::rename(&made, &image).unwrap();
    let debugfs = oracles::required("debugfs");
    let report = verify(&image, &tree, &contents, &debugfs, &Silent).unwrap();
    assert_eq!(findings(&report), "");
    let [unread] = &report.unread[..] else {
        panic!("{:?}", report.unread);
    };
    assert_eq!((unread.reader, unread.names), (Reader::Debugfs, 1));
    assert_eq!(*unread.first.path, *b"file");
    // The value is in the inode.
    let bytes = fs::read(&image).unwrap();
    let at = bytes.windows(40).position(|window| window == [7; 40]);
    flip(&image, at.unwrap() as u64, 1);
    let report = verify(&image, &tree, &contents, &debugfs, &Silent).unwrap();
    let [finding] = &report.findings[..] else {
        panic!("{}", findings(&report));
    };
    assert_eq!(finding.readers, [Reader::Own]);
    assert_eq!(finding.difference.fields, [Field::Xattrs]);
}
