//! `--compress` and `--compress-only`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::archive::{digest, layer_tar};
use super::support::moments::{Moments, heeds};
use super::support::oracles::{is_root, program, skip, succeed};
use super::support::run::Press;
use super::{build, build_to, out, read};

/// Some 20 MiB of everything, so that there are several blocks of either kind.
fn press() -> Press {
    let text: Vec<u8> = b"some text and more\n"
        .iter()
        .copied()
        .cycle()
        .take(6 << 20)
        .collect();
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    })
    .take(5 << 20)
    .collect();
    Press::with_layers([layer_tar(&[("text", &text), ("noise", &noise)])])
}

/// What a program makes of a file.
fn decompressed(program: &str, file: &Path) -> Vec<u8> {
    let arguments = ["-dcq".as_ref(), file.as_os_str()];
    succeed(program, arguments)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn other_programs_accept_it_and_give_the_image_back() {
    let press = press();
    for (format, ending, program) in [("gzip", "gz", "gzip"), ("zstd", "zst", "zstd")] {
        for level in ["", ":1", ":9"] {
            let format = format!("{format}{level}");
            build(&press, &["-q", "--sha256", "--compress", &format]).succeeded();
            let compressed = out(&press, &format!("fs.img.{ending}"));
            succeed(program, ["-tq".as_ref(), compressed.as_os_str()]);
            let image = read(&press, "fs.img");
            assert!(decompressed(program, &compressed) == image, "{format}");
            let length = fs::metadata(&compressed).unwrap().len();
            assert!((5 << 20..7 << 20).contains(&length), "{format}: {length}");
            // The checker finds what is wrong.
            let mut broken = fs::read(&compressed).unwrap();
            let middle = broken.len() / 2;
            broken[middle] ^= 1;
            let other = press.root().join(format!("broken.{ending}"));
            fs::write(&other, broken).unwrap();
            let status = Command::new(program).arg("-tq").arg(&other).status();
            assert!(!status.unwrap().success(), "{format}");
        }
        let mut expected = [
            "",
            &format!(".{ending}"),
            ".sha256",
            &format!(".{ending}.sha256"),
        ]
        .map(|ending| format!("out/fs.img{ending}"));
        expected.sort();
        assert_eq!(press.left(), expected);
        for name in ["fs.img.sha256", &format!("fs.img.{ending}.sha256")] {
            let mut check = Command::new("sha256sum");
            check.args(["--check", "--strict", "--status", name]);
            let status = check.current_dir(press.root().join("out")).status();
            assert!(status.unwrap().success(), "{name}");
        }
        for left in press.left() {
            fs::remove_file(press.root().join(left)).unwrap();
        }
    }
}

#[test]
fn the_bytes_are_the_same_for_any_number_of_threads() {
    let press = press();
    for (format, ending) in [("gzip", "gz"), ("zstd", "zst")] {
        let options = |jobs| {
            [
                "-q",
                "--compress-only",
                "--compress",
                format,
                "--jobs",
                jobs,
            ]
        };
        build(&press, &options("1")).succeeded();
        let name = format!("fs.img.{ending}");
        assert_eq!(press.left(), [format!("out/{name}")]);
        let one = read(&press, &name);
        for jobs in ["2", "7"] {
            build(&press, &options(jobs)).succeeded();
            assert!(read(&press, &name) == one, "{format} {jobs}");
        }
        fs::remove_file(out(&press, &name)).unwrap();
    }
}

#[test]
fn the_summary_tells_both_files() {
    let press = press();
    let ended = build(&press, &["--json", "--compress", "zstd:1"]);
    ended.succeeded();
    let both = json(&ended.stdout);
    let hex = |name: &str| digest(&read(&press, name)).split_off("sha256:".len());
    let length = |name: &str| fs::metadata(out(&press, name)).unwrap().len();
    assert_eq!(both["sha256"], hex("fs.img"));
    assert_eq!(both["output_bytes"], length("fs.img"));
    let compressed = &both["compressed"];
    assert_eq!(compressed["sha256"], hex("fs.img.zst"));
    assert_eq!(compressed["size_bytes"], length("fs.img.zst"));
    assert_eq!(compressed["image_bytes"], length("fs.img"));
    assert_eq!(compressed["image_sha256"], hex("fs.img"));
    assert_eq!(compressed["encoding"], "zstd:1");
    assert_eq!(compressed["only"], false);
    fs::remove_file(out(&press, "fs.img")).unwrap();
    let ended = build(
        &press,
        &["--json", "--compress=zstd:1", "--compress-only", "--sha256"],
    );
    ended.succeeded();
    let only = json(&ended.stdout);
    assert_eq!(only["output"].as_str(), out(&press, "fs.img.zst").to_str());
    assert_eq!(only["output_bytes"], length("fs.img.zst"));
    assert_eq!(only["sha256"], hex("fs.img.zst"));
    assert_eq!(
        only["compressed"]["image_sha256"],
        compressed["image_sha256"]
    );
    assert_eq!(press.left(), ["out/fs.img.zst", "out/fs.img.zst.sha256"]);
    let ended = build(&press, &["--compress=zstd:1"]);
    ended.succeeded();
    let row = format!("compressed {} (", out(&press, "fs.img.zst").display());
    assert!(ended.stdout.contains(&row), "{}", ended.stdout);
    // It is an earlier one's.
    let ended = build(&press, &[]);
    ended.succeeded();
    let note = "fs.img.zst was there before and is left as it is (--compress zstd renews it)";
    assert!(ended.stderr.contains(note), "{}", ended.stderr);
}

#[test]
fn another_reader_finds_each_frame_by_the_table() {
    let (Some(python), Some(_)) = (program("python3"), program("zstd")) else {
        return;
    };
    let press = press();
    build(&press, &["-q", "--compress", "zstd"]).succeeded();
    let read = |compressed: &Path| {
        let mut python = Command::new(&python);
        python
            .arg("tests/outputs/seek_table.py")
            .arg(compressed)
            .arg(press.output());
        python.output().unwrap()
    };
    let compressed = out(&press, "fs.img.zst");
    let found = read(&compressed);
    assert!(found.status.success(), "{found:?}");
    let lines = String::from_utf8(found.stdout).unwrap();
    let frames = fs::metadata(press.output())
        .unwrap()
        .len()
        .div_ceil(4 << 20);
    assert!(frames > 3);
    assert_eq!(lines.lines().count() as u64, frames);
    // A table that says something else is found out.
    let mut bytes = fs::read(&compressed).unwrap();
    let entry = bytes.len() - 9 - 12;
    bytes[entry + 4] ^= 1;
    let wrong = press.root().join("wrong.zst");
    fs::write(&wrong, bytes).unwrap();
    assert!(!read(&wrong).status.success());
}

#[test]
fn a_compression_that_is_none_is_told_at_once() {
    let press = press();
    for (options, says) in [
        (&["--compress", "xz"][..], "expected gzip or zstd"),
        (
            &["--compress", "zstd:23"],
            "expected a level from 1 to 22, found '23'",
        ),
        (
            &["--compress", "gzip:"],
            "expected a level from 1 to 9, found ''",
        ),
        (&["--compress-only"], "--compress <"),
    ] {
        let ended = build(&press, options);
        assert_eq!(ended.status.code(), Some(2));
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
    assert!(press.left().is_empty());
    fs::create_dir(out(&press, "fs.img.gz")).unwrap();
    build(&press, &["--compress=gzip"]).failed(5, &["fs.img.gz", "a directory"]);
    // What is compressed alone needs no room for a name it does not take.
    fs::create_dir(out(&press, "sub")).unwrap();
    fs::write(out(&press, "sub/x"), "before").unwrap();
    let options = ["-q", "--compress=zstd", "--compress-only", "--no-clobber"];
    build_to(&press, "sub/x", &options).succeeded();
    assert_eq!(read(&press, "sub/x"), b"before");
    let again = "sub/x.zst: expected no file there (--no-clobber)";
    build_to(&press, "sub/x", &options[1..]).failed(5, &[again]);
}

/// A hash tree behind the filesystem is compressed with it.
#[test]
fn a_hash_tree_is_in_it() {
    let press = press();
    build(&press, &["-q", "--verity", "--compress=zstd:1"]).succeeded();
    let compressed = out(&press, "fs.img.zst");
    assert!(decompressed("zstd", &compressed) == read(&press, "fs.img"));
    assert_eq!(
        press.left(),
        ["out/fs.img", "out/fs.img.roothash", "out/fs.img.zst"]
    );
}

#[test]
fn a_signal_while_it_compresses_leaves_nothing_or_all() {
    let press = press();
    let command = || {
        let mut command = press.build();
        command.args(["-q", "--sha256", "--compress", "zstd:19", "--jobs", "2"]);
        command
    };
    let mut moments = Moments::over(press.run(&mut command()).time, 5);
    for name in press.left() {
        fs::remove_file(press.root().join(name)).unwrap();
    }
    let mut interrupted = 0;
    while moments.go_on(interrupted > 2) {
        let running = press.start(&mut command());
        while !heeds(&running, Signal::TERM) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let moment = moments.next();
        std::thread::sleep(moment);
        let _ = kill_process(Pid::from_child(&running.child), Signal::TERM);
        let ended = running.end_within(Duration::from_secs(60));
        let left = press.left();
        match ended.status.code() {
            Some(0) => {
                moments.was_too_late(moment);
                assert_eq!(left.len(), 4, "{left:?}");
            }
            code => {
                assert_eq!(code, Some(143), "{}", ended.stderr);
                assert!(left.is_empty(), "{left:?}");
                interrupted += 1;
            }
        }
        for name in left {
            fs::remove_file(press.root().join(name)).unwrap();
        }
    }
}

/// A small disk over the directory of outputs.
struct SmallDisk(std::path::PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        succeed("umount", [&self.0]);
    }
}

#[test]
fn a_disk_that_is_full_while_it_compresses_is_one_error_and_left_as_it_was() {
    if !is_root() {
        skip("not root: mounting a small disk needs it");
        return;
    }
    let press = press();
    let directory = press.root().join("out");
    // Room for the filesystem and not for what it is compressed to.
    let options = ["-t", "tmpfs", "-o", "size=14m", "tmpfs"];
    let at = [directory.to_str().unwrap()];
    succeed("mount", options.iter().chain(&at));
    let _disk = SmallDisk(directory);
    build(&press, &["-q"]).succeeded();
    let before = read(&press, "fs.img");
    fs::remove_file(press.output()).unwrap();
    for format in ["gzip:1", "zstd:1"] {
        for jobs in ["1", "2"] {
            let options = ["-q", "--sha256", "--compress", format, "--jobs", jobs];
            build(&press, &options).failed(3, &["fs.img.", "No space left on device"]);
            assert!(press.left().is_empty(), "{:?}", press.left());
        }
    }
    build(&press, &["-q"]).succeeded();
    assert!(read(&press, "fs.img") == before);
}
