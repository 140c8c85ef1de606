//! Each exit code that the help lists, reached.

use std::fs;
use std::path::Path;

use super::support::oracles::{is_root, skip};
use super::support::run::Press;
use super::{build, press};

#[track_caller]
fn nothing_left(press: &Press) {
    assert!(press.left().is_empty(), "{:?}", press.left());
}

#[test]
fn zero_is_success_and_two_a_wrong_command_line() {
    let press = press();
    build(&press, &[]).succeeded();
    for wrong in [
        &["--size=tiny"][..],
        &["--size=0%"],
        &["--label=12345678901234567"],
        &["--uuid=123"],
        &["--journal=3M"],
        &["--journal=5000000"],
        &["--free-inodes=-1"],
        &["--jobs=0"],
        &["--quiet", "--verbose"],
        &["--no-such-option"],
        &["another-image"],
    ] {
        let ended = build(&press, wrong);
        assert_eq!(ended.code(), 2, "{wrong:?}: {}", ended.stderr);
        assert!(
            ended.stderr.starts_with("error: "),
            "{wrong:?}: {}",
            ended.stderr
        );
    }
}

#[test]
fn three_is_input_or_output() {
    let missing = Press::new();
    build(&missing, &[]).failed(3, &["save.tar", "No such file or directory"]);
    nothing_left(&missing);
    // The operating system's word comes once.
    let said = build(&missing, &[]).stderr;
    assert_eq!(said.matches("os error 2").count(), 1, "{said}");
    if !is_root() {
        skip("not root: a file cannot be hidden from oneself by another user");
        return;
    }
    let unreadable = press();
    fs::set_permissions(
        unreadable.image(),
        std::os::unix::fs::PermissionsExt::from_mode(0o0),
    )
    .unwrap();
    let mut command = as_nobody(&unreadable);
    command.arg(unreadable.image());
    unreadable.add_directories(&mut command);
    unreadable
        .run(&mut command)
        .failed(3, &["save.tar", "Permission denied"]);
    nothing_left(&unreadable);
}

/// `layerpress build` as somebody who owns nothing.
fn as_nobody(press: &Press) -> std::process::Command {
    use std::os::unix::fs::PermissionsExt;
    for directory in ["", "in", "out", "work", "tmp"] {
        let path = press.root().join(directory);
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let program = press.root().join("layerpress");
    press.install(Path::new(super::support::run::LAYERPRESS), &program);
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    command.arg(program).args(["build", "--progress=none"]);
    command
}

#[test]
fn somebody_who_owns_nothing_builds_the_same_bytes() {
    if !is_root() {
        skip("not root: another user cannot be taken");
        return;
    }
    let press = press();
    build(&press, &[]).succeeded();
    let by_root = fs::read(press.output()).unwrap();
    fs::remove_file(press.output()).unwrap();
    let mut command = as_nobody(&press);
    command.arg(press.image());
    press.add_directories(&mut command);
    press.run(&mut command).succeeded();
    assert!(fs::read(press.output()).unwrap() == by_root);
}

#[test]
fn four_is_a_broken_image_and_five_an_unsupported_one() {
    let press = press();
    let whole = fs::read(press.image()).unwrap();
    let at = whole
        .windows(10)
        .position(|bytes| bytes == b"root:x:0:\n")
        .unwrap();
    let mut broken = whole.clone();
    broken[at] = b'R';
    fs::write(press.image(), broken).unwrap();
    build(&press, &[]).failed(
        4,
        &["save.tar: layer 2 of 2", "sha256:", "expected", "found"],
    );
    nothing_left(&press);
    fs::write(press.image(), b"\x7fELF and so on").unwrap();
    build(&press, &[]).failed(4, &["save.tar", "ELF"]);
    nothing_left(&press);
    let mut command = press.command("build");
    command.arg("containers-storage:debian");
    press.add_directories(&mut command);
    press
        .run(&mut command)
        .failed(5, &["containers-storage:debian", "skopeo copy"]);
}

#[test]
fn six_is_a_tool() {
    let press = press();
    build(&press, &["--mke2fs=/nonexistent/mke2fs"]).failed(6, &["/nonexistent/mke2fs"]);
    nothing_left(&press);
}

#[test]
fn seven_is_a_size_too_small_and_says_which_would_do() {
    let press = press();
    let ended = build(&press, &["--size=1M"]);
    ended.failed(
        7,
        &["needed 8388608 bytes", "given 1048576 bytes", "--size fit"],
    );
    nothing_left(&press);
}

#[test]
fn eight_is_a_result_that_e2fsck_does_not_like() {
    let press = press();
    let e2fsck = press.script("e2fsck", "echo 'Pass 1: Inode 12 is strange.'; exit 4");
    fs::write(press.output(), "what was there before").unwrap();
    let ended = build(
        &press,
        &["--progress=none", "--e2fsck", e2fsck.to_str().unwrap()],
    );
    assert_eq!(ended.code(), 8, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("Inode 12 is strange"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("a bug in layerpress"),
        "{}",
        ended.stderr
    );
    assert_eq!(press.left(), ["out/fs.img"]);
    assert_eq!(fs::read(press.output()).unwrap(), b"what was there before");
    build(&press, &["--no-fsck", "--e2fsck", "/nonexistent"]).succeeded();
    assert!(Path::new(&press.output()).metadata().unwrap().len() > 1 << 20);
}
