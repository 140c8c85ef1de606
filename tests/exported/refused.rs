//! What is refused, and how.

use std::fs;

use crate::rig::Rig;
use crate::support::archive::layer_tar;
use crate::support::oracles::debugfs_write;

#[test]
fn what_cannot_be_is_told_in_a_line_before_anything_is_written() {
    let rig = Rig::new();
    fs::write(rig.press.input("root.tar"), layer_tar(&[("a", b"a")])).unwrap();
    fs::create_dir(rig.out("full")).unwrap();
    fs::write(rig.out("full/some"), "").unwrap();
    fs::create_dir(rig.out("newer")).unwrap();
    fs::write(
        rig.out("newer/oci-layout"),
        r#"{"imageLayoutVersion":"2.0.0"}"#,
    )
    .unwrap();
    fs::create_dir(rig.out("broken")).unwrap();
    fs::write(
        rig.out("broken/index.json"),
        r#"{"manifests":[],"layers":[]}"#,
    )
    .unwrap();
    fs::create_dir(rig.out("wrong")).unwrap();
    fs::write(rig.out("wrong/index.json"), "{").unwrap();
    let root = format!("rootfs:{}", rig.press.input("root.tar").display());
    let platform = &["--platform=amd64"][..];
    std::os::unix::fs::symlink("nowhere", rig.out("dangling")).unwrap();
    let before = rig.press.left();
    let late = &["--platform=amd64", "--source-date-epoch=253402300800"][..];
    let early = &["--platform=amd64", "--source-date-epoch=-62167219201"][..];
    let at_digest = format!("oci:OUT/x@sha256:{}", "0".repeat(64));
    for (target, options, code, says) in [
        ("OUT/x", platform, 5, "expected oci:DIRECTORY[:TAG]"),
        (
            "oci:OUT/dangling",
            platform,
            5,
            "found a symbolic link that leads nowhere",
        ),
        ("oci:OUT/x", late, 5, "years 0 to 9999"),
        ("docker-archive:OUT/x", early, 5, "--source-date-epoch"),
        ("oci:OUT/x", &[], 2, "--platform OS/ARCH"),
        ("oci:OUT/x:a b", platform, 5, "'a b': expected a tag"),
        (&at_digest, platform, 5, "without a digest"),
        ("oci:-", platform, 2, "found standard output"),
        ("oci:-:x", platform, 2, "docker-archive:- and oci-archive:-"),
        (
            "oci:OUT/full",
            platform,
            5,
            "found a directory with some in it",
        ),
        ("oci:OUT/full/some", platform, 5, "found no directory"),
        (
            "oci:OUT/newer",
            platform,
            5,
            "expected a version 1 layout, found 2.0.0",
        ),
        ("oci:OUT/broken", platform, 4, "found fields of a manifest"),
        ("oci:OUT/wrong", platform, 4, "index.json"),
        ("oci:OUT/absent/x", platform, 3, "cannot create"),
        ("docker-archive:OUT/absent/x", platform, 3, "cannot create"),
        // What the base is unpacked to lies beside the output, too: the work directory is not to blame.
        (
            "oci:OUT/absent/x",
            &["--base", "BASE"],
            3,
            "cannot create oci:OUT/absent/x in OUT/absent: No such file",
        ),
        (
            "docker-archive:OUT/full/some/x:y",
            &["--base", "BASE"],
            3,
            "x:docker.io/library/y:latest in OUT/full/some: not a directory",
        ),
        (
            "OUT/x.tar",
            platform,
            5,
            "(docker-archive:OUT/x.tar for docker load, or oci-archive:OUT/x.tar)",
        ),
        ("docker-archive:OUT/full", platform, 5, "found a directory"),
        (
            "docker-archive:OUT/x/",
            platform,
            5,
            "expected a file's name, found one that ends with a slash",
        ),
        (
            "docker-archive:IN/fs.img",
            platform,
            5,
            "other than the filesystem image itself",
        ),
        (
            "docker-archive:IN/layout/index.json",
            &["--base", "BASE"],
            5,
            "other than the base",
        ),
        (
            "oci:OUT/x",
            &["--base", &root],
            5,
            "expected a container image as the base",
        ),
        (
            "-",
            &["--platform=amd64", "--json"],
            2,
            "expected the image alone, found --json",
        ),
    ] {
        let placed = |text: &str| {
            text.replace("OUT", rig.press.root().join("out").to_str().unwrap())
                .replace("IN", rig.press.root().join("in").to_str().unwrap())
        };
        let target = placed(target);
        rig.export(&target, options).failed(code, &[&placed(says)]);
        assert_eq!(rig.press.left(), before, "{target}");
    }
    for (options, says) in [
        (&["--compress=xz"][..], "expected none, gzip or zstd"),
        (&["--compress=zstd:23"], "from 1 to 22"),
        (&["--label=x"], "expected KEY=VALUE"),
        (&["--annotation==x"], "expected KEY=VALUE"),
        (
            &["--base", "BASE", "--config-file=/x"],
            "cannot be used with",
        ),
    ] {
        let ended = rig.export(&rig.target("oci", "x"), options);
        assert_eq!(ended.code(), 2);
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
    assert_eq!(rig.press.left(), before);
}

#[test]
fn a_filesystem_without_a_journal_that_was_not_unmounted_is_exported_as_it_stands_and_told() {
    let rig = Rig::new();
    let mut build = rig.press.command("build");
    build.arg(rig.base()).args(["--fs=ext2", "-o"]);
    rig.press.run(build.arg(rig.filesystem())).succeeded();
    let told = "fs.img: not cleanly unmounted, and no journal has what is missing";
    let clean = rig.export(&rig.target("oci", "clean"), &["--platform=amd64"]);
    clean.succeeded();
    assert!(!clean.stderr.contains(told), "{}", clean.stderr);
    debugfs_write(&rig.filesystem(), &["set_super_value state 0"]);
    let unclean = rig.export(&rig.target("oci", "unclean"), &["--platform=amd64"]);
    unclean.succeeded();
    assert!(unclean.stderr.contains(told), "{}", unclean.stderr);
    for command in ["ls", "packages"] {
        let shown = rig
            .press
            .run(rig.press.command(command).arg(rig.filesystem()));
        assert!(shown.stderr.contains(told), "{command}: {}", shown.stderr);
    }
}

#[test]
fn what_is_no_ext_filesystem_is_called_what_it_is() {
    let rig = Rig::new();
    fs::write(rig.filesystem(), [0; 4096]).unwrap();
    let ended = rig.export(&rig.target("oci", "x"), &["--platform=amd64"]);
    ended.failed(4, &["fs.img"]);
    fs::remove_file(rig.filesystem()).unwrap();
    let ended = rig.export(&rig.target("oci", "x"), &["--platform=amd64"]);
    ended.failed(3, &["fs.img"]);
}
