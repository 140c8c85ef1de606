//! How a container starts, as an image configuration writes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::oci::RuntimeConfig;

/// How a container of an image starts (OCI image-spec, config.md, `config`): its keys, in its form,
/// those that say nothing left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct Start {
    /// User, perhaps with a group, by name or number.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Ports, as `8080/tcp`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Nothing>,
    /// Environment, as `NAME=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The command that always runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// The entrypoint's default arguments, or the default command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Directories meant to be mounted from elsewhere.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Nothing>,
    /// Where the command starts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Free metadata.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks the command to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
}

/// `{}`, which Go writes for each member of a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

impl From<&RuntimeConfig> for Start {
    fn from(config: &RuntimeConfig) -> Self {
        let set = |names: &std::collections::BTreeSet<String>| {
            names
                .iter()
                .map(|name| (name.clone(), Nothing {}))
                .collect()
        };
        Self {
            user: config.user.clone(),
            exposed_ports: set(&config.exposed_ports),
            env: config.env.clone(),
            entrypoint: config.entrypoint.clone(),
            cmd: config.cmd.clone(),
            volumes: set(&config.volumes),
            working_dir: config.working_dir.clone(),
            labels: config
                .labels
                .iter()
                .map(|(name, value)| (name.clone(), value.clone().unwrap_or_default()))
                .collect(),
            stop_signal: config.stop_signal.clone(),
        }
    }
}
