//! Defaults of whoever runs the program: what goes before what, what they reach, and whose are taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod order;
mod owners;
mod wrong;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use support::archive::layer_tar;
use support::run::Press;

/// A directory of configuration, an image and what else a run needs.
struct Home {
    press: Press,
}

impl Home {
    fn new() -> Self {
        let press = Press::with_layers([layer_tar(&[("etc/motd", b"good morning\n")])]);
        fs::create_dir_all(press.input("config/layerpress")).unwrap();
        Self { press }
    }

    /// The same with this file of defaults.
    fn with(text: impl AsRef<[u8]>) -> Self {
        let home = Self::new();
        home.write(text);
        home
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        fs::write(self.file(), text).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.press.input("config/layerpress/config.toml")
    }

    /// `layerpress COMMAND` with this configuration.
    fn command(&self, command: &str) -> Command {
        let mut program = self.press.command(command);
        self.configure(&mut program);
        program
    }

    fn configure(&self, program: &mut Command) {
        program.env("XDG_CONFIG_HOME", self.press.input("config"));
    }

    /// `layerpress plan IMAGE`, which tells what was taken.
    fn plan(&self) -> Command {
        let mut command = self.command("plan");
        command.arg(self.press.image()).arg("-v");
        command
    }

    /// The defaults that a run tells of, each as `--KEY=VALUE (ORIGIN)`.
    fn told(&self, command: &mut Command) -> Vec<String> {
        let ended = self.press.run(command);
        ended.succeeded();
        taken(&ended.stderr)
    }
}

/// The defaults that are told of.
fn taken(stderr: &str) -> Vec<String> {
    let lines = stderr.lines();
    let told = lines.filter_map(|line| line.strip_prefix("note: default: "));
    told.map(str::to_owned).collect()
}
