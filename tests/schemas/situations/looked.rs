//! What is looked at, and held against each other.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::support::archive::TestImage;
use crate::support::served;
use crate::support::session::{Layer, layers};

use super::{Situation, ending, row};
use crate::inputs::*;

pub const LOOKED: &[Situation] = &[
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
    row("a filesystem of a registry inspected", "inspect", |press| {
        let reference = format!("docker://{}/name:1", served::serve_filesystem());
        json(press, &["inspect", &reference, "--no-cache"])
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
];
