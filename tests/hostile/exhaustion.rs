//! Images that ask for more than there is: of memory, of disk, of time.

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use flate2::write::GzEncoder;
use serde_json::json;

use super::support::archive::{Files, TestImage, gzip, layer_tar};
use super::support::oracles::is_root;
use super::support::raw_tar::{Header, RawTar};
use super::support::run::{LAYERPRESS, Press};
use super::{build, built, refused, refused_layer};

const IO: i32 = 3;
const BAD_IMAGE: i32 = 4;

/// Time for any refusal on a busy machine, in which no bomb goes off.
const SOON: Duration = Duration::from_secs(20);

/// A layout of one layer, compressed, whose diff ID is not right: it never comes to that.
fn bomb(stored: Vec<u8>) -> Press {
    let image = TestImage::new([layer_tar(&[])]);
    let mut files = Files::default();
    let mut manifest = image.manifest(&mut files);
    manifest["layers"] = json!([files.blob("application/vnd.oci.image.layer.v1.tar+zstd", stored)]);
    let manifest = files.blob(
        "application/vnd.oci.image.manifest.v1+json",
        manifest.to_string().into_bytes(),
    );
    files.index(&[manifest]);
    let press = Press::new();
    files.write_directory(&press.image());
    press
}

/// A file of so many zeros, as a tar.
fn zeros(mebibytes: u64) -> impl Read {
    let header = Header::new(b'0', "zeros").size(mebibytes << 20).bytes();
    let end = (mebibytes << 20) + 1024;
    io::Cursor::new(header).chain(io::repeat(0).take(end))
}

fn gzip_bomb(mebibytes: u64) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    io::copy(&mut zeros(mebibytes), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_gzip_bomb_ends_at_each_of_the_limits() {
    let bomb = bomb(gzip_bomb(1024));
    for (option, flag) in [
        ("--max-expansion=100", "--max-expansion"),
        ("--max-layer-bytes=10000000", "--max-layer-bytes"),
        ("--max-bytes=10000000", "--max-bytes"),
    ] {
        refused(&bomb, &[option], BAD_IMAGE, &["layer 1 of 1", flag]);
    }
}

#[test]
fn a_zstd_bomb_ends_at_the_limits_that_stand_unless_raised() {
    let stored = zstd::encode_all(zeros(2048), 3).unwrap();
    let ended = build(&bomb(stored), &[]);
    ended.failed(BAD_IMAGE, &["layer 1 of 1", "--max-expansion"]);
    assert!(ended.time < SOON, "{:?}", ended.time);
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(&layer_tar(&[("a", b"x")])).unwrap();
    let wide = bomb(encoder.finish().unwrap());
    refused(&wide, &[], BAD_IMAGE, &["2^27", "--max-zstd-window-log"]);
}

// Each layer alone stayed below the ceiling: 2 KB listed forty times filled the work directory.
#[test]
fn one_small_blob_listed_again_and_again_ends_at_the_ceiling_on_expansion() {
    let tar = layer_tar(&[("a", &vec![0; 30 << 20])]);
    let image = TestImage {
        compression: super::support::archive::Compression::Zstd,
        ..TestImage::new(vec![tar; 40])
    };
    let press = Press::new();
    image.layout("1").write_directory(&press.image());
    let options = ["--max-expansion-from=100000000", "--jobs=4"];
    refused(&press, &options, BAD_IMAGE, &["layer ", "--max-expansion"]);
    built(&press, &["--max-expansion=10000000", "--jobs=4"]);
}

/// Bug: each of `--jobs` layers could have a window of 128 MiB, so that sixteen jobs took two GiB.
/// Found by multiplying what the limits' documentation said.
#[test]
fn zstd_windows_of_many_layers_are_held_a_few_at_a_time() {
    const LAYERS: usize = 12;
    let mut tars = Vec::new();
    let mut stored = Vec::new();
    for index in 0..LAYERS {
        let tar = layer_tar(&[(&format!("f{index}"), &vec![0; 24 << 20])]);
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&tar).unwrap();
        stored.push(encoder.finish().unwrap());
        tars.push(tar);
    }
    let mut files = Files::default();
    let mut manifest = TestImage::new(tars).manifest(&mut files);
    let layers = stored
        .into_iter()
        .map(|stored| files.blob("application/vnd.oci.image.layer.v1.tar+zstd", stored));
    manifest["layers"] = layers.collect();
    let manifest = files.blob(
        "application/vnd.oci.image.manifest.v1+json",
        manifest.to_string().into_bytes(),
    );
    files.index(&[manifest]);
    let press = Press::new();
    files.write_directory(&press.image());
    // Four windows of 128 MiB, and room for everything else; a window of each would be 1536 MiB.
    let mut command = press.command_within(900 << 20, "plan");
    command.env("MALLOC_ARENA_MAX", "1");
    command.arg(press.image()).args(["--jobs", "12"]);
    let ended = press.run(&mut command);
    assert!(ended.status.success(), "{}", ended.stderr);
}

