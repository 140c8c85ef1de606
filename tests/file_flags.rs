//! The flags that chattr sets: out of tars and directory trees, into the filesystem and out of it
//! again, where `--file-flags` asks for them; else they are counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};

use layerpress::units::FileFlags;
use serde_json::Value;
use support::oracles::{Mounted, debugfs, debugfs_write, e2fsck_clean, is_root_with, run, succeed};
use support::raw_tar::{Header, RawTar};
use support::rootfs::{Item, Rootfs, What, directory, file, link, symlink as symlink_item};
use support::run::{Ended, Press};
use support::tarball::tar_bytes;

const NOT_KEPT: &str = "file flags are not kept (--file-flags keeps them): ";

const I: FileFlags = FileFlags::IMMUTABLE;
const A: FileFlags = FileFlags::APPEND;
const D: FileFlags = FileFlags::NODUMP;
const NO_ATIME: FileFlags = FileFlags::NOATIME;

/// All that a regular file has on ext.
const OF_FILES: FileFlags = FileFlags::of_inode(0xc0ff);
/// And a directory.
const OF_DIRECTORIES: FileFlags = FileFlags::of_inode(0x3_c0ff);

fn layer(items: impl IntoIterator<Item = Item>) -> Vec<u8> {
    tar_bytes(&Rootfs::of(items))
}

/// Every type of file with the flags that ext keeps there, and two with others.
fn flagged() -> Vec<u8> {
    layer([
        directory("").flags(NO_ATIME),
        directory("etc").flags(OF_DIRECTORIES),
        file("etc/a", *b"a").flags(I.with(D)),
        link("etc/b", "etc/a"),
        file("all", *b"all").flags(OF_FILES),
        file("plain", *b"plain"),
        symlink_item("link", "all").flags(D.with(NO_ATIME)),
        Item::new("fifo", What::Fifo).flags(D),
        Item::new("null", What::Character(1, 3)).flags(NO_ATIME),
        file("odd", *b"odd").flags(FileFlags::DIRSYNC.with(FileFlags::NOCOW).with(D)),
        symlink_item("odd-link", "all").flags(I),
    ])
}

/// What [`flagged`] has on ext, by path.
fn kept() -> BTreeMap<&'static str, FileFlags> {
    BTreeMap::from([
        ("/", NO_ATIME),
        ("/etc", OF_DIRECTORIES),
        ("/etc/a", I.with(D)),
        ("/etc/b", I.with(D)),
        ("/all", OF_FILES),
        ("/plain", FileFlags::default()),
        ("/link", D.with(NO_ATIME)),
        ("/fifo", D),
        ("/null", NO_ATIME),
        ("/odd", D),
        ("/odd-link", FileFlags::default()),
    ])
}

/// The flags of an inode as debugfs prints them.
fn flags_in(image: &Path, path: &str) -> FileFlags {
    let shown = debugfs(image, &[&format!("stat {path}")]);
    let flags = shown.split("Flags: 0x").nth(1).unwrap();
    let flags = flags.split_whitespace().next().unwrap();
    FileFlags::of_inode(u32::from_str_radix(flags, 16).unwrap())
}

/// Builds what is meant, and gives the summary.
fn built(press: &Press, reference: &Path, output: &Path, options: &[&str]) -> (Value, Ended) {
    let mut command = press.command("build");
    command.arg(reference).arg("-o").arg(output);
    let ended = press.run(command.args(["--json", "--verify"]).args(options));
    (serde_json::from_str(ended.succeeded()).unwrap(), ended)
}

fn ran<S: AsRef<OsStr>>(press: &Press, command: &str, arguments: &[S]) -> Ended {
    press.run(press.command(command).args(arguments))
}

