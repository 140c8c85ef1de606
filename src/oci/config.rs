//! The image configuration, as leniently as docker and containerd read it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::go_json::{keys, list, map, or_default, words};
use super::{Digest, Platform};

/// An image configuration (OCI image-spec, config.md), in docker's form or OCI's: what may be
/// absent or null in the wild is empty here, what is not named here is passed over.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// When the image was made, RFC 3339.
    pub created: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// The processor it runs on, as `amd64`.
    #[serde(deserialize_with = "or_default")]
    pub architecture: String,
    /// The operating system it runs on, as `linux`.
    #[serde(deserialize_with = "or_default")]
    pub os: String,
    /// The processor's variant, as `v7`.
    pub variant: Option<String>,
    /// How a container of the image runs.
    #[serde(deserialize_with = "or_default")]
    pub config: RuntimeConfig,
    /// The layers by what they uncompress to.
    #[serde(deserialize_with = "or_default")]
    pub rootfs: RootFs,
    /// How the layers came about, base first.
    #[serde(deserialize_with = "list")]
    pub history: Vec<History>,
}

/// How a container of the image runs (config.md, `config`); shown in this order, by these names.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all(deserialize = "PascalCase"))]
pub struct RuntimeConfig {
    /// User, perhaps with a group, by name or number.
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    /// Where the command starts.
    #[serde(deserialize_with = "or_default")]
    pub working_dir: String,
    /// The command that always runs.
    #[serde(deserialize_with = "words")]
    pub entrypoint: Vec<String>,
    /// The entrypoint's default arguments, or the default command.
    #[serde(deserialize_with = "words")]
    pub cmd: Vec<String>,
    /// Environment, as `NAME=value`.
    #[serde(deserialize_with = "list")]
    pub env: Vec<String>,
    /// Ports, as `8080/tcp`.
    #[serde(deserialize_with = "keys")]
    pub exposed_ports: BTreeSet<String>,
    /// Directories meant to be mounted from elsewhere.
    #[serde(deserialize_with = "keys")]
    pub volumes: BTreeSet<String>,
    /// The signal that asks the command to end.
    pub stop_signal: Option<String>,
    /// Free metadata.
    #[serde(deserialize_with = "map")]
    pub labels: BTreeMap<String, Option<String>>,
}

/// The layers (config.md, `rootfs`).
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RootFs {
    /// Always `layers`, or nothing.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// What each layer's uncompressed tar hashes to, base first. Docker leaves it out where
    /// there are no layers.
    #[serde(deserialize_with = "or_default")]
    pub diff_ids: Vec<Digest>,
}

/// One step of an image's making (config.md, `history`), in the order that is shown.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// When, RFC 3339.
    pub created: Option<String>,
    /// By which command.
    pub created_by: Option<String>,
    /// Who.
    pub author: Option<String>,
    /// Anything else.
    pub comment: Option<String>,
    /// Whether the step made no layer.
    #[serde(deserialize_with = "or_default")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// The platform the image is for; one without an operating system is for Linux.
    pub fn platform(&self) -> Platform {
        let or = |text: &str, other: &'static str| {
            let text = if text.is_empty() { other } else { text };
            text.to_owned()
        };
        let (os, architecture) = (or(&self.os, "linux"), or(&self.architecture, "unknown"));
        Platform::new(&os, &architecture, self.variant.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_full_of_nulls_is_read_as_an_empty_one() {
        let config: ImageConfig = serde_json::from_str(
            r#"{"architecture":"amd64","os":"linux","author":null,"created":"0001-01-01T00:00:00Z",
                "config":{"User":"","ExposedPorts":{"80/tcp":{}},"Env":null,"Cmd":null,"Volumes":null,
                          "Labels":{"a":null},"OnBuild":null,"Entrypoint":"/bin/sh","WorkingDir":null,
                          "StopSignal":null},
                "container_config":null,"docker_version":"1.9","history":[null,{"empty_layer":null}],
                "variant":null,
                "rootfs":{"type":"layers"}}"#,
        )
        .unwrap();
        assert_eq!(config.platform().to_string(), "linux/amd64");
        assert_eq!(config.config.entrypoint, ["/bin/sh"]);
        assert!(config.config.exposed_ports.contains("80/tcp"));
        assert!(config.rootfs.diff_ids.is_empty());
        assert!(config.history == vec![History::default(); 2]);
        for text in [
            "{}",
            r#"{"config":null,"rootfs":null,"history":null,"os":null}"#,
            r#"{"config":{"Env":null,"Cmd":[null]},"rootfs":{"type":null,"diff_ids":null}}"#,
        ] {
            let config: ImageConfig = serde_json::from_str(text).unwrap();
            assert!(config.rootfs == RootFs::default() && config.history.is_empty());
        }
    }

    #[test]
    fn a_diff_id_that_is_no_digest_is_an_error() {
        let text = r#"{"rootfs":{"type":"layers","diff_ids":["../../etc/passwd"]}}"#;
        assert!(serde_json::from_str::<ImageConfig>(text).is_err());
    }
}
