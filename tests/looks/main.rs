//! What `ls`, `cat`, `stat`, `extract` and `layers` show of a container image is what the filesystem that
//! is made of it holds, with the layers that it comes from.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod forms;
mod layers;
mod listed;
mod patterns;
mod totals;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use layerpress::view::{Follow, View};
use serde_json::Value;

use support::archive::TestImage;
use support::run::Press;
use support::session::{Layer, Ran, layerpress};

/// Two layers with something of everything, and a third that changes, hides and adds.
pub fn three() -> Vec<Vec<u8>> {
    let [base, top] = support::session::layers();
    let last = Layer::new()
        .directory("etc")
        .file("etc/plain", b"changed")
        .file("usr/bin/.wh.tool", b"")
        .file("usr/bin/another", b"another tool")
        .file("run/new", b"new")
        .tar();
    vec![base, top, last]
}

/// An archive `save.tar` of these layers, and the filesystem that is made of it.
pub fn pressed(layers: Vec<Vec<u8>>) -> (Press, String, String) {
    let press = Press::with_layers(layers);
    press.run(&mut press.build()).succeeded();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (image, filesystem) = (text(&press.image()), text(&press.output()));
    (press, image, filesystem)
}

/// Runs the program and expects success.
pub fn told(arguments: &[&str]) -> String {
    layerpress(arguments).ended_with(0).stdout
}

/// Each name's JSON, by its path.
fn nodes(subject: &str) -> BTreeMap<String, Value> {
    let text = told(&["ls", "-AR", "--json", subject]);
    let nodes = text.lines().map(|line| {
        let value: Value = serde_json::from_str(line).unwrap();
        (value["path"].as_str().unwrap().to_owned(), value)
    });
    nodes.collect()
}

#[test]
fn an_image_holds_what_the_filesystem_made_of_it_does() {
    let (_press, image, filesystem) = pressed(three());
    let (of_image, mut of_filesystem) = (nodes(&image), nodes(&filesystem));
    of_filesystem.remove("/lost+found").unwrap();
    let names = |nodes: &BTreeMap<String, Value>| nodes.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&of_image), names(&of_filesystem));
    assert!(of_image.len() > 12, "{of_image:?}");
    for (path, node) in &of_image {
        let other = &of_filesystem[path];
        for key in [
            "type", "mode", "links", "uid", "gid", "mtime", "target", "device", "xattrs",
        ] {
            assert_eq!(node[key], other[key], "{path}: {key}");
        }
        if node["type"] != "dir" {
            assert_eq!(node["size_bytes"], other["size_bytes"], "{path}");
        }
        assert!(node["inode"].is_null() && node["ctime"].is_null());
        assert!(node["layer"].is_u64() && other["layer"].is_null());
    }
    // An image's names have no inodes yet.
    assert!(told(&["ls", "-id", &image, "/etc"]).starts_with("- "));
    assert!(!told(&["ls", "-id", &filesystem, "/etc"]).starts_with("- "));
    for path in ["/etc/plain", "/one", "/etc/empty"] {
        let of = |subject: &str| told(&["cat", subject, path]);
        assert_eq!(of(&image), of(&filesystem));
    }
}

/// What GNU tar lists of a tar but `lost+found`.
fn listed_by_tar(tar: &Path) -> Vec<String> {
    let mut list = Command::new("tar");
    list.args(["--numeric-owner", "-tvf"]).arg(tar);
    let output = output_of(&mut list);
    let lines = output.lines().filter(|line| !line.contains("lost+found"));
    lines.map(str::to_owned).collect()
}

fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_tar_taken_out_of_an_image_is_the_one_taken_out_of_its_filesystem() {
    let (press, image, filesystem) = pressed(three());
    let (one, other) = (press.input("one.tar"), press.input("other.tar"));
    told(&["extract", &image, "-o", one.to_str().unwrap()]);
    told(&["extract", &filesystem, "-o", other.to_str().unwrap()]);
    assert_eq!(listed_by_tar(&one), listed_by_tar(&other));
    // Of what is no root the bytes are the same.
    let stream = |subject: &str| {
        let mut command = support::run::layerpress();
        command.args(["extract", "-q", subject, "/etc", "-o", "-"]);
        command.output().unwrap().stdout
    };
    assert!(stream(&image) == stream(&filesystem));
    assert!(!stream(&image).is_empty());
}

#[test]
fn a_layout_a_stream_and_a_directory_are_looked_into_as_an_archive_is() {
    let press = Press::new();
    let image = TestImage::new(three());
    image.layout("1").write_directory(&press.input("layout"));
    image.classic_archive(&["a:1"]).write_tar(&press.image());
    let tree = press.input("tree");
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/plain"), b"changed").unwrap();
    let layout = format!("oci:{}:1", press.input("layout").display());
    let rootfs = format!("rootfs:{}", tree.display());
    for subject in [&*layout, &*rootfs, press.image().to_str().unwrap()] {
        assert_eq!(
            told(&["cat", subject, "/etc/plain"]),
            "changed",
            "{subject}"
        );
    }
    let mut piped = support::run::layerpress();
    piped.args(["cat", "-q", "-", "/etc/plain"]);
    piped.stdin(fs::File::open(press.image()).unwrap());
    assert_eq!(output_of(&mut piped), "changed");
}

