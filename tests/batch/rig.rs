//! Six images on two bases, and a list of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::support::archive::{Compression, TestImage, layer_tar};
use super::support::rootfs::bytes;
use super::support::run::{Ended, Press};

/// Bytes that no other seed gives.
pub fn content(seed: u8, length: usize) -> Vec<u8> {
    let mut content = bytes(length);
    for byte in &mut content {
        *byte ^= seed;
    }
    content
}

/// The layers of each image: base, what three images have on it, and its own.
pub fn layers(image: usize) -> Vec<Vec<u8>> {
    let base = image / 3;
    let own = format!("own{image}");
    [
        (format!("base{base}"), 700_000),
        (format!("middle{base}"), 300_000),
        (own, 50_000),
    ]
    .into_iter()
    .enumerate()
    .map(|(place, (name, length))| {
        let seed = match place {
            2 => 100 + image,
            place => 10 * base + place,
        };
        layer_tar(&[(&name, &content(seed as u8, length))])
    })
    .collect()
}

pub struct Rig {
    pub press: Press,
    pub references: Vec<String>,
}

impl Rig {
    /// Six layouts.
    pub fn new() -> Self {
        let press = Press::new();
        let reference = |image| {
            let layout = press.input(&format!("image{image}"));
            let image = TestImage {
                compression: Compression::Gzip,
                ..TestImage::new(layers(image))
            };
            image.layout("1").write_directory(&layout);
            format!("oci:{}:1", layout.display())
        };
        let references = (0..6).map(reference).collect();
        Self { press, references }
    }

    pub fn output(&self, image: usize) -> PathBuf {
        self.press.root().join("out").join(format!("{image}.img"))
    }

    /// Writes a list of all images, each line changed.
    pub fn list(&self, change: impl Fn(usize, String) -> String) -> PathBuf {
        let lines = self.references.iter().enumerate().map(|(image, name)| {
            change(image, format!("{name}\t{}", self.output(image).display())) + "\n"
        });
        let path = self.press.root().join("list");
        fs::write(&path, lines.collect::<String>()).unwrap();
        path
    }

    pub fn plain_list(&self) -> PathBuf {
        self.list(|_, line| line)
    }

    /// `build --list` with more options.
    pub fn command(&self, options: &[&str]) -> Command {
        let mut command = self.press.command("build");
        command.arg("--list").arg(self.press.root().join("list"));
        command
            .arg("--work-dir")
            .arg(self.press.root().join("work"));
        command.args(options);
        command.env("HOME", self.press.root());
        command
    }

    pub fn build(&self, options: &[&str]) -> Ended {
        self.press.run(&mut self.command(options))
    }

    /// What six builds give, by image.
    pub fn alone(&self, options: &[&str]) -> Vec<Vec<u8>> {
        let alone = self.press.root().join("tmp/alone.img");
        let build = |reference: &String| {
            let mut command = self.press.command("build");
            command.arg(reference).arg("-o").arg(&alone).args(options);
            self.press.run(&mut command).succeeded();
            let bytes = fs::read(&alone).unwrap();
            for entry in fs::read_dir(alone.parent().unwrap()).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
            bytes
        };
        self.references.iter().map(build).collect()
    }
}

/// The lines of JSON by their `index`.
pub fn lines(stdout: &str) -> BTreeMap<u64, Value> {
    stdout
        .lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["schema"], "layerpress.batch.v1");
            (value["index"].as_u64().unwrap(), value)
        })
        .collect()
}

/// What became of each image.
pub fn states(stdout: &str) -> Vec<(u64, String)> {
    let state = |(index, line): (u64, Value)| (index, line["state"].as_str().unwrap().to_owned());
    lines(stdout).into_iter().map(state).collect()
}

/// How many errors were told.
pub fn errors(stderr: &str) -> usize {
    let is_error = |line: &&str| line.starts_with("error: ");
    stderr.lines().filter(is_error).count()
}
