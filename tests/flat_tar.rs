//! A root filesystem's tar: nobody states its diff ID, which is computed while it is read and is then
//! as good as a stated one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/mod.rs"]
mod support;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use support::archive::{digest, gzip};
use support::rootfs::{Rootfs, bytes, directory, file};
use support::run::Press;
use support::tarball::tar_bytes;

fn tar() -> Vec<u8> {
    let files = (0..300).map(|index| file(format!("d/file-{index}"), bytes(index * 31)));
    let items = [directory("d"), file("large", bytes(3_000_000))];
    tar_bytes(&Rootfs::of(items.into_iter().chain(files)))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What standard input is.
enum Input {
    Nothing,
    File(PathBuf),
    Pipe(PathBuf),
}

fn with_input(command: &mut Command, input: &Input) {
    let cat = |path: &PathBuf| {
        let mut cat = Command::new("cat");
        let cat = cat.arg(path).stdout(Stdio::piped()).spawn();
        cat.unwrap().stdout.unwrap()
    };
    match input {
        Input::Nothing => command.stdin(Stdio::null()),
        Input::File(path) => command.stdin(File::open(path).unwrap()),
        Input::Pipe(path) => command.stdin(cat(path)),
    };
}

#[test]
fn a_flat_tars_identity_is_that_of_its_bytes_however_they_come() {
    let press = Press::new();
    let (path, shared) = (press.input("root.tar"), press.input("shared.tar"));
    let packed = press.input("root.tar.gz");
    let tar = tar();
    fs::write(&path, &tar).unwrap();
    fs::write(&shared, &tar).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o666)).unwrap();
    fs::write(&packed, gzip(&tar)).unwrap();
    let named = |path: &PathBuf| format!("rootfs:{}", path.display());
    let mut made = None;
    for (reference, input, jobs) in [
        (named(&path), Input::Nothing, "1"),
        (named(&path), Input::Nothing, "2"),
        (named(&path), Input::Nothing, "7"),
        (named(&shared), Input::Nothing, "2"),
        (named(&packed), Input::Nothing, "2"),
        ("rootfs:-".to_owned(), Input::File(path.clone()), "2"),
        ("rootfs:-".to_owned(), Input::Pipe(path.clone()), "2"),
    ] {
        let run = |name: &str, arguments: &[&str], is_build: bool| {
            let mut command = press.command(name);
            command.args(arguments).arg(&reference);
            if is_build {
                press.add_directories(&mut command);
            }
            with_input(&mut command, &input);
            json(press.run(&mut command).succeeded())
        };
        let built = run("build", &["--json", "--jobs", jobs], true);
        assert_eq!(built["chain_id"], digest(&tar), "{reference}");
        let image = fs::read(press.output()).unwrap();
        let (first, uuid) = made.get_or_insert_with(|| (image.clone(), built["uuid"].clone()));
        assert!(image == *first, "{reference} {jobs}");
        assert_eq!(built["uuid"], *uuid);
        let planned = run("plan", &["--json", "--jobs", jobs], false);
        assert_eq!(
            (&planned["uuid"], &planned["chain_id"]),
            (&*uuid, &built["chain_id"])
        );
        for layers in [&[][..], &["--layers"]] {
            let inspected = run("inspect", &[&["--json"], layers].concat(), false);
            assert_eq!(inspected["chain_id"], built["chain_id"], "{layers:?}");
            assert_eq!(inspected["layers"][0]["diff_id"], digest(&tar));
        }
    }
    let mut verify = press.command("verify");
    verify.arg("--json").arg(press.output()).arg(named(&path));
    let verified = json(press.run(&mut verify).succeeded());
    assert_eq!(verified["chain_id"], verified["filesystem_chain_id"]);
}

/// Nothing can tell that the bytes are others than those that were hashed, but that the file was
/// changed.
#[test]
fn a_flat_tar_that_changes_while_it_is_read_is_refused_and_nothing_is_left() {
    let press = Press::new();
    let path = press.input("root.tar");
    let tar = tar();
    fs::write(&path, &tar).unwrap();
    for (is_changed, change) in [
        (false, ":"),
        (true, "touch -d @5 ROOT"),
        (true, "printf x >> ROOT"),
    ] {
        fs::write(&path, &tar).unwrap();
        let change = change.replace("ROOT", &path.display().to_string());
        // It runs after the tar was indexed and before its files are copied.
        let body = format!("[ \"$1\" = -V ] || {change}; exec /usr/sbin/mke2fs \"$@\"");
        let mke2fs = press.script("mke2fs", &body);
        let mut command = press.command("build");
        command.arg(format!("--mke2fs={}", mke2fs.display()));
        command
            .arg("--quiet")
            .arg(format!("rootfs:{}", path.display()));
        press.add_directories(&mut command);
        let ended = press.run(&mut command);
        if is_changed {
            ended.failed(3, &["root.tar", "changed while it was read"]);
            assert_eq!(press.left(), [""; 0]);
        } else {
            ended.succeeded();
            fs::remove_file(press.output()).unwrap();
        }
    }
}
