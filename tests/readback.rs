//! Reading an image back by two readers that are not ours finds what is wrong with it.
//!
//! The images are mke2fs's own (`-d`), and changed or damaged by debugfs or byte by byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use layerpress::error::Error;
use layerpress::layers::Contents;
use layerpress::listing::{Field, compare};
use layerpress::progress::{Meter, Reporter, Silent, Unit};
use layerpress::readback::{VerifyReport, read_through_debugfs, read_through_ext4_view, verify};
use layerpress::tree::{Node, Tree};
use layerpress::units::Timestamp;
use support::directory_tree::{id_of, nodes_of, tree_of};
use support::oracles;

/// A directory, the tree it stands for, and the image mke2fs made of it.
struct Sample {
    directory: tempfile::TempDir,
    tree: Tree,
    contents: Contents,
}

impl Sample {
    fn image(&self) -> PathBuf {
        self.directory.path().join("image.img")
    }

    fn verify(&self, image: &Path) -> VerifyReport {
        let debugfs = oracles::required("debugfs");
        verify(image, &self.tree, &self.contents, &debugfs, &Silent).unwrap()
    }

    /// A copy of the image for damaging, and the number of an inode in it.
    fn copy(&self) -> PathBuf {
        let copy = self.directory.path().join("damaged.img");
        oracles::succeed(
            "cp",
            [
                OsStr::new("--sparse=always"),
                self.image().as_os_str(),
                copy.as_os_str(),
            ],
        );
        copy
    }
}

fn make_image(directory: &Path, image: &Path, kind: &str, size: &str) {
    let arguments = ["-q", "-F", "-t", kind, "-T", "default", "-d"].map(OsStr::new);
    let rest = [directory.as_os_str(), image.as_os_str(), OsStr::new(size)];
    oracles::succeed("mke2fs", arguments.into_iter().chain(rest));
}

/// Bytes that differ from block to block, none of them zero.
fn bytes(length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| ((index / 4096 + index) % 251 + 1) as u8)
        .collect()
}

/// Everything that needs no privilege.
fn fill(root: &Path) {
    fs::create_dir_all(root.join("etc/deep/er")).unwrap();
    for (name, length) in [
        ("empty", 0),
        ("one", 1),
        ("block", 4096),
        ("block+1", 4097),
        ("direct", 12 * 4096),
        ("indirect", 13 * 4096 + 5),
        ("double", (12 + 1024 + 3) * 4096),
    ] {
        fs::write(root.join(name), bytes(length)).unwrap();
    }
    fs::set_permissions(root.join("one"), PermissionsExt::from_mode(0o4751)).unwrap();
    fs::set_permissions(root.join("etc"), PermissionsExt::from_mode(0o1777)).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"stray\xff\xfe\\x")), b"bytes").unwrap();
    fs::write(
        root.join("line\nbreak of 14\ndebugfs: stat <12>\n"),
        b"line",
    )
    .unwrap();
    fs::write(root.join(" spaces  "), b"spaces").unwrap();
    fs::write(root.join("etc/deep/er/linked"), b"linked").unwrap();
    fs::hard_link(root.join("etc/deep/er/linked"), root.join("etc/also")).unwrap();
    fs::hard_link(root.join("etc/deep/er/linked"), root.join("another")).unwrap();
    fs::write(root.join("etc/lonely"), b"linked").unwrap();
    symlink("one", root.join("short")).unwrap();
    symlink("a\"\nLinks: 9", root.join("odd target")).unwrap();
    symlink("t".repeat(59), root.join("longest-fast")).unwrap();
    symlink("t".repeat(60), root.join("shortest-slow")).unwrap();
    symlink("to/".repeat(600), root.join("slow")).unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    sparse.write_all_at(b"somewhere", 5 << 30).unwrap();
    let hole_first = File::create(root.join("hole-first")).unwrap();
    hole_first.write_all_at(b"after", 100 * 4096).unwrap();
}

/// What only root can make.
fn fill_as_root(root: &Path) {
    let at = |name: &str| root.join(name).into_os_string();
    oracles::succeed("mknod", [at("null"), "c".into(), "1".into(), "3".into()]);
    oracles::succeed(
        "mknod",
        [at("big-device"), "b".into(), "300".into(), "70000".into()],
    );
    oracles::succeed("mkfifo", [at("etc/fifo")]);
    oracles::succeed("chown", ["70000:4294967294".into(), at("block")]);
    oracles::succeed("setcap", ["cap_net_raw+ep".into(), at("direct")]);
    oracles::succeed(
        "setfacl",
        ["-m".into(), "u:1000:rw,g:5:r".into(), at("indirect")],
    );
    oracles::succeed(
        "setfacl",
        [
            "-d".into(),
            "-m".into(),
            "u:1000:rwx".into(),
            at("etc/deep"),
        ],
    );
    for (name, xattr, value) in [
        ("direct", "user.text", &b"plain \"text\" = (5)\\"[..]),
        ("direct", "user.binary", &[0, 255, 10, 13, 98]),
        ("direct", "user.none", b""),
        ("direct", "trusted.longer", &[7; 500]),
        ("etc", "user.name (3) = \"x\"", b"odd"),
        ("etc/deep", "user.quote\"d and spaced", &[b'q'; 60]),
        ("null", "trusted.device", b"d"),
    ] {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::lsetxattr(root.join(name), xattr, value, flags).unwrap();
    }
}

