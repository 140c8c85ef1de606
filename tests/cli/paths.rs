//! What is typed as a path is one: never a registry's image, never a target by mistake, never the
//! input itself.

use std::fs::{self, File};

use super::press;
use super::support::archive::{Files, TestImage, layer_tar};
use super::support::run::{Ended, Press};

fn run(press: &Press, words: &[&str]) -> Ended {
    let (command, rest) = words.split_first().unwrap();
    let mut command = press.command(command);
    command.current_dir(press.root().join("in")).args(rest);
    // Whoever asks a registry all the same ends soon.
    command.env("HTTPS_PROXY", "http://127.0.0.1:9");
    press.run(&mut command)
}

// A build of out/stack.tar without that file pressed whatever stood at docker.io/out/stack.tar.
#[test]
fn a_missing_path_and_a_mistyped_transport_never_leave_the_machine() {
    let press = press();
    for name in [
        "out/stack.tar",
        "out/stack",
        "stack.tar",
        "./stack",
        "docker-archiv:save.tar",
        "docker-archive/save.tar",
        "file:save.tar",
        "docker:save",
        "docker-archive",
        "https://127.0.0.1/save.tar",
    ] {
        for words in [
            &["build", name, "-o", "../out/fs.img"][..],
            &["plan", name],
            &["inspect", name],
            &["tags", name],
        ] {
            let ended = run(&press, words);
            assert!(
                [3, 5].contains(&ended.code()),
                "{words:?}: {}",
                ended.stderr
            );
            for word in ["registry-1", "127.0.0.1:9", "asking again"] {
                assert!(!ended.stderr.contains(word), "{words:?}: {}", ended.stderr);
            }
            assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        }
    }
    run(&press, &["plan", "out/stack.tar"]).failed(3, &["No such file", "docker://out/stack.tar"]);
    run(&press, &["plan", "docker-archiv:save.tar"]).failed(5, &["docker-archive:save.tar"]);
    // A name that is a registry's is asked for: the check above can fail.
    let ended = run(&press, &["plan", "debian:12", "--retry=0"]);
    ended.failed(9, &["registry-1.docker.io"]);
}

#[test]
fn tags_of_a_file_tell_that_it_is_one() {
    let press = press();
    run(&press, &["tags", "save.tar"]).failed(5, &["save.tar", "inspect"]);
    run(&press, &["tags", "docker-archive:save.tar"]).failed(5, &["save.tar", "inspect"]);
}

#[test]
fn a_file_may_be_called_as_standard_output_is() {
    let press = press();
    run(&press, &["build", "save.tar", "-q", "-o", "./-"]).succeeded();
    assert!(press.input("-").is_file());
}

// extract -o x.tar.gz made a directory of that name.
#[test]
fn the_name_of_a_compressed_archive_never_becomes_a_directory() {
    let press = press();
    run(&press, &["build", "save.tar", "-q", "-o", "fs.img"]).succeeded();
    for name in ["x.TAR.XZ", "x.zip", "d.cpio", "x.gz", "x.zst"] {
        run(&press, &["extract", "fs.img", "-o", name]).failed(5, &[name, "-o - |"]);
        assert!(!press.input(name).exists());
    }
    for name in ["X.TAR", "x.tgz", "x.tar.zst"] {
        run(&press, &["extract", "fs.img", "-o", name]).succeeded();
        assert!(press.input(name).is_file());
    }
    fs::copy(press.input("fs.img"), press.input("fs.tar")).unwrap();
    run(&press, &["extract", "fs.tar", "-o", "fs.tar"]).failed(5, &["other than the image"]);
    run(&press, &["extract", "fs.img", "-o", "x.tar.gz/"]).succeeded();
    assert!(press.input("x.tar.gz").is_dir());
}

#[test]
fn an_image_taken_as_a_root_filesystem_is_told_to_be_one() {
    let press = press();
    let image = TestImage::new([layer_tar(&[("a", b"")])]);
    image
        .modern_archive("a:1")
        .write_tar(&press.input("modern.tar"));
    image.layout("1").write_tar(&press.input("layout.tar"));
    image.layout("1").write_directory(&press.input("layout"));
    image
        .classic_archive(&["a:1"])
        .write_directory(&press.input("unpacked"));
    // As jib writes it: the list comes last.
    let mut jib = Files::default();
    jib.put("config.json", "{}");
    jib.put(&format!("{}.tar.gz", "a".repeat(64)), "");
    jib.put("manifest.json", "[]");
    jib.write_tar(&press.input("jib.tar"));
    let mut dir = Files::default();
    dir.put("manifest.json", "{}");
    dir.put("version", "Directory Transport Version: 1.1");
    dir.write_directory(&press.input("dir"));
    for (name, word) in [
        ("save.tar", "docker archive"),
        ("modern.tar", "docker archive"),
        ("layout.tar", "OCI image layout"),
        ("layout", "OCI image layout"),
        ("unpacked", "docker archive"),
        ("jib.tar", "docker archive"),
        ("dir", "dir:"),
    ] {
        let ended = run(&press, &["plan", &format!("rootfs:{name}")]);
        ended.succeeded();
        let warned = ended.stderr.lines().any(|line| {
            line.starts_with("warning:") && line.contains(word) && line.contains("takes the image")
        });
        assert!(warned, "{name}: {}", ended.stderr);
    }
    // A root filesystem with files of such names is none of these.
    let mut files = Files::default();
    for name in ["bin/sh", "etc/passwd", "manifest.json"] {
        files.put(name, "{}");
    }
    files.write_tar(&press.input("rootfs.tar"));
    files.write_directory(&press.input("rootfs"));
    for name in ["rootfs:rootfs.tar", "rootfs:rootfs"] {
        let ended = run(&press, &["plan", name]);
        ended.succeeded();
        assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
    }
}

// A layout's blobs and the sidecar's name were not looked at: --sha256 replaced its own input.
#[test]
fn neither_the_output_nor_its_sidecar_may_be_what_is_read() {
    let press = press();
    let image = TestImage::new([layer_tar(&[("a", b"")])]);
    let layout = image.layout("1");
    layout.write_directory(&press.input("layout"));
    fs::rename(press.image(), press.input("x.img.sha256")).unwrap();
    fs::create_dir_all(press.input("tree/etc")).unwrap();
    fs::write(press.input("tree/etc/passwd"), "root").unwrap();
    fs::hard_link(press.input("x.img.sha256"), press.input("alias")).unwrap();
    let mut cases: Vec<_> = layout
        .0
        .keys()
        .map(|name| ("oci:layout:1", format!("layout/{name}")))
        .collect();
    cases.extend([
        ("x.img.sha256", "x.img.sha256".to_owned()),
        ("x.img.sha256", "alias".to_owned()),
        ("docker-archive:x.img.sha256", "x.img".to_owned()),
        ("rootfs:tree", "tree/etc/passwd".to_owned()),
    ]);
    for (image, output) in cases {
        let words = ["build", image, "--sha256", "-o", &output];
        run(&press, &words).failed(5, &["other than the image itself"]);
    }
    assert!(!press.input("x.img").exists());
    // The same through standard input.
    let mut command = press.command("build");
    command.current_dir(press.root().join("in"));
    command.args(["-", "-o", "x.img.sha256"]);
    command.stdin(File::open(press.input("x.img.sha256")).unwrap());
    let ended = press.run(&mut command);
    ended.failed(5, &["other than the image itself"]);
    run(&press, &["build", "oci:layout:1", "-q", "-o", "other.img"]).succeeded();
}
