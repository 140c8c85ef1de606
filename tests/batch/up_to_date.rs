//! What is up to date is left, and only that.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::rig::{Rig, layers, lines, states};
use super::support::archive::{Compression, TestImage};

/// How many of six were built.
pub fn built(rig: &Rig, options: &[&str]) -> Vec<u64> {
    let mut all = vec!["--json", "--progress=none", "--size=16M"];
    all.extend(options);
    let ended = rig.build(&all);
    let states = states(ended.succeeded());
    assert_eq!(states.len(), 6);
    let is_built = |(index, state): (u64, String)| match state.as_str() {
        "built" => Some(index),
        "up_to_date" => None,
        other => panic!("{other}"),
    };
    states.into_iter().filter_map(is_built).collect()
}

pub const NONE: [u64; 0] = [];

pub fn all() -> Vec<u64> {
    (1..=6).collect()
}

fn beside(rig: &Rig, image: usize, ending: &str) -> PathBuf {
    let mut path = rig.output(image).into_os_string();
    path.push(ending);
    path.into()
}

#[test]
fn a_second_run_skips_all_in_under_a_second_and_reads_no_layer() {
    let rig = Rig::new();
    rig.plain_list();
    let first = rig.build(&["--json", "--progress=none", "--sha256"]);
    let first = lines(first.succeeded());
    // What is no longer there cannot be read.
    for image in 0..6 {
        let layout = rig.press.input(&format!("image{image}"));
        for blob in fs::read_dir(layout.join("blobs/sha256")).unwrap() {
            let blob = blob.unwrap();
            if blob.metadata().unwrap().len() > 10_000 {
                let file = File::options().write(true).open(blob.path()).unwrap();
                file.write_all_at(&[0; 10_000], 0).unwrap();
            }
        }
    }
    let second = rig.build(&["--json", "--progress=plain", "--sha256"]);
    println!("looked at in {:?}", second.time);
    let second_lines = lines(second.succeeded());
    assert!(!second.stderr.contains("layer"), "{}", second.stderr);
    for (index, line) in second_lines {
        assert_eq!(line["state"], "up_to_date");
        for key in [
            "reference",
            "output",
            "image_id",
            "manifest_digest",
            "sha256",
        ] {
            assert_eq!(line[key], first[&index][key], "{key}");
            assert!(!line[key].is_null(), "{key}");
        }
    }
    let table = rig.build(&["--progress=none", "--sha256"]);
    assert_eq!(table.succeeded().matches(" up to date ").count(), 6);
    // Forced, they are read: and are no more what they were.
    assert_eq!(
        rig.build(&["--force", "--sha256", "--progress=none"])
            .code(),
        4
    );
}

#[test]
fn whatever_is_asked_for_otherwise_is_built_again() {
    let rig = Rig::new();
    rig.plain_list();
    assert_eq!(built(&rig, &[]), all());
    assert_eq!(built(&rig, &[]), NONE);
    for options in [
        &["--fs=ext4"][..],
        &["--fs=ext4", "--label=x"],
        &["--fs=ext4", "--label=x", "--verify"],
        &["--sha256"],
        &["--sha256=raw"],
        &["--verity"],
        &["--mkdir=new"],
        &["--compress=gzip"],
        &["--compress=gzip:1"],
        &["--compress=zstd"],
        &["--compress=zstd", "--compress-only"],
        &["--source-date-epoch=7"],
        &["--uuid=01234567-89ab-cdef-0123-456789abcdef"],
    ] {
        assert_eq!(built(&rig, options), all(), "{options:?}");
        assert_eq!(built(&rig, options), NONE, "{options:?}");
        assert_eq!(built(&rig, &[options, &["--check-outputs"]].concat()), NONE);
    }
    // Fewer proofs than there were, and none, are had already.
    assert_eq!(built(&rig, &["--verify"]), all());
    assert_eq!(built(&rig, &["--no-fsck"]), NONE);
    assert_eq!(built(&rig, &["--force"]), all());
    // One line's own.
    rig.list(|image, line| match image {
        3 => line + "\t--label=y",
        _ => line,
    });
    assert_eq!(built(&rig, &[]), [4]);
}

