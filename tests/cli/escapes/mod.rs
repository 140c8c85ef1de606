//! Nothing that an image, a tree, a filesystem or a program says acts on the terminal.
//!
//! Operating system and architecture, a label in e2fsck's words and file names in errors came
//! through raw; of the letters that are not seen some did everywhere. Found by a red team.

mod holders;
#[cfg(feature = "network")]
mod network;
mod streams;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::archive::{Files, TestImage, layer_tar};
use crate::support::oracles::is_root;
use crate::support::raw_tar::{Header, RawTar};
use crate::support::run::{Ended, LAYERPRESS, Press};

/// Letters that are for no reader, one of each kind: C0, DEL, C1, hidden, turning, joining, tags.
const LETTERS: &str =
    "\x1b\x07\r\t\u{7f}\u{85}\u{9b}\u{ad}\u{200b}\u{202e}\u{2066}\u{feff}\u{e0041}";

/// Something that colours what follows, and passes for a line of the program.
fn poison() -> String {
    format!("x\x1b]0;p\x07\x1b[31m{LETTERS}\nerror: forged")
}

/// What is wrong with an output.
fn fault(text: &str) -> Option<String> {
    let bad = |letter: &char| *letter != '\n' && (letter.is_control() || LETTERS.contains(*letter));
    if let Some(letter) = text.chars().find(bad) {
        return Some(format!("{letter:?}"));
    }
    let is_forged = |line: &&str| line.starts_with("error: forged");
    text.lines().find(is_forged).map(str::to_owned)
}

#[track_caller]
fn expect_clean(what: &str, ended: &Ended) {
    for text in [&ended.stdout, &ended.stderr] {
        if let Some(fault) = fault(text) {
            panic!("{what}: {fault} in {text:?}");
        }
    }
    assert!((0..=9).contains(&ended.code()), "{what}: {ended:?}");
    if what.contains("--progress=json") {
        ended
            .stderr
            .lines()
            .for_each(|line| drop(super::json(line)));
    }
}

#[test]
fn the_check_finds_each_letter_and_a_forged_line() {
    for letter in LETTERS.chars() {
        assert!(fault(&format!("fine {letter}")).is_some(), "{letter:?}");
    }
    assert!(fault("fine\nerror: forged").is_some());
    assert_eq!(fault("error: \\x1b\n  error: forged\nä 中 😀\n"), None);
}

/// Whether something of poison was told, made harmless.
fn is_told(ended: &Ended) -> bool {
    let told = |text: &str| text.contains("\\x") || text.contains("\\u");
    told(&ended.stdout) || told(&ended.stderr)
}

/// Every string and every name of a value in turn in poison's place.
fn poisoned(value: &Value) -> Vec<Value> {
    match value {
        Value::String(_) => vec![json!(poison())],
        Value::Array(values) => {
            let each = values.iter().enumerate().flat_map(|(index, one)| {
                poisoned(one).into_iter().map(move |one| {
                    let mut values = values.clone();
                    values[index] = one;
                    Value::Array(values)
                })
            });
            each.collect()
        }
        Value::Object(fields) => {
            let each = fields.iter().flat_map(|(name, one)| {
                let values = poisoned(one).into_iter().map(|one| {
                    let mut fields = fields.clone();
                    fields[name] = one;
                    Value::Object(fields)
                });
                let mut renamed = fields.clone();
                let taken = renamed.remove(name).unwrap_or_default();
                renamed.insert(poison(), taken);
                values.chain([Value::Object(renamed)]).collect::<Vec<_>>()
            });
            each.collect()
        }
        _ => Vec::new(),
    }
}

fn config(image: &TestImage) -> Value {
    let mut config = image.config();
    config["author"] = json!("somebody");
    config["variant"] = json!("v8");
    config["config"] = json!({
        "User": "me", "WorkingDir": "/w", "Entrypoint": ["e"], "Cmd": ["c"], "Env": ["A=b"],
        "ExposedPorts": { "80/tcp": {} }, "Volumes": { "/v": {} }, "StopSignal": "SIGINT",
        "Labels": { "name": "value" },
    });
    config["history"] = json!([
        { "created": "2024-05-01T10:20:30Z", "created_by": "RUN", "author": "a", "comment": "c" }
    ]);
    config
}

