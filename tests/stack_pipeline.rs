//! The stack recipe from one unprivileged command shows what the shell pipeline shows that it
//! replaces, run on the same image with a real dockerd: names, types, modes, owners, times where the
//! pipeline keeps them, contents. Capabilities and other attributes apart, which the pipeline loses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use layerpress::listing::{Body, Kind, Line, Listing, compare};
use layerpress::units::Timestamp;
use support::archive::TestImage;
use support::oracles::{self, content_of, kernel_listing};
use support::rootfs::{Item, Rootfs, bytes, directory, file, link, symlink};
use support::run::{Ending, LAYERPRESS, started_by_hand};
use support::tarball::tar_bytes;

/// A pipeline of a real stack image takes some minutes, half of them docker's.
const LIMIT: Duration = Duration::from_secs(540);

const NOBODY: u32 = 65534;

/// `cap_net_raw=ep`, as Linux stores it.
const CAPABILITY: [u8; 20] = *b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// What the pipeline makes by itself, or writes into: with times of its own.
const TOUCHED: [&str; 16] = [
    "",
    "app",
    "dev",
    "etc",
    "etc/bash.bashrc",
    "etc/hostname",
    "etc/hosts",
    "etc/profile",
    "etc/resolv.conf",
    "proc",
    "sys",
    "tmp",
    "var",
    "var/log",
    "var/tmp",
    "lost+found",
];

fn whiteout(path: &str) -> Item {
    file(path, "")
}

/// Three layers with what meets in a stack image.
fn image() -> TestImage {
    let time = 1_700_000_000;
    let mut base = vec![
        directory("usr").mode(0o755).mtime(time, 0),
        directory("usr/bin").mode(0o755).mtime(time, 123_456_789),
        directory("usr/sbin").mode(0o755).mtime(time + 1, 0),
        directory("usr/lib").mode(0o755).mtime(time + 2, 0),
        directory("usr/lib64").mode(0o755).mtime(time + 3, 0),
        directory("usr/lib/modules").mode(0o755),
        file("usr/lib/modules/6.1/kernel.ko", bytes(9000)),
        directory("etc").mode(0o755),
        file("etc/passwd", "root:x:0:0::/root:/bin/sh\n")
            .mode(0o644)
            .mtime(time, 0),
        file("etc/shadow", "root:*:::::::\n")
            .mode(0o640)
            .owner(0, 42)
            .mtime(time, 0),
        file("etc/profile", "the image's own\n").mode(0o600),
        file("etc/motd", "gone\n"),
        symlink("etc/mtab", "/proc/mounts").mtime(time, 0),
        directory("root").mode(0o700),
        file("root/.profile", "of root's\n"),
        directory("opt/large").mode(0o755),
        file("opt/large/file", bytes(70_000)),
        directory("var").mode(0o755),
        directory("var/lib").mode(0o755).mtime(time + 4, 0),
        directory("var/lib/dpkg").mode(0o755).mtime(time + 5, 0),
        file("var/lib/dpkg/status", "Package: none\n")
            .mode(0o644)
            .mtime(time, 0),
        directory("var/cache").mode(0o755),
        file("var/cache/names", bytes(5000)),
        directory("tmp").mode(0o1777),
        file("tmp/left", "here"),
        directory("home/app").mode(0o750).owner(1000, 1000),
    ];
    for name in ["bin", "sbin", "lib", "lib64"] {
        base.push(symlink(name, format!("usr/{name}")).mtime(time, 0));
    }
    for number in 0..300_u32 {
        let path = format!("usr/lib/part-{number:03}");
        base.push(
            file(path, bytes(number as usize * 97))
                .mode(0o644)
                .mtime(time + i64::from(number), number),
        );
    }
    let tools = vec![
        file("usr/bin/tool", bytes(50_000))
            .mode(0o755)
            .mtime(time, 987_654_321),
        link("usr/bin/tool-again", "usr/bin/tool"),
        link("usr/sbin/tool-too", "usr/bin/tool"),
        file("usr/bin/su", bytes(20_000))
            .mode(0o4755)
            .mtime(time, 0),
        file("usr/bin/ping", bytes(10_000))
            .mode(0o755)
            .mtime(time, 0)
            .xattr("security.capability", CAPABILITY),
        file("usr/bin/owned", "x")
            .mode(0o2711)
            .owner(70_000, 3_000_000_000)
            .mtime(time, 0),
        directory("usr/share/empty")
            .mode(0o2775)
            .owner(0, 50)
            .mtime(time, 0),
    ];
    let clean = vec![
        whiteout("etc/.wh.motd"),
        whiteout("usr/lib/.wh.part-007"),
        file("usr/lib/part-008", "another\n")
            .mode(0o600)
            .mtime(time, 5),
    ];
    TestImage::new([base, tools, clean].map(|items| tar_bytes(&Rootfs::of(items))))
}

/// `docker.tar` of the stack image that `LAYERPRESS_STACK` names, or one that is made here.
fn archive(directory: &Path) -> (PathBuf, Option<&'static str>) {
    if let Some(stack) = std::env::var_os("LAYERPRESS_STACK") {
        return (Path::new(&stack).join("docker.tar"), None);
    }
    let archive = directory.join("docker.tar");
    image().classic_archive(&["stack:1"]).write_tar(&archive);
    // 107 % of a few MiB are too few for ext3.
    (archive, Some("64"))
}