#[test]
fn another_image_at_the_same_place_is_built() {
    let rig = Rig::new();
    rig.plain_list();
    built(&rig, &[]);
    let layout = rig.press.input("image4");
    fs::remove_dir_all(&layout).unwrap();
    let image = TestImage {
        compression: Compression::Gzip,
        ..TestImage::new(layers(0))
    };
    image.layout("1").write_directory(&layout);
    assert_eq!(built(&rig, &[]), [5]);
    assert!(fs::read(rig.output(4)).unwrap() == fs::read(rig.output(0)).unwrap());
}

#[test]
fn what_is_compressed_is_left_whether_or_not_the_filesystem_is_kept() {
    let rig = Rig::new();
    rig.plain_list();
    let both = &["--compress=zstd:1", "--sha256"][..];
    let only = &["--compress=zstd:1", "--compress-only"][..];
    let told = lines(
        rig.build(&[&["--json", "--progress=none", "--size=16M"], only].concat())
            .succeeded(),
    );
    assert!(!rig.output(1).exists());
    let again = rig.build(&[&["--json", "--progress=none", "--size=16M"], only].concat());
    for (index, line) in lines(again.succeeded()) {
        assert_eq!(line["state"], "up_to_date");
        assert_eq!(line["sha256"], told[&index]["sha256"]);
    }
    assert_eq!(built(&rig, both), all());
    assert_eq!(built(&rig, both), NONE);
    for (ending, options) in [
        ("", both),
        (".zst", both),
        (".zst.sha256", both),
        (".sha256", both),
    ] {
        fs::remove_file(beside(&rig, 1, ending)).unwrap();
        assert_eq!(built(&rig, options), [2], "{ending}");
    }
    // What is not asked for any more is not looked at.
    assert_eq!(built(&rig, only), all());
    fs::remove_file(rig.output(1)).unwrap();
    assert_eq!(built(&rig, only), NONE);
    fs::remove_file(beside(&rig, 1, ".zst")).unwrap();
    assert_eq!(built(&rig, only), [2]);
    // In names that the image completes.
    let out = rig.press.root().join("out");
    rig.list(|image, _| format!("{}\t{}/x-{{id:12}}", rig.references[image], out.display()));
    assert_eq!(built(&rig, only), all());
    assert_eq!(built(&rig, only), NONE);
}

/// Nobody but layerpress writes manifests; what is in one is held against what is there all the same.
/// What is changed in a manifest, and how.
type Lie<'a> = (&'a str, &'a dyn Fn(&mut Value));

#[test]
fn a_manifest_that_is_of_another_form_or_lies_is_not_believed() {
    let rig = Rig::new();
    rig.plain_list();
    built(&rig, &[]);
    let path = beside(&rig, 1, ".manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let lies: [Lie<'_>; 8] = [
        ("a form to come", &|told| {
            told["schema"] = "layerpress.manifest.v2".into()
        }),
        ("no files", &|told| {
            told["files"] = Vec::<Value>::new().into()
        }),
        ("a file twice", &|told| {
            let file = told["files"][0].clone();
            told["files"].as_array_mut().unwrap().push(file);
        }),
        ("another name", &|told| told["output"]["name"] = "x".into()),
        ("another sum", &|told| {
            told["output"]["sha256"] = "0".repeat(64).into()
        }),
        ("another length", &|told| {
            told["files"][0]["size_bytes"] = 1.into()
        }),
        ("another UUID", &|told| {
            told["filesystem"]["uuid"] = "x".into()
        }),
        ("another image", &|told| {
            told["image"]["image_id"] = Value::Null
        }),
    ];
    for (what, lie) in lies {
        let mut told = manifest.clone();
        lie(&mut told);
        fs::write(&path, serde_json::to_vec(&told).unwrap()).unwrap();
        assert_eq!(built(&rig, &[]), [2], "{what}");
        assert!(fs::read_to_string(&path).unwrap() == text, "{what}");
    }
    for bytes in [&b"{"[..], b"[[[[", &b"[".repeat(1 << 20), b"\0", b""] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(built(&rig, &[]), [2]);
    }
}

