//! The tags of a repository in a registry.

use super::registry_options::RegistryOptions;
use crate::error::Result;
use crate::oci::RegistryReference;
use crate::progress::Reporter;

/// A repository's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// The repository with its registry, as `docker.io/library/alpine`.
    pub repository: String,
    /// Each once, sorted.
    pub tags: Vec<String>,
}

/// Asks a registry for all tags of a repository.
///
/// # Errors
/// [`crate::Error::Io`] where the registry does not give them, [`crate::Error::Unsupported`] for a
/// reference to one image and in a program without the network.
pub fn tags(
    reference: &RegistryReference,
    options: &RegistryOptions,
    reporter: &dyn Reporter,
) -> Result<Tags> {
    #[cfg(feature = "network")]
    return super::registry::tags(reference, options, reporter);
    #[cfg(not(feature = "network"))]
    {
        let _ = (options, reporter);
        Err(super::reference::no_network(&format!(
            "docker://{reference}"
        )))
    }
}
