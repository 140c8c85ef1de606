//! What is built and planned.

use std::fs::{self, File};

use crate::support::archive::{TestImage, layer_tar};
use crate::support::fake_daemon::{FakeDaemon, send};
use crate::support::served;
use crate::support::session::Layer;

use super::{Situation, row};
use crate::inputs::*;

pub const BUILT: &[Situation] = &[
    // What is built, of each kind of source.
    row("an archive, checked", "build", |press| {
        archive(press);
        json(press, &["build", "{in}/save.tar", "-o", "{out}/a"])
    }),
    row("a layout, with all proofs", "build", |press| {
        layout(press);
        let words = ["build", "oci:{in}/layout:1", "-o", "{out}/a"];
        json(
            press,
            &[&words[..], &["--verify", "--sha256", "--label=x"]].concat(),
        )
    }),
    row("a layout in an archive, unchecked", "build", |press| {
        image().layout("1").write_tar(&press.image());
        let words = ["build", "oci-archive:{in}/save.tar", "-o", "{out}/a"];
        json(press, &[&words[..], &["--no-fsck"]].concat())
    }),
    row("a directory, without a journal", "build", |press| {
        tree(press);
        let words = ["build", "rootfs:{in}/tree", "-o", "{out}/a"];
        json(
            press,
            &[&words[..], &["--fs=ext4", "--journal=none"]].concat(),
        )
    }),
    row("a layout like an earlier filesystem's", "build", |press| {
        filesystem(press, "fs.img", &[]);
        let words = ["build", "{in}/save.tar", "-o", "{out}/a"];
        json(press, &[&words[..], &["--like={in}/fs.img"]].concat())
    }),
    row("a tar, as ext2", "build", |press| {
        fs::write(press.image(), layer_tar(&[("a", b"a")])).unwrap();
        let words = ["build", "rootfs:{in}/save.tar", "-o", "{out}/a"];
        json(press, &[&words[..], &["--fs=ext2"]].concat())
    }),
    row("an image from standard input", "build", |press| {
        archive(press);
        let mut command = json(press, &["build", "-", "-o", "{out}/a", "--fs=ext4"]);
        command.stdin(File::open(press.image()).unwrap());
        command
    }),
    row("an image of a registry", "build", |press| {
        let address = served::serve(&image());
        let reference = format!("docker://{address}/name:1");
        json(press, &["build", &reference, "-o", "{out}/a", "--no-cache"])
    }),
    row("an image of a daemon", "build", |press| {
        let archive = image().classic_archive(&["test:1"]).tar();
        let config = image().config().to_string();
        let id = crate::support::archive::digest(config.as_bytes());
        let daemon = FakeDaemon::start(move |path, stream| {
            if path.ends_with("/_ping") {
                send(stream, "200 OK", b"OK");
            } else if path.contains("/json") {
                send(stream, "200 OK", format!("{{\"Id\":\"{id}\"}}").as_bytes());
            } else {
                send(stream, "200 OK", &archive);
            }
        });
        let words = ["build", "docker-daemon:test:1", "-o", "{out}/a"];
        let mut command = json(press, &words);
        command.env("DOCKER_HOST", daemon.address());
        // It lives as long as the test does.
        std::mem::forget(daemon);
        command
    }),
    row("an image without a layer", "build", |press| {
        TestImage::new([])
            .layout("1")
            .write_directory(&press.input("layout"));
        json(press, &["build", "oci:{in}/layout:1", "-o", "{out}/a"])
    }),
    row("with a hash tree behind it", "build", |press| {
        archive(press);
        json(
            press,
            &["build", "{in}/save.tar", "-o", "{out}/a", "--verity"],
        )
    }),
    row("with a hash tree in a file", "build", |press| {
        archive(press);
        let words = ["build", "{in}/save.tar", "-o", "{out}/a"];
        json(
            press,
            &[&words[..], &["--verity-file={out}/b", "--sha256"]].concat(),
        )
    }),
    row("compressed beside it", "build", |press| {
        archive(press);
        let words = ["build", "{in}/save.tar", "-o", "{out}/a"];
        json(press, &[&words[..], &["--compress=gzip"]].concat())
    }),
    row("compressed alone", "build", |press| {
        archive(press);
        let words = ["build", "{in}/save.tar", "-o", "{out}/{tag}"];
        let options = ["--compress=zstd:7", "--compress-only"];
        json(press, &[&words[..], &options].concat())
    }),
    row("with warnings", "build", |press| {
        let socket = Layer::new()
            .file_with_xattr("a", ("os2.name", b"value"))
            .tar();
        fs::write(press.image(), socket).unwrap();
        let words = ["build", "rootfs:{in}/save.tar", "-o", "{out}/a"];
        json(press, &[&words[..], &["--size=64M"]].concat())
    }),
    // What is planned.
    row("a plan of an archive", "plan", |press| {
        archive(press);
        json(press, &["plan", "{in}/save.tar"])
    }),
    row("a plan of an exact size as ext4", "plan", |press| {
        layout(press);
        json(
            press,
            &["plan", "oci:{in}/layout:1", "--size=300M", "--fs=ext4"],
        )
    }),
    row("a plan of a directory without a journal", "plan", |press| {
        tree(press);
        json(
            press,
            &[
                "plan",
                "rootfs:{in}/tree",
                "--fs=ext4",
                "--journal=none",
                "--size=+64M",
            ],
        )
    }),
    row(
        "a plan that is like an earlier filesystem",
        "plan",
        |press| {
            filesystem(press, "fs.img", &["--fs=ext4"]);
            let words = ["plan", "{in}/save.tar", "--fs=ext4", "--size=64M"];
            json(press, &[&words[..], &["--like={in}/fs.img"]].concat())
        },
    ),
];
