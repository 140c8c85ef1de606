//! What each layer does, and what of it no one sees any more.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::archive::TestImage;
use crate::support::run::Press;
use crate::support::session::{Layer, layerpress};
use crate::told;

fn report(image: &Path, arguments: &[&str]) -> Value {
    let image = image.to_str().unwrap();
    let words = [&["layers", "--json", image], arguments].concat();
    serde_json::from_str(&told(&words)).unwrap()
}

fn layers() -> Vec<Vec<u8>> {
    let base = Layer::new()
        .directory("a")
        .file("a/kept", &[1; 100])
        .file("a/changed", &[2; 200])
        .file("a/removed", &[3; 300])
        .directory("b")
        .file("b/one", &[4; 400])
        .file("b/two", &[5; 500])
        .file("linked", &[6; 600])
        .hard_link("link", "linked")
        .tar();
    let second = Layer::new()
        // The same as it was: no change.
        .directory("a")
        .file("a/changed", &[7; 70])
        .file("a/.wh.removed", b"")
        .file("b/.wh..wh..opq", b"")
        .file("b/one", &[8; 80])
        .file(".wh.linked", b"")
        .tar();
    let third = Layer::new()
        .file("twice", &[9; 9])
        .file("twice", &[9; 90])
        .file("a", b"a file where a directory was")
        .file(".wh.link", b"")
        .tar();
    vec![base, second, third]
}

#[test]
fn each_layer_tells_what_it_adds_changes_hides_and_wastes() {
    let press = Press::with_layers(layers());
    let report = report(&press.image(), &[]);
    let rows = report["layers"].as_array().unwrap().iter();
    let keys = ["added_entries", "changed_entries", "hidden_entries"];
    let names: Vec<_> = rows
        .clone()
        .map(|row| keys.map(|key| row[key].clone()))
        .collect();
    // The third puts a file over a directory with two names in it.
    assert_eq!(json!(names), json!([[9, 0, 0], [1, 1, 4], [1, 1, 3]]));
    let keys = ["file_bytes", "hidden_bytes", "wasted_bytes"];
    let bytes: Vec<_> = rows.map(|row| keys.map(|key| row[key].clone())).collect();
    // What has another name yet is hidden when that goes.
    assert_eq!(
        json!(bytes),
        json!([[2100, 0, 2100], [150, 1400, 70], [127, 770, 9]])
    );
    assert_eq!(report["file_bytes"], 2377);
    assert_eq!(report["wasted_bytes"], 2179);
    let files: Vec<_> = report["wasted_files"].as_array().unwrap().iter().collect();
    assert_eq!(
        *files[0],
        json!({ "path": "/linked", "size_bytes": 600, "layer": 1, "hidden_by": 3 })
    );
    let last = json!({ "path": "/twice", "size_bytes": 9, "layer": 3, "hidden_by": 3 });
    assert_eq!(**files.last().unwrap(), last);
    assert_eq!(report["wasted_file_count"], files.len());
}

/// Nothing is lost: what no one sees and what the tree shows are all that the layers hold.
#[test]
fn what_is_wasted_and_what_is_seen_are_all_bytes_of_all_layers() {
    for layers in [layers(), crate::three()] {
        let press = Press::with_layers(layers.clone());
        let report = report(&press.image(), &["--top", "1000"]);
        // Another reader's sum of what the layers hold.
        let of_tar = |layer: &Vec<u8>| -> u64 {
            let mut archive = tar::Archive::new(&layer[..]);
            let entries = archive.entries().unwrap().map(|entry| entry.unwrap());
            let files = entries.filter(|entry| entry.header().entry_type().is_file());
            files.map(|entry| entry.header().size().unwrap()).sum()
        };
        assert_eq!(report["file_bytes"], layers.iter().map(of_tar).sum::<u64>());
        let listed = told(&["ls", "-AR", "--json", press.image().to_str().unwrap()]);
        let mut seen = std::collections::BTreeMap::new();
        for line in listed.lines() {
            let node: Value = serde_json::from_str(line).unwrap();
            if node["type"] == "file" {
                let stat = told(&[
                    "stat",
                    "--json",
                    press.image().to_str().unwrap(),
                    node["path"].as_str().unwrap(),
                ]);
                let stat: Value = serde_json::from_str(&stat).unwrap();
                // Names of one file are one.
                let first = match stat["names"].as_array() {
                    Some(names) => names[0].clone(),
                    None => stat["path"].clone(),
                };
                seen.insert(first.to_string(), node["size_bytes"].as_u64().unwrap());
            }
        }
        let seen: u64 = seen.values().sum();
        assert_eq!(
            report["wasted_bytes"].as_u64().unwrap() + seen,
            report["file_bytes"].as_u64().unwrap()
        );
        let files = report["wasted_files"].as_array().unwrap().iter();
        let files: u64 = files.map(|file| file["size_bytes"].as_u64().unwrap()).sum();
        assert_eq!(report["wasted_bytes"], files);
    }
}

#[test]
fn more_waste_than_is_allowed_ends_with_one() {
    // 5 bytes of 100 are wasted.
    let base = Layer::new().file("a", b"12345").tar();
    let top = Layer::new().file("a", &[0; 95]).tar();
    let press = Press::with_layers([base, top]);
    let image = press.image();
    let image = image.to_str().unwrap();
    for (max, code) in [
        ("5%", 0),
        ("4.99%", 1),
        ("5", 0),
        ("4", 1),
        ("100%", 0),
        ("0%", 1),
    ] {
        let ran = layerpress(["layers", image, "--max-wasted", max]).ended_with(code);
        assert!(ran.stdout.contains("5 B of 100 B, 5.0 %"), "{}", ran.stdout);
        assert_eq!(
            ran.stderr.contains("--max-wasted"),
            code == 1,
            "{}",
            ran.stderr
        );
    }
    for max in ["5 %", "101%", "five"] {
        layerpress(["layers", image, "--max-wasted", max]).ended_with(2);
    }
    let clean = Press::with_layers([Layer::new().file("a", b"a").tar()]);
    let image = clean.image();
    layerpress(["layers", image.to_str().unwrap(), "--max-wasted=0%"]).ended_with(0);
}

#[test]
fn the_table_fits_a_terminal_and_shows_as_many_files_as_asked_for() {
    let press = Press::new();
    let image = TestImage::new(layers());
    image.layout("1").write_directory(&press.input("layout"));
    let layout = format!("oci:{}:1", press.input("layout").display());
    let ran = layerpress(["layers", &layout, "--top", "2"])
        .ended_with(0)
        .fits_80_columns();
    assert!(ran.stdout.contains("/linked\n"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("more (--top N shows more)"),
        "{}",
        ran.stdout
    );
    let ran = layerpress(["layers", &layout, "--top", "0"]).ended_with(0);
    assert!(!ran.stdout.contains("/linked"), "{}", ran.stdout);
    let last = ran.stdout.lines().last().unwrap();
    assert!(
        last.starts_with("in ") && last.ends_with(" files (--top N shows the largest)"),
        "{last}"
    );
}
