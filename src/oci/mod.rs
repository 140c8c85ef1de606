//! The vocabulary of the OCI image specification, without any I/O.
//!
//! Manifest, index, configuration, descriptor, platform and media types are the `oci-spec`
//! crate's; here is only what it lacks.

mod digest;

pub use digest::{ChainId, DiffId, DigestHasher};
pub use oci_spec::image::Digest;
