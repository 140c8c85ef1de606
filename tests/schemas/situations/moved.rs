//! What goes elsewhere and is kept there, and what is told as events.

use std::fs::{self, File};
use std::io::Write;

use crate::support::served;

use super::{Situation, ending, row};
use crate::inputs::*;

pub const MOVED: &[Situation] = &[
    // The way back.
    row("a filesystem exported upon its image", "export", |press| {
        layout(press);
        filesystem(press, "fs.img", &[]);
        let words = ["export", "{in}/fs.img", "-o", "oci:{out}/a:1"];
        json(press, &[&words[..], &["--base=oci:{in}/layout:1"]].concat())
    }),
    row("a filesystem exported upon an archive", "export", |press| {
        archive(press);
        filesystem(press, "fs.img", &[]);
        let words = ["export", "{in}/fs.img", "-o", "docker-archive:{out}/a:b"];
        let options = ["--base={in}/save.tar", "--compress=zstd:19"];
        json(press, &[&words[..], &options].concat())
    }),
    row("a whole filesystem exported", "export", |press| {
        filesystem(press, "fs.img", &["--config-file=/etc/image.json"]);
        let words = ["export", "{in}/fs.img", "-o", "oci-archive:{out}/a"];
        let options = ["--platform=linux/arm/v6", "--compress=none"];
        json(press, &[&words[..], &options].concat())
    }),
    // What others keep.
    row("the tags of a repository", "tags", |press| {
        let address = served::serve(&image());
        json(press, &["tags", &format!("docker://{address}/name")])
    }),
    row("a filesystem, into an empty registry", "push", |press| {
        filesystem(press, "fs.img", &["--manifest={in}/fs.img.manifest.json"]);
        let reference = format!("docker://{}/name:1", served::serve_pushes());
        json(press, &["push", "{in}/fs.img", &reference])
    }),
    row(
        "one of which nothing is known, into an index",
        "push",
        |press| {
            filesystem(press, "fs.img", &["--verity"]);
            let reference = format!("docker://{}/name:1", served::serve_pushes());
            let words = ["push", "{in}/fs.img", &reference, "--platform=linux/arm/v6"];
            json(press, &words)
        },
    ),
    row("a filesystem of a registry", "pull", |press| {
        let reference = format!("docker://{}/name:1", served::serve_filesystem());
        json(press, &["pull", &reference, "-o", "{out}/a", "--no-cache"])
    }),
    row("one that is there already", "pull", |press| {
        let reference = format!("docker://{}/name:1", served::serve_filesystem());
        let words = ["pull", &reference, "-o", "{out}/a", "--no-cache"];
        fs::write(press.image(), b"0123456789abcdef".repeat(256)).unwrap();
        json(press, &[&words[..], &["--like={in}/save.tar"]].concat())
    }),
    row("a cache that is not there", "cache ls", |press| {
        json(press, &["cache", "ls", "--cache-dir={in}/cache"])
    }),
    row("a cache with blobs", "cache ls", |press| {
        cached(press);
        json(press, &["cache", "ls", "--cache-dir={in}/cache"])
    }),
    row("a cache emptied", "cache prune", |press| {
        cached(press);
        json(press, &["cache", "prune", "--cache-dir={in}/cache"])
    }),
    // Events, with what fails among them.
    row("a build told as events", "build", |press| {
        archive(press);
        let words = ["build", "{in}/save.tar", "-o", "{out}/a"];
        json(
            press,
            &[&words[..], &["--progress=json", "--verbose", "--verify"]].concat(),
        )
    }),
    ending("what is no image, told as events", "build", 4, |press| {
        let mut file = File::create(press.image()).unwrap();
        file.write_all(b"\x7fELF and so on").unwrap();
        let words = ["build", "{in}/save.tar", "-o", "{out}/a"];
        json(press, &[&words[..], &["--progress=json"]].concat())
    }),
    ending("nobody reached, told as events", "tags", 9, |press| {
        json(
            press,
            &[
                "tags",
                "docker://127.0.0.1:1/name",
                "--retry=0",
                "--progress=json",
            ],
        )
    }),
    ending(
        "names that are not there, told as events",
        "stat",
        3,
        |press| {
            filesystem(press, "fs.img", &[]);
            json(
                press,
                &[
                    "stat",
                    "{in}/fs.img",
                    "/none",
                    "/one",
                    "/nor this",
                    "--progress=json",
                ],
            )
        },
    ),
];
