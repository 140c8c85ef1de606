//! Into a layout's directory: what is written, and what of it was there.

use std::fs;

use serde_json::{Value, json};

use crate::rig::{Rig, Written, image, noise};
use crate::support::archive::{Files, digest, layer_tar};

#[test]
fn an_untouched_build_is_its_base_and_an_empty_layer() {
    let rig = Rig::new();
    let told = rig.exported(&rig.target("oci", "new:x"), &["--base", "BASE"]);
    assert_eq!(told["layer"]["members"], 0);
    assert_eq!(told["layer_count"], 3);
    let base = Written::directory(&rig.layout());
    let written = Written::directory(&rig.out("new"));
    let (of_base, _) = base.image(Some("1"));
    let (manifest, config) = written.image(Some("x"));
    let layers = manifest["layers"].as_array().unwrap();
    for (index, layer) in of_base["layers"].as_array().unwrap().iter().enumerate() {
        assert_eq!(&layers[index], layer);
        assert!(written.blob(layer) == base.blob(layer));
    }
    let new = &layers[2];
    assert_eq!(
        new["mediaType"],
        "application/vnd.oci.image.layer.v1.tar+gzip"
    );
    assert_eq!(new["digest"], told["layer"]["digest"]);
    let mut tar = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(written.blob(new));
    std::io::Read::read_to_end(&mut decoder, &mut tar).unwrap();
    assert!(!tar.is_empty() && tar.iter().all(|byte| *byte == 0));
    assert_eq!(config["rootfs"]["diff_ids"][2], digest(&tar));
    assert_eq!(
        written.json("oci-layout"),
        json!({ "imageLayoutVersion": "1.0.0" })
    );
    assert_eq!(told["manifest_digest"], written.listed()[0].1["digest"]);
    assert_eq!(told["image_id"], manifest["config"]["digest"]);
    rig.shows_the_same(&rig.target("oci", "new:x"));
}

#[test]
fn the_whole_filesystem_is_one_layer_that_becomes_the_same_filesystem() {
    let rig = Rig::new();
    for compression in ["gzip", "gzip:1", "zstd", "zstd:19", "none"] {
        let target = rig.target("oci", &compression.replace(':', "-"));
        let options = ["--platform=linux/arm64", "--compress", compression];
        let told = rig.exported(&target, &options);
        assert_eq!(told["layer_count"], 1);
        assert_eq!(told["platform"], "linux/arm64");
        let suffix = match compression.split(':').next().unwrap() {
            "none" => String::new(),
            form => format!("+{form}"),
        };
        let written = Written::directory(&rig.out(&compression.replace(':', "-")));
        let (manifest, config) = written.image(None);
        let expected = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
        assert_eq!(manifest["layers"][0]["mediaType"], expected);
        assert_eq!(config["architecture"], "arm64");
        rig.shows_the_same(&target);
        // And back again.
        let mut build = rig.press.command("build");
        build.arg(&target).arg("-o").arg(rig.out("again.img"));
        rig.press.run(&mut build).succeeded();
        let mut diff = rig.press.command("diff");
        diff.arg(rig.filesystem()).arg(rig.out("again.img"));
        rig.press.run(&mut diff).succeeded();
    }
}

#[test]
fn the_same_is_written_by_any_number_of_threads_at_any_time_and_place() {
    // Several blocks for several threads.
    let noise = noise(3 << 20);
    let mut large = image();
    large.layers.push(layer_tar(&[
        ("noise", &noise),
        ("zeros", &vec![0; 9 << 20]),
    ]));
    let rig = Rig::of(&large);
    for compression in ["gzip", "zstd", "none"] {
        let mut seen: Vec<Value> = Vec::new();
        for (round, jobs) in ["1", "2", "7"].iter().enumerate() {
            let target = rig.target("oci", &format!("{compression}{round}:x"));
            let options = [
                "--platform=amd64",
                "--compress",
                compression,
                "--jobs",
                jobs,
            ];
            let mut told = rig.exported(&target, &options);
            for key in ["output", "seconds"] {
                told.as_object_mut().unwrap().remove(key);
            }
            seen.push(told);
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
        let all = |round| Written::directory(&rig.out(&format!("{compression}{round}"))).0;
        assert!(all(0) == all(1) && all(1) == all(2));
    }
}

#[test]
fn other_images_stay_and_one_of_the_same_name_is_replaced() {
    let rig = Rig::new();
    let layout = rig.layout();
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let mut strange = index.clone();
    strange["annotations"] = json!({ "kept": "as it is" });
    strange["manifests"][0]["data"] = json!("also");
    // A signature, say, has no name either.
    let beside = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 3,
        "digest": digest(b"???"), "artifactType": "application/x",
    });
    strange["manifests"]
        .as_array_mut()
        .unwrap()
        .push(beside.clone());
    fs::write(layout.join("index.json"), strange.to_string()).unwrap();
    let target = |name: &str| format!("oci:{}{name}", layout.display());
    let platform = ["--platform=amd64"];
    rig.exported(&target(":new"), &platform);
    rig.exported(&target(""), &platform);
    let created = |seconds| ["--platform=amd64", seconds];
    rig.exported(&target(":new"), &created("--source-date-epoch=5"));
    rig.exported(&target(""), &created("--source-date-epoch=6"));
    let written = Written::directory(&layout);
    let listed = written.listed();
    assert_eq!(listed.len(), 4, "{listed:?}");
    assert_eq!(listed[0].1, strange["manifests"][0]);
    assert_eq!(listed[1].1, beside);
    assert_eq!(
        written.json("index.json")["annotations"],
        strange["annotations"]
    );
    assert_eq!(
        written.image(Some("new")).1["created"],
        "1970-01-01T00:00:05Z"
    );
    let nameless: Value = serde_json::from_slice(written.blob(&listed[3].1)).unwrap();
    let config: Value = serde_json::from_slice(written.blob(&nameless["config"])).unwrap();
    assert_eq!(
        (&listed[3].0, &config["created"]),
        (&None, &json!("1970-01-01T00:00:06Z"))
    );
    // One image under two names.
    rig.exported(&target(":other"), &created("--source-date-epoch=5"));
    assert_eq!(Written::directory(&layout).listed().len(), 5);
    rig.shows_the_same(&target(":new"));
    rig.shows_the_same(&target(":1"));
}

