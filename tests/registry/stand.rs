//! An image in a registry behind the proxy, the same image as a layout, and somebody to pull it.

use serde_json::Value;

use super::proxy::Proxy;
use super::pull::{Puller, sample};
use super::push::Repository;
use super::registry_server::{Access, Registry, Setup};
use super::support::archive::{Compression, Files, TestImage};
use super::token_server::TokenServer;

/// What most tests need. The image is `sample:1`, its layers compressed with gzip.
#[derive(Debug)]
pub struct Stand {
    plain: Registry,
    served: Option<Registry>,
    pub proxy: Proxy,
    pub puller: Puller,
    /// By way of the proxy.
    pub reference: String,
    /// The digest of the manifest.
    pub digest: String,
    /// The digest of the config.
    pub config: String,
    /// The stored layers.
    pub blobs: Vec<Blob>,
    /// What a build of the layout gives.
    pub expected: Vec<u8>,
}

/// A stored layer.
#[derive(Debug, Clone)]
pub struct Blob {
    pub digest: String,
    pub size_bytes: u64,
}

/// The repository of [`Stand`].
pub const NAME: &str = "sample";

impl Stand {
    pub fn new() -> Option<Self> {
        Self::of(sample())
    }

    /// Behind a registry that serves everybody.
    pub fn of(image: TestImage) -> Option<Self> {
        Self::with(image, Setup::default())
    }

    /// Behind a registry that wants tokens of this server.
    pub fn with_tokens(image: TestImage, tokens: &TokenServer) -> Option<Self> {
        let setup = Setup {
            access: Access::Token(tokens),
            ..Setup::default()
        };
        Self::with(image, setup)
    }

    /// Behind a registry as it is asked for. It is pushed to another with the same storage.
    pub fn with(image: TestImage, setup: Setup) -> Option<Self> {
        let plain = Registry::plain()?;
        let layout = TestImage {
            compression: Compression::Gzip,
            ..image
        }
        .layout("1");
        let digest = Repository::new(plain.address, NAME).push(&layout, "1");
        let (config, blobs) = parts(&layout, &digest);
        let puller = Puller::new();
        let expected = puller.pulled(&puller.layout("layout", &layout), &[]);
        let served = if setup.is_plain() {
            None
        } else {
            Some(Registry::start(Setup {
                storage: Some(plain.storage()),
                ..setup
            })?)
        };
        let proxy = Proxy::before(served.as_ref().unwrap_or(&plain).address);
        let reference = Repository::new(proxy.address(), NAME).reference("1");
        Some(Self {
            plain,
            served,
            proxy,
            puller,
            reference,
            digest,
            config,
            blobs,
            expected,
        })
    }

    /// The registry that was pushed to, which takes everything.
    pub fn plain(&self) -> &Registry {
        &self.plain
    }

    /// The registry behind the proxy.
    pub fn registry(&self) -> &Registry {
        self.served.as_ref().unwrap_or(&self.plain)
    }

    /// Pulls, and expects what the layout gives.
    #[track_caller]
    pub fn pulls(&self, options: &[&str]) {
        let bytes = self.puller.pulled(&self.reference, options);
        assert!(bytes == self.expected, "another output");
    }
}

fn parts(layout: &Files, manifest: &str) -> (String, Vec<Blob>) {
    let bytes = &layout.0[&format!("blobs/{}", manifest.replace(':', "/"))];
    let manifest: Value = serde_json::from_slice(bytes).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let blob = |layer: &Value| Blob {
        digest: text(&layer["digest"]),
        size_bytes: layer["size"].as_u64().unwrap(),
    };
    let layers = manifest["layers"].as_array().unwrap();
    let config = text(&manifest["config"]["digest"]);
    (config, layers.iter().map(blob).collect())
}
