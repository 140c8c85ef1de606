//! How an image's containers start: as a document beside an output, and found in a filesystem.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::document::{Document, DocumentKind, Made};
use crate::error::{Error, Result, escape_path};
use crate::oci::RuntimeConfig;
use crate::oci::document::MAX_DOCUMENT_BYTES;
use crate::packages::{FilesystemRoot, Looked, Root};
use crate::put_in::{START_PATH, start_document};
use crate::view::View;

/// The document that `--config-out` writes beside an output.
#[derive(Debug, Clone, Copy, Default)]
pub struct StartDocument;

impl Document for StartDocument {
    fn kind(&self) -> DocumentKind {
        DocumentKind::Start
    }

    fn bytes(&self, made: &Made<'_>) -> Result<Vec<u8>> {
        start_document(&made.image.config.config)
    }
}

/// A start configuration that a filesystem holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundStart {
    /// Where it is, with a slash before it.
    pub path: String,
    /// What it says.
    pub runtime: RuntimeConfig,
}

/// What is wrong with the file at `/etc/image.json` that [`start_in`] passes over, if there is one.
pub(super) fn passed_over(image: &Path) -> Option<String> {
    match start_in(image, Some(START_PATH.as_bytes())) {
        Err(Error::Absent { .. }) => None,
        Err(error) => Some(error.to_string()),
        Ok(_) => Some(format!(
            "{}: {START_PATH}: expected a start configuration as a build writes it, found another",
            escape_path(image.as_os_str().as_bytes())
        )),
    }
}

/// The start configuration in the filesystem image `image`: at `path`, or at `/etc/image.json`, where
/// it is taken for one only if it is to the byte what a build writes.
///
/// # Errors
/// Where a path was told: [`Error::Absent`] for nothing there, [`Error::BadImage`] for no start
/// configuration. Those of reading the filesystem.
pub fn start_in(image: &Path, path: Option<&[u8]>) -> Result<Option<FoundStart>> {
    let at = path.unwrap_or(START_PATH.as_bytes());
    let at = at.strip_prefix(b"/").unwrap_or(at);
    let shown = format!("/{}", escape_path(at));
    let name = image.display().to_string();
    let in_file = |error: Error| error.in_entry(at).in_image(&name);
    let looked = View::open(image).and_then(|view| {
        let mut root = FilesystemRoot::new(&view);
        root.look(at, MAX_DOCUMENT_BYTES)
    });
    let looked = match looked {
        // Nobody has asked for it.
        Err(_) if path.is_none() => return Ok(None),
        looked => looked.map_err(in_file)?,
    };
    let bytes = match looked {
        Looked::File { bytes, .. } => bytes,
        _ if path.is_none() => return Ok(None),
        Looked::Absent => {
            let error = Error::absent("expected a start configuration, found nothing");
            return Err(in_file(error));
        }
        Looked::TooLarge { size_bytes } => {
            return Err(in_file(Error::bad_image(format!(
                "expected a start configuration of at most {MAX_DOCUMENT_BYTES} bytes, found {size_bytes}"
            ))));
        }
        Looked::Directory(_) | Looked::Other => {
            let error = Error::bad_image("expected a start configuration, found no regular file");
            return Err(in_file(error));
        }
    };
    // Else a list would do for the fields.
    let start = match bytes.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice::<RuntimeConfig>(&bytes),
        _ => Err(serde::de::Error::custom("found no JSON object")),
    };
    let runtime = match (start, path) {
        (Err(_), None) => return Ok(None),
        (Err(error), Some(_)) => {
            return Err(in_file(Error::bad_image(format!(
                "expected a start configuration: {}",
                crate::error::shown(&error.to_string())
            ))));
        }
        (Ok(start), None) if start_document(&start)? != bytes => return Ok(None),
        (Ok(start), _) => start,
    };
    Ok(Some(FoundStart {
        path: shown,
        runtime,
    }))
}