#[test]
fn blobs_that_are_there_are_left_alone_and_damaged_ones_replaced() {
    use std::os::unix::fs::MetadataExt;
    let rig = Rig::new();
    let target = rig.target("oci", "new:x");
    let base = ["--base", "BASE"];
    rig.exported(&target, &base);
    let blobs = rig.out("new").join("blobs/sha256");
    let inodes = || {
        let mut all: Vec<_> = fs::read_dir(&blobs)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().ino())
            .collect();
        all.sort_unstable();
        all
    };
    let before = (inodes(), Written::directory(&rig.out("new")).0);
    rig.exported(&target, &base);
    assert!(before == (inodes(), Written::directory(&rig.out("new")).0));
    for entry in fs::read_dir(&blobs).unwrap() {
        let path = entry.unwrap().path();
        let whole = fs::read(&path).unwrap();
        for wrong in [&whole[..whole.len() - 1], &vec![b'x'; whole.len()]] {
            fs::write(&path, wrong).unwrap();
            rig.exported(&target, &base);
            assert!(fs::read(&path).unwrap() == whole, "{}", path.display());
        }
    }
    assert_eq!(rig.press.left(), ["out/new"]);
}

#[test]
fn of_several_that_write_into_one_layout_each_is_listed() {
    let rig = Rig::new();
    let target = |name: &str| rig.target("oci", &format!("shared:{name}"));
    let names: Vec<_> = (0..8).map(|number| format!("t{number}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            let mut command = rig.command(&target(name), &["--base", "BASE", "--created-by", name]);
            scope.spawn(move || {
                let output = crate::support::run::output_of(&mut command);
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{said}");
            });
        }
    });
    let written = Written::directory(&rig.out("shared"));
    assert_eq!(written.listed().len(), names.len());
    for name in &names {
        let (_, config) = written.image(Some(name));
        assert_eq!(config["history"][2]["created_by"], **name);
    }
}

#[test]
fn what_fails_leaves_nothing_and_no_directory() {
    let rig = Rig::new();
    let damaged = rig.press.input("damaged.img");
    // A name that no layer can hold.
    fs::copy(rig.filesystem(), &damaged).unwrap();
    crate::support::oracles::debugfs_write(&damaged, &["mkdir .wh.name"]);
    for target in ["oci:OUT/a/b", "oci:OUT/a", "docker-archive:OUT/a.tar"] {
        let target = target.replace("OUT", rig.press.root().join("out").to_str().unwrap());
        let mut command = rig.press.command("export");
        command
            .arg(&damaged)
            .args(["--platform=amd64", "-o", &target]);
        let ended = rig.press.run(&mut command);
        assert_ne!(ended.code(), 0);
        assert_eq!(rig.press.left(), [""; 0], "{target}");
    }
    // Nor is anything of a layout changed.
    let before = Written::directory(&rig.layout()).0;
    let target = format!("oci:{}:2", rig.layout().display());
    let mut command = rig.press.command("export");
    command
        .arg(&damaged)
        .args(["--platform=amd64", "-o", &target]);
    rig.press.run(&mut command).failed(5, &[".wh.name"]);
    assert!(Written::directory(&rig.layout()).0 == before);
}

#[test]
fn a_layout_may_be_made_of_links() {
    let rig = Rig::new();
    let store = rig.press.input("store");
    fs::create_dir_all(store.join("sha256")).unwrap();
    let mut files = Files::default();
    image().put(&mut files);
    let layout = rig.out("linked");
    fs::create_dir(&layout).unwrap();
    std::os::unix::fs::symlink(&store, layout.join("blobs")).unwrap();
    rig.exported(&format!("oci:{}:x", layout.display()), &["--base", "BASE"]);
    assert_eq!(fs::read_dir(store.join("sha256")).unwrap().count(), 5);
    rig.shows_the_same(&format!("oci:{}:x", layout.display()));
}
