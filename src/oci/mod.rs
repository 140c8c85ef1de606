//! The vocabulary of the OCI image specification, without any I/O.
//!
//! Manifest, index, descriptor, media types and digests are the `oci-spec` crate's; here is only
//! what it lacks or is too strict for: docker leaves out or nulls what the specification requires
//! of a configuration.

mod config;
mod created;
mod digest;
mod image_name;
pub mod media_type;
mod platform;
mod registry_reference;

pub use config::{History, ImageConfig, RootFs, RuntimeConfig};
pub use created::{NO_DATE, parse_created};
pub use digest::{ChainId, DiffId, DigestHasher};
pub use image_name::full_image_name;
pub use oci_spec::image::{Descriptor, Digest, DigestAlgorithm, ImageIndex, ImageManifest};
pub use platform::Platform;
pub use registry_reference::{RegistryReference, is_loopback};
