//! What a recipe says of outputs, and where they go.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{is_default, words};
use crate::error::{Error, Result, escape_path};
use crate::pinned::{Reach, is_leading_out};
use crate::pipeline::{
    Beside, CompressOptions, Encoding, FilesystemRequest, FinishOptions, ImageRequest,
    ManifestDocument, OutputRequest, PackagesDocument, Salt, Sha256File, StartDocument,
    VerityOptions, VerityPlace,
};

/// Names of what is written, below the output directory, and what of it there is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OutputRecipe {
    /// The filesystem image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Write `FILE.sha256`: `true` for the form of sha256sum, `"raw"` for the digits alone.
    #[serde(with = "sha256", skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256File>,
    /// Compress it, too, to `FILE.gz` or `FILE.zst`.
    #[serde(with = "words::option", skip_serializing_if = "Option::is_none")]
    pub compress: Option<Encoding>,
    /// Keep that alone.
    #[serde(skip_serializing_if = "is_default")]
    pub compress_only: bool,
    /// Write what went in, how, and what came out to this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<PathBuf>,
    /// Write the packages that are installed to this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<PathBuf>,
    /// Write how the image is started to this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_out: Option<PathBuf>,
    /// Append a tree of dm-verity.
    #[serde(skip_serializing_if = "is_default")]
    pub verity: bool,
    /// Write that tree to a file of its own instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verity_file: Option<PathBuf>,
    /// What is hashed before each of its blocks.
    #[serde(with = "words::option", skip_serializing_if = "Option::is_none")]
    pub verity_salt: Option<Salt>,
}

impl OutputRecipe {
    /// The same with every name where `directory` has it.
    ///
    /// # Errors
    /// As [`OutputDirectory::place`].
    pub fn placed(&self, directory: &OutputDirectory) -> Result<Self> {
        let mut placed = self.clone();
        let names = [
            &mut placed.file,
            &mut placed.manifest,
            &mut placed.packages,
            &mut placed.config_out,
            &mut placed.verity_file,
        ];
        for name in names.into_iter().flatten() {
            *name = directory.place(name)?;
        }
        Ok(placed)
    }

    /// The tree of dm-verity that is meant.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for two places of one tree and for a salt without one.
    pub fn verity(&self) -> Result<Option<VerityOptions>> {
        let salt = self.verity_salt.clone();
        let place = match (&self.verity_file, self.verity) {
            (Some(_), true) => {
                return Err(Error::unsupported(
                    "expected one place for the tree of dm-verity, found two: verity appends it, verity-file has it alone",
                ));
            }
            (Some(file), false) => VerityPlace::File(file.clone()),
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

    /// Lets a request write what the recipe says, for an image and a filesystem that are asked for;
    /// programs and proofs stay as they are.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where no file is named, and as [`Self::verity`].
    pub fn put_into(
        &self,
        request: &mut OutputRequest,
        image: &ImageRequest,
        filesystem: &FilesystemRequest,
    ) -> Result<()> {
        let verity = self.verity()?;
        let Self {
            file,
            sha256,
            compress,
            compress_only,
            manifest,
            packages,
            config_out,
            verity: _,
            verity_file: _,
            verity_salt: _,
        } = self;
        if *compress_only && compress.is_none() {
            return Err(Error::unsupported(
                "compress-only: expected compress beside it, found none",
            ));
        }
        request.path = file.clone().ok_or_else(no_file)?;
        request.finish = FinishOptions {
            sha256: *sha256,
            compress: compress.map(|encoding| CompressOptions {
                encoding,
                only: *compress_only,
                jobs: image.jobs,
            }),
            verity,
            ..request.finish.clone()
        };
        request.beside = Vec::new();
        if let Some(path) = packages {
            request.beside.push(Beside::new(path, PackagesDocument));
        }
        if let Some(path) = config_out {
            request.beside.push(Beside::new(path, StartDocument));
        }
        if let Some(path) = manifest {
            let document = ManifestDocument::new(image, filesystem, request)?;
            request.beside.push(Beside::new(path, document));
        }
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
    pub fn place(&self, name: &Path) -> Result<PathBuf> {
        let wrong = |found: &str| {
            Error::unsupported(format!(
                "{}: expected a name of an output below {} (--output-dir), found {found}",
                escape_path(name.as_os_str().as_bytes()),
                escape_path(self.path.as_os_str().as_bytes()),
            ))
        };
        if name == Path::new("-") {
            return Err(wrong(
                "standard output (./- names a file that is called so)",
            ));
        }
        let mut components = name.components();
        let is_below = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !components.all(is_below) {
            return Err(wrong("one that leads out of it"));
        }
        let bytes = name.as_os_str().as_bytes();
        if name.file_name().is_none() || bytes.ends_with(b"/") || bytes.ends_with(b"/.") {
            return Err(wrong("a directory"));
        }
        let parent = match name.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        match self.reach.pin(parent) {
            Ok(_) => Ok(self.joined(name)),
            Err(error) if is_leading_out(&error) => Err(wrong(&error.to_string())),
            Err(error) => Err(Error::path("open", &self.path.join(parent), error)),
        }
    }

    /// As it would be typed: nothing before it where it begins in the working directory.
    fn joined(&self, name: &Path) -> PathBuf {
        match self.path == Path::new(".") {
            true => name.to_owned(),
            false => self.path.join(name),
        }
    }
}

/// `true`, `false` or a form's name.
mod sha256 {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::pipeline::Sha256File;

    #[derive(Serialize, Deserialize)]
    #[serde(untagged, expecting = "expected true, false or \"raw\"")]
    enum Form {
        Line(bool),
        Named(String),
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Sha256File>, D::Error> {
        match Form::deserialize(from)? {
            Form::Line(is_wanted) => Ok(is_wanted.then_some(Sha256File::Line)),
            Form::Named(name) if name == "raw" => Ok(Some(Sha256File::Raw)),
            Form::Named(name) if name == "line" => Ok(Some(Sha256File::Line)),
            Form::Named(name) => Err(D::Error::custom(format!(
                "expected true, false or \"raw\", found '{}'",
                crate::error::shown(&name)
            ))),
        }
    }

    pub(super) fn serialize<S: Serializer>(
        form: &Option<Sha256File>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match form {
            None => Form::Line(false),
            Some(Sha256File::Line) => Form::Line(true),
            Some(Sha256File::Raw) => Form::Named("raw".to_owned()),
        }
        .serialize(to)
    }
}
