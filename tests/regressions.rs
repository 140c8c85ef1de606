//! Bugs that a review found, each with its cause; all of them ended in harm to somebody's file or
//! in a wrong exit code.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use support::oracles::{is_root, skip};

const LAYERPRESS: &str = env!("CARGO_BIN_EXE_layerpress");

fn busybox() -> String {
    format!("{}/fixtures/busybox.tar", env!("CARGO_MANIFEST_DIR"))
}

fn run(command: &mut Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    let code = status.code().unwrap_or(-1);
    (code, String::from_utf8_lossy(&stderr).into_owned())
}

fn build(image: &str, output: &Path) -> Command {
    let mut command = crate::support::run::without_defaults(LAYERPRESS);
    command.args(["build", "-q", image, "-o"]).arg(output);
    command
}

/// The output took the image's place, because nothing compared the two.
#[test]
fn the_image_itself_is_never_the_output() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("save.tar");
    fs::copy(busybox(), &image).unwrap();
    let (code, error) = run(&mut build(image.to_str().unwrap(), &image));
    assert_eq!(code, 5, "{error}");
    assert!(
        error.contains("expected an output other than the image"),
        "{error}"
    );
    assert!(fs::read(&image).unwrap() == fs::read(busybox()).unwrap());
}

/// The earlier output was removed when its checksum could not be named: 255 bytes and `.sha256`.
#[test]
fn an_earlier_output_survives_a_checksum_file_that_cannot_be_named() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("x".repeat(255));
    fs::write(&output, "precious").unwrap();
    let (code, error) = run(build(&busybox(), &output).arg("--sha256"));
    assert_eq!(code, 3, "{error}");
    assert_eq!(fs::read_to_string(&output).unwrap(), "precious");
}

/// SIGXFSZ ended the process with 153 and without a word.
#[test]
fn a_file_size_limit_is_an_error_like_a_full_disk() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.img");
    let mut limited = Command::new("sh");
    let line = format!(
        "ulimit -f 4096; exec {LAYERPRESS} build -q --size 64M {} -o {}",
        busybox(),
        output.display()
    );
    let (code, error) = run(limited.args(["-c", &line]));
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("File too large"), "{error}");
    assert!(!output.exists());
}

/// mke2fs formatted another process's open file: in a PID namespace of its own the process is
/// number 1, and /proc showed the outer namespace's number 1.
#[test]
fn a_proc_of_another_namespace_leads_nowhere() {
    if !is_root() {
        return skip("not root: a PID namespace needs it");
    }
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.img");
    let mut apart = Command::new("unshare");
    apart.args([
        "--pid",
        "--fork",
        LAYERPRESS,
        "build",
        "-q",
        &busybox(),
        "-o",
    ]);
    let (code, error) = run(apart.arg(&output));
    assert_eq!(code, 3, "{error}");
    assert!(
        error.contains("cannot hand an open file to another program"),
        "{error}"
    );
    assert!(!output.exists());
}

/// Every size tried 4,000 group sizes: 72 seconds for ten million inodes, for ever for 2^32.
#[test]
fn many_inodes_are_planned_at_once_and_too_many_refused() {
    let plan = |inodes: &str| {
        let mut command = Command::new("timeout");
        command.args(["20", LAYERPRESS, "plan", "-q", "--size=fit", &busybox()]);
        run(command.arg(format!("--free-inodes={inodes}")))
    };
    assert_eq!(plan("10000000").0, 0);
    let (code, error) = plan("4294967295");
    assert_eq!(code, 5, "{error}");
    assert!(
        error.contains("expected at most 268435456 inodes"),
        "{error}"
    );
}

/// Each warning walked the whole tree for its path: 53 seconds for 100,000 of them.
#[test]
fn a_warning_for_every_file_costs_no_more_than_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let mut tar = tar::Builder::new(fs::File::create(directory.path().join("root.tar")).unwrap());
    for index in 0..100_000 {
        let mut header = tar::Header::new_gnu();
        header.set_path(format!("file-{index}")).unwrap();
        header.set_size(0);
        header.set_mode(0o644);
        // The year 2969, in base 256.
        header.as_old_mut().mtime = *b"\x80\0\0\0\0\0\0\x07\x5b\xcd\x15\0";
        header.set_cksum();
        tar.append(&header, &[][..]).unwrap();
    }
    tar.into_inner().unwrap();
    let image = format!("rootfs:{}", directory.path().join("root.tar").display());
    let mut command = Command::new("timeout");
    let (code, error) = run(command.args(["20", LAYERPRESS, "plan", "--progress=none", &image]));
    assert_eq!(code, 0, "{error}");
    assert!(
        error.contains("100,000 entries") || error.contains("100000 entries"),
        "{error}"
    );
}
