//! The chain ID that a build leaves in `lost+found`, mke2fs' or the image's own.

use std::path::Path;

use super::support::oracles::{Mounted, e2fsck_clean, is_root, skip, xattrs_of};
use super::support::rootfs::{Rootfs, bytes, directory, file};
use super::support::run::{Ended, Press};
use super::support::tarball::tar_bytes;

const NOTE: &[u8] = b"user.layerpress.chain_id";

fn ran(press: &Press, command: &str, arguments: &[&Path]) -> Ended {
    press.run(press.command(command).args(arguments))
}

/// Builds with `--verify`; gives the chain ID that `inspect` finds, and what was said.
fn built(rootfs: &Rootfs) -> (Press, Option<String>, String) {
    let press = Press::with_layers([tar_bytes(rootfs)]);
    let ended = press.run(press.build().arg("--verify"));
    assert!(ended.status.success(), "{}", ended.stderr);
    e2fsck_clean(&press.output());
    let inspected = ran(&press, "inspect", &[Path::new("--json"), &press.output()]);
    let json: serde_json::Value = serde_json::from_str(&inspected.stdout).unwrap();
    let chain = json["chain_id"].as_str().map(str::to_owned);
    (press, chain, ended.stderr)
}

/// Bug: an image with a `lost+found` of its own was never told by the filesystem made of it. Found by
/// asking `inspect` for the chain ID of such a one.
#[test]
fn an_images_own_lost_and_found_tells_the_image_too_and_equals_it() {
    let own = || directory("lost+found").mode(0o750).owner(3, 4);
    let few = || own().xattr("user.a", "b");
    let inside = || file("lost+found/x", *b"x");
    let mut found = Vec::new();
    let many = || own().xattr("user.a", [1; 68]).xattr("user.b", bytes(3000));
    for items in [vec![own()], vec![few()], vec![many(), inside()]] {
        let (press, chain, said) = built(&Rootfs::of(items));
        assert!(!said.contains("chain ID not left"), "{said}");
        let (output, image) = (press.output(), press.image());
        // The note is none of the content, whoever compares.
        for (command, arguments) in [
            ("verify", [&*output, &*image]),
            ("diff", [&*output, &*image]),
            ("diff", [&*image, &*output]),
        ] {
            let ended = ran(&press, command, &arguments);
            assert!(
                ended.status.success(),
                "{command}: {}{}",
                ended.stdout,
                ended.stderr
            );
        }
        let inspected = ran(&press, "inspect", &[Path::new("--json"), &image]);
        let json: serde_json::Value = serde_json::from_str(&inspected.stdout).unwrap();
        assert_eq!(chain.as_deref(), json["chain_id"].as_str());
        found.push(chain.unwrap());
        if !is_root() {
            skip("only root mounts");
            continue;
        }
        let mounted = Mounted::read_only(&output);
        let xattrs = xattrs_of(&mounted.mount_point().join("lost+found"));
        let note = xattrs.iter().find(|xattr| *xattr.name == *NOTE).unwrap();
        assert_eq!(note.value.len(), 32);
    }
    found.dedup();
    assert_eq!(found.len(), 3);
}

#[test]
fn a_lost_and_found_without_room_is_said_and_one_of_another_build_tells_this_one() {
    // Inode and block are full.
    let full = directory("lost+found")
        .xattr("user.a", [1; 68])
        .xattr("user.b", bytes(4040));
    let (press, chain, said) = built(&Rootfs::of([full]));
    assert_eq!(chain, None);
    assert!(said.contains("warning: chain ID not left: "), "{said}");
    assert!(said.contains("leave no room for it: lost+found"), "{said}");
    drop(press);
    let other = directory("lost+found").xattr(NOTE, [7; 32]);
    let (press, chain, said) = built(&Rootfs::of([other]));
    assert!(!said.contains("chain ID not left"), "{said}");
    assert!(!chain.unwrap().contains("0707070707"));
    let ended = ran(&press, "verify", &[&press.output(), &press.image()]);
    assert!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn any_other_attribute_of_lost_and_found_that_differs_is_a_difference() {
    // The judge itself: only the note is left out.
    let with = |value: &str| {
        let own = directory("lost+found").xattr("user.a", value);
        built(&Rootfs::of([own])).0
    };
    let (one, other) = (with("1"), with("2"));
    for (command, arguments) in [
        ("verify", [&*one.output(), &*other.image()]),
        ("diff", [&*one.output(), &*other.output()]),
    ] {
        let ended = ran(&one, command, &arguments);
        assert_eq!(ended.status.code(), Some(1), "{command}: {}", ended.stdout);
        assert!(ended.stdout.contains("user.a"), "{}", ended.stdout);
    }
}