#[test]
fn a_pipe_without_end_ends_at_the_limit() {
    let press = Press::new();
    let mut zeros = Command::new("cat")
        .arg("/dev/zero")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut command = press.command("build");
    command.args(["-", "--max-bytes=50000000", "--progress=none"]);
    press.add_directories(&mut command);
    command.stdin(zeros.stdout.take().unwrap());
    let ended = press.run(&mut command);
    // It holds the pipe's other end.
    drop(command);
    zeros.wait().unwrap();
    ended.failed(BAD_IMAGE, &["-: ", "--max-bytes"]);
    assert!(press.left().is_empty());
}

#[test]
fn extension_headers_of_gigabytes_are_refused_by_their_size_alone() {
    for letter in [b'x', b'g', b'L', b'K'] {
        for size in [1 << 30, 100 << 30, i64::MAX as u64] {
            let tar = RawTar::default().header(Header::new(letter, "huge").size(size));
            refused_layer(tar.end(), BAD_IMAGE, &["at byte 0", "--max-header-bytes"]);
        }
    }
    // Nor do many small ones in a row add up.
    let one = vec![b'x'; 60_000];
    let many = (0..100).fold(RawTar::default(), |tar, _| tar.pax(&[("comment", &one)]));
    refused_layer(many.end(), BAD_IMAGE, &["--max-header-bytes"]);
}

#[test]
fn paths_of_a_hundred_thousand_components_are_refused() {
    for path in [
        "d/".repeat(100_000),
        "./d".repeat(100_000),
        "/".repeat(500_000) + "d",
    ] {
        let tar = RawTar::default()
            .pax(&[("path", path.as_bytes())])
            .file("f", b"");
        let press = Press::with_layers([tar.end()]);
        if path.starts_with("//") {
            built(&press, &[]);
        } else {
            refused(&press, &[], BAD_IMAGE, &["1024", "--max-path-depth"]);
        }
    }
}

#[test]
fn a_path_of_two_thousand_components_is_built_where_it_is_allowed() {
    let path = "d/".repeat(2000) + "f";
    let tar = RawTar::default()
        .pax(&[("path", path.as_bytes())])
        .file("f", b"deep");
    built(&Press::with_layers([tar.end()]), &["--max-path-depth=3000"]);
}

#[test]
fn a_directory_of_a_million_entries_fits_in_memory_and_ends_at_the_limit() {
    let press = Press::new();
    let mut encoder = GzEncoder::new(
        File::create(press.image()).unwrap(),
        flate2::Compression::fast(),
    );
    for number in 0..1_000_000 {
        let header = Header::new(b'0', format!("many/{number}"));
        encoder.write_all(&header.bytes()).unwrap();
    }
    encoder.finish().unwrap();
    refused(
        &press,
        &["--max-entries=500000"],
        BAD_IMAGE,
        &["500000", "--max-entries"],
    );
    refused(
        &press,
        &["--max-index-bytes=1000000"],
        BAD_IMAGE,
        &["--max-index-bytes"],
    );
    let ended = build(&press, &["--json", "--size=fit"]);
    let summary: serde_json::Value = serde_json::from_str(ended.succeeded()).unwrap();
    assert_eq!(summary["entries"], 1_000_002);
    super::support::oracles::e2fsck_clean(&press.output());
}

#[test]
fn a_terabyte_of_hole_costs_neither_time_nor_disk() {
    let mut map = b"2\n0\n4\n1099511627772\n4\n".to_vec();
    map.resize(512, 0);
    map.extend(b"headtail");
    let tar = RawTar::default()
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"var/log/lastlog"),
            ("GNU.sparse.realsize", b"1099511627776"),
        ])
        .file("f", &map);
    let press = Press::with_layers([tar.end()]);
    let ended = build(&press, &["--json", "--size=fit"]);
    let summary: serde_json::Value = serde_json::from_str(ended.succeeded()).unwrap();
    assert!(
        summary["output_bytes"].as_u64().unwrap() < 64 << 20,
        "{summary}"
    );
    assert!(ended.time < SOON, "{:?}", ended.time);
    let stat = super::support::oracles::debugfs(&press.output(), &["stat /var/log/lastlog"]);
    assert!(stat.contains("Size: 1099511627776"), "{stat}");
}