/// A sample with everything in it, times beyond what ext4-view reads among them; `None` where
/// this machine cannot make it.
fn sample() -> Option<Sample> {
    if !oracles::is_root() {
        oracles::skip("only root makes devices, owners and trusted attributes");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).unwrap();
    fill(&root);
    fill_as_root(&root);
    let image = directory.path().join("image.img");
    make_image(&root, &image, "ext3", "160M");
    let (mut nodes, contents) = nodes_of(&root);
    set_times(&image, &mut nodes);
    oracles::e2fsck_clean(&image);
    Some(Sample {
        directory,
        tree: tree_of(nodes),
        contents,
    })
}

/// Gives some inodes times that mke2fs cannot, in the image and in the tree.
fn set_times(image: &Path, nodes: &mut [Node]) {
    let root_time = Timestamp::from_seconds(1_700_000_000);
    let times = [
        ("", root_time),
        (
            "block",
            Timestamp {
                seconds: 2_208_988_800,
                nanoseconds: 7,
            },
        ),
        (
            "empty",
            Timestamp {
                seconds: -315_619_200,
                nanoseconds: 999_999_999,
            },
        ),
        (
            "one",
            Timestamp {
                seconds: 15_032_385_535,
                nanoseconds: 0,
            },
        ),
        (
            "double",
            Timestamp {
                seconds: -2_147_483_648,
                nanoseconds: 1,
            },
        ),
        // A directory that ext4-view cannot list: what is below it is debugfs's alone.
        (
            "etc/deep",
            Timestamp {
                seconds: 2_208_988_800,
                nanoseconds: 0,
            },
        ),
    ];
    for (path, time) in times {
        let id = if path.is_empty() {
            layerpress::tree::NodeId::ROOT
        } else {
            id_of(nodes, path)
        };
        nodes[id.index()].attributes.mtime = time;
        let low = time.seconds as u32;
        let epoch = (time.seconds - i64::from(low as i32)) >> 32;
        let extra = u64::from(time.nanoseconds) << 2 | epoch as u64;
        oracles::debugfs_write(
            image,
            &[
                &format!("set_inode_field /{path} mtime @0x{low:x}"),
                &format!("set_inode_field /{path} mtime_extra 0x{extra:x}"),
            ],
        );
    }
}

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
    assert!(report.unproven.is_empty(), "{:?}", report.unproven);
    assert_eq!(report.names, 29);
    // A terabyte of holes is among it.
    assert!(started.elapsed() < Duration::from_secs(20));
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
        path: "stray\u{1}",
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
        // The name with spaces cannot stand in the table's commands and paths alike.
        let path = if damage.path == "stray\u{1}" {
            " spaces  "
        } else {
            damage.path
        };
        let found = report.findings.iter().find(|finding| {
            let difference = &finding.difference;
            let in_field = match damage.field {
                Some(field) => difference.fields.contains(&field),
                None => difference.expected.is_none() || difference.found.is_none(),
            };
            difference.path() == path.as_bytes() && in_field
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
fn a_single_changed_byte_of_content_is_found_through_either_reader() {
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
        let found = report.findings.iter().any(|finding| {
            let difference = &finding.difference;
            difference.path() == path.as_bytes() && difference.fields == [Field::Body]
        });
        assert!(found, "{path}:\n{}", findings(&report));
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
    fn begin(&self, name: &str, unit: Unit, total: Option<u64>) -> Box<dyn Meter> {
        Silent.begin(name, unit, total)
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
    nodes[0].attributes.mode = 0o755;
    let tree = tree_of(nodes);
    let counting = Counting::default();
    let started = Instant::now();
    let debugfs = oracles::required("debugfs");
    let report = verify(&image, &tree, &contents, &debugfs, &counting).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    println!("verified {} names in {seconds:.2} s", report.names);
    assert_eq!(findings(&report), "");
    assert_eq!(report.names, 10_202);
    // Four levels, one for the block size, three batches of inodes.
    assert_eq!(counting.0.into_inner(), 4 + 1 + 3);
    assert!(seconds < 20.0, "{seconds}");
}

/// The same numbers on every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }
}

/// A hundred images damaged in up to sixty bytes that are not zero, half of them before the data.
#[test]
fn damaged_images_neither_stop_nor_break_the_readers() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    let debugfs = oracles::required("debugfs");
    let mut unreadable = 0;
    for (kind, size) in [("ext2", "16M"), ("ext3", "16M"), ("ext4", "16M")] {
        let image = directory.path().join(kind);
        make_image(&root, &image, kind, size);
        let whole = fs::read(&image).unwrap();
        let used: Vec<_> = (0..whole.len())
            .filter(|offset| whole[*offset] != 0)
            .collect();
        let metadata = used.partition_point(|offset| *offset < 600 * 4096);
        let mut numbers = Numbers(1);
        for round in 0..34 {
            let mut damaged = whole.clone();
            for _ in 0..=numbers.below(60) {
                let end = if numbers.below(2) == 0 {
                    metadata
                } else {
                    used.len()
                };
                let at = used[numbers.below(end as u64) as usize];
                damaged[at] ^= 1 << numbers.below(8);
            }
            let path = directory.path().join("damaged");
            fs::write(&path, &damaged).unwrap();
            let started = Instant::now();
            let names = read_through_debugfs(&path, &debugfs, 1000, &Silent).unwrap();
            let view = names.view(&mut |_, _| true).unwrap();
            let other = read_through_ext4_view(&path, 1000, &mut |_, size| size < 1 << 26).unwrap();
            unreadable += view.problems.len() + other.problems.len();
            let elapsed = started.elapsed();
            assert!(
                elapsed < Duration::from_secs(20),
                "{kind} {round}: {elapsed:?}"
            );
        }
    }
    println!("{unreadable} problems");
    assert!(
        unreadable > 100,
        "{unreadable}: the damage does not reach what is read"
    );
}
