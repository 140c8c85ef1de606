//! The tags of a repository in a registry.

use crate::error::{Error, Result};
use crate::pinned::Reach;
use crate::progress::Reporter;
use crate::source::{self, Place, RegistryOptions, Tags};

/// Asks a registry for all tags of a repository, as in `docker://[HOST[:PORT]/]NAME`.
///
/// # Errors
/// [`crate::Error::Io`] where the registry does not give them, [`crate::Error::Unsupported`] for
/// what is no repository.
pub fn tags(repository: &str, options: &RegistryOptions, reporter: &dyn Reporter) -> Result<Tags> {
    // By the rule of all bare names: what may be a path is none of a repository.
    let place = Place::of_registry(&repository.parse()?, &Reach::default());
    let place = place.map_err(|error| match &error {
        Error::Unsupported { .. } => error.with_more(
            " (`layerpress inspect` lists the images of an archive, a layout or a daemon)",
        ),
        _ => error,
    })?;
    source::tags(&place, options, reporter)
}
