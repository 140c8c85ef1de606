//! Programs of e2fsprogs that are absent, old, or fail.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::support::oracles::{is_root, skip};
use super::support::run::{LAYERPRESS, Press};
use super::{build, press};

/// Builds with a script in place of one program; expects exit code 6, what the script said and
/// nothing left.
#[track_caller]
fn fails(press: &Press, program: &str, body: &str, words: &[&str]) {
    let script = press.script(program, body);
    let option = format!("--{program}={}", script.display());
    let ended = build(press, &["--progress=none", &option]);
    assert_eq!(ended.code(), 6, "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "no {word:?}: {}", ended.stderr);
    }
    assert!(
        ended
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .count()
            == 1
    );
    assert!(press.left().is_empty(), "{:?}", press.left());
}

const VERSION: &str = "case $1 in -V) echo 'mke2fs 1.47.0 (5-Feb-2023)' >&2; exit;; esac\n";

#[test]
fn absent_programs_are_named_before_the_image_is_read() {
    let press = Press::new();
    for program in ["mke2fs", "tune2fs", "e2fsck", "debugfs"] {
        let option = format!("--{program}=/nonexistent/{program}");
        let path = format!("/nonexistent/{program}");
        let ended = build(&press, &["--verify", &option]);
        ended.failed(6, &[&path, "expected a program, found nothing"]);
        // Something that is there, but is no program.
        let option = format!("--{program}=/etc/passwd");
        build(&press, &["--verify", &option]).failed(6, &["/etc/passwd", "executed"]);
    }
}

#[test]
fn an_old_mke2fs_is_refused_with_the_version_wanted() {
    let press = press();
    let old = "echo 'mke2fs 1.42.9 (28-Dec-2013)' >&2";
    fails(
        &press,
        "mke2fs",
        old,
        &["1.46 or newer", "found 1.42.9", "--mke2fs PATH"],
    );
    fails(
        &press,
        "mke2fs",
        "echo hello",
        &["expected mke2fs to tell its version", "hello"],
    );
}

#[test]
fn what_a_program_said_when_it_failed_is_shown_with_its_command_line() {
    let press = press();
    let body = format!("{VERSION}echo 'it is Tuesday' >&2; exit 1");
    fails(
        &press,
        "mke2fs",
        &body,
        &["it is Tuesday", "-t ext3", "exit status: 1"],
    );
    fails(
        &press,
        "tune2fs",
        "echo 'no tuning' >&2; exit 3",
        &["no tuning", "exit status: 3"],
    );
    fails(
        &press,
        "e2fsck",
        "echo 'no memory'; exit 8",
        &["no memory", "exit status: 8"],
    );
    fails(
        &press,
        "mke2fs",
        &format!("{VERSION}kill -9 $$"),
        &["signal: 9"],
    );
    fails(&press, "e2fsck", "kill -11 $$", &["signal: 11"]);
}

#[test]
fn a_program_that_does_nothing_or_something_else_is_found_out() {
    let press = press();
    let script = press.script("mke2fs", VERSION);
    let option = format!("--mke2fs={}", script.display());
    // It made no filesystem at all, so tune2fs is the first to notice.
    let ended = build(&press, &["--progress=none", &option]);
    assert_eq!(ended.code(), 6, "{}", ended.stderr);
    assert!(press.left().is_empty());
    let other = press.script(
        "mke2fs",
        &format!("{VERSION}for last; do :; done; exec /usr/sbin/mke2fs -q -F -t ext4 \"$last\""),
    );
    let option = format!("--mke2fs={}", other.display());
    let ended = build(&press, &["--progress=none", &option]);
    assert_eq!(ended.code(), 8, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("another filesystem than planned"),
        "{}",
        ended.stderr
    );
    assert!(press.left().is_empty());
}