#[test]
fn flags_of_a_tar_are_kept_where_that_is_asked_for_and_else_counted() {
    let press = Press::with_layers([flagged()]);
    let (with, without) = (press.input("with"), press.input("without"));
    let (plain, said) = built(&press, &press.image(), &without, &[]);
    let counted = format!("{NOT_KEPT}9 entries, for example / (noatime)");
    assert!(said.stderr.contains(&counted), "{}", said.stderr);
    assert_eq!(plain["warnings"].as_array().unwrap().len(), 1);
    let (kept_flags, said) = built(&press, &press.image(), &with, &["--file-flags"]);
    assert!(!said.stderr.contains(NOT_KEPT), "{}", said.stderr);
    let counted = "file flags left out: ext does not have them, or not on this type of file: 2 entries, for example odd (dirsync, nocow)";
    assert!(said.stderr.contains(counted), "{}", said.stderr);
    for (path, flags) in kept() {
        assert_eq!(flags_in(&with, path), flags, "{path}");
        assert!(flags_in(&without, path).is_empty(), "{path}");
    }
    for kind in ["ext2", "ext3", "ext4"] {
        let image = press.input(kind);
        built(
            &press,
            &press.image(),
            &image,
            &["--file-flags", "--fs", kind],
        );
        e2fsck_clean(&image);
        for (path, flags) in kept() {
            assert_eq!(flags_in(&image, path), flags, "{path} of {kind}");
        }
        let (one, other) = (with.to_str().unwrap(), image.to_str().unwrap());
        ran(&press, "diff", &[one, other]).succeeded();
    }
    // An option of form, as the size is: the tree is the same.
    for name in ["uuid", "chain_id", "output_bytes"] {
        assert_eq!(plain[name], kept_flags[name], "{name}");
    }
    let planned = ran(
        &press,
        "plan",
        &[press.image().as_os_str(), "--file-flags".as_ref()],
    );
    planned.succeeded();
    assert!(!planned.stderr.contains(NOT_KEPT), "{}", planned.stderr);
}

#[test]
fn verify_and_diff_hold_flags_to_what_was_asked_for() {
    let press = Press::with_layers([flagged()]);
    let (with, without) = (press.input("with"), press.input("without"));
    built(&press, &press.image(), &with, &["--file-flags"]);
    built(&press, &press.image(), &without, &[]);
    let (with, without) = (with.to_str().unwrap(), without.to_str().unwrap());
    let image = press.image();
    let image = image.to_str().unwrap();
    let different = |ended: &Ended, words: &[&str]| {
        assert_ne!(ended.code(), 0);
        for word in words {
            assert!(ended.stdout.contains(word), "no {word} in {}", ended.stdout);
        }
    };
    ran(&press, "verify", &[with, image, "--file-flags"]).succeeded();
    let equal = ran(&press, "verify", &[without, image]);
    equal.succeeded();
    assert!(equal.stderr.contains(NOT_KEPT), "{}", equal.stderr);
    let words = [
        "/etc/a: flags",
        "- flags none",
        "+ flags immutable, nodump",
        "9 changed",
    ];
    different(&ran(&press, "verify", &[with, image]), &words);
    let words = ["/all: flags", "- flags secdel", "+ flags none"];
    different(
        &ran(&press, "verify", &[without, image, "--file-flags"]),
        &words,
    );
    ran(&press, "verify", &[with, image, "--ignore", "flags"]).succeeded();
    // Filesystems have the flags that they have, whatever is asked for.
    different(
        &ran(&press, "diff", &[without, with]),
        &["/etc/a", "flags", "immutable"],
    );
    ran(&press, "diff", &[with, image, "--file-flags"]).succeeded();
    ran(&press, "diff", &[without, image]).succeeded();
    different(&ran(&press, "diff", &[with, image]), &["flags"]);
    let ended = ran(&press, "diff", &["--json", without, with]);
    let changes: Value = serde_json::from_str(&ended.stdout).unwrap();
    let change = changes["changes"].as_array().unwrap().iter();
    let change = change
        .clone()
        .find(|change| change["path"] == "/etc/a")
        .unwrap();
    assert_eq!(change["fields"][0]["field"], "flags", "{change}");
    let stat = ran(&press, "stat", &[with, "etc/a"]);
    assert!(
        stat.succeeded().contains("Flags: 0x50 (id)"),
        "{}",
        stat.stdout
    );
    let stat = ran(&press, "stat", &["--json", with, "etc/a"]);
    let stat: Value = serde_json::from_str(stat.succeeded()).unwrap();
    assert_eq!(
        stat["file_flags"],
        serde_json::json!(["immutable", "nodump"])
    );
}

