//! `inspect` shows trees, behind a filesystem and in files of their own.

use std::fs;

use serde_json::Value;

use super::support::oracles;
use super::support::run::Press;
use super::support::terminal::on_terminal;
use super::{built, press};

fn inspect(press: &Press, name: &str, options: &[&str]) -> String {
    let mut inspect = press.command("inspect");
    inspect
        .arg(press.root().join("out").join(name))
        .args(options);
    press.run(&mut inspect).succeeded().to_owned()
}

fn json(press: &Press, name: &str) -> Value {
    serde_json::from_str(&inspect(press, name, &["--json"])).unwrap()
}

#[test]
fn a_tree_behind_a_filesystem_is_shown_with_it() {
    let press = press();
    let root = built(&press, &["--verity", "--verity-salt=0aff"]);
    let shown = json(&press, "fs.img");
    let verity = &shown["verity"];
    assert_eq!(verity["root_hash"], root.as_str());
    assert_eq!(verity["salt"], "0aff");
    assert_eq!(verity["uuid"], shown["uuid"]);
    assert_eq!(verity["hash_offset_bytes"], shown["filesystem_bytes"]);
    assert_eq!(verity["data_blocks"], shown["blocks"]["total"]);
    assert_eq!(
        (&verity["truncated"], &verity["damage"]),
        (&Value::Bool(false), &Value::Null)
    );
    let text = inspect(&press, "fs.img", &[]);
    assert!(
        text.contains(&root) && text.contains("\nsalt       0aff\n"),
        "{text}"
    );
    built(&press, &["--verity"]);
    let image = press.root().join("out/fs.img");
    if let Some(text) = on_terminal(80, ["inspect", image.to_str().unwrap()]) {
        assert!(text.contains("\nverity "), "{text}");
        // The name is longer by itself.
        let rest = text
            .lines()
            .skip_while(|line| !line.starts_with("chain ID"));
        assert!(rest.clone().count() > 10, "{text}");
        assert!(rest.into_iter().all(|line| line.len() <= 80), "{text}");
    }
    // Without one there is none.
    press.run(&mut press.build()).succeeded();
    assert!(json(&press, "fs.img")["verity"].is_null());
    assert!(!inspect(&press, "fs.img", &[]).contains("verity"));
}

#[test]
fn a_file_of_its_own_is_shown_as_veritysetup_dumps_it() {
    let press = press();
    let file = press.root().join("out/fs.verity");
    let root = built(&press, &["--verity-file", file.to_str().unwrap()]);
    let shown = json(&press, "fs.verity");
    assert_eq!(shown["kind"], "verity");
    assert_eq!(shown["root_hash"], root.as_str());
    assert!(inspect(&press, "fs.verity", &[]).contains(&root));
    if !oracles::installed(&["veritysetup"]) {
        return;
    }
    let dump = oracles::succeed("veritysetup", ["dump", file.to_str().unwrap()]);
    let dump = String::from_utf8(dump).unwrap();
    for (name, field) in [
        ("UUID:", "uuid"),
        ("Hash type:", "hash_type"),
        ("Data blocks:", "data_blocks"),
        ("Hash blocks:", "hash_blocks"),
        ("Hash algorithm:", "algorithm"),
        ("Salt:", "salt"),
    ] {
        let line = dump.lines().find_map(|line| line.strip_prefix(name));
        let value = line.unwrap_or_else(|| panic!("no {name} {dump}")).trim();
        let shown = shown[field].to_string();
        assert_eq!(shown.trim_matches('"'), value, "{name}");
    }
}

#[test]
fn a_tree_that_is_cut_or_unreadable_is_shown_as_that() {
    let press = press();
    let file = press.root().join("out/fs.verity");
    built(&press, &["--verity-file", file.to_str().unwrap()]);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..5000]).unwrap();
    assert_eq!(json(&press, "fs.verity")["truncated"], true);
    assert!(inspect(&press, "fs.verity", &[]).contains("cut: "));
    let mut other = whole.clone();
    other[32..38].copy_from_slice(b"sha512");
    fs::write(&file, &other).unwrap();
    let mut inspect = press.command("inspect");
    press.run(inspect.arg(&file)).failed(
        5,
        &["fs.verity", "expected the algorithm sha256, found sha512"],
    );
    built(&press, &["--verity"]);
    let mut bytes = fs::read(press.output()).unwrap();
    let at = bytes.len() - whole.len();
    bytes[at + 8] = 9;
    fs::write(press.output(), bytes).unwrap();
    let damage = json(&press, "fs.img")["verity"]["damage"].to_string();
    assert!(damage.contains("version 1, found 9"), "{damage}");
}
