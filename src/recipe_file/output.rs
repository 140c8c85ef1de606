//! What a recipe says of outputs, and where they go.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{is_default, words};
use crate::error::{Error, Result, escape_path};
use crate::pinned::Reach;
use crate::pipeline::{FinishOptions, OutputRequest, Salt, Sha256File, VerityOptions, VerityPlace};

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

impl OutputRecipe {
    /// The tree of dm-verity that is meant, its file where `place` puts it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for two places of one tree and for a salt without one, and what `place`
    /// refuses.
    pub fn verity(&self, place: impl Fn(&str) -> Result<PathBuf>) -> Result<Option<VerityOptions>> {
        let salt = self.verity_salt.clone();
        let place = match (&self.verity_file, self.verity) {
            (Some(_), true) => {
                return Err(Error::unsupported(
                    "expected one place for the tree of dm-verity, found two: verity appends it, verity-file has it alone",
                ));
            }
            (Some(file), false) => VerityPlace::File(place(file)?),
            (None, true) => VerityPlace::Appended,
            (None, false) if salt.is_some() => {
                return Err(Error::unsupported(
                    "verity-salt: expected verity or verity-file beside it, found neither",
                ));
            }
            (None, false) => return Ok(None),
        };
        let salt = salt.unwrap_or_default();
        Ok(Some(VerityOptions { place, salt }))
    }

    /// Lets a request write what the recipe says; programs and proofs stay as they are.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where no file is named, and what `place` refuses.
    pub fn put_into(
        &self,
        request: &mut OutputRequest,
        place: impl Fn(&str) -> Result<PathBuf>,
    ) -> Result<()> {
        let verity = self.verity(&place)?;
        let Self {
            file,
            sha256,
            verity: _,
            verity_file: _,
            verity_salt: _,
        } = self;
        let file = file.as_deref().ok_or_else(no_file)?;
        request.path = place(file)?;
        request.finish = FinishOptions {
            sha256: sha256.then_some(Sha256File::Line),
            verity,
            ..request.finish.clone()
        };
        Ok(())
    }
}

fn no_file() -> Error {
    Error::unsupported(
        "expected a name for the filesystem image in the recipe (file = \"…\" in [output]) or -o FILE, found none",
    )
}

/// The directory below which a recipe's outputs stay.
#[derive(Debug, Clone)]
pub struct OutputDirectory {
    path: PathBuf,
    reach: Reach,
}

impl OutputDirectory {
    /// A directory that is there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let reach = Reach::of(path, true).map_err(|error| Error::path("open", path, error))?;
        Ok(Self {
            path: path.to_owned(),
            reach,
        })
    }

    /// Where a name of a recipe is.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a name that leads out of the directory, by itself or by a symbolic
    /// link; [`Error::Io`] where its directory is not there.
    pub fn place(&self, name: &str) -> Result<PathBuf> {
        let wrong = |found: &str| {
            Error::unsupported(format!(
                "{}: expected a name of an output below {} (--output-dir), found {found}",
                escape_path(name.as_bytes()),
                escape_path(self.path.as_os_str().as_encoded_bytes()),
            ))
        };
        let relative = Path::new(name);
        let mut components = relative.components();
        let is_below = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !components.all(is_below) {
            return Err(wrong("one that leads out of it"));
        }
        let (Some(_), false) = (relative.file_name(), name.ends_with('/')) else {
            return Err(wrong("a directory"));
        };
        let parent = match relative.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        match self.reach.pin(parent) {
            Ok(_) => Ok(self.path.join(relative)),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(wrong(&error.to_string()))
            }
            Err(error) => Err(Error::path("open", &self.path.join(parent), error)),
        }
    }
}
