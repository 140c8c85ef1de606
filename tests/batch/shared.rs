//! A layer that several images have is read once, and harms none but those that have it when it is
//! damaged.

use std::fs;
use std::path::Path;

use super::rig::{Rig, errors, layers, states};
use super::support::archive::{Compression, TestImage, digest, layer_tar};
use super::support::run::Press;

fn count(stderr: &str, words: [&str; 2]) -> usize {
    let has_all = |line: &&str| words.iter().all(|word| line.contains(word));
    stderr.lines().filter(has_all).count()
}

#[test]
fn six_images_on_two_bases_have_each_layer_read_once_and_are_those_of_six_builds() {
    let rig = Rig::new();
    let alone = rig.alone(&["--progress=none"]);
    for jobs in ["1", "2", "6"] {
        rig.plain_list();
        let ended = rig.build(&["--progress=plain", "--jobs", jobs, "--json", "--force"]);
        let built = |index| (index, "built".to_owned());
        assert_eq!(
            states(ended.succeeded()),
            (1..=6).map(built).collect::<Vec<_>>()
        );
        // Two bases, two in the middle and six of their own.
        assert_eq!(count(&ended.stderr, [": layer ", ": verified"]), 10);
        assert_eq!(
            count(&ended.stderr, [": layer ", ": read for another image"]),
            8
        );
        for (image, alone) in alone.iter().enumerate() {
            assert!(
                &fs::read(rig.output(image)).unwrap() == alone,
                "image {image}"
            );
        }
    }
    assert_eq!(
        fs::read_dir(rig.press.root().join("work")).unwrap().count(),
        0
    );
}

/// Another archive, another compression: the tar is the same, and its diff ID says so.
#[test]
fn a_layer_is_shared_between_archives_layouts_and_compressions() {
    let rig = Rig::new();
    let alone = rig.alone(&["--progress=none"]);
    let archive = rig.press.input("save.tar");
    TestImage::new(layers(1))
        .classic_archive(&["test:1"])
        .write_tar(&archive);
    let zstd = rig.press.input("zstd");
    let image = TestImage {
        compression: Compression::Zstd,
        ..TestImage::new(layers(2))
    };
    image.layout("1").write_directory(&zstd);
    let list = rig.press.root().join("list");
    let output = |image| rig.output(image).display().to_string();
    let lines = [
        format!("{}\t{}\n", rig.references[0], output(0)),
        format!("docker-archive:{}\t{}\n", archive.display(), output(1)),
        format!("oci:{}\t{}\n", zstd.display(), output(2)),
    ];
    fs::write(list, lines.concat()).unwrap();
    let ended = rig.build(&["--progress=plain"]);
    ended.succeeded();
    assert_eq!(count(&ended.stderr, [": layer ", ": verified"]), 5);
    assert_eq!(
        count(&ended.stderr, [": layer ", ": read for another image"]),
        4
    );
    for (image, alone) in alone.iter().enumerate().take(3) {
        assert!(
            &fs::read(rig.output(image)).unwrap() == alone,
            "image {image}"
        );
    }
}

fn damage(layout: &Path, tar: &[u8], compress: impl Fn(&[u8]) -> Vec<u8>) {
    let hexadecimal = digest(&compress(tar));
    let blob = layout
        .join("blobs/sha256")
        .join(&hexadecimal["sha256:".len()..]);
    let mut bytes = fs::read(&blob).unwrap();
    // Not in what is compressed, but in what says so: the operating system.
    bytes[9] ^= 1;
    fs::write(&blob, bytes).unwrap();
}

#[test]
fn a_damaged_layer_fails_each_image_that_has_it_so_and_no_other() {
    let rig = Rig::new();
    let alone = rig.alone(&["--progress=none"]);
    let gzip = super::support::archive::gzip;
    // The base of three, in two of them; each has a copy of its own.
    for image in [0, 2] {
        damage(
            &rig.press.input(&format!("image{image}")),
            &layers(image)[0],
            gzip,
        );
    }
    rig.plain_list();
    for jobs in ["1", "4"] {
        for image in 0..6 {
            let _ = fs::remove_file(rig.output(image));
        }
        let ended = rig.build(&["--progress=none", "--jobs", jobs, "--json", "--force"]);
        assert_eq!(ended.code(), 4, "{}", ended.stderr);
        let found = states(&ended.stdout);
        let failed: Vec<_> = found
            .iter()
            .filter(|(_, state)| state == "failed")
            .collect();
        assert_eq!(
            failed.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
            [1, 3]
        );
        for image in [0, 2] {
            let errors = count(
                &ended.stderr,
                [
                    &format!("image{image}:1: layer 1 of 3"),
                    "expected stored bytes with the digest",
                ],
            );
            assert_eq!(errors, 1, "{}", ended.stderr);
            assert!(!rig.output(image).exists());
        }
        assert_eq!(errors(&ended.stderr), 2, "{}", ended.stderr);
        for image in [1, 3, 4, 5] {
            assert!(
                fs::read(rig.output(image)).unwrap() == alone[image],
                "image {image}"
            );
        }
    }
}

/// Whatever one image is refused for is not held against another with other limits.
#[test]
fn limits_are_each_images_own() {
    let press = Press::new();
    let base = layer_tar(&[("a", b"a"), ("b", b"b"), ("c", b"c")]);
    let image = TestImage::new([base, layer_tar(&[("d", b"d")])]);
    image.classic_archive(&["test:1"]).write_tar(&press.image());
    let out = press.root().join("out");
    let line = |output: &str, options: &str| {
        format!(
            "{}\t{}\t{options}\n",
            press.image().display(),
            out.join(output).display()
        )
    };
    let list = press.root().join("list");
    let limits = [
        ("x", ""),
        ("y", "--max-entries 3"),
        ("z", "--max-entries 2"),
        ("w", "--max-entries 4"),
    ];
    fs::write(
        &list,
        limits
            .map(|(output, options)| line(output, options))
            .concat(),
    )
    .unwrap();
    let mut command = press.command("build");
    command
        .args(["--progress=none", "--json", "--list"])
        .arg(&list);
    let ended = press.run(&mut command);
    assert_eq!(ended.code(), 4);
    let states: Vec<_> = states(&ended.stdout)
        .into_iter()
        .map(|(_, state)| state)
        .collect();
    assert_eq!(states, ["built", "failed", "failed", "built"]);
    assert_eq!(
        count(&ended.stderr, ["layer 2 of 2", "--max-entries"]),
        1,
        "{}",
        ended.stderr
    );
    assert_eq!(
        count(&ended.stderr, ["layer 1 of 2", "--max-entries"]),
        1,
        "{}",
        ended.stderr
    );
}