#[test]
fn a_later_layer_has_the_last_word_on_flags_and_hard_links_share_them() {
    let base = [
        directory("d").flags(I),
        file("d/f", *b"f").flags(D),
        file("replaced", *b"1").flags(I),
        file("gone", *b"1").flags(I),
        file("h", *b"h").flags(D),
    ];
    let to_h = |name: &str| Header::new(b'1', name).target("h");
    let top = RawTar::default()
        .pax(&[("SCHILY.fflags", b"noatime")])
        .header(Header::new(b'5', "d/"))
        .file("replaced", b"2")
        .file(".wh.gone", b"")
        .pax(&[("SCHILY.fflags", b"sappnd")])
        .header(to_h("k"))
        .header(to_h("m"))
        .end();
    let press = Press::with_layers([layer(base), top]);
    let output = press.output();
    let (summary, _) = built(&press, &press.image(), &output, &["--file-flags"]);
    assert_eq!(summary["warnings"], serde_json::json!([]));
    for (path, flags) in [
        ("/d", NO_ATIME),
        ("/d/f", D),
        ("/replaced", FileFlags::default()),
        ("/h", D.with(A)),
        ("/k", D.with(A)),
        ("/m", D.with(A)),
    ] {
        assert_eq!(flags_in(&output, path), flags, "{path}");
    }
    // What is not in the tree any more is not counted either.
    let (_, said) = built(&press, &press.image(), &output, &[]);
    let counted = format!("{NOT_KEPT}3 entries, for example h (append, nodump)");
    assert!(said.stderr.contains(&counted), "{}", said.stderr);
}

/// A filesystem that has all flags, mounted; its image goes with the directory.
struct Ext4 {
    mounted: Mounted,
    _directory: tempfile::TempDir,
}

impl Ext4 {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("ext4");
        File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let image = image.as_os_str();
        succeed(
            "mke2fs",
            [OsStr::new("-q"), "-t".as_ref(), "ext4".as_ref(), image],
        );
        Self {
            mounted: Mounted::read_write(Path::new(image)),
            _directory: directory,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.mounted.mount_point().join(name)
    }
}

fn chattr(how: &str, path: &Path) {
    succeed("chattr", [OsStr::new(how), path.as_os_str()]);
}

/// The letters of all files and directories, by path, but for those that are the format's.
fn letters(root: &Path) -> BTreeMap<String, String> {
    let listed = succeed("lsattr", [OsStr::new("-aR"), root.as_os_str()]);
    let listed = String::from_utf8(listed).unwrap();
    let lines = listed.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter_map(|(letters, path)| {
            let path = path.strip_prefix(root.to_str().unwrap())?;
            let path = path.trim_end_matches("/.").to_owned();
            let is_own = path.ends_with("/..") || path.starts_with("/lost+found");
            (!is_own).then(|| (path, letters.replace(['e', 'I', '-'], "")))
        })
        .collect()
}

/// A tree with flags on files and directories of all kinds.
fn fill(root: &Path) {
    fs::create_dir_all(root.join("sealed/below")).unwrap();
    for name in ["i", "a", "d", "several", "plain", "sealed/below/file"] {
        fs::write(root.join(name), name).unwrap();
    }
    fs::hard_link(root.join("i"), root.join("sealed/also-i")).unwrap();
    symlink("i", root.join("link")).unwrap();
    succeed("mkfifo", [root.join("fifo")]);
    // What is made in such a directory has the flag, too.
    fs::create_dir(root.join("nodump")).unwrap();
    chattr("+d", &root.join("nodump"));
    symlink("file", root.join("nodump/link")).unwrap();
    succeed("mkfifo", [root.join("nodump/fifo")]);
    chattr("+i", &root.join("i"));
    chattr("+a", &root.join("a"));
    chattr("+d", &root.join("d"));
    chattr("+SAsu", &root.join("several"));
    chattr("+DT", &root.join("sealed/below"));
    chattr("+i", &root.join("sealed"));
}

fn expected() -> BTreeMap<String, String> {
    let letters = [
        ("", ""),
        ("/i", "i"),
        ("/a", "a"),
        ("/d", "d"),
        ("/several", "suSA"),
        ("/plain", ""),
        ("/nodump", "d"),
        ("/sealed", "i"),
        ("/sealed/also-i", "i"),
        ("/sealed/below", "DT"),
        ("/sealed/below/file", ""),
    ];
    let owned = |(path, letters): (&str, &str)| (path.to_owned(), letters.to_owned());
    letters.map(owned).into()
}

/// What the kernel shows of an image.
fn letters_in(image: &Path) -> BTreeMap<String, String> {
    letters(&Mounted::read_only(image).mount_point())
}

