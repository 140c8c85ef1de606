//! A test that does not run is seen: it says so, and fails where none may be left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::oracles::{program, skip};
use support::run::output_of;

#[test]
#[ignore = "run by another test"]
fn one_that_is_skipped() {
    skip("on purpose");
}

#[test]
#[ignore = "run by another test"]
fn one_without_its_program() {
    assert!(program("no-such-program").is_none());
}

/// How a test of this file ends, and what it says, where so much is required.
fn ended(test: &str, required: Option<&str>) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", test]);
    command.env_remove("LAYERPRESS_REQUIRE");
    command.envs(required.map(|value| ("LAYERPRESS_REQUIRE", value)));
    let output = output_of(&mut command);
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("running 1 test"), "{told}");
    (output.status.success(), told)
}

#[test]
fn a_skipped_test_says_so_and_fails_where_all_are_required() {
    for (test, reason) in [
        ("one_that_is_skipped", "on purpose"),
        (
            "one_without_its_program",
            "no-such-program is not installed",
        ),
    ] {
        for (required, passes) in [
            (None, true),
            (Some(""), true),
            (Some("all"), false),
            (Some("some"), false),
        ] {
            let (passed, told) = ended(test, required);
            assert_eq!(passed, passes, "{test} {required:?}: {told}");
            assert_eq!(
                told.contains(reason),
                required != Some("some"),
                "{required:?}: {told}"
            );
        }
    }
}

/// Files of Rust below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// Whether a line tells of a skip by itself.
fn tells_of_a_skip(line: &str) -> bool {
    let prints = line.contains("println!(\"") || line.contains("print!(\"");
    prints
        && ["skipped", "not run", "is not installed"]
            .iter()
            .any(|words| line.contains(words))
}

#[test]
fn every_skip_comes_by_the_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut places = Vec::new();
    for path in [sources(&root.join("tests")), sources(&root.join("src"))].concat() {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        // What tries the checker, below, is no skip.
        let lines = text.split("let tried = ").next().unwrap().lines();
        let lines = lines.filter(|line| tells_of_a_skip(line));
        places.extend(lines.map(|_| name.clone()));
    }
    assert_eq!(places, ["tests/support/skip.rs"]);
    let tried = [
        (r#"  eprintln!("skipped: {reason}");"#, true),
        (r#"println!("not run: no root");"#, true),
        (r#"skip("mke2fs is not installed");"#, false),
    ];
    for (line, is_one) in tried {
        assert_eq!(tells_of_a_skip(line), is_one, "{line}");
    }
}

/// Packages of Debian, and the programs in them that tests ask for.
const PACKAGES: [(&str, &[&str]); 32] = [
    ("acl", &["setfacl"]),
    ("apache2-utils", &["htpasswd"]),
    ("attr", &["getfattr", "setfattr"]),
    ("bsdutils", &["script"]),
    ("buildah", &["buildah"]),
    ("busybox-static", &["busybox"]),
    ("containerd", &["containerd", "ctr"]),
    ("cryptsetup-bin", &["veritysetup"]),
    ("curl", &["curl"]),
    ("docker-registry", &["docker-registry"]),
    ("docker.io", &["dockerd"]),
    ("docker-cli", &["docker"]),
    (
        "e2fsprogs",
        &[
            "chattr",
            "debugfs",
            "dumpe2fs",
            "e2fsck",
            "lsattr",
            "mke2fs",
            "mkfs.ext3",
            "tune2fs",
        ],
    ),
    ("fuse-overlayfs", &["fuse-overlayfs"]),
    ("gcc", &["cc"]),
    ("git", &["git"]),
    ("groff-base", &["groff"]),
    ("libarchive-tools", &["bsdtar"]),
    ("libcap2-bin", &["setcap"]),
    ("mount", &["losetup", "mount", "umount"]),
    ("openssl", &["openssl"]),
    ("podman", &["podman"]),
    ("python3", &["python3"]),
    ("qemu-system-x86", &["qemu-system-x86_64"]),
    ("skopeo", &["skopeo"]),
    ("strace", &["strace"]),
    ("tar", &["tar"]),
    ("tmux", &["tmux"]),
    ("umoci", &["umoci"]),
    ("util-linux", &["prlimit", "setpriv", "unshare"]),
    ("xz-utils", &["xz"]),
    ("zstd", &["zstd"]),
];

/// Programs that no Debian is without (essential packages), and a script of our own.
const ALWAYS_THERE: [&str; 23] = [
    "bash",
    "cat",
    "chmod",
    "chown",
    "chroot",
    "cp",
    "date",
    "dpkg-query",
    "du",
    "find",
    "install",
    "ldd",
    "ls",
    "mkfifo",
    "mknod",
    "numfmt",
    "scripts/with-dockerd",
    "sh",
    "sha256sum",
    "sleep",
    "sync",
    "timeout",
    "touch",
];

/// The names of programs that a test asks for: what stands in quotes behind one of these.
fn programs_in(text: &str) -> Vec<&str> {
    let one = [
        "program(\"",
        "required(\"",
        "succeed(\"",
        "process::Command::new(\"",
    ];
    let several = ["is_root_with(&[", "installed(&["];
    let named = |rest: &'_ str| rest.split('"').next().map(str::len).unwrap_or_default();
    let single = one.iter().flat_map(|marker| text.split(marker).skip(1));
    let single = single.map(|rest| &rest[..named(rest)]);
    let lists = several.iter().flat_map(|marker| text.split(marker).skip(1));
    let lists = lists.flat_map(|rest| {
        let list = rest.split(']').next().unwrap_or_default();
        list.split('"').skip(1).step_by(2)
    });
    single.chain(lists).collect()
}

/// git was asked for and installed by nothing: on a clean machine its test would have failed as
/// skipped.
#[test]
fn every_program_that_tests_ask_for_is_installed_for_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installer = fs::read_to_string(root.join("scripts/install-packages")).unwrap();
    let words = || installer.split(|c: char| c.is_whitespace() || "()".contains(c));
    let is_installed = |program: &str| {
        let mut packages = PACKAGES.iter();
        let package = packages.find(|(_, programs)| programs.contains(&program));
        package.is_some_and(|(package, _)| words().any(|word| word == *package))
    };
    let mut asked = 0;
    let mut missing = Vec::new();
    let others = sources(&root.join("tests"));
    for path in others.iter().filter(|path| !path.ends_with("skips.rs")) {
        let text = fs::read_to_string(path).unwrap();
        for program in programs_in(&text) {
            asked += 1;
            if !ALWAYS_THERE.contains(&program) && !is_installed(program) {
                missing.push(format!("{program}: {}", path.display()));
            }
        }
    }
    assert!(asked > 100, "{asked}");
    assert_eq!(missing, [""; 0]);
    // What is looked for is found.
    let sample = r#"if is_root_with(&["one", "two"]) || program("three") { installed(&[
        "four",
    ]) }"#;
    assert_eq!(programs_in(sample), ["three", "one", "two", "four"]);
    assert!(!is_installed("gcc-of-nobody") && is_installed("git"));
}
