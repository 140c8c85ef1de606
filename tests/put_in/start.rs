//! The start configuration: in the tree, beside the output, and shown.

use std::fs;

use serde_json::{Value, json};

use super::{build, built, press, put_in, shown};

#[test]
fn the_start_configuration_is_the_same_in_the_tree_and_beside_it_and_inspect_shows_it() {
    let press = press();
    let beside = press.root().join("out/start.json");
    let out = format!("--config-out={}", beside.display());
    let (image, _) = built(&press, &["--config-file=/etc/image.json", &out]);
    let text = "{\"Env\":[\"PATH=/bin\"]}\n";
    assert_eq!(shown(&image, "/etc/image.json"), put_in(0o644, text));
    assert_eq!(fs::read_to_string(&beside).unwrap(), text);
    let image = image.to_str().unwrap();
    let inspect = |options: &[&str]| press.run(press.command("inspect").arg(image).args(options));
    let inspected: Value = serde_json::from_str(inspect(&["--json"]).succeeded()).unwrap();
    assert_eq!(inspected["start_path"], json!("/etc/image.json"));
    assert_eq!(inspected["start"]["env"], json!(["PATH=/bin"]));
    let said = inspect(&[]);
    assert!(said.succeeded().contains("PATH=/bin"), "{}", said.stdout);
    inspect(&["--config-file=/etc/hosts"]).failed(4, &["etc/hosts", "start configuration"]);
    inspect(&["--config-file=/etc/none"]).failed(3, &["etc/none", "found nothing"]);
    // What only has the name is not taken for one, unless that is said.
    let like = "--file=/etc/image.json={\"Env\": []}";
    let (image, _) = built(&press, &[like, "--config-file=/run.json"]);
    let image = image.to_str().unwrap();
    let inspect = |options: &[&str]| {
        let ended = press.run(
            press
                .command("inspect")
                .args([image, "--json"])
                .args(options),
        );
        serde_json::from_str::<Value>(ended.succeeded()).unwrap()["start_path"].clone()
    };
    assert_eq!(inspect(&[]), Value::Null);
    assert_eq!(inspect(&["--config-file=/run.json"]), json!("/run.json"));
}

/// What a container had to start with was left out without a word.
#[test]
fn export_tells_of_a_start_configuration_that_it_passes_over() {
    for (text, warned) in [
        ("{oops", Some("expected a start configuration")),
        ("{\"Env\": []}", Some("as a build writes it, found another")),
        ("[]", Some("no JSON object")),
        ("{}\n", None),
    ] {
        let press = press();
        let (image, _) = built(&press, &[&format!("--file=/etc/image.json={text}")]);
        let export = |options: &[&str]| {
            let mut command = press.command("export");
            let target = format!("docker-archive:{}", press.root().join("x.tar").display());
            command
                .arg(&image)
                .args(["--platform=linux/amd64", "-o", &target]);
            press.run(command.args(options))
        };
        let ended = export(&[]);
        ended.succeeded();
        assert_eq!(
            warned.is_some_and(|words| ended.stderr.contains(words)),
            warned.is_some(),
            "{text}: {}",
            ended.stderr
        );
        assert_eq!(
            ended.stderr.contains("--config-file PATH"),
            warned.is_some(),
            "{text}: {}",
            ended.stderr
        );
        let named = export(&["--config-file=/etc/image.json"]);
        match text.starts_with('{') && text.ends_with(['}', '\n']) {
            true => drop(named.succeeded()),
            false => named.failed(4, &["etc/image.json", "start configuration"]),
        }
    }
}

#[test]
fn a_start_configuration_without_its_image_is_left_nowhere() {
    let press = press();
    let beside = press.root().join("out/start.json");
    let out = format!("--config-out={}", beside.display());
    build(&press, &["--file=/etc=x", &out]).failed(5, &["--file etc"]);
    assert!(press.left().is_empty(), "{:?}", press.left());
    build(&press, &["--config-out=-"]).failed(2, &["--config-out"]);
}
