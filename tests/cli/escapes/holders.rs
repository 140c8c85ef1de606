//! Who holds a mount, and what cannot be written where.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use super::{expect_clean, filesystem, poison};
use crate::press;
use crate::support::oracles::{is_root, run, skip};
use crate::support::run::{LAYERPRESS, Press};

/// A mount and a process, both of which end with the test.
struct Held<'a>(&'a Path, Child);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.1.kill().unwrap();
        self.1.wait().unwrap();
        run("umount", [self.0]);
    }
}

fn can_mount() -> bool {
    let can = is_root() && Path::new("/dev/loop-control").exists();
    if !can {
        skip("mounting needs root and loop devices");
    }
    can
}

#[test]
fn no_name_of_a_mount_or_of_its_holders_acts_on_the_terminal() {
    if !can_mount() {
        return;
    }
    let press = press();
    press.run(&mut press.build()).succeeded();
    let poison = poison();
    let image = press.root().join(format!("{poison}.img"));
    fs::rename(press.output(), &image).unwrap();
    let point = press.root().join(&poison);
    // Of a process's name fifteen bytes are kept.
    let holder = press.root().join("\x1b[31m\u{9b}\n");
    press.install(Path::new("/bin/sleep"), &holder);
    let mounted = press.run(press.command("mount").args([&image, &point]));
    expect_clean("mount", &mounted);
    mounted.succeeded();
    let child = Command::new(&holder).arg("100").current_dir(&point).spawn();
    let held = Held(&point, child.unwrap());
    for line in [
        &["mount", "--list"][..],
        &["mount", "--list", "--json"],
        &["umount", "--timeout=0", point.to_str().unwrap()],
        &[
            "umount",
            "--timeout=0",
            "--progress=json",
            point.to_str().unwrap(),
        ],
        &["umount", "--lazy", "-v", point.to_str().unwrap()],
        &["umount", point.to_str().unwrap()],
    ] {
        let ended = press.run(press.command(line[0]).args(&line[1..]));
        expect_clean(&format!("{line:?}"), &ended);
        if line[1] == "--timeout=0" {
            assert_eq!(ended.code(), 3, "{ended:?}");
            assert!(ended.stderr.contains("process "), "{}", ended.stderr);
            assert!(super::is_told(&ended), "{ended:?}");
        }
    }
    drop(held);
    for point in ["m", &*poison] {
        let mut line = press.command("mount");
        line.args([&image, &press.root().join(point)]);
        let ended = press.run(line.args(["--exec", &format!("/nowhere/{poison}")]));
        assert_eq!(ended.code(), 127, "{ended:?}");
        assert_eq!(super::fault(&ended.stderr), None, "{ended:?}");
    }
}

#[test]
fn a_standard_error_that_is_full_leaves_no_mount() {
    if !can_mount() || !Path::new("/dev/full").exists() {
        return;
    }
    let press = press();
    press.run(&mut press.build()).succeeded();
    let (image, point) = (press.output(), press.root().join("m"));
    let (image, point) = (image.display(), point.display());
    for (command, code) in [("true", 0), ("sh -c 'exit 7'", 7), ("/nowhere/x", 127)] {
        for options in ["", "-v", "--progress=json", "--trust -v"] {
            let line = format!("{LAYERPRESS} mount {options} {image} {point} --exec {command}");
            let ended = press.run(Command::new("sh").args(["-c", &format!("{line} 2>/dev/full")]));
            assert_eq!(ended.code(), code, "{line}");
            let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
            assert!(!mounts.contains(&point.to_string()), "{line}");
        }
    }
}

#[test]
fn no_name_that_cannot_be_written_acts_on_the_terminal() {
    let press = Press::new();
    filesystem(&press);
    let tree = press.root().join("tree");
    // Directories with something in them, where files are to be.
    for name in [&poison(), "d", "hard", "plain", "symlink"] {
        fs::create_dir_all(tree.join(name).join("full")).unwrap();
    }
    fs::create_dir_all(tree.join("d").join(poison()).join("full")).unwrap();
    for path in ["/", "/d", "/hard"] {
        for progress in ["--progress=json", "--progress=plain"] {
            let mut line = press.command("extract");
            line.arg(press.output())
                .args([path, "--force", progress, "-o"]);
            let ended = press.run(line.arg(&tree));
            expect_clean(&format!("extract {path} {progress}"), &ended);
            assert_ne!(ended.code(), 0, "{path}: {ended:?}");
            assert!(path == "/hard" || super::is_told(&ended), "{ended:?}");
        }
    }
    let inside = tree.join(poison()).join("full").join("x");
    for target in [
        &tree.join(poison()),
        &inside.join("y"),
        &inside.with_extension("tar"),
    ] {
        let mut line = press.command("extract");
        let ended = press.run(line.arg(press.output()).arg("-o").arg(target));
        expect_clean("extract", &ended);
    }
}
