//! Tars laid over the tree.

use std::fs;
use std::path::Path;

use super::support::archive::{TestImage, gzip, layer_tar, zstd};
use super::support::raw_tar::{Header, RawTar};
use super::support::rootfs::{Rootfs, directory, file, link, symlink};
use super::support::run::Press;
use super::support::tarball::tar_bytes;
use super::{build, built, bytes, is_absent, press, shown};

fn over() -> Vec<u8> {
    tar_bytes(&Rootfs::of([
        directory("").mode(0o750).mtime(7, 0),
        file(".wh.a.so", *b""),
        file("first", *b"linked")
            .mode(0o6711)
            .owner(8, 9)
            .mtime(77, 0),
        link("second", "first"),
        file("caf\u{e9}", *b"accent"),
    ]))
}

#[test]
fn a_tar_is_applied_as_a_layer_at_its_path_however_it_is_compressed() {
    let press = press();
    let tar = over();
    for (name, bytes) in [
        ("over.tar", tar.clone()),
        ("over.tar.gz", gzip(&tar)),
        ("over.tar.zst", zstd(&tar)),
    ] {
        fs::write(press.input(name), bytes).unwrap();
    }
    let option = |name: &str| format!("--overlay={}:/lib", press.input(name).display());
    let (image, _) = built(&press, &[option("over.tar")]);
    // Whiteouts count, the root's entry is of the directory, and its path is followed.
    assert!(is_absent(&image, "/usr/lib/a.so"));
    assert_eq!(shown(&image, "/lib").text, "usr/lib");
    let lib = shown(&image, "/usr/lib");
    assert_eq!((lib.mode, lib.mtime), (0o750, 7));
    // A tar keeps its own, links among it.
    let first = shown(&image, "/usr/lib/first");
    assert_eq!((first.mode, first.owner, first.mtime), (0o6711, (8, 9), 77));
    assert_eq!(first.links, 2);
    assert_eq!(shown(&image, "/usr/lib/second").text, "linked");
    let plain = fs::read(image).unwrap();
    for name in ["over.tar.gz", "over.tar.zst"] {
        assert!(plain == bytes(&press, &[option(name)]), "{name}");
    }
}

#[test]
fn nothing_in_a_tar_leaves_the_path_it_is_laid_at() {
    let press = press();
    let tar = RawTar::default()
        .file("../../etc/passwd", b"inside")
        .file("/absolute", b"inside")
        .header(Header::new(b'2', "out").target("/etc"))
        .file("out/x", b"through the tree's own root")
        .end();
    fs::write(press.input("over.tar"), tar).unwrap();
    let over = format!("--overlay={}:/opt/new", press.input("over.tar").display());
    let (image, _) = built(&press, &[over]);
    assert_eq!(shown(&image, "/opt/new/etc/passwd").text, "inside");
    assert!(is_absent(&image, "/etc/passwd"));
    assert_eq!(shown(&image, "/opt/new/absolute").text, "inside");
    // As in a layer: a link is the tree's.
    assert_eq!(shown(&image, "/etc/x").text, "through the tree's own root");
}

#[test]
fn the_later_of_two_wins_and_a_link_to_a_directory_that_a_tar_replaces_is_told() {
    let press = press();
    let layer = |text: &str| {
        tar_bytes(&Rootfs::of([
            directory("etc"),
            file("etc/f", text.as_bytes()),
        ]))
    };
    fs::write(press.input("one"), layer("one")).unwrap();
    fs::write(press.input("two"), layer("two")).unwrap();
    let option = |name: &str| format!("--overlay={}", press.input(name).display());
    let (image, _) = built(&press, &[option("one"), option("two")]);
    assert_eq!(shown(&image, "/etc/f").text, "two");
    let (image, _) = built(&press, &[option("two"), option("one")]);
    assert_eq!(shown(&image, "/etc/f").text, "one");
    let replacing = Rootfs::of([directory("lib"), symlink("lib/x", "y")]);
    fs::write(press.input("lib"), tar_bytes(&replacing)).unwrap();
    let (image, ended) = built(&press, &[option("lib")]);
    assert_eq!(shown(&image, "/lib").kind, "directory");
    let told = "a symbolic link replaced by a directory that is put in: lib";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn a_damaged_tar_is_the_images_kind_of_error_and_names_the_option() {
    let press = press();
    let mut tar = over();
    tar.truncate(1000);
    fs::write(press.input("cut"), &tar).unwrap();
    let cut = press.input("cut").display().to_string();
    build(&press, &[format!("--overlay={cut}")]).failed(4, &["--overlay", "the tar ends"]);
    fs::write(press.input("bomb"), gzip(&vec![0; 8 << 20])).unwrap();
    let bomb = format!("--overlay={}", press.input("bomb").display());
    let limits = ["--max-expansion=10", "--max-expansion-from=1000000"];
    build(&press, &[&*bomb, limits[0], limits[1]]).failed(4, &["--max-expansion"]);
}

/// The lines of `ls -R`.
fn names(press: &Press, image: &Path) -> Vec<Vec<u8>> {
    let listed = press.command("ls").arg("-R").arg(image).output().unwrap();
    assert!(listed.status.success());
    let lines = listed.stdout.split(|byte| *byte == b'\n');
    lines.map(<[u8]>::to_vec).collect()
}

#[test]
fn names_that_are_no_utf8_are_laid_and_taken_away_by_their_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let press = press();
    let tar = Rootfs::of([
        directory(b"\xe9tc"),
        file(b"\xe9tc/\xff", *b"bytes"),
        file(b"\xe9tc/gone", *b"gone"),
        link(b"\xe9tc/\xfe", b"\xe9tc/\xff"),
    ]);
    fs::write(press.input("over.tar"), tar_bytes(&tar)).unwrap();
    let over = |at: &[u8]| {
        let path = press.input("over.tar");
        [b"--overlay=", path.as_os_str().as_bytes(), b":", at].concat()
    };
    let first = over(b"/caf\xe9");
    let options = [
        &first[..],
        b"--remove=etc/hosts",
        b"--symlink=l\xe9=caf\xe9/\xe9tc",
    ];
    let (image, _) = built(&press, &options.map(OsStr::from_bytes));
    let names = names(&press, &image);
    for line in [
        &b"/caf\xe9/\xe9tc:"[..],
        b"\xfe",
        b"\xff",
        b"l\xe9",
        b"hosts2",
    ] {
        assert!(names.contains(&line.to_vec()), "{line:?}: {names:?}");
    }
    assert!(!names.contains(&b"hosts".to_vec()), "{names:?}");
    // Of an image that has them.
    let other = Press::with_layers([tar_bytes(&tar)]);
    let options = [&b"--remove=/\xe9tc/\xff"[..], b"--strict"];
    let (image, _) = built(&other, &options.map(OsStr::from_bytes));
    let names = self::names(&other, &image);
    assert!(!names.contains(&b"\xff".to_vec()) && names.contains(&b"\xfe".to_vec()));
    let ended = build(
        &other,
        &[
            OsStr::from_bytes(b"--remove=/\xe9tc/\xfd"),
            OsStr::new("--strict"),
        ],
    );
    ended.failed(3, &[r"--remove matches nothing: /\xe9tc/\xfd"]);
}

