//! What mounting prints, which needs root.

use std::path::Path;

use super::validator::{Validator, documents};
use crate::support::oracles::{Mounted, is_root, skip};
use crate::support::run::{layerpress, output_of};
use crate::support::session::Pressed;

/// The commands that are held to their schemas here.
pub const COMMANDS: [&str; 1] = ["mount"];

#[test]
fn a_mount_and_the_list_of_mounts_follow_their_schemas() {
    let validator = Validator::new();
    let list = || {
        let listed = output_of(layerpress().args(["mount", "--list", "--json"]));
        let list = documents(&String::from_utf8(listed.stdout).unwrap());
        assert_eq!(list[0]["schema"], "layerpress.mount-list.v1");
        assert_eq!(validator.errors(&list[0]), [""; 0]);
        list[0].clone()
    };
    list();
    if !is_root() || !Path::new("/dev/loop-control").exists() {
        skip("only root mounts");
        return;
    }
    let pressed = Pressed::new();
    let point = pressed.path("point");
    let mounted = output_of(layerpress().args(["mount", &pressed.image(), &point, "--json"]));
    let listed = list();
    let ended = output_of(layerpress().args(["umount", &point]));
    assert!(ended.status.success(), "{ended:?}");
    let shown = documents(&String::from_utf8(mounted.stdout).unwrap());
    assert_eq!(shown[0]["schema"], "layerpress.mount.v1");
    assert_eq!(validator.errors(&shown[0]), [""; 0]);
    let all = listed["mounts"].as_array().unwrap();
    let is_it = |mount: &&serde_json::Value| mount["mount_point"] == point.as_str();
    assert_eq!(all.iter().filter(is_it).count(), 1, "{listed}");
    let mut wrong = listed.clone();
    wrong["mounts"][0]["strange"] = serde_json::json!(1);
    assert_ne!(validator.errors(&wrong), [""; 0]);
}

/// Bug: what was called free had in it what only root gets.
#[test]
fn what_is_available_is_what_the_kernel_gives_an_ordinary_user() {
    if !is_root() || !Path::new("/dev/loop-control").exists() {
        skip("only root mounts");
        return;
    }
    let pressed = Pressed::new();
    for options in [
        &["--fs=ext2", "--size=200M"][..],
        &["--fs=ext3", "--size=90M"],
        &["--fs=ext4", "--size=300M"],
        &["--fs=ext4", "--journal=none", "--size=2G"],
    ] {
        let (reference, output) = (pressed.reference(), pressed.path("fs.img"));
        let run = |words: &[&str]| {
            let ran = output_of(layerpress().args(words).args(["-q", "--json"]));
            let text = String::from_utf8(ran.stdout).unwrap();
            documents(&text)[0]["available_bytes"].as_u64().unwrap()
        };
        let built = run(&[&["build", &*reference, "-o", &*output], options].concat());
        let planned = run(&[&["plan", &*reference], options].concat());
        let inspected = run(&["inspect", &*output]);
        let mounted = Mounted::read_only(Path::new(&output));
        let kernel = rustix::fs::statvfs(mounted.mount_point()).unwrap();
        let available = kernel.f_bavail * kernel.f_frsize;
        assert_eq!([built, planned, inspected], [available; 3], "{options:?}");
    }
}
