//! A filesystem image, an empty registry behind the proxy, and somebody to push.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::http::{self, Head};
use super::proxy::{Proxy, Seen};
use super::pull::{Puller, layers};
use super::registry_server::{Registry, Setup};
use super::support::archive::{TestImage, digest};
use super::support::run::Ended;

/// Where images go.
pub const NAME: &str = "private/fs";

/// What most tests of pushing need.
#[derive(Debug)]
pub struct ArtifactStand {
    pub registry: Registry,
    pub proxy: Proxy,
    pub puller: Puller,
    /// With its build's manifest beside it.
    pub image: PathBuf,
}

impl ArtifactStand {
    /// Before a registry that takes everything of everybody.
    pub fn new() -> Option<Self> {
        Self::with(Setup::default(), &[])
    }

    /// Before a registry as it is asked for, of an image built with these options.
    pub fn with(setup: Setup, build: &[&str]) -> Option<Self> {
        let registry = Registry::start(setup)?;
        let proxy = Proxy::before(registry.address);
        let puller = Puller::new();
        let layout = TestImage::new(layers(71, 1)).layout("1");
        let reference = puller.layout("layout", &layout);
        let stand = Self {
            registry,
            proxy,
            image: puller.press.input("fs.img"),
            puller,
        };
        stand.build(&reference, build);
        Some(stand)
    }

    /// Builds another image in its place.
    pub fn build(&self, reference: &str, options: &[&str]) {
        let mut command = self
            .puller
            .command(&["build", reference, "--no-cache", "-q"]);
        command.arg("-o").arg(&self.image);
        command.arg("--manifest").arg(self.manifest_file());
        command.args(options);
        self.puller.press.run(&mut command).succeeded();
    }

    pub fn manifest_file(&self) -> PathBuf {
        self.image.with_file_name("fs.img.manifest.json")
    }

    /// `push IMG REFERENCE` in segments of 256 KiB, by way of the proxy.
    pub fn push(&self, tag: &str, options: &[&str]) -> Command {
        self.push_at(
            &format!("docker://{}/{NAME}:{tag}", self.proxy.address()),
            options,
        )
    }

    /// The same to any place.
    pub fn push_at(&self, reference: &str, options: &[&str]) -> Command {
        let mut command = self.puller.command(&["push"]);
        command.arg(&self.image).arg(reference);
        command.args(["--segment-size=256K", "--json", "--progress=none"]);
        command.args(options);
        command
    }

    /// Pushes, and gives the summary.
    #[track_caller]
    pub fn pushes(&self, tag: &str, options: &[&str]) -> Value {
        self.done(&self.puller.press.run(&mut self.push(tag, options)))
    }

    #[track_caller]
    pub fn done(&self, ended: &Ended) -> Value {
        let summary = serde_json::from_str(ended.succeeded()).unwrap();
        assert!(self.puller.press.left().is_empty());
        summary
    }

    /// Pushes to a failure that says all of `words`; the tag means nothing then.
    #[track_caller]
    pub fn fails(&self, options: &[&str], code: i32, words: &[&str]) -> Ended {
        let ended = self.puller.press.run(&mut self.push("1", options));
        ended.failed(code, words);
        assert_eq!(self.get("manifests/1"), None, "{}", ended.stderr);
        ended
    }

    /// What the registry has of the repository.
    pub fn get(&self, path: &str) -> Option<Vec<u8>> {
        get(self.registry.address, NAME, path)
    }

    /// A manifest as JSON.
    #[track_caller]
    pub fn manifest(&self, reference: &str) -> Value {
        let bytes = self.get(&format!("manifests/{reference}"));
        serde_json::from_slice(&bytes.unwrap()).unwrap()
    }

    /// The file that a manifest tells of, each piece of it held against what the manifest says.
    #[track_caller]
    pub fn assembled(&self, reference: &str) -> Vec<u8> {
        assembled(&self.manifest(reference), |digest| {
            self.get(&format!("blobs/{digest}"))
        })
    }
}

/// What a registry that asks for nothing has.
pub fn get(registry: SocketAddr, name: &str, path: &str) -> Option<Vec<u8>> {
    let start = format!("GET /v2/{name}/{path} HTTP/1.1");
    let accept =
        "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
    let (head, body) = http::ask(registry, &Head::new(&start, &[("Accept", accept)]), b"").unwrap();
    match head.status() {
        200 => Some(body),
        404 => None,
        status => panic!("{start}: {status}"),
    }
}

/// What layers say of a file, read by other code than the program's own.
#[track_caller]
pub fn assembled(manifest: &Value, blob: impl Fn(&str) -> Option<Vec<u8>>) -> Vec<u8> {
    let own = |key: &str| {
        let value = &manifest["annotations"][format!("vnd.filesystem-image.{key}")];
        value.as_str().unwrap().to_owned()
    };
    let mut file = vec![0; own("size").parse().unwrap()];
    for layer in manifest["layers"].as_array().unwrap() {
        let said = |key: &str| {
            let key = format!("vnd.filesystem-image.segment.{key}");
            layer["annotations"][key].as_str().unwrap()
        };
        let stored = blob(layer["digest"].as_str().unwrap()).unwrap();
        assert_eq!(layer["digest"], digest(&stored));
        assert_eq!(layer["size"], stored.len());
        let plain = zstd::decode_all(&stored[..]).unwrap();
        // One frame that says how long it is.
        let told = zstd::zstd_safe::get_frame_content_size(&stored).unwrap();
        assert_eq!(told, Some(plain.len() as u64));
        let frame = zstd::zstd_safe::find_frame_compressed_size(&stored).unwrap();
        assert_eq!(frame, stored.len());
        assert_eq!(said("digest"), digest(&plain));
        assert_eq!(said("length"), plain.len().to_string());
        let at: usize = said("offset").parse().unwrap();
        assert!(file[at..at + plain.len()].iter().all(|byte| *byte == 0));
        file[at..at + plain.len()].copy_from_slice(&plain);
    }
    let sha256: String = Sha256::digest(&file)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(own("sha256"), sha256);
    file
}

/// How many requests of a method, and how many bytes they sent.
pub fn sent(seen: &[Seen], method: &str) -> (usize, u64) {
    let found = seen.iter().filter(|seen| seen.method == method);
    found.fold((0, 0), |(count, bytes), seen| {
        (count + 1, bytes + seen.sent_bytes)
    })
}

/// All bytes of a file.
pub fn read(path: &std::path::Path) -> Vec<u8> {
    fs::read(path).unwrap()
}