#[test]
fn no_string_of_an_images_documents_acts_on_the_terminal() {
    let image = TestImage::new([layer_tar(&[("a", b"a")])]);
    let config = config(&image);
    let archive = |config: &Value, manifest: &Value| {
        let mut files = Files::default();
        files.put("layer.tar", image.layers[0].clone());
        files.put_json("c.json", config);
        files.put_json("manifest.json", manifest);
        files
    };
    let manifest = json!([{ "Config": "c.json", "RepoTags": ["a/b:c"], "Layers": ["layer.tar"] }]);
    let mut images: Vec<_> = poisoned(&config)
        .iter()
        .map(|config| archive(config, &manifest))
        .collect();
    images.extend(
        poisoned(&manifest)
            .iter()
            .map(|manifest| archive(&config, manifest)),
    );
    let mut layout = image.layout("v1");
    let index: Value = serde_json::from_slice(&layout.0["index.json"]).unwrap();
    for index in poisoned(&index) {
        layout.put_json("index.json", &index);
        images.push(Files(layout.0.clone()));
    }
    // None of several is chosen: all are listed.
    let mut several = index.clone();
    several["manifests"] = json!([index["manifests"][0], index["manifests"][0]]);
    for index in poisoned(&several) {
        layout.put_json("index.json", &index);
        images.push(Files(layout.0.clone()));
    }
    assert!(images.len() > 50, "{}", images.len());
    for (number, files) in images.iter().enumerate() {
        let press = Press::new();
        files.write_tar(&press.image());
        let image = press.image();
        for command in [
            "inspect",
            "inspect --json",
            "plan",
            "plan --json --progress=json",
        ] {
            let mut words = command.split(' ');
            let mut line = press.command(words.next().unwrap_or_default());
            let ended = press.run(line.args(words).arg(&image));
            expect_clean(&format!("{number} {command}"), &ended);
            if command.contains("--json") && ended.code() == 0 {
                super::json(&ended.stdout);
            }
        }
    }
}

/// A filesystem with poison wherever it can be.
fn filesystem(press: &Press) {
    let poison = poison();
    let xattr = format!("SCHILY.xattr.user.{}", poison.replace('\n', ""));
    let layer = RawTar::default()
        .pax(&[(&xattr, poison.as_bytes())])
        .file("plain", b"x")
        .pax(&[("path", format!("d/{poison}").as_bytes())])
        .file("x", b"1")
        .pax(&[("path", poison.as_bytes())])
        .header(Header::new(b'5', "x"))
        .pax(&[("linkpath", poison.as_bytes())])
        .header(Header::new(b'2', "symlink"))
        .pax(&[("linkpath", format!("d/{poison}").as_bytes())])
        .header(Header::new(b'1', "hard"))
        .end();
    TestImage::new([layer])
        .classic_archive(&["a:1"])
        .write_tar(&press.image());
    press.run(&mut press.build()).succeeded();
}

