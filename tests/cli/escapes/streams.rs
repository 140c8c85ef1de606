//! Streams that are full or gone, and streams for programs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::oracles::{required, skip};
use crate::support::run::LAYERPRESS;
use crate::{json, press};

/// `mount --exec` and the commands that look into an image panicked where standard error was full.
#[test]
fn a_standard_error_that_is_full_or_gone_changes_no_exit_code() {
    let press = press();
    let image = press.image();
    let image = image.display();
    let output = press.output();
    let output = output.display();
    required("sh");
    if !Path::new("/dev/full").exists() {
        return skip("there is no /dev/full");
    }
    for (line, code) in [
        (format!("build {image} -o {output}"), 0),
        (format!("build {image} -o {output} --progress=plain -v"), 0),
        (
            format!("build {image} -o {output} --progress=json -v --size 1M"),
            7,
        ),
        (format!("build {image} -o {output} --size 1M"), 7),
        (format!("ls {output} /no /nor"), 3),
        (format!("ls -laR {output} --progress=json"), 0),
        (format!("stat {output} /no /nor"), 3),
        (format!("extract {output} -o {output}.tar --force"), 0),
        (format!("extract {output} /nor -o {output}.tree"), 3),
        (format!("cat {output} /no /nor"), 3),
        ("cat /nowhere/x.img /a".to_owned(), 3),
        ("--no-such-option".to_owned(), 2),
    ] {
        let mut codes = Vec::new();
        for end in [
            "2>&1",
            "2>/dev/full",
            "2>&-",
            "2>&1 >/dev/null | :; exit ${PIPESTATUS[0]}",
        ] {
            let line = format!("{LAYERPRESS} {line} {end}");
            let ended = press.run(Command::new("bash").args(["-c", &line]));
            codes.push(ended.code());
        }
        assert!(
            codes.iter().all(|found| *found == codes[0]),
            "{line}: {codes:?}"
        );
        assert_eq!(codes[0], code, "{line}");
    }
}

#[test]
fn what_is_told_while_looking_into_an_image_is_told_as_progress_is() {
    let press = press();
    press.run(&mut press.build()).succeeded();
    let image = press.output();
    let mut bytes = fs::read(&image).unwrap();
    // The superblock's incompatible features: its journal is to be replayed.
    bytes[1024 + 96] |= 4;
    fs::write(&image, bytes).unwrap();
    for command in ["ls", "stat", "cat"] {
        let looked = |options: &[&str]| {
            let mut line = press.command(command);
            line.args(options).arg(&image);
            press.run(line.args(["/text", "/no", "/nor"]))
        };
        let told = looked(&["--progress=json"]);
        assert_eq!(told.code(), 3, "{}", told.stderr);
        let events: Vec<_> = told.stderr.lines().map(json).collect();
        let kinds: Vec<_> = events.iter().map(|event| &event["event"]).collect();
        assert_eq!(kinds, ["warning", "error", "error"], "{command}");
        let said = looked(&[]);
        let starts = ["warning: ", "error: ", "error: "];
        assert_eq!(said.stderr.lines().count(), starts.len(), "{command}");
        for (line, start) in said.stderr.lines().zip(starts) {
            assert!(line.starts_with(start), "{command}: {line}");
        }
        let quiet = looked(&["-q"]).stderr;
        assert!(
            !quiet.contains("warning") && quiet.lines().count() == 2,
            "{command}: {quiet}"
        );
    }
}