#[test]
fn flags_of_directory_trees_and_of_bsdtars_archives_are_shown_by_the_kernel() {
    if !is_root_with(&["mke2fs", "chattr", "lsattr", "bsdtar", "tar", "mkfifo"]) {
        return;
    }
    let ext4 = Ext4::new();
    let root = ext4.at("root");
    fill(&root);
    assert_eq!(letters(&root), expected());
    let press = Press::new();
    let output = press.output();
    let reference = PathBuf::from(format!("rootfs:{}", root.display()));
    let (_, said) = built(&press, &reference, &output, &["--file-flags"]);
    assert!(!said.stderr.contains("flags"), "{}", said.stderr);
    assert_eq!(letters_in(&output), expected());
    for (path, flags) in [
        ("/nodump/link", D),
        ("/nodump/fifo", D),
        ("/link", FileFlags::default()),
    ] {
        assert_eq!(flags_in(&output, path), flags, "{path}");
    }
    let (output, root_name) = (output.to_str().unwrap(), reference.to_str().unwrap());
    ran(&press, "verify", &[output, root_name, "--file-flags"]).succeeded();
    let tar_of = |program: &str, options: &[&str]| {
        let tar = press.input(program);
        let options = options.iter().map(OsStr::new);
        let rest = [
            "-C".as_ref(),
            root.as_os_str(),
            "-cf".as_ref(),
            tar.as_os_str(),
            ".".as_ref(),
        ];
        succeed(program, options.chain(rest));
        PathBuf::from(format!("rootfs:{}", tar.display()))
    };
    let image = press.input("image");
    let (_, said) = built(
        &press,
        &tar_of("bsdtar", &["--format", "pax", "--fflags"]),
        &image,
        &["--file-flags"],
    );
    assert!(!said.stderr.contains("flags"), "{}", said.stderr);
    assert_eq!(letters_in(&image), expected());
    // GNU tar knows none.
    built(
        &press,
        &tar_of("tar", &["--format=pax"]),
        &image,
        &["--file-flags"],
    );
    assert!(letters_in(&image).values().all(String::is_empty));
}

#[test]
fn flags_that_are_not_asked_for_change_nothing_of_a_directory_tree() {
    if !is_root_with(&["mke2fs", "chattr", "mkfifo"]) {
        return;
    }
    let ext4 = Ext4::new();
    let root = ext4.at("root");
    fill(&root);
    let press = Press::new();
    let reference = PathBuf::from(format!("rootfs:{}", root.display()));
    let (with, without) = (press.input("with"), press.input("without"));
    let (_, said) = built(&press, &reference, &with, &[]);
    let counted = format!("{NOT_KEPT}9 entries, for example ");
    assert!(said.stderr.contains(&counted), "{}", said.stderr);
    for name in ["sealed", "sealed/below", "i", "a", "d", "several"] {
        chattr("=", &root.join(name));
    }
    let (_, said) = built(&press, &reference, &without, &[]);
    let counted = format!("{NOT_KEPT}3 entries, for example nodump (nodump)");
    assert!(said.stderr.contains(&counted), "{}", said.stderr);
    assert!(fs::read(with).unwrap() == fs::read(without).unwrap());
}