#[test]
fn programs_are_found_without_the_sbin_directories_in_path_and_not_without_any() {
    let press = press();
    let mut command = press.build();
    command.env("PATH", "/usr/bin:/bin");
    press.run(&mut command).succeeded();
    let mut command = press.build();
    command.env_remove("PATH");
    press.run(&mut command).succeeded();
    // A directory of PATH that is not absolute could be anywhere.
    let mut command = press.build();
    press.script("mke2fs", "exit 1");
    command.current_dir(press.root()).env("PATH", ".::/usr/bin");
    press.run(&mut command).succeeded();
}

#[test]
fn the_environment_does_not_reach_into_the_result() {
    let press = press();
    let build = |variables: &[(&str, &str)]| {
        let mut command = press.build();
        command.envs(variables.iter().copied());
        press.run(&mut command).succeeded();
        std::fs::read(press.output()).unwrap()
    };
    let plain = build(&[]);
    let loud = build(&[
        ("LC_ALL", "de_DE.UTF-8"),
        ("LANGUAGE", "de"),
        ("TZ", "Asia/Tokyo"),
        ("MKE2FS_SYNC", "1"),
        ("MKE2FS_FIRST_META_BG", "1"),
        ("MKE2FS_DEVICE_SECTSIZE", "4096"),
        ("MKE2FS_CONFIG", "/dev/null"),
        ("E2FSPROGS_FAKE_TIME", "1"),
        ("E2FSCK_CONFIG", "/dev/null"),
    ]);
    assert!(plain == loud);
}

/// Bug: a configuration of mke2fs with a slip in it ended `mke2fs -V`, and so every build, although
/// no build goes by it. Found with a hostile one.
#[test]
fn a_broken_configuration_of_mke2fs_does_not_matter() {
    let press = press();
    let configuration = press.root().join("broken.conf");
    std::fs::write(&configuration, "[fs_types]\next4 = { features = none }\n").unwrap();
    let mut command = press.build();
    command.env("MKE2FS_CONFIG", &configuration);
    press.run(&mut command).succeeded();
}

/// `mke2fs -V` had the right to gain privileges: a set-user-ID program in its place ran as its owner.
/// Found by trying what the README says.
#[test]
fn no_run_of_any_program_can_gain_privileges() {
    let press = press();
    let runs = press.root().join("runs");
    let mut options = vec!["--verify".to_owned()];
    for program in ["mke2fs", "tune2fs", "e2fsck", "debugfs"] {
        let real = layerpress::command::find(program, None).unwrap();
        let body = format!(
            "echo {program} \"$1\" $(grep NoNewPrivs: /proc/self/status) >>{}\nexec {} \"$@\"",
            runs.display(),
            real.display()
        );
        let script = press.script(program, &body);
        options.push(format!("--{program}={}", script.display()));
    }
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    build(&press, &options).succeeded();
    let runs = std::fs::read_to_string(runs).unwrap();
    for program in ["mke2fs -V", "mke2fs -q", "tune2fs", "e2fsck", "debugfs"] {
        assert!(runs.contains(program), "no {program} in {runs}");
    }
    assert!(
        runs.lines().all(|run| run.ends_with("NoNewPrivs: 1")),
        "{runs}"
    );
}

/// Bug: installed with mode 0711, layerpress ended with mke2fs' "Couldn't init profile" for
/// everybody but root. Cause: the kernel hides the open files of a process whose program its user
/// may not read, and mke2fs is handed one. Found with a hardened installation.
#[test]
fn a_program_that_may_be_run_and_not_read_says_so() {
    if !is_root() {
        return skip("not root: it runs the program as somebody else");
    }
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(directory.path(), 0o777);
    fs::copy(LAYERPRESS, at("layerpress")).unwrap();
    fs::create_dir(at("tree")).unwrap();
    let build = || {
        Command::new(at("layerpress"))
            .uid(65534)
            .gid(65534)
            .arg("build")
            .arg(format!("rootfs:{}", at("tree").display()))
            .args([OsStr::new("-o"), at("out.img").as_os_str()])
            .env("TMPDIR", directory.path())
            .output()
            .unwrap()
    };
    mode(&at("layerpress"), 0o711);
    let output = build();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("may be run and not read"), "{told}");
    mode(&at("layerpress"), 0o755);
    assert!(build().status.success());
}