#[test]
fn no_name_of_a_filesystem_acts_on_the_terminal() {
    let press = Press::new();
    filesystem(&press);
    let filesystem = press.output();
    let bytes = fs::read(&filesystem).unwrap();
    let poison = poison();
    let other = press.root().join("other.img");
    let empty = Press::with_layers([layer_tar(&[("other", b"")])]);
    empty.run(&mut empty.build()).succeeded();
    fs::rename(empty.output(), &other).unwrap();
    let image = press.image();
    let [fs, other, image] = [&filesystem, &other, &image].map(|path| path.to_str().unwrap());
    let tree = press.root().join("tree");
    let tree = tree.to_str().unwrap();
    let long = format!("/d/{poison}");
    let lines: &[&[&str]] = &[
        &["ls", fs],
        &["ls", "-laR", fs],
        &["ls", "-R", "--json", fs],
        &["ls", fs, &poison, &long, "/symlink"],
        &["stat", fs, &long, &poison, "/plain", "/symlink", "/hard"],
        &["stat", "--json", fs, &long, &poison, "/plain", "/symlink"],
        &["cat", fs, &poison],
        &["inspect", fs],
        &["inspect", "--json", fs],
        &["diff", fs, other],
        &["diff", "--json", other, fs],
        &["verify", image, other],
        &["verify", "--json", image, other],
        &["verify", image, fs],
        &["extract", fs, "-o", tree],
        &["extract", fs, "-o", tree],
        &["extract", fs, &poison, "-o", tree, "--force"],
        &["diff", &poison, fs],
        &[
            "build",
            &format!("rootfs:{tree}"),
            "-o",
            &format!("{tree}.img"),
        ],
        &[
            "build",
            &format!("rootfs:{tree}"),
            "-o",
            &format!("{tree}.img"),
            "--json",
            "-v",
        ],
    ];
    for label in ["fine", "\x1b[31m\u{9b}\u{202e}\n\t\r"] {
        let mut bytes = bytes.clone();
        bytes[1024 + 120..][..label.len()].copy_from_slice(label.as_bytes());
        bytes[1024 + 136..][..poison.len().min(64)]
            .copy_from_slice(&poison.as_bytes()[..poison.len().min(64)]);
        // Free blocks that are not so: e2fsck has something to say.
        bytes[1024 + 12] ^= 1;
        fs::write(fs, &bytes).unwrap();
        for line in lines {
            let ended = press.run(press.command(line[0]).args(&line[1..]));
            expect_clean(&format!("{line:?}"), &ended);
            if line.contains(&"--json")
                && line[0] != "stat"
                && line[0] != "ls"
                && !ended.stdout.is_empty()
            {
                super::json(&ended.stdout);
            }
            if line.contains(&"--json") && (line[0] == "stat" || line[0] == "ls") {
                ended
                    .stdout
                    .lines()
                    .for_each(|line| drop(super::json(line)));
            }
        }
        if is_root() {
            fs::create_dir_all(press.root().join("m")).unwrap();
            let ended = press.run(press.command("mount").arg(fs).arg(press.root().join("m")));
            expect_clean("mount", &ended);
            assert_eq!(ended.code(), 4, "{}", ended.stderr);
            let label = label.split('\n').next().unwrap_or_default();
            let label = layerpress::error::escape_line(label);
            assert!(
                ended.stderr.contains(&*label),
                "no {label}: {}",
                ended.stderr
            );
        }
    }
}

#[test]
fn no_name_of_a_tree_and_no_word_of_a_program_acts_on_the_terminal() {
    let press = super::press();
    let poison = poison();
    let said = format!("printf '%s\\n' '{poison}' >&2; exit 4");
    for program in ["mke2fs", "tune2fs", "e2fsck", "debugfs"] {
        let script = press.script(program, &said);
        let option = format!("--{program}={}", script.display());
        let ended = press.run(press.build().args(["--verify", "-v", &option]));
        expect_clean(program, &ended);
        assert_ne!(ended.code(), 0);
    }
    let version = press.script("old", &format!("echo 'mke2fs 1.1{poison}'"));
    let ended = press.run(press.build().arg("--mke2fs").arg(version));
    expect_clean("mke2fs -V", &ended);
    // What cannot be read, by somebody for whom that is so.
    let tree = press.root().join("tree");
    fs::create_dir_all(tree.join(&poison)).unwrap();
    fs::write(tree.join(&poison).join("f"), "").unwrap();
    fs::set_permissions(
        tree.join(&poison).join("f"),
        PermissionsExt::from_mode(0o000),
    )
    .unwrap();
    symlink(&poison, tree.join("l")).unwrap();
    let program = press.root().join("layerpress");
    press.install(LAYERPRESS.as_ref(), &program);
    fs::set_permissions(press.root(), PermissionsExt::from_mode(0o755)).unwrap();
    let mut plan = Command::new(&program);
    plan.args(["plan", "--work-dir", "/tmp"]);
    if is_root() {
        plan.uid(65_534).gid(65_534);
    }
    let ended = press.run(plan.arg(format!("rootfs:{}", tree.display())));
    expect_clean("rootfs:DIRECTORY", &ended);
    assert_eq!(ended.code(), 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("\\x1b"), "{}", ended.stderr);
}
