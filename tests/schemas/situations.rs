//! What is run: each command in each situation that makes another document of it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::Command;

use crate::support::archive::{TestImage, layer_tar};
use crate::support::fake_daemon::{FakeDaemon, send};
use crate::support::run::Press;
use crate::support::served;
use crate::support::session::{Layer, layers};

use crate::inputs::*;

/// A command, and what it prints.
pub struct Situation {
    pub what: &'static str,
    /// The words that name the command, as in `cache ls`.
    pub command: &'static str,
    /// What it ends with.
    pub code: i32,
    pub prepare: fn(&Press) -> Command,
}

/// A row that is to succeed.
const fn row(
    what: &'static str,
    command: &'static str,
    prepare: fn(&Press) -> Command,
) -> Situation {
    ending(what, command, 0, prepare)
}

const fn ending(
    what: &'static str,
    command: &'static str,
    code: i32,
    prepare: fn(&Press) -> Command,
) -> Situation {
    Situation {
        what,
        command,
        code,
        prepare,
    }
}

pub const SITUATIONS: &[Situation] = &[
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
    // What is looked at.
    row("an archive inspected", "inspect", |press| {
        archive(press);
        json(press, &["inspect", "{in}/save.tar"])
    }),
    row("a layout inspected with its layers", "inspect", |press| {
        layout(press);
        json(press, &["inspect", "--layers", "oci:{in}/layout:1"])
    }),
    row("a directory inspected", "inspect", |press| {
        tree(press);
        json(press, &["inspect", "--layers", "rootfs:{in}/tree"])
    }),
    row("several images inspected", "inspect", |press| {
        several(press);
        json(press, &["inspect", "oci:{in}/several"])
    }),
    row("one image of several inspected", "inspect", |press| {
        several(press);
        json(
            press,
            &["inspect", "oci:{in}/several", "--platform=linux/arm64/v8"],
        )
    }),
    row("an image whose dates are none", "inspect", |press| {
        let mut image = image();
        image.created = "0001-01-01T00:00:00Z";
        image.layout("1").write_directory(&press.input("layout"));
        json(press, &["inspect", "oci:{in}/layout:1"])
    }),
    row("an image whose date is no date", "inspect", |press| {
        let mut image = image();
        image.created = "yesterday";
        image.layout("1").write_directory(&press.input("layout"));
        json(press, &["inspect", "oci:{in}/layout:1"])
    }),
    row("a filesystem inspected", "inspect", |press| {
        filesystem(press, "fs.img", &[]);
        json(press, &["inspect", "{in}/fs.img"])
    }),
    row(
        "a filesystem without a journal inspected",
        "inspect",
        |press| {
            filesystem(press, "fs.img", &["--fs=ext4", "--journal=none"]);
            json(press, &["inspect", "{in}/fs.img"])
        },
    ),
    row(
        "a filesystem whose root is damaged inspected",
        "inspect",
        |press| {
            filesystem(press, "fs.img", &["--fs=ext4"]);
            let file = File::options()
                .write(true)
                .open(press.input("fs.img"))
                .unwrap();
            // All behind superblock and descriptors.
            file.write_all_at(&vec![0; 4 << 20], 64 << 10).unwrap();
            json(press, &["inspect", "{in}/fs.img"])
        },
    ),
    row(
        "a filesystem with a hash tree inspected",
        "inspect",
        |press| {
            filesystem_with_verity(press);
            json(press, &["inspect", "{in}/fs.img"])
        },
    ),
    row("a hash tree inspected", "inspect", |press| {
        filesystem(press, "fs.img", &["--verity-file={in}/tree.img"]);
        json(press, &["inspect", "{in}/tree.img"])
    }),
    // What is held against each other.
    row("a filesystem verified", "verify", |press| {
        filesystem(press, "fs.img", &[]);
        json(press, &["verify", "{in}/fs.img", "{in}/save.tar"])
    }),
    ending(
        "a filesystem verified against another image",
        "verify",
        1,
        |press| {
            filesystem(press, "fs.img", &["--fs=ext4"]);
            let [base, _] = layers();
            let top = Layer::new()
                .file("etc/plain", b"other content\n")
                .symlink("usr/bin/tool", "elsewhere")
                .directory("more")
                .hard_link("more/again", "etc/empty")
                .device("null", 1, 5)
                .file_with_xattr("etc/marked", ("user.mark", b"there"))
                .tar();
            TestImage::new([base, top])
                .classic_archive(&["test:1"])
                .write_tar(&press.image());
            json(press, &["verify", "{in}/fs.img", "{in}/save.tar"])
        },
    ),
    row(
        "a filesystem verified against a root hash",
        "verify",
        |press| {
            let root = filesystem_with_verity(press);
            json(press, &["verify", "{in}/fs.img", "--roothash", &root])
        },
    ),
    row("a filesystem verified against both", "verify", |press| {
        let root = filesystem_with_verity(press);
        json(
            press,
            &[
                "verify",
                "{in}/fs.img",
                "{in}/save.tar",
                "--roothash",
                &root,
            ],
        )
    }),
    ending(
        "a damaged filesystem against a root hash",
        "verify",
        8,
        |press| {
            let root = filesystem_with_verity(press);
            damage(press, 1024 + 200);
            let length = fs::metadata(press.input("fs.img")).unwrap().len();
            damage(press, length - 4096);
            json(press, &["verify", "{in}/fs.img", "--roothash", &root])
        },
    ),
    row("two equal ones", "diff", |press| {
        filesystem(press, "fs.img", &[]);
        json(press, &["diff", "{in}/fs.img", "{in}/save.tar"])
    }),
    ending("two that differ", "diff", 1, |press| {
        filesystem(press, "fs.img", &[]);
        layout(press);
        let [_, top] = layers();
        let other = Layer::new()
            .file("one", b"other")
            .symlink("two", "one")
            .directory("dir")
            .device("null", 1, 3)
            .tar();
        TestImage::new([top, other])
            .layout("2")
            .write_directory(&press.input("other"));
        json(press, &["diff", "{in}/fs.img", "oci:{in}/other:2"])
    }),
    ending("two that differ, by directory", "diff", 1, |press| {
        filesystem(press, "fs.img", &[]);
        tree(press);
        json(
            press,
            &["diff", "--stat", "{in}/fs.img", "rootfs:{in}/tree"],
        )
    }),
    row("layers of an image", "layers", |press| {
        archive(press);
        json(press, &["layers", "{in}/save.tar"])
    }),
    row("names of an image listed", "ls", |press| {
        archive(press);
        json(press, &["ls", "-aR", "{in}/save.tar"])
    }),
    row("names of an image told", "stat", |press| {
        layout(press);
        json(press, &["stat", "oci:{in}/layout:1", "/"])
    }),
    row("names listed", "ls", |press| {
        filesystem(press, "fs.img", &[]);
        json(press, &["ls", "-aR", "{in}/fs.img"])
    }),
    row("names of ext4 listed", "ls", |press| {
        filesystem(press, "fs.img", &["--fs=ext4"]);
        json(press, &["ls", "-R", "{in}/fs.img"])
    }),
    row("everything about names", "stat", |press| {
        filesystem(press, "fs.img", &["--fs=ext4"]);
        json(
            press,
            &[
                "stat",
                "{in}/fs.img",
                "/",
                "/one",
                "/null",
                "/usr/bin/short",
                "/etc/marked",
            ],
        )
    }),
    ending(
        "two images, and one that is not there",
        "batch",
        3,
        |press| {
            archive(press);
            let lines = [
                ("save.tar", "a.img\t--sha256"),
                ("save.tar", "b.img"),
                ("gone", "c.img"),
            ];
            let lines = lines.map(|(image, output)| {
                let (image, output) = (press.input(image), press.root().join("out").join(output));
                format!("{}\t{}\n", image.display(), output.display())
            });
            fs::write(press.input("list"), lines.concat()).unwrap();
            json(press, &["build", "--list", "{in}/list"])
        },
    ),
    row("the packages of an image", "packages", |press| {
        let other = installed(press);
        json(press, &["packages", &other])
    }),
    row("the packages of a filesystem", "packages", |press| {
        installed(press);
        json(press, &["packages", "{in}/fs.img"])
    }),
    row("no list of packages", "packages", |press| {
        tree(press);
        json(press, &["packages", "rootfs:{in}/tree"])
    }),
    row("two of the same blocks", "diff blocks", |press| {
        filesystem(press, "fs.img", &[]);
        json(press, &["diff", "--blocks", "{in}/fs.img", "{in}/fs.img"])
    }),
    ending("two with other blocks", "diff blocks", 1, |press| {
        filesystem(press, "fs.img", &[]);
        filesystem(press, "other.img", &["--fs=ext4", "--size=64M"]);
        json(
            press,
            &["diff", "--blocks", "{in}/fs.img", "{in}/other.img"],
        )
    }),
    ending(
        "blocks of what is no filesystem",
        "diff blocks",
        1,
        |press| {
            filesystem(press, "fs.img", &[]);
            json(press, &["diff", "--blocks", "{in}/save.tar", "{in}/fs.img"])
        },
    ),
    row("two with the same packages", "diff packages", |press| {
        installed(press);
        json(press, &["diff", "--packages", "{in}/fs.img", "{in}/fs.img"])
    }),
    ending("two with other packages", "diff packages", 1, |press| {
        let other = installed(press);
        json(press, &["diff", "--packages", "{in}/fs.img", &other])
    }),
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