#[test]
fn outputs_that_are_not_as_they_were_written_are_built_again() {
    let rig = Rig::new();
    rig.plain_list();
    let options = &["--sha256"][..];
    built(&rig, options);
    let alone = fs::read(rig.output(1)).unwrap();
    let spoil: [(&str, &dyn Fn()); 8] = [
        ("gone", &|| fs::remove_file(rig.output(1)).unwrap()),
        ("sidecar gone", &|| {
            fs::remove_file(beside(&rig, 1, ".sha256")).unwrap()
        }),
        ("manifest gone", &|| {
            fs::remove_file(beside(&rig, 1, ".manifest.json")).unwrap()
        }),
        ("manifest cut", &|| {
            let path = beside(&rig, 1, ".manifest.json");
            let text = fs::read(&path).unwrap();
            fs::write(path, &text[..text.len() / 2]).unwrap();
        }),
        ("shorter", &|| {
            let file = File::options().write(true).open(rig.output(1)).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            file.set_len(8 << 20).unwrap();
            file.set_modified(modified).unwrap();
        }),
        ("written", &|| {
            let file = File::options().write(true).open(rig.output(1)).unwrap();
            file.write_all_at(b"x", 8_000_000).unwrap();
            file.set_modified(SystemTime::now() + Duration::from_secs(1))
                .unwrap();
        }),
        ("another of the same length and an earlier time", &|| {
            let modified = fs::metadata(rig.output(1)).unwrap().modified().unwrap();
            fs::copy(rig.output(0), rig.output(1)).unwrap();
            let file = File::options().write(true).open(rig.output(1)).unwrap();
            file.set_modified(modified).unwrap();
        }),
        ("manifest of another version", &|| {
            let path = beside(&rig, 1, ".manifest.json");
            let text = fs::read_to_string(&path).unwrap();
            let own = format!("\"layerpress\": \"{}\"", env!("CARGO_PKG_VERSION"));
            assert!(text.contains(&own), "{text}");
            fs::write(path, text.replace(&own, "\"layerpress\": \"0.0.1\"")).unwrap();
        }),
    ];
    for (what, spoil) in spoil {
        spoil();
        assert_eq!(built(&rig, options), [2], "{what}");
        assert!(fs::read(rig.output(1)).unwrap() == alone, "{what}");
        assert_eq!(built(&rig, options), NONE, "{what}");
    }
    // A byte that changed behind everybody's back is found by who asks for it.
    let file = File::options().write(true).open(rig.output(1)).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"x", 8_000_000).unwrap();
    file.set_modified(modified).unwrap();
    assert_eq!(built(&rig, options), NONE);
    assert_eq!(built(&rig, &["--sha256", "--check-outputs"]), [2]);
    assert!(fs::read(rig.output(1)).unwrap() == alone);
}

#[test]
fn names_with_the_images_words_are_found_again_and_meet_nobody() {
    let rig = Rig::new();
    let named = rig.press.root().join("out");
    rig.list(|image, _| {
        format!(
            "{}\t{}/x-{{id:12}}.img",
            rig.references[image],
            named.display()
        )
    });
    assert_eq!(built(&rig, &[]), all());
    assert_eq!(built(&rig, &[]), NONE);
    assert_eq!(rig.press.left().len(), 12);
    for path in rig.press.left() {
        fs::remove_file(rig.press.root().join(path)).unwrap();
    }
    // One image twice, and a name that is another's by what is filled in: before anything is built.
    rig.list(|image, _| match image {
        5 => format!("{}\t{}/x-{{id:12}}.img", rig.references[0], named.display()),
        _ => format!(
            "{}\t{}/x-{{id:12}}.img",
            rig.references[image],
            named.display()
        ),
    });
    let ended = rig.build(&["--json", "--progress=none"]);
    ended.failed(
        5,
        &[
            "expected outputs that do not meet",
            "of image 1",
            "of image 6",
        ],
    );
    assert!(rig.press.left().is_empty(), "{:?}", rig.press.left());
}
