//! `-o -`.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::support::oracles::{e2fsck_clean, program, succeed};
use super::support::run::Press;
use super::{build, press, read};

/// `build -o -` with more options.
fn streaming(press: &Press, options: &[&str]) -> Command {
    let mut command = press.command("build");
    command.arg(press.image()).args(["-o", "-"]).args(options);
    command
}

/// What it gave: standard output, standard error, exit code.
fn streamed(press: &Press, options: &[&str]) -> (Vec<u8>, String, i32) {
    let output = streaming(press, options).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.stdout, said, output.status.code().unwrap())
}

#[test]
fn the_stream_has_the_bytes_that_a_file_would_have_and_standard_error_the_summary() {
    let press = press();
    build(&press, &["-q"]).succeeded();
    let expected = read(&press, "fs.img");
    fs::remove_file(press.output()).unwrap();
    let (bytes, said, code) = streamed(&press, &["--progress=none"]);
    assert_eq!(code, 0, "{said}");
    assert!(bytes == expected);
    assert!(
        said.contains("UUID ") && said.contains("output  "),
        "{said}"
    );
    let (bytes, said, _) = streamed(&press, &["-q"]);
    assert!(bytes == expected);
    assert_eq!(said, "");
    assert!(press.left().is_empty(), "{:?}", press.left());
    // As a redirection, too, with what was there before it.
    let file = press.root().join("out/x.img");
    let mut command = streaming(&press, &["-q"]);
    let status = command.stdout(fs::File::create(&file).unwrap()).status();
    assert!(status.unwrap().success());
    e2fsck_clean(&file);
    assert!(fs::read(&file).unwrap() == expected);
}

#[test]
fn a_compressed_filesystem_is_streamed_where_it_alone_is_wanted() {
    let press = press();
    build(&press, &["-q"]).succeeded();
    let expected = read(&press, "fs.img");
    fs::remove_file(press.output()).unwrap();
    for (format, by) in [("gzip", "gzip"), ("zstd", "zstd")] {
        let (bytes, said, code) =
            streamed(&press, &["-q", "--compress", format, "--compress-only"]);
        assert_eq!(code, 0, "{said}");
        let file = press.root().join("compressed");
        fs::write(&file, bytes).unwrap();
        let given = succeed(
            by,
            ["-dcq".as_ref(), file.as_os_str()].map(|word: &std::ffi::OsStr| word),
        );
        assert!(given == expected, "{format}");
    }
    assert!(press.left().is_empty());
}

#[test]
fn what_would_need_a_name_is_refused_before_the_image_is_read() {
    let press = press();
    fs::write(press.image(), "no image").unwrap();
    for (options, says) in [
        (&["--sha256"][..], "--sha256 writes OUTPUT.sha256"),
        (&["--verity"], "OUTPUT.roothash"),
        (&["--compress=gzip"], "--compress-only"),
        (&["--json"], "summary goes to standard error"),
    ] {
        let (bytes, said, code) = streamed(&press, options);
        assert_eq!((code, bytes.len()), (2, 0), "{said}");
        assert!(said.contains(says), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let (_, said, code) = streamed(&press, &["--work-dir", "/nowhere"]);
    assert_eq!(code, 3, "{said}");
    assert!(press.left().is_empty());
}

#[test]
fn nothing_is_written_of_what_is_not_proven() {
    let press = press();
    let e2fsck = press.script(
        "e2fsck",
        "case $1 in -V) exec e2fsck -V;; esac\necho wrong; exit 4",
    );
    let (bytes, said, code) = streamed(&press, &["--e2fsck", e2fsck.to_str().unwrap()]);
    assert_eq!((code, bytes.len()), (8, 0), "{said}");
    assert!(press.left().is_empty());
}

#[test]
fn a_reader_that_is_gone_and_a_full_disk_are_one_error() {
    let press = press();
    let mut command = streaming(&press, &["--progress=none"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), output.status.signal()),
        (Some(3), None)
    );
    let last = said.lines().last();
    assert_eq!(
        last,
        Some("error: cannot write to standard output: Broken pipe (os error 32)")
    );
    assert_eq!(said.matches("rror").count(), 2, "{said}");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = streaming(&press, &["-q"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("cannot write to standard output: No space left"),
        "{said}"
    );
    assert!(press.left().is_empty());
}

#[test]
fn a_terminal_is_no_place_for_a_filesystem() {
    let Some(script) = program("script") else {
        return;
    };
    let press = press();
    let line = format!(
        "{} build {} -o - 2>{}",
        super::support::run::LAYERPRESS,
        press.image().display(),
        press.root().join("said").display()
    );
    let status = Command::new(script)
        .args(["-qec", &line, "/dev/null"])
        .stdout(Stdio::null())
        .stdin(Stdio::null())
        .status()
        .unwrap();
    let said = fs::read_to_string(press.root().join("said")).unwrap();
    assert_eq!(status.code(), Some(5), "{said}");
    assert!(
        said.contains("a filesystem is nothing for a terminal"),
        "{said}"
    );
}