#[test]
fn a_name_tells_the_layer_that_it_comes_from() {
    let (_press, image, filesystem) = pressed(three());
    let digests = TestImage::new(three()).diff_ids();
    for (path, layer) in [
        ("/etc/empty", 1),
        ("/four", 2),
        ("/etc/plain", 3),
        ("/etc", 3),
        ("/run", 3),
        ("/usr/bin/short", 1),
        ("/", 1),
    ] {
        let json: Value = serde_json::from_str(&told(&["stat", "--json", &image, path])).unwrap();
        assert_eq!(json["layer"], layer, "{path}");
        assert_eq!(json["layer_digest"], digests[layer - 1], "{path}");
        let text = told(&["stat", &image, path]);
        let line = format!("\n Layer: {layer} {}\n", digests[layer - 1]);
        assert!(text.contains(&line), "{text}");
    }
    let text = told(&["ls", "-d", "--layer", &image, "/four"]);
    let digits = digests[1].strip_prefix("sha256:").unwrap();
    assert_eq!(text, format!("2 {} /four\n", &digits[..12]));
    // What is put in behind the layers is of none.
    let edited = ["stat", "--json", &image, "/put", "--file", "/put=text"];
    let json: Value = serde_json::from_str(&told(&edited)).unwrap();
    assert!(json["layer"].is_null() && json["layer_digest"].is_null());
    assert_eq!(
        told(&["cat", &image, "/put", "--file", "/put=text"]),
        "text"
    );
    // A filesystem has none.
    let ran = layerpress(["ls", "--layer", &filesystem]).ended_with(5);
    assert!(
        ran.stderr.contains("--layer tells an image's layers"),
        "{}",
        ran.stderr
    );
    let ran = layerpress(["ls", &filesystem, "--remove", "/etc"]).ended_with(5);
    assert!(
        ran.stderr.contains("expected a container image"),
        "{}",
        ran.stderr
    );
}

#[test]
fn links_lead_nowhere_but_into_the_image() {
    let layer = Layer::new()
        .directory("a")
        .file("a/file", b"inside")
        .symlink("absolute", "/a")
        .symlink("above", "../../../a/file")
        .symlink("round", "round")
        .symlink("nowhere", "/a/nothing")
        .tar();
    let (_press, image, filesystem) = pressed(vec![layer]);
    for subject in [&image, &filesystem] {
        assert_eq!(
            told(&["cat", subject, "/absolute/file", "above"]),
            "insideinside"
        );
        for (path, code, words) in [
            ("round", 3, "cannot find /round in"),
            ("nowhere", 3, "cannot find /nowhere in"),
            ("a/file/x", 3, "cannot find /a/file/x in"),
            ("a/file/", 3, "cannot find /a/file/ in"),
            ("a/file/.", 3, "cannot find /a/file/. in"),
            ("a/file/../file", 3, "cannot find /a/file/../file in"),
            ("a", 5, "expected a regular file, found a directory"),
        ] {
            let Ran { stderr, .. } = layerpress(["cat", subject, path]).ended_with(code);
            assert!(stderr.contains(words), "{subject} {path}: {stderr}");
        }
    }
}

/// Bug: a path that was empty, as of a variable that is not set, was the root: `extract` took out the whole
/// filesystem. Cause: a path was taken apart at its slashes, and of both no name is left. Found by trying it.
#[test]
fn an_empty_path_is_none_and_not_the_root() {
    let (press, image, filesystem) = pressed(three());
    let output = press.root().join("taken");
    let output = output.to_str().unwrap();
    for subject in [&image, &filesystem] {
        for arguments in [
            &["ls", subject, ""][..],
            &["ls", "-R", subject, "/etc", ""],
            &["cat", subject, ""],
            &["stat", subject, ""],
            &["stat", "-L", subject, "/etc", ""],
            &["extract", subject, "", "-o", output],
            &["extract", subject, "/etc", "", "-o", output],
        ] {
            let ran = layerpress(arguments).ended_with(2);
            assert_eq!(ran.stdout, "", "{arguments:?}");
            let says = "expected a path, found an empty one";
            assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
        }
    }
    layerpress(["ls", "--layer", &image, ""]).ended_with(2);
    assert!(!Path::new(output).exists());
    let view = View::open(Path::new(&filesystem)).unwrap();
    let error = view.lookup(b"", Follow::Always).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    assert_eq!(view.lookup(b"/", Follow::Always).unwrap().path, b"");
}
