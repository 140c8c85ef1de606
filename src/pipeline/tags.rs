//! The tags of a repository in a registry.

use crate::error::Result;
use crate::progress::Reporter;
use crate::source::{self, Place, RegistryOptions, Tags};

/// Asks a registry for all tags of a repository, as in `docker://[HOST[:PORT]/]NAME`.
///
/// # Errors
/// [`crate::Error::Io`] where the registry does not give them, [`crate::Error::Unsupported`] for
/// what is no repository.
pub fn tags(repository: &str, options: &RegistryOptions, reporter: &dyn Reporter) -> Result<Tags> {
    // By the rule of all bare names: what may be a path is none of a repository.
    source::tags(&Place::of(&repository.parse()?)?, options, reporter)
}
