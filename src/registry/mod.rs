//! Images in registries (OCI distribution-spec, docker's Registry HTTP API V2).
//!
//! ```text
//! options          how registries are asked
//! purpose          what for
//! http             one exchange
//! refusal · trouble · server     questions that are led elsewhere, refused, or to be asked again
//! login            being let in
//! client           asking until there is an answer
//! kept · sink · blob · fetching         one blob, while it arrives
//! downloads · one_by_one                all layers of an image; blobs as they are asked for
//! repository       an image's documents, read at once
//! link · tags      the list of tags
//! upload           what is sent: blobs, manifests
//! offline          all of it in a program without the network
//! ```
//! Everything is held against its digest before it is believed or kept. Credentials go to the
//! registry and to its token server and to nobody else.

#[cfg(feature = "network")]
mod blob;
#[cfg(feature = "network")]
mod client;
#[cfg(feature = "network")]
mod downloads;
#[cfg(feature = "network")]
mod fetching;
#[cfg(feature = "network")]
mod http;
#[cfg(feature = "network")]
mod kept;
#[cfg(feature = "network")]
mod link;
#[cfg(feature = "network")]
mod login;
#[cfg(not(feature = "network"))]
mod offline;
#[cfg(feature = "network")]
mod one_by_one;
mod options;
#[cfg(feature = "network")]
mod purpose;
#[cfg(feature = "network")]
mod refusal;
#[cfg(feature = "network")]
mod repository;
#[cfg(feature = "network")]
mod server;
#[cfg(feature = "network")]
mod sink;
#[cfg(feature = "network")]
mod tags;
#[cfg(feature = "network")]
mod trouble;
#[cfg(feature = "network")]
mod upload;

#[cfg(feature = "network")]
#[doc(hidden)]
pub use login::{challenges_in, wrong_credentials};
#[cfg(not(feature = "network"))]
pub use offline::tags;
#[cfg(not(feature = "network"))]
pub(crate) use offline::{Pushing, Registry, RepositoryBlobs};
#[cfg(feature = "network")]
pub(crate) use one_by_one::RepositoryBlobs;
pub use options::{
    CacheChoice, CredentialFiles, Credentials, Login, Proxies, RegistryOptions, TlsOptions,
};
#[cfg(feature = "network")]
pub(crate) use repository::Registry;
#[cfg(feature = "network")]
pub use tags::tags;
#[cfg(feature = "network")]
pub(crate) use upload::Pushing;

/// A blob that is what its digest and its length say.
#[derive(Debug)]
pub(crate) struct FetchedBlob {
    /// All of its bytes; in a file of the cache, which others may replace but nobody changes, or in
    /// one without a name.
    pub(crate) region: crate::region::FileRegion,
    /// Whether the registry was asked for it.
    pub(crate) is_downloaded: bool,
}

/// How a blob came to be in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "network"), expect(dead_code))]
pub(crate) enum Sent {
    /// It was there.
    WasThere,
    /// The registry took it over from another repository.
    Mounted,
    /// It was uploaded.
    Uploaded,
}

/// A repository's tags; the names of the fields are those that JSON shows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Tags {
    /// The repository with its registry, as `docker.io/library/alpine`.
    pub repository: String,
    /// Each once, sorted.
    pub tags: Vec<String>,
}