/// The recipes as somebody checked them out, who is nobody in the end or somebody else.
fn checkout(directory: &Path, mode: u32, owner: u32, time: &str) -> PathBuf {
    fs::create_dir(directory).unwrap();
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/recipes");
    oracles::succeed("cp", [Path::new("-r"), &recipes, directory]);
    let copy = directory.join("recipes");
    let whole = Path::new("-R");
    oracles::succeed(
        "find",
        [
            &copy,
            Path::new("-exec"),
            Path::new("touch"),
            Path::new("-d"),
            Path::new(time),
            Path::new("{}"),
            Path::new("+"),
        ],
    );
    oracles::succeed(
        "chmod",
        [
            whole,
            Path::new(&format!("u=rwX,go={}", if mode == 0 { "" } else { "rX" })),
            directory,
        ],
    );
    oracles::succeed(
        "chown",
        [whole, Path::new(&format!("{owner}:{owner}")), directory],
    );
    copy
}

/// What no two filesystems have in common by the pipeline's nature.
fn comparable(listing: &mut Listing) {
    for line in listing.lines_mut() {
        line.xattrs = None;
        let path = std::str::from_utf8(&line.path).unwrap_or("?");
        line.mtime = match TOUCHED.contains(&path) {
            true => None,
            // Docker cuts fractions off.
            false => line.mtime.map(|time| Timestamp::from_seconds(time.seconds)),
        };
    }
}

/// The link that docker makes in containers of images that have none.
fn is_dockers_mtab(line: &Line) -> bool {
    *line.path == *b"etc/mtab" && line.body == Body::Target((*b"/proc/mounts").into())
}

#[test]
fn the_stack_recipe_shows_what_the_shell_pipeline_shows() {
    if !oracles::is_root_with(&["dockerd", "docker", "setpriv", "mkfs.ext3"]) {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    fs::set_permissions(work.path(), Permissions::from_mode(0o755)).unwrap();
    let (archive, size) = archive(work.path());
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let theirs = at("theirs.img");
    let mut pipeline = Command::new(scripts.join("with-dockerd"));
    pipeline.env("DOCKERD_OPTIONS", "--storage-driver=vfs");
    pipeline
        .arg(at("docker"))
        .arg(scripts.join("stack-pipeline"));
    pipeline.args([&archive, &theirs]).args(size);
    let ended = Ending::start(&mut pipeline).end_within(LIMIT);
    assert!(ended.success(), "scripts/stack-pipeline: {ended}");

    // Nobody may not be able to read the target directory.
    let program = at("layerpress");
    oracles::succeed("install", [Path::new(LAYERPRESS), &program]);
    let build = |name: &str, mode: u32, owner: u32, time: &str| {
        let recipes = checkout(&at(name), mode, owner, time);
        let outputs = at(&format!("{name}-outputs"));
        fs::create_dir(&outputs).unwrap();
        chown(&outputs, Some(NOBODY), Some(NOBODY)).unwrap();
        let output = outputs.join("stack.img");
        let mut command = started_by_hand("setpriv");
        command.args([format!("--reuid={owner}"), format!("--regid={owner}")]);
        command
            .args(["--clear-groups", "--no-new-privs"])
            .arg(&program);
        command
            .arg("build")
            .arg(&archive)
            .args(["-q", "-o"])
            .arg(&output);
        command.arg("--recipe").arg(recipes.join("stack.toml"));
        command.arg("--output-dir").arg(&outputs);
        chown(&outputs, Some(owner), Some(owner)).unwrap();
        let ended = Ending::start(&mut command).end_within(LIMIT);
        assert!(ended.success(), "{ended}");
        output
    };
    let ours = build("one", 0o022, NOBODY, "2020-01-01");
    let again = build("other", 0, 12_345, "2024-02-03 04:05");
    assert_eq!(content_of(&ours), content_of(&again));
    oracles::e2fsck_clean(&ours);

    let (mut expected, mut shown) = (kernel_listing(&theirs), kernel_listing(&ours));
    let has_capabilities = |listing: &Listing| {
        let mut xattrs = listing
            .lines()
            .iter()
            .flat_map(|line| line.xattrs.iter().flatten());
        xattrs.any(|xattr| *xattr.name == *b"security.capability")
    };
    assert!(!has_capabilities(&expected) && has_capabilities(&shown));
    assert!(
        shown
            .lines()
            .iter()
            .any(|line| line.kind == Some(Kind::Symlink))
    );
    comparable(&mut expected);
    comparable(&mut shown);
    let differences = |expected: &Listing, shown: &Listing| {
        let differences: Vec<_> = compare(expected, shown)
            .into_iter()
            .filter(|found| {
                !(found.found.is_none() && found.expected.as_ref().is_some_and(is_dockers_mtab))
            })
            .map(|difference| difference.to_string())
            .collect();
        differences
    };
    let found = differences(&expected, &shown);
    assert!(
        found.is_empty(),
        "{} differences:\n{}",
        found.len(),
        found[..found.len().min(20)].join("\n")
    );
    assert!(expected.lines().len() > 300, "{}", expected.lines().len());
    if size.is_none() {
        let size = |image: &Path| fs::metadata(image).unwrap().len();
        assert_eq!(size(&ours), size(&theirs), "107 % of du");
    }

    // The comparison would see a difference in each field.
    let changes: [fn(&mut Line); 4] = [
        |line| line.mode = line.mode.map(|mode| mode ^ 1),
        |line| {
            line.owner = line.owner.map(|owner| layerpress::listing::Owner {
                gid: owner.gid + 1,
                ..owner
            })
        },
        |line| {
            line.mtime = line
                .mtime
                .map(|time| Timestamp::from_seconds(time.seconds + 1))
        },
        |line| line.body = Body::Target((*b"elsewhere").into()),
    ];
    for change in changes {
        let mut wrong = shown.clone();
        let changed = wrong
            .lines_mut()
            .find(|line| *line.path == *b"var/lib/dpkg/status");
        change(changed.unwrap());
        assert_eq!(differences(&expected, &wrong).len(), 1);
    }
}
