//! The program as a puller, in a home of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::cache_check::wrong_in;
use super::support::archive::{Files, TestImage, layer_tar};
use super::support::run::{Ended, Press, layerpress};

/// Directories for a home, a cache, outputs and temporary files.
#[derive(Debug)]
pub struct Puller {
    pub press: Press,
}

impl Puller {
    pub fn new() -> Self {
        let press = Press::new();
        fs::create_dir(press.root().join("home")).unwrap();
        fs::create_dir(press.root().join("run")).unwrap();
        Self { press }
    }

    /// `layerpress WORDS...` with nothing of this process's environment but the path.
    pub fn command(&self, words: &[&str]) -> Command {
        let root = self.press.root();
        let mut command = layerpress();
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home())
            .env("XDG_RUNTIME_DIR", root.join("run"))
            .env("TMPDIR", root.join("tmp"))
            .args(words);
        command
    }

    /// A `build` of a reference into [`Press::output`], with plain progress and its own cache.
    pub fn build(&self, reference: &str, options: &[&str]) -> Command {
        let mut command = self.command(&["build", reference, "--size=fit"]);
        if !options
            .iter()
            .any(|option| option.starts_with("--progress"))
        {
            command.arg("--progress=plain");
        }
        if !options.contains(&"--no-cache") {
            command.arg("--cache-dir").arg(self.cache());
        }
        self.press.add_directories(&mut command);
        command.args(options);
        command
    }

    /// Builds, and gives the output's bytes, which are then removed. Nothing else may be left.
    #[track_caller]
    pub fn pulled(&self, reference: &str, options: &[&str]) -> Vec<u8> {
        let mut command = self.build(reference, options);
        let ended = self.press.run(&mut command);
        self.take_output(&ended)
    }

    /// The output of a build that succeeded.
    #[track_caller]
    pub fn take_output(&self, ended: &Ended) -> Vec<u8> {
        ended.succeeded();
        assert_eq!(self.press.left(), ["out/fs.img"]);
        self.sound();
        let bytes = fs::read(self.press.output()).unwrap();
        fs::remove_file(self.press.output()).unwrap();
        bytes
    }

    /// Builds to a failure that says all of `words`, and leaves nothing wrong.
    #[track_caller]
    pub fn fails(&self, reference: &str, options: &[&str], code: i32, words: &[&str]) -> Ended {
        let ended = self.press.run(&mut self.build(reference, options));
        self.has_failed(&ended, code, words);
        ended
    }

    #[track_caller]
    pub fn has_failed(&self, ended: &Ended, code: i32, words: &[&str]) {
        ended.failed(code, words);
        assert!(self.press.left().is_empty(), "{:?}", self.press.left());
        self.sound();
    }

    /// Expects that nothing wrong is in the cache.
    #[track_caller]
    pub fn sound(&self) {
        let wrong = wrong_in(&self.cache());
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    pub fn cache(&self) -> PathBuf {
        self.press.root().join("cache")
    }

    /// Empties the cache.
    pub fn forget(&self) {
        let _ = fs::remove_dir_all(self.cache());
    }

    pub fn home(&self) -> PathBuf {
        self.press.root().join("home")
    }

    /// Writes a layout into the inputs and gives its reference.
    pub fn layout(&self, name: &str, layout: &Files) -> String {
        let path = self.press.input(name);
        layout.write_directory(&path);
        format!("oci:{}", path.display())
    }
}

/// Bytes that nothing can compress, the same for the same seed.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut word = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 32) as u32).to_le_bytes()
    };
    let mut noise: Vec<u8> = (0..bytes / 4).flat_map(|_| word()).collect();
    noise.truncate(bytes);
    noise
}

/// Layers with whiteouts, and two of so many megabytes that nothing can compress.
pub fn layers(seed: u64, megabytes: usize) -> Vec<Vec<u8>> {
    let text = b"much the same again and again\n".repeat(20_000);
    let big = |layer: u64| noise(seed + layer, megabytes << 20);
    vec![
        layer_tar(&[("etc/hostname", b"test\n"), ("gone", b"x"), ("text", &text)]),
        layer_tar(&[("noise/one", &big(1))]),
        layer_tar(&[
            (".wh.gone", b""),
            ("noise/two", &big(2)),
            ("bin/new", &text),
        ]),
    ]
}

/// An image of three layers, 5 MB of noise in each of the two upper ones.
pub fn sample() -> TestImage {
    TestImage::new(layers(1, 5))
}
