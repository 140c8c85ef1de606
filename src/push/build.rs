//! The manifest of a build that lies beside a file, and may be that file's.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, escape_path, shown};
use crate::file_kind;
use crate::manifest::Manifest;
use crate::oci::Digest;
use crate::oci::document::{self, MAX_DOCUMENT_BYTES};

/// What an output's manifest is called beside it, where nobody says otherwise.
const MANIFEST_ENDING: &str = ".manifest.json";

/// A build's manifest that may be the file's.
pub(crate) struct Build {
    manifest: Option<(Manifest, PathBuf)>,
    is_named: bool,
}

impl Build {
    /// The manifest that was named, or else the one beside `image`, where there is one.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::BadImage`] for what is none.
    pub(crate) fn beside(image: &Path, named: Option<&Path>) -> Result<Self> {
        let usual = || {
            let mut path = image.as_os_str().to_owned();
            path.push(MANIFEST_ENDING);
            PathBuf::from(path)
        };
        let path = named.map_or_else(usual, Path::to_owned);
        let is_named = named.is_some();
        if !is_named && !path.is_file() {
            return Ok(Self {
                manifest: None,
                is_named,
            });
        }
        let mut bytes = Vec::new();
        file_kind::open(&path)?
            .take(MAX_DOCUMENT_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::path("read", &path, error))?;
        let name = path.display().to_string();
        document::check_size(bytes.len() as u64, &name)?;
        let manifest = Manifest::from_bytes(&bytes).map_err(|why| {
            let what = format!("expected the manifest of a build: {}", shown(&why));
            Error::bad_image(what).in_image(&name)
        })?;
        Ok(Self {
            manifest: Some((manifest, path)),
            is_named,
        })
    }

    /// The manifest, if it is of the file with this SHA-256; one of another is told in `warnings`.
    ///
    /// # Errors
    /// [`Error::BadImage`] for one of another that was named.
    pub(crate) fn of_file(
        &self,
        sha256: &Digest,
        warnings: &mut Vec<String>,
    ) -> Result<Option<&Manifest>> {
        let Some((manifest, path)) = &self.manifest else {
            return Ok(None);
        };
        if manifest.output.sha256 == sha256.digest() {
            return Ok(Some(manifest));
        }
        let what = format!(
            "{}: expected the manifest of a file with the SHA-256 {}, found that of one with {}",
            escape_path(path.as_os_str().as_encoded_bytes()),
            sha256.digest(),
            shown(&manifest.output.sha256)
        );
        if self.is_named {
            return Err(Error::bad_image(what));
        }
        warnings.push(format!("{what}; it is left out"));
        Ok(None)
    }
}
