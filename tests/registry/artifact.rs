//! A filesystem image as an artifact, made without a line of the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::pull::{Puller, noise};
use super::support::archive::{Files, OCI_INDEX, OCI_MANIFEST, digest, zstd};
use super::support::run::Ended;

pub const ARTIFACT_TYPE: &str = "application/vnd.filesystem-image.v1";
pub const CONFIG_TYPE: &str = "application/vnd.filesystem-image.config.v1+json";
pub const SEGMENT_TYPE: &str = "application/vnd.filesystem-image.segment.v1+zstd";
pub const OFFSET: &str = "vnd.filesystem-image.segment.offset";
pub const LENGTH: &str = "vnd.filesystem-image.segment.length";
pub const DIGEST: &str = "vnd.filesystem-image.segment.digest";
pub const SIZE: &str = "vnd.filesystem-image.size";
pub const SHA256: &str = "vnd.filesystem-image.sha256";
pub const PLATFORM: &str = "vnd.filesystem-image.platform";

/// Bytes of a segment of [`bytes`].
pub const SEGMENT: usize = 64 << 10;

/// A manifest that may be changed, and blobs.
#[derive(Debug, Clone)]
pub struct TestArtifact {
    pub manifest: Value,
    pub blobs: BTreeMap<String, Vec<u8>>,
}

/// What a file is made of: of each letter a segment. `z` is zeros, `h` half zeros, `t` text, any other
/// letter noise of its own; behind them stand `tail` bytes.
pub fn bytes(letters: &str, tail: usize) -> Vec<u8> {
    let segment = |letter: u8| match letter {
        b'z' => vec![0; SEGMENT],
        b'h' => [vec![0; SEGMENT / 2], noise(1, SEGMENT / 2)].concat(),
        b't' => b"0123456789abcdef".repeat(SEGMENT / 16),
        other => noise(u64::from(other), SEGMENT),
    };
    let mut bytes: Vec<u8> = letters.bytes().flat_map(segment).collect();
    bytes.extend(noise(7, tail));
    bytes
}

/// The 64 digits of bytes.
pub fn sha256(bytes: &[u8]) -> String {
    digest(bytes)["sha256:".len()..].to_owned()
}

impl TestArtifact {
    /// Of a file, zeros left out.
    pub fn of(file: &[u8]) -> Self {
        let mut artifact = Self {
            manifest: json!({
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "artifactType": ARTIFACT_TYPE,
                "annotations": { SIZE: file.len().to_string(), SHA256: sha256(file) },
            }),
            blobs: BTreeMap::new(),
        };
        artifact.config(&json!({
            "schema": "layerpress.artifact-config.v1",
            "output": { "size_bytes": file.len(), "sha256": sha256(file) },
        }));
        let segments = file.chunks(SEGMENT).enumerate();
        let segments = segments.filter(|(_, plain)| plain.iter().any(|byte| *byte != 0));
        let layers: Vec<_> = segments
            .map(|(index, plain)| artifact.segment(index * SEGMENT, plain, &zstd(plain)))
            .collect();
        artifact.manifest["layers"] = layers.into();
        artifact
    }

    /// Stores a blob and gives its descriptor.
    fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        self.blobs.insert(digest.clone(), bytes.to_vec());
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// A segment that is stored so.
    pub fn segment(&mut self, offset: usize, plain: &[u8], stored: &[u8]) -> Value {
        let mut segment = self.blob(SEGMENT_TYPE, stored);
        segment["annotations"] = json!({
            OFFSET: offset.to_string(),
            LENGTH: plain.len().to_string(),
            DIGEST: digest(plain),
        });
        segment
    }

    /// Another configuration.
    pub fn config(&mut self, config: &Value) {
        self.manifest["config"] = self.blob(CONFIG_TYPE, config.to_string().as_bytes());
    }

    /// For a platform.
    pub fn platform(mut self, platform: &str) -> Self {
        self.manifest["annotations"][PLATFORM] = platform.into();
        self
    }

    pub fn layers(&mut self) -> &mut Vec<Value> {
        self.manifest["layers"].as_array_mut().unwrap()
    }

    /// The digest and the stored length of each segment.
    pub fn segments(&self) -> Vec<(String, u64)> {
        let layers = self.manifest["layers"].as_array().unwrap();
        let told = |layer: &Value| {
            let digest = layer["digest"].as_str().unwrap().to_owned();
            (digest, layer["size"].as_u64().unwrap())
        };
        layers.iter().map(told).collect()
    }

    /// Adds its files; gives the descriptor of the manifest.
    pub fn put(&self, files: &mut Files) -> Value {
        for (digest, bytes) in &self.blobs {
            files.put(
                &format!("blobs/{}", digest.replace(':', "/")),
                bytes.clone(),
            );
        }
        files.blob(OCI_MANIFEST, self.manifest.to_string().into_bytes())
    }

    /// A layout that lists it.
    pub fn layout(&self) -> Files {
        let mut files = Files::default();
        let descriptor = self.put(&mut files);
        files.index(&[descriptor]);
        files
    }
}

/// A layout with an index of these descriptors.
pub fn layout_of_index(mut files: Files, manifests: &[Value]) -> Files {
    let mut index = files.inner_index(manifests);
    index["mediaType"] = OCI_INDEX.into();
    files.index(&[index]);
    files
}

impl Puller {
    /// A `pull` of an artifact into the press's output, with the puller's own cache.
    pub fn pull(&self, reference: &str, options: &[&str]) -> Command {
        let mut command = self.command(&["pull", reference, "--progress=plain"]);
        if !options.contains(&"--no-cache") {
            command.arg("--cache-dir").arg(self.cache());
        }
        self.press.add_directories(&mut command);
        command.args(options);
        command
    }

    /// Pulls, and expects these bytes; gives the summary.
    #[track_caller]
    pub fn pulls(&self, reference: &str, options: &[&str], expected: &[u8]) -> Value {
        let options = [options, &["--json"]].concat();
        let ended = self.press.run(&mut self.pull(reference, &options));
        let summary: Value = serde_json::from_str(ended.succeeded()).unwrap();
        assert!(self.take_output(&ended) == expected, "other bytes");
        assert_eq!(summary["output_bytes"], expected.len());
        assert_eq!(summary["sha256"], sha256(expected));
        summary
    }

    /// Pulls to a failure that says all of `words`, and leaves nothing.
    #[track_caller]
    pub fn does_not_pull(
        &self,
        reference: &str,
        options: &[&str],
        code: i32,
        words: &[&str],
    ) -> Ended {
        let ended = self.press.run(&mut self.pull(reference, options));
        self.has_failed(&ended, code, words);
        ended
    }

    /// Writes an earlier image.
    pub fn earlier(&self, bytes: &[u8]) -> PathBuf {
        let path = self.press.input("old.img");
        fs::write(&path, bytes).unwrap();
        path
    }
}
