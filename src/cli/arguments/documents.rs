//! What is told of a build in files beside its output.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::{Error, Result};
use crate::pipeline::{
    Beside, FilesystemRequest, ImageRequest, ManifestDocument, OutputRequest, PackagesDocument,
    StartDocument,
};

/// What is told of a build.
#[derive(Debug, Args)]
#[command(next_help_heading = "Documents beside the output")]
pub struct DocumentArguments {
    /// Write what went in, how, and what came out to FILE as JSON: image, request, filesystem, proofs, every
    /// file's SHA-256; nothing in it is of this machine
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Write the packages that are installed in the result to FILE as JSON, name, version and
    /// architecture; read from dpkg's and apk's lists in it
    #[arg(long, value_name = "FILE")]
    pub packages: Option<PathBuf>,
    /// Write what the image says about how it is started (entrypoint, environment, user, ...) to
    /// FILE, as --config-file writes it into the filesystem
    #[arg(long, value_name = "FILE")]
    pub config_out: Option<PathBuf>,
}

impl DocumentArguments {
    /// The documents beside an output that is asked for so.
    ///
    /// # Errors
    /// For standard output, which is no file beside another.
    pub fn beside(
        &self,
        image: &ImageRequest,
        filesystem: &FilesystemRequest,
        output: &OutputRequest,
    ) -> Result<Vec<Beside>> {
        let mut beside = Vec::new();
        if let Some(path) = &self.packages {
            beside.push(Beside::new(named("--packages", path)?, PackagesDocument));
        }
        if let Some(path) = &self.config_out {
            beside.push(Beside::new(named("--config-out", path)?, StartDocument));
        }
        if let Some(path) = &self.manifest {
            let document = ManifestDocument::new(image, filesystem, output)?;
            beside.push(Beside::new(named("--manifest", path)?, document));
        }
        Ok(beside)
    }
}

/// The file that an option names beside the output.
///
/// # Errors
/// For standard output.
pub(super) fn named<'a>(option: &str, path: &'a Path) -> Result<&'a Path> {
    if path == Path::new("-") {
        return Err(Error::usage(format!(
            "{option} -: expected a file, which gets its name together with the output, found standard output (./- names a file that is called so)"
        )));
    }
    Ok(path)
}