#[test]
fn documents_without_end_are_refused() {
    let press = Press::new();
    for (document, words) in [
        ("[".repeat(100_000), "manifest.json"),
        (format!("[{}]", "{},".repeat(1_000_000)), "manifest.json"),
        (format!("[\"{}\"]", "x".repeat(20 << 20)), "manifest.json"),
    ] {
        let mut files = Files::default();
        files.put("manifest.json", document);
        files.write_tar(&press.image());
        refused(&press, &[], BAD_IMAGE, &["save.tar: ", words]);
    }
}

/// Two layers by turns, so that no two neighbours are the same.
fn many_layers(count: usize) -> Press {
    let tars = [layer_tar(&[("a", b"x")]), layer_tar(&[("b", b"y")])];
    let image = TestImage::new(tars.iter().cloned().cycle().take(count));
    let mut files = Files::default();
    let mut manifest = image.manifest(&mut files);
    let stored =
        tars.map(|tar| files.blob("application/vnd.oci.image.layer.v1.tar+gzip", gzip(&tar)));
    manifest["layers"] = stored.iter().cycle().take(count).cloned().collect();
    let manifest = files.blob(
        "application/vnd.oci.image.manifest.v1+json",
        manifest.to_string().into_bytes(),
    );
    files.index(&[manifest]);
    let press = Press::new();
    files.write_directory(&press.image());
    press
}

#[test]
fn more_layers_than_files_can_be_open_are_an_error() {
    built(&many_layers(300), &[]);
    // Each keeps its blob and its spool open.
    let press = many_layers(2000);
    let mut command = std::process::Command::new("prlimit");
    command.args(["--nofile=500", "--", LAYERPRESS, "build", "--progress=none"]);
    command.arg(press.image());
    press.add_directories(&mut command);
    let ended = press.run(&mut command);
    ended.failed(IO, &["Too many open files"]);
    assert!(press.left().is_empty());
    assert!(ended.time < SOON, "{:?}", ended.time);
}

/// Threads were started in ways that panic, or leave others waiting for ever, where none is to be had.
/// Found under a limit on processes.
#[test]
fn threads_that_are_not_to_be_had_are_done_without_or_told() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const USER: u32 = 54_321;
    let layers = (0..3).map(|number| layer_tar(&[(&format!("file{number}"), &[7; 700_000])]));
    let image = TestImage {
        compression: super::support::archive::Compression::Gzip,
        ..TestImage::new(layers)
    };
    let press = Press::new();
    image.layout("v1").write_directory(&press.image());
    let program = press.root().join("layerpress");
    press.install(LAYERPRESS.as_ref(), &program);
    for directory in ["", "out", "work", "tmp"] {
        set_permissions(press.root().join(directory), Permissions::from_mode(0o777)).unwrap();
    }
    let within = |threads: u32, line: &[&str]| {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nproc={threads}")).arg(&program);
        command.args(line).arg(press.image());
        command.env("TMPDIR", press.root().join("tmp"));
        if is_root() {
            // No limit is root's.
            command.uid(USER).gid(USER);
        }
        press.run(&mut command)
    };
    let output = press.output();
    let build = [
        "build",
        "-q",
        "--verify",
        "--jobs=9",
        "-o",
        output.to_str().unwrap(),
    ];
    // Another user's own processes count, too.
    let limits = if is_root() { 0..14 } else { 0..1 };
    let (mut plans, mut builds) = (Vec::new(), Vec::new());
    for threads in limits {
        let ended = within(threads, &["plan", "--jobs=1000000", "--work-dir=/tmp"]);
        plans.push(ended.code());
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        let ended = within(threads, &build);
        builds.push(ended.code());
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert_eq!(
            press.left().is_empty(),
            ended.code() != 0,
            "{:?}",
            press.left()
        );
        if ended.code() == 0 {
            std::fs::remove_file(press.output()).unwrap();
        } else {
            ended.failed(ended.code(), &["Resource temporarily unavailable"]);
        }
    }
    assert!(
        builds.iter().all(|code| [0, 3, 6].contains(code)),
        "{builds:?}"
    );
    // Nor is one needed to find a server or a daemon.
    for reference in ["docker://localhost:1/x", "docker-daemon:x"] {
        let mut command = Command::new("prlimit");
        command.arg("--nproc=2").arg(&program);
        command.args(["plan", "--timeout=2", reference]);
        command
            .env("HOME", press.root().join("tmp"))
            .env("DOCKER_HOST", "tcp://127.0.0.1:1");
        if is_root() {
            command.uid(USER).gid(USER);
        }
        let ended = press.run(&mut command);
        assert_eq!(ended.code(), 9, "{}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
    // One for signals is all that a plan needs.
    assert_eq!((plans[0], builds[0]), (3, 3));
    if is_root() {
        assert!(plans[3..].iter().all(|code| *code == 0), "{plans:?}");
        assert_eq!(builds.last(), Some(&0), "{builds:?}");
    }
}
