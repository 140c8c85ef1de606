//! What the commands say.

use std::ffi::OsStr;
use std::fs::{self};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use layerpress::listing::compare;

use super::support::oracles::{self, directory_listing};
use super::support::sample::make_image_with;
use super::{fill, fill_as_root, layerpress, said, succeed};

#[test]
fn the_commands_tell_what_is_there_and_say_what_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext3", "-b", "4096"], &root, &image, "64M");
    let image = image.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let arguments: Vec<_> = arguments.iter().map(OsStr::new).collect();
        layerpress(&arguments)
    };
    let text = |arguments: &[&str]| {
        let output = run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(text(&["ls", image, "/etc"]), "also\ndeep\n");
    assert_eq!(
        text(&["ls", image, "/absolute/er/../../../../etc"]),
        "also\ndeep\n"
    );
    assert_eq!(text(&["ls", "-a", image, "etc/deep"]), ".\n..\ner\nup\n");
    assert_eq!(
        text(&["ls", "-RF", image, "etc"]),
        "etc:\nalso\ndeep/\n\netc/deep:\ner/\nup@\n\netc/deep/er:\nlinked\n"
    );
    let long = text(&["ls", "-l", image, "etc/deep/up", "one"]);
    assert!(
        long.contains("-> ../../etc/also") && long.contains("-rwsr-x--x 1"),
        "{long}"
    );
    let json = text(&["ls", "--json", image, "etc"]);
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["path"], &first["links"]),
        (&"/etc/also".into(), &3.into())
    );
    let stat = text(&["stat", image, "another"]);
    assert!(
        stat.contains("  Name: /another\n  Name: /etc/also\n  Name: /etc/deep/er/linked\n"),
        "{stat}"
    );
    let json = text(&["stat", "--json", image, "another", "short"]);
    assert_eq!(json.lines().count(), 2);
    assert!(json.contains(r#""names":["/another","/etc/also","/etc/deep/er/linked"]"#));
    assert_eq!(
        text(&["cat", image, "etc/deep/up", "another"]),
        "linkedlinked"
    );
    for (arguments, code, told) in [
        (
            &["cat", image, "etc"][..],
            5,
            "/etc: expected a regular file, found a directory",
        ),
        (&["cat", image, "nothing"], 3, "cannot find /nothing in"),
        (&["cat", image, "one/x"], 3, "cannot find /one/x in"),
        (&["stat", "-L", image, "loop"], 3, "cannot find /loop in"),
        (&["ls", image, "one/"], 3, "cannot find /one/ in"),
        (&["ls", "/dev/null"], 5, "a terminal, a device or a socket"),
        (&["ls", "/nothing"], 3, "/nothing"),
    ] {
        let output = run(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(
            said(&output).contains(told),
            "{arguments:?}: {}",
            said(&output)
        );
    }
    // A sparse file is its zeros, and whoever stops reading is no error.
    let command = format!(
        "set -o pipefail; {0} cat {image} sparse | head -c 6000000 | tail -c 757120 | md5sum; {0} ls -R {image} | head -1",
        env!("CARGO_BIN_EXE_layerpress")
    );
    let output = Command::new("bash")
        .args(["-c", &command])
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        said(&output)
    );
    let expected = oracles::succeed(
        "bash",
        [
            "-c",
            &format!(
                "head -c 6000000 {}/sparse | tail -c 757120 | md5sum",
                root.display()
            ),
        ],
    );
    assert!(output.stdout.starts_with(&expected));
}

#[test]
fn parts_of_an_image_are_extracted_as_trees_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext4", "-b", "4096"], &root, &image, "64M");
    let target = directory.path().join("target");
    for (path, to, made) in [
        ("/etc/deep", "target", "target/er/linked"),
        ("/another", "target/", "target/another"),
        ("/another", "single", "single"),
    ] {
        let to = directory.path().join(to);
        let arguments = ["extract".as_ref(), image.as_os_str(), path.as_ref()];
        succeed(&[&arguments[..], &[OsStr::new("-o"), to.as_os_str()]].concat());
        let made = directory.path().join(made);
        assert_eq!(fs::read(made).unwrap(), b"linked", "{path}");
        let _ = fs::remove_dir_all(&target);
    }
    let listed = succeed(&[
        OsStr::new("extract"),
        image.as_os_str(),
        OsStr::new("etc/deep"),
        OsStr::new("-o-"),
    ]);
    let tar = directory.path().join("t.tar");
    fs::write(&tar, listed).unwrap();
    let names = oracles::succeed("tar", [OsStr::new("tf"), tar.as_os_str()]);
    assert_eq!(names, b"./\ner/\ner/linked\nup\n");
}

#[test]
fn directories_too_deep_for_open_files_are_extracted_on_the_way_back_too() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let deep = root.join("d/".repeat(200));
    fs::create_dir_all(&deep).unwrap();
    let mut at = root.clone();
    for level in 0..200 {
        fs::write(at.join("z"), level.to_string()).unwrap();
        at.push("d");
    }
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext3", "-b", "4096"], &root, &image, "64M");
    let target = directory.path().join("target");
    let command = format!(
        "ulimit -n 100; {} extract {} -o {}",
        env!("CARGO_BIN_EXE_layerpress"),
        image.display(),
        target.display()
    );
    let output = Command::new("bash")
        .args(["-c", &command])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let mut expected = directory_listing(&root);
    let found = directory_listing(&target);
    // mke2fs cuts times to seconds and adds lost+found.
    for line in expected.lines_mut() {
        line.mtime = None;
    }
    let differences = compare(&expected, &found);
    let unexpected: Vec<_> = differences
        .iter()
        .filter(|difference| !matches!(difference.path(), b"" | b"lost+found"))
        .collect();
    assert!(unexpected.is_empty(), "{}", unexpected[0]);
}

#[test]
fn without_root_what_was_not_kept_is_told() {
    if !oracles::is_root() || oracles::program("setpriv").is_none() {
        return oracles::skip("only root makes devices, and becomes somebody else");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    fill_as_root(&root);
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext4"], &root, &image, "64M");
    let home = directory.path().join("home");
    fs::create_dir(&home).unwrap();
    for path in [directory.path(), &home] {
        fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let program = directory.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_layerpress"), &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=12345", "--regid=12345", "--clear-groups"])
        .args([&program, Path::new("extract"), &image, Path::new("-o")])
        .arg(home.join("out"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    for warning in [
        "a device was left out",
        "the owner was not kept",
        "the setuid and setgid bits were not kept",
        "a trusted.* attribute was not kept",
        "a security.* attribute was not kept",
    ] {
        assert!(
            said(&output).contains(warning),
            "{warning}: {}",
            said(&output)
        );
    }
    let one = fs::metadata(home.join("out/one")).unwrap();
    assert_eq!(one.permissions().mode() & 0o7777, 0o751);
    assert!(!home.join("out/null").exists());
}
