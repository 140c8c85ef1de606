//! Every kind of filesystem: the same bytes with every version of e2fsprogs, and in use.

use std::fs;
use std::path::Path;

use crate::support::oracles::{Mounted, content_of, e2fsck_clean};
use crate::support::rootfs::{Rootfs, bytes, directory, file};
use crate::support::run::without_defaults;
use crate::support::second_reader::{self, Structure};
use crate::support::tarball::write_tar;
use crate::support::workload::live;
use crate::{LAYERPRESS, build_with, run_script, stack_image, work_directory};
use layerpress::listing::ContentDigest;

/// Every kind with the journals that it can have, as options.
const KINDS: [&[&str]; 4] = [
    &["--fs=ext3"],
    &["--fs=ext4"],
    &["--fs=ext4", "--journal=none"],
    &["--fs=ext2"],
];

/// What is built of an image with the e2fsprogs of a version, or this machine's own.
fn made_with(version: Option<&Path>, image: &str, options: &[&str]) -> ContentDigest {
    let output = work_directory().join(format!("other-{}.img", std::process::id()));
    let mut tools = Vec::new();
    if let Some(version) = version {
        let names = ["mke2fs", "tune2fs", "e2fsck", "debugfs"];
        tools.extend(names.map(|tool| format!("--{tool}={}", version.join(tool).display())));
    }
    let options: Vec<_> = options
        .iter()
        .copied()
        .chain(tools.iter().map(String::as_str))
        .collect();
    build_with(without_defaults(LAYERPRESS), &options, image, &output);
    let digest = content_of(&output);
    fs::remove_file(&output).unwrap();
    digest
}

#[test]
fn other_versions_of_e2fsprogs_give_the_same_bytes() {
    let Some(stack) = stack_image() else { return };
    let versions = work_directory().join("e2fsprogs");
    run_script("e2fsprogs-versions", &[&versions]);
    let stack = format!("docker-archive:{}", stack.join("docker.tar").display());
    let tar = work_directory().join(format!("small-{}.tar", std::process::id()));
    let items = (0..2000).map(|index| file(format!("d/{index}"), bytes(index)));
    write_tar(&Rootfs::of([directory("d")].into_iter().chain(items)), &tar);
    let small = format!("rootfs:{}", tar.display());
    let mut cases = vec![
        (&stack, vec!["--verify", "--fs=ext3"]),
        (&stack, vec!["--fs=ext4"]),
    ];
    // From 2 GiB on versions of mke2fs differ; from 16 GiB there are two blocks of descriptors of 32
    // bytes, and more of 64.
    for size in ["--size=fit", "--size=200M", "--size=2100M", "--size=17G"] {
        let with_size = |kind: &[&'static str]| [kind, &[size]].concat();
        cases.extend(KINDS.map(|kind| (&small, with_size(kind))));
    }
    let own: Vec<_> = cases
        .iter()
        .map(|(image, options)| made_with(None, image, options))
        .collect();
    let mut compared = Vec::new();
    for version in fs::read_dir(&versions).unwrap() {
        let version = version.unwrap().path();
        if !version.join("mke2fs").exists() {
            continue;
        }
        for ((image, options), own) in cases.iter().zip(&own) {
            let made = made_with(Some(&version), image, options);
            assert!(made == *own, "{} {image} {options:?}", version.display());
        }
        compared.push(version);
    }
    assert!(
        compared.len() >= 4,
        "scripts/e2fsprogs-versions found {compared:?} only"
    );
    fs::remove_file(tar).unwrap();
    println!("compared: {compared:?}");
}

#[test]
fn the_filesystem_of_every_kind_lives_when_it_is_mounted_read_write() {
    let Some(stack) = stack_image() else { return };
    let stack = format!("docker-archive:{}", stack.join("docker.tar").display());
    let copy = work_directory().join(format!("live-{}.img", std::process::id()));
    for kind in KINDS {
        let room = ["--size=+64M", "--free-inodes=10000"];
        build_with(
            without_defaults(LAYERPRESS),
            &[kind, &room].concat(),
            &stack,
            &copy,
        );
        e2fsck_clean(&copy);
        if second_reader::has_checksums(&copy) {
            let checked = second_reader::recompute(&copy).clean();
            println!("{kind:?}: {:?}", checked.counts);
            assert!(checked.count(Structure::Inode) > 10_000);
        }
        let mounted = Mounted::read_write(&copy);
        // An index that the build wrote grows and shrinks.
        let directory = mounted.mount_point().join("usr/bin");
        let name = |index: i32| directory.join(format!("layerpress-{index}"));
        for index in 0..1500 {
            fs::write(name(index), index.to_string()).unwrap();
        }
        for index in (0..1500).step_by(2) {
            fs::remove_file(name(index)).unwrap();
        }
        drop(mounted);
        let done = live(&copy, 3000);
        assert_eq!(done.refused, 0, "{kind:?}");
        fs::remove_file(&copy).unwrap();
    }
}
