//! The program as it is used: what is typed, what is shown, how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod escapes;
mod exit_codes;
mod help;
mod kinds;
mod meant;
mod moving_rows;
mod options;
mod output;
mod paths;
mod progress;
mod summary;
mod summary_words;
mod terminal;
mod tools;

use std::process::Command;

use serde_json::Value;
use support::archive::layer_tar;
use support::run::{Ended, Press};

/// An image of two layers with some files in them.
fn press() -> Press {
    let text = b"some text\n".repeat(1000);
    Press::with_layers([
        layer_tar(&[("etc/passwd", b"root:x:0:0::/:/bin/sh\n"), ("text", &text)]),
        layer_tar(&[("etc/group", b"root:x:0:\n"), ("text", b"other")]),
    ])
}

/// Builds the image of a press with more options.
fn build(press: &Press, options: &[&str]) -> Ended {
    let mut command = press.build();
    command.args(options);
    press.run(&mut command)
}

/// The image's plan.
fn plan(press: &Press, options: &[&str]) -> Ended {
    let mut command = press.command("plan");
    command.arg(press.image()).args(options);
    press.run(&mut command)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A number of a summary.
#[track_caller]
fn number(summary: &Value, path: &str) -> u64 {
    let value = summary.pointer(path);
    value
        .and_then(Value::as_u64)
        .unwrap_or_else(|| panic!("no number {path} in {summary}"))
}

/// A field of what dumpe2fs shows of an output.
fn dumped(press: &Press, field: &str) -> String {
    let output = Command::new(support::oracles::required("dumpe2fs"))
        .arg("-h")
        .arg(press.output())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let start = format!("{field}:");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("no {field} in {text}"))
        .trim()
        .to_owned()
}

fn dumped_number(press: &Press, field: &str) -> u64 {
    dumped(press, field).parse().unwrap()
}
