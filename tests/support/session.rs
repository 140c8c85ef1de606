//! The program as it is run, and an image with something of everything to run it on.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::archive::TestImage;
use super::oracles;
use super::run::{self, output_of};
use super::terminal;

/// What a run gave.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// What was typed.
    pub typed: Vec<OsString>,
}

impl Ran {
    /// Asserts the exit code.
    pub fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// Asserts that the same on a terminal of 80 columns has no longer line. Where a program reads, lines
    /// are whole.
    pub fn fits_80_columns(self) -> Self {
        if let Some(shown) = terminal::on_terminal(80, &self.typed) {
            assert_eq!(shown.is_empty(), self.stdout.is_empty());
            for line in shown.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
        self
    }
}

/// Runs the program, quietly, without what the environment might set.
pub fn layerpress<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    let arguments = arguments.into_iter();
    let typed = arguments.map(|argument| argument.as_ref().to_owned());
    let typed: Vec<_> = typed
        .chain(["--progress", "none"].map(OsString::from))
        .collect();
    let Output {
        status,
        stdout,
        stderr,
    } = output_of(
        run::layerpress()
            .args(&typed)
            .env_remove("SOURCE_DATE_EPOCH"),
    );
    Ran {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
        typed,
    }
}

/// A tar being written.
pub struct Layer(tar::Builder<Vec<u8>>);

impl Layer {
    pub fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(1_700_000_000);
        header.set_size(0);
        header
    }

    pub fn directory(mut self, path: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Directory, 0o755);
        self.0.append_data(&mut header, path, &[][..]).unwrap();
        self
    }

    pub fn file(mut self, path: &str, content: &[u8]) -> Self {
        let mut header = Self::header(tar::EntryType::Regular, 0o644);
        header.set_size(content.len() as u64);
        self.0.append_data(&mut header, path, content).unwrap();
        self
    }

    pub fn executable(mut self, path: &str, content: &[u8]) -> Self {
        let mut header = Self::header(tar::EntryType::Regular, 0o755);
        header.set_size(content.len() as u64);
        self.0.append_data(&mut header, path, content).unwrap();
        self
    }

    pub fn file_with_xattr(mut self, path: &str, xattr: (&str, &[u8])) -> Self {
        let key = format!("SCHILY.xattr.{}", xattr.0);
        self.0.append_pax_extensions([(&*key, xattr.1)]).unwrap();
        self.file(path, path.as_bytes())
    }

    pub fn symlink(mut self, path: &str, target: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Symlink, 0o777);
        self.0.append_link(&mut header, path, target).unwrap();
        self
    }

    pub fn hard_link(mut self, path: &str, target: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Link, 0o644);
        self.0.append_link(&mut header, path, target).unwrap();
        self
    }

    pub fn device(mut self, path: &str, major: u32, minor: u32) -> Self {
        let mut header = Self::header(tar::EntryType::Char, 0o666);
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        self.0.append_data(&mut header, path, &[][..]).unwrap();
        self
    }

    pub fn tar(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// Two layers with something of everything.
pub fn layers() -> [Vec<u8>; 2] {
    let base = Layer::new()
        .directory("etc")
        .file("etc/plain", b"content of a plain file\n")
        .file("etc/empty", b"")
        .directory("usr")
        .directory("usr/bin")
        .file("usr/bin/tool", &[b't'; 50_000])
        .symlink("usr/bin/short", "where-the-link-leads")
        .file_with_xattr("etc/marked", ("user.mark", b"made here"))
        .device("null", 1, 3)
        .tar();
    let top = Layer::new()
        .file("etc/gone", b"hidden by nothing")
        .file("one", b"same content")
        .hard_link("two", "one")
        .file("three", b"same content")
        .hard_link("four", "three")
        .tar();
    [base, top]
}

/// An image of [`layers`] as an OCI layout, and the filesystem made of it.
pub struct Pressed {
    pub directory: tempfile::TempDir,
}

impl Pressed {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pressed = Self { directory };
        let layout = TestImage::new(layers()).layout("1");
        layout.write_directory(&pressed.at("layout"));
        pressed.build(&pressed.reference(), "image.img");
        pressed
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn reference(&self) -> String {
        format!("oci:{}:1", self.at("layout").display())
    }

    /// Builds a filesystem and returns its path.
    pub fn build(&self, reference: &str, name: &str) -> String {
        let output = self.path(name);
        layerpress(["build", reference, "-o", &output, "-q"]).ended_with(0);
        output
    }

    pub fn path(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    pub fn image(&self) -> String {
        self.path("image.img")
    }

    /// A copy of the filesystem, for damaging.
    pub fn copy(&self) -> String {
        let copy = self.path("damaged.img");
        fs::copy(self.image(), &copy).unwrap();
        copy
    }

    /// A copy that debugfs changed.
    pub fn changed(&self, commands: &[&str]) -> String {
        let copy = self.copy();
        oracles::debugfs_write(Path::new(&copy), commands);
        copy
    }

    /// A copy in which some bytes, which stand there once, are others.
    pub fn overwritten(&self, from: &[u8], to: &[u8]) -> String {
        assert_eq!(from.len(), to.len());
        let copy = self.copy();
        let mut bytes = fs::read(&copy).unwrap();
        let places: Vec<_> = bytes
            .windows(from.len())
            .enumerate()
            .filter(|(_, window)| *window == from)
            .map(|(at, _)| at)
            .collect();
        assert_eq!(places.len(), 1, "{}", String::from_utf8_lossy(from));
        bytes[places[0]..places[0] + to.len()].copy_from_slice(to);
        fs::write(&copy, bytes).unwrap();
        copy
    }
}
