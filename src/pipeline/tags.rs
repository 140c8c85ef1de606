//! The tags of a repository in a registry.

use crate::error::{Error, Result, escape_path};
use crate::oci::RegistryReference;
use crate::progress::Reporter;
use crate::source::{self, Reference, RegistryOptions, Tags};

/// Asks a registry for all tags of a repository, as in `docker://[HOST[:PORT]/]NAME`.
///
/// # Errors
/// [`Error::Io`] where the registry does not give them, [`Error::Unsupported`] for what is no
/// repository.
pub fn tags(repository: &str, options: &RegistryOptions, reporter: &dyn Reporter) -> Result<Tags> {
    source::tags(&meant(repository)?, options, reporter)
}

/// The repository that is meant, by the rule of all bare names: what may be a path is none.
fn meant(text: &str) -> Result<RegistryReference> {
    let expected = |found: &str| {
        Error::unsupported(format!(
            "expected a repository of a registry, docker://[HOST[:PORT]/]NAME, {found}"
        ))
    };
    let reference: Reference = text.parse()?;
    let shown = reference.to_string();
    let shown = escape_path(shown.as_bytes());
    if let Some(repository) = reference
        .in_registry()
        .map_err(|error| error.in_image(&reference.to_string()))?
    {
        return Ok(repository);
    }
    Err(match reference.path() {
        Some(path) if path.exists() => expected(&format!(
            "found the file {shown}: layerpress inspect lists the images in it"
        )),
        _ => expected(&format!("found {shown}")),
    })
}
