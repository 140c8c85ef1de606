//! A filesystem, the image it was made of, and what is read of what was written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::archive::{Compression, TestImage, digest};
use crate::support::run::{Ended, Press};
use crate::support::session::layers;

/// An image with something of everything, stored gzipped, and how its containers start.
pub fn image() -> TestImage {
    TestImage {
        compression: Compression::Gzip,
        start: serde_json::json!({
            "Cmd": ["/bin/sh"], "Healthcheck": { "Test": ["NONE"] }, "Labels": { "a": "1" },
        }),
        ..TestImage::new(layers())
    }
}

/// Bytes that no compression makes fewer of, the same ones each time.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// It as a layout among the inputs, and the filesystem made of it beside.
pub struct Rig {
    pub press: Press,
}

impl Rig {
    pub fn new() -> Self {
        Self::of(&image())
    }

    pub fn of(image: &TestImage) -> Self {
        let rig = Self {
            press: Press::new(),
        };
        image.layout("1").write_directory(&rig.layout());
        let mut build = rig.press.command("build");
        build.arg(rig.base()).arg("-o").arg(rig.filesystem());
        rig.press.run(&mut build).succeeded();
        rig
    }

    pub fn layout(&self) -> PathBuf {
        self.press.input("layout")
    }

    /// The image's name.
    pub fn base(&self) -> String {
        format!("oci:{}:1", self.layout().display())
    }

    pub fn filesystem(&self) -> PathBuf {
        self.press.input("fs.img")
    }

    pub fn out(&self, name: &str) -> PathBuf {
        self.press.root().join("out").join(name)
    }

    /// Where an image goes, in the directory of outputs.
    pub fn target(&self, transport: &str, name: &str) -> String {
        let out = self.press.root().join("out");
        format!("{transport}:{}/{name}", out.display())
    }

    /// An export of the filesystem to `target` with options; `BASE` among them is the image's name.
    pub fn command(&self, target: &str, options: &[&str]) -> std::process::Command {
        let mut command = self.press.command("export");
        command.arg(self.filesystem()).arg("-o").arg(target);
        let base = self.base();
        command.args(options.iter().map(|word| match *word {
            "BASE" => &base,
            word => word,
        }));
        command
    }

    pub fn export(&self, target: &str, options: &[&str]) -> Ended {
        self.press.run(&mut self.command(target, options))
    }

    /// The summary as JSON of one that succeeds.
    #[track_caller]
    pub fn exported(&self, target: &str, options: &[&str]) -> Value {
        let ended = self.export(target, &[options, &["--json"]].concat());
        serde_json::from_str(ended.succeeded()).unwrap()
    }

    /// Expects that an image shows what the filesystem holds.
    #[track_caller]
    pub fn shows_the_same(&self, reference: &str) {
        let mut diff = self.press.command("diff");
        diff.arg(self.filesystem()).arg(reference);
        let ended = self.press.run(&mut diff);
        assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
    }
}

/// What a layout, or an archive unpacked, has in it.
pub struct Written(pub BTreeMap<String, Vec<u8>>);

impl Written {
    /// Those of a directory, every blob being what it is called.
    #[track_caller]
    pub fn directory(directory: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut open = vec![directory.to_owned()];
        while let Some(path) = open.pop() {
            for entry in fs::read_dir(&path).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap();
                files.insert(name.to_owned(), fs::read(&path).unwrap());
            }
        }
        Self(files).checked()
    }

    /// Those of an archive.
    #[track_caller]
    pub fn archive(bytes: &[u8]) -> Self {
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(bytes).entries().unwrap() {
            let mut entry = entry.unwrap();
            if entry.header().entry_type().is_dir() {
                continue;
            }
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            assert!(files.insert(name, content).is_none());
        }
        Self(files).checked()
    }

    #[track_caller]
    fn checked(self) -> Self {
        for (name, bytes) in &self.0 {
            if let Some(hexadecimal) = name.strip_prefix("blobs/sha256/") {
                assert_eq!(digest(bytes), format!("sha256:{hexadecimal}"));
            }
        }
        self
    }

    #[track_caller]
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.0[name]).unwrap()
    }

    #[track_caller]
    pub fn blob(&self, descriptor: &Value) -> &[u8] {
        let digest = descriptor["digest"].as_str().unwrap();
        let bytes = &self.0[&format!("blobs/{}", digest.replace(':', "/"))];
        assert_eq!(descriptor["size"], bytes.len());
        bytes
    }

    /// The index's entries by their tags.
    pub fn listed(&self) -> Vec<(Option<String>, Value)> {
        let index = self.json("index.json");
        let entries = index["manifests"].as_array().unwrap().iter();
        let tag = |entry: &Value| {
            let tag = entry["annotations"]["org.opencontainers.image.ref.name"].as_str();
            tag.map(str::to_owned)
        };
        entries.map(|entry| (tag(entry), entry.clone())).collect()
    }

    /// An image by its tag: its manifest and its configuration.
    #[track_caller]
    pub fn image(&self, tag: Option<&str>) -> (Value, Value) {
        let listed = self.listed();
        let found: Vec<_> = listed
            .iter()
            .filter(|(own, _)| own.as_deref() == tag)
            .collect();
        assert_eq!(found.len(), 1, "{listed:?}");
        let manifest: Value = serde_json::from_slice(self.blob(&found[0].1)).unwrap();
        let config = serde_json::from_slice(self.blob(&manifest["config"])).unwrap();
        (manifest, config)
    }
}
