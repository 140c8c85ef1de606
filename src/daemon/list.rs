//! The images that a daemon has.

use std::io;

use serde::Deserialize;

use super::Listed;
use super::client::Client;
use crate::error::{Error, Result, escape_path};

/// Of `GET /images/json` what is told here. podman leaves out what is empty.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    id: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    size: u64,
}

/// What docker calls an image that has no name.
const NO_NAME: &str = "<none>:<none>";

impl Client {
    /// Asks which images there are, in the daemon's order: the newest first.
    pub(super) fn list(&self) -> Result<Vec<Listed>> {
        let text = self.text("/images/json", "ask which images there are")?;
        let unexpected = |found: &dyn std::fmt::Display| {
            Error::io(
                format!("cannot understand the docker daemon at {}", self.name()),
                io::Error::other(format!("expected a list of images in JSON, found {found}")),
            )
        };
        let answers: Vec<Answer> =
            serde_json::from_str(&text).map_err(|error| unexpected(&error))?;
        let listed = answers.into_iter().map(|answer| {
            let id = match answer.id.contains(':') {
                true => answer.id.clone(),
                false => format!("sha256:{}", answer.id),
            };
            let names = answer.repo_tags.unwrap_or_default().into_iter();
            Ok(Listed {
                id: id
                    .parse()
                    .map_err(|_| unexpected(&escape_path(answer.id.as_bytes())))?,
                names: names.filter(|name| name != NO_NAME).collect(),
                created_seconds: answer.created,
                size_bytes: answer.size,
            })
        });
        listed.collect()
    }
}
