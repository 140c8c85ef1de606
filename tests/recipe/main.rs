//! A recipe says what options say, to the byte; it stays in its directory; and what is wrong with one
//! is one error that leaves nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod documented;
mod hostile;
mod outputs;
mod printed;
#[path = "../support/mod.rs"]
mod support;
mod typed;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use support::archive::layer_tar;
use support::run::{Ended, Press};

/// `in/save.tar`, and beside it a directory and a file that are put in.
fn press() -> Press {
    let text = b"some text\n".repeat(1000);
    let press = Press::with_layers([
        layer_tar(&[("etc/passwd", b"root:x:0:0::/:/bin/sh\n"), ("text", &text)]),
        layer_tar(&[("etc/group", b"root:x:0:\n"), ("text", b"other")]),
    ]);
    fs::create_dir(press.input("over")).unwrap();
    fs::write(press.input("over/motd"), "hello\n").unwrap();
    fs::write(press.input("init"), "#!/bin/sh\n").unwrap();
    press
}

/// A recipe of that image.
const RECIPE: &str = r#"
source = "docker-archive:save.tar"

[filesystem]
fs = "ext4"
size = "16M"
label = "${LABEL}"

[edits]
overlay = [{ source = "over", at = "etc" }]
add = ["init:sbin/init:0755"]
mkdir = ["app", "tmp:1777"]
file = ["etc/hostname=box"]
mount-points = true

[output]
file = "recipe.img"
"#;

/// The same in options, where the inputs are.
const OPTIONS: [&str; 17] = [
    "save.tar",
    "--fs=ext4",
    "--size=16M",
    "--label=root",
    "--overlay",
    "over:etc",
    "--add",
    "init:sbin/init:0755",
    "--mkdir",
    "app",
    "--mkdir",
    "tmp:1777",
    "--file",
    "etc/hostname=box",
    "--mount-points",
    "-o",
    "../out/options.img",
];

/// Writes a recipe beside the image.
fn write(press: &Press, text: &str) -> PathBuf {
    let path = press.input("r.toml");
    fs::write(&path, text).unwrap();
    path
}

/// A command by the recipe `r.toml` whose outputs go to `out`.
fn by_recipe(press: &Press, command: &str) -> Command {
    let mut command = press.command(command);
    command.arg("--recipe").arg(press.input("r.toml"));
    command
}

fn build(press: &Press, options: &[&str]) -> Ended {
    let mut command = by_recipe(press, "build");
    command.arg("--output-dir").arg(press.root().join("out"));
    command.args(options);
    press.run(&mut command)
}

fn read(press: &Press, name: &str) -> Vec<u8> {
    fs::read(press.root().join("out").join(name)).unwrap()
}

/// Builds by options, from where the inputs are.
fn build_by_options(press: &Press) -> Vec<u8> {
    let mut command = press.command("build");
    command.current_dir(press.input("")).args(OPTIONS);
    press.run(&mut command).succeeded();
    read(press, "options.img")
}