#[test]
fn what_is_no_tar_is_told_by_what_was_expected_of_an_overlay() {
    let press = press();
    fs::write(press.input("text"), "no tar at all").unwrap();
    let overlay = format!("--overlay={}", press.input("text").display());
    let ended = build(&press, &[overlay]);
    ended.failed(
        4,
        &[
            "--overlay",
            "expected a directory, or a tar",
            "found 13 bytes",
        ],
    );
    assert!(
        !ended.stderr.contains("container image"),
        "{}",
        ended.stderr
    );
}

/// Bug: the blobs of what `docker save` gives, or of a layout, became files of the root without a word,
/// where `rootfs:` of the same warns.
#[test]
fn an_image_that_is_laid_over_as_it_is_is_told_in_whatever_form() {
    let press = press();
    let image = TestImage::new([layer_tar(&[("a", b"a")])]);
    let (archive, layout) = (image.classic_archive(&["x:1"]), image.layout("1"));
    for (name, tar) in [
        ("save.tar", archive.tar()),
        ("save.tar.gz", gzip(&archive.tar())),
        ("oci.tar.zst", zstd(&layout.tar())),
    ] {
        fs::write(press.input(&format!("over-{name}")), tar).unwrap();
    }
    archive.write_directory(&press.input("over-save"));
    layout.write_directory(&press.input("over-oci"));
    for (name, what) in [
        ("over-save.tar", "a docker archive (docker save)"),
        ("over-save.tar.gz", "a docker archive (docker save)"),
        ("over-oci.tar.zst", "an OCI image layout"),
        ("over-save", "an unpacked docker archive (docker save)"),
        ("over-oci", "an OCI image layout"),
    ] {
        let source = press.input(name).display().to_string();
        let told = format!("{what} put in as the files it consists of; `");
        let ended = build(&press, &[format!("--overlay={source}"), "--json".into()]);
        ended.succeeded();
        let told_of = format!("{told}extract ");
        assert!(ended.stderr.contains(&told_of), "{name}: {}", ended.stderr);
        let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        let warnings = json["warnings"].as_array().unwrap().iter();
        let mut texts = warnings.filter_map(|warning| warning.as_str());
        assert!(texts.any(|text| text.starts_with(&told) && text.contains(name)));
        // Where it is added it has a path of its own: there it may be meant.
        let ended = build(&press, &[format!("--add={source}:/images")]);
        ended.succeeded();
        assert!(!ended.stderr.contains(&told), "{name}: {}", ended.stderr);
    }
    // A tree that happens to have such a name.
    fs::write(
        press.input("tree.tar"),
        layer_tar(&[("bin/sh", b""), ("manifest.json", b"{}")]),
    )
    .unwrap();
    let tree = format!("--overlay={}", press.input("tree.tar").display());
    let (_, ended) = built(&press, &[tree]);
    assert!(!ended.stderr.contains("put in as"), "{}", ended.stderr);
}

#[test]
fn no_tar_is_laid_where_its_names_would_be_whiteouts() {
    let press = press();
    fs::write(press.input("over.tar"), over()).unwrap();
    let overlay = format!("--overlay={}:/.wh.etc", press.input("over.tar").display());
    build(&press, &[overlay]).failed(5, &["--overlay", ".wh.etc"]);
}
