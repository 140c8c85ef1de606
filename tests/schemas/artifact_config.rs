//! What `push` makes a configuration of without a build's manifest follows its schema.

use std::fs;

use serde_json::{Value, json};

use super::inputs::{filesystem, plain};
use super::validator::Validator;
use crate::support::run::Press;
use crate::support::served;

pub const SCHEMA: &str = "layerpress.artifact-config.v1";

/// What goes to a registry and comes back.
fn config(options: &[&str]) -> Value {
    let press = Press::new();
    filesystem(&press, "fs.img", options);
    let reference = format!("docker://{}/name:1", served::serve_pushes());
    let push = ["push", "-q", "{in}/fs.img", &reference];
    press.run(&mut plain(&press, &push)).succeeded();
    let pull = [
        "pull",
        "-q",
        &reference,
        "-o",
        "{out}/a",
        "--manifest={out}/m",
    ];
    press.run(&mut plain(&press, &pull)).succeeded();
    serde_json::from_slice(&fs::read(press.root().join("out/m")).unwrap()).unwrap()
}

#[test]
fn the_configuration_of_a_filesystem_follows_its_schema() {
    let validator = Validator::new();
    for options in [
        &[][..],
        &["--fs=ext4", "--label=root"],
        &["--verity", "--verity-salt=00ff"],
    ] {
        let document = config(options);
        assert_eq!(document["schema"], SCHEMA);
        assert_eq!(validator.errors(&document), [""; 0], "{options:?}");
    }
}

#[test]
fn a_configuration_that_is_a_little_wrong_is_refused() {
    let validator = Validator::new();
    let document = config(&["--verity"]);
    assert_eq!(validator.errors(&document), [""; 0]);
    for (pointer, value) in [
        ("/output/sha256", json!("sha256:00")),
        ("/output/size_bytes", json!("1 GiB")),
        ("/filesystem/type", json!("xfs")),
        ("/filesystem/uuid", json!("none")),
        ("/recipe_digest", json!("00")),
        ("/verity/salt", json!("x")),
    ] {
        let mut wrong = document.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        assert_ne!(validator.errors(&wrong), [""; 0], "{pointer}");
    }
    for key in document.as_object().unwrap().keys() {
        let mut wrong = document.clone();
        wrong.as_object_mut().unwrap().remove(key);
        assert_ne!(validator.errors(&wrong), [""; 0], "without {key}");
    }
}
