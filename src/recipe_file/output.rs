//! What a recipe says of outputs, and where they go.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{is_default, words};
use crate::error::{Error, Result, escape_path};
use crate::pinned::Reach;
use crate::pipeline::{FinishOptions, OutputRequest, Salt, VerityOptions, VerityPlace};

/// Names of what is written, below the output directory, and what of it there is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OutputRecipe {
    /// The filesystem image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Write `FILE.sha256`.
    #[serde(skip_serializing_if = "is_default")]
    pub sha256: bool,
    /// Append a tree of dm-verity.
    #[serde(skip_serializing_if = "is_default")]
    pub verity: bool,
    /// Write that tree to a file of its own instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verity_file: Option<String>,
    /// What is hashed before each of its blocks.
    #[serde(with = "words::option", skip_serializing_if = "Option::is_none")]
    pub verity_salt: Option<Salt>,
}