#[test]
fn extract_keeps_flags_in_tars_and_directories_where_that_is_asked_for() {
    if !is_root_with(&["mke2fs", "chattr", "lsattr", "bsdtar", "mkfifo"]) {
        return;
    }
    let ext4 = Ext4::new();
    let root = ext4.at("root");
    fill(&root);
    let press = Press::new();
    let image = press.output();
    let reference = PathBuf::from(format!("rootfs:{}", root.display()));
    built(&press, &reference, &image, &["--file-flags"]);
    let image_name = image.to_str().unwrap();
    let extract = |target: &Path, options: &[&str]| {
        let target = target.to_str().unwrap();
        let arguments = [&[image_name, "-o", target], options].concat();
        let ended = ran(&press, "extract", &arguments);
        ended.succeeded();
        ended.stderr
    };
    // A directory.
    let counted = format!("{NOT_KEPT}9 entries, for example ");
    let said = extract(&ext4.at("plain"), &[]);
    assert!(said.contains(&counted), "{said}");
    assert!(letters(&ext4.at("plain")).values().all(String::is_empty));
    let said = extract(&ext4.at("kept"), &["--file-flags"]);
    let counted_links =
        "file flags of links and special files were not kept: 2 entries, for example ";
    let told = said.lines().filter(|line| line.contains("flags"));
    assert!(
        told.clone().all(|line| line.contains(counted_links)),
        "{said}"
    );
    assert_eq!(told.count(), 1, "{said}");
    let without_lost_found = |mut letters: BTreeMap<String, String>| {
        letters.remove("/lost+found");
        letters
    };
    assert_eq!(without_lost_found(letters(&ext4.at("kept"))), expected());
    // A tar, as we and as others read it.
    let tar = press.input("extracted.tar");
    let said = extract(&tar, &[]);
    assert!(said.contains(&counted), "{said}");
    let said = extract(&tar, &["--file-flags"]);
    assert!(!said.contains("flags"), "{said}");
    let again = press.input("again");
    let of_tar = PathBuf::from(format!("rootfs:{}", tar.display()));
    built(&press, &of_tar, &again, &["--file-flags"]);
    ran(&press, "diff", &[image_name, again.to_str().unwrap()]).succeeded();
    fs::create_dir(ext4.at("bsdtar")).unwrap();
    let at = ext4.at("bsdtar");
    let arguments = [
        OsStr::new("-xpf"),
        tar.as_os_str(),
        "--fflags".as_ref(),
        "-C".as_ref(),
    ];
    let unpacked = run("bsdtar", arguments.into_iter().chain([at.as_os_str()]));
    let told = String::from_utf8_lossy(&unpacked.stderr);
    assert!(unpacked.status.success(), "{told}");
    assert_eq!(without_lost_found(letters(&at)), expected());
    let told = run("tar", [OsStr::new("-tf"), tar.as_os_str()]);
    assert!(told.status.success());
}

#[test]
fn extract_tells_the_flags_that_only_root_sets_and_those_of_what_has_no_door() {
    if !is_root_with(&["mke2fs", "lsattr", "setpriv"]) {
        return;
    }
    let items = [
        directory("d").flags(I.with(D)),
        file("f", *b"f").flags(I.with(NO_ATIME)).mode(0),
        symlink_item("l", "f").flags(D),
    ];
    let press = Press::with_layers([layer(items)]);
    let image = press.output();
    built(&press, &press.image(), &image, &["--file-flags"]);
    let ext4 = Ext4::new();
    let owned = ext4.at("owned");
    fs::create_dir(&owned).unwrap();
    chown(&owned, Some(1234), Some(1234)).unwrap();
    let program = ext4.at("layerpress");
    press.install(Path::new(support::run::LAYERPRESS), &program);
    let readable = ext4.at("image");
    fs::copy(&image, &readable).unwrap();
    let ended = run(
        "setpriv",
        [
            "--reuid=1234".as_ref(),
            "--clear-groups".as_ref(),
            program.as_os_str(),
            "extract".as_ref(),
            readable.as_os_str(),
            "-o".as_ref(),
            owned.join("tree").as_os_str(),
            "--file-flags".as_ref(),
        ],
    );
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{told}");
    for words in [
        "file flags were not kept: the filesystem has them not, or only root sets them: 2 entries, for example ",
        "(immutable)",
        "file flags of links and special files were not kept: l (nodump)",
    ] {
        assert!(told.contains(words), "no {words} in {told}");
    }
    let letters = letters(&owned.join("tree"));
    assert_eq!((&*letters["/d"], &*letters["/f"]), ("d", "A"));
}

/// Why a link and a special file get two flags at most.
#[test]
fn e2fsck_takes_other_flags_off_links_and_special_files() {
    let press = Press::with_layers([flagged()]);
    let image = press.output();
    built(&press, &press.image(), &image, &["--file-flags"]);
    for (path, flag) in [("/link", I), ("/fifo", A), ("/null", I)] {
        let kept = flags_in(&image, path);
        let set = |flags: FileFlags| {
            let command = format!("set_inode_field {path} flags {:#x}", flags.bits());
            debugfs_write(&image, &[&command]);
        };
        set(kept.with(flag));
        let judged = run("e2fsck", ["-fn".as_ref(), image.as_os_str()]);
        let told = String::from_utf8_lossy(&judged.stdout);
        assert!(told.contains("append-only flag set.  Clear? no"), "{told}");
        set(kept);
        e2fsck_clean(&image);
    }
}
