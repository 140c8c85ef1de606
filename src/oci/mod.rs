//! The vocabulary of the OCI image specification, without any I/O.
//!
//! Digests are the `oci-spec` crate's; its documents are too strict for what there is: docker and
//! containerd null or leave out what the specification requires, as Go does with what is empty.

mod config;
mod created;
mod cut_digest;
mod descriptor;
mod digest;
pub mod document;
pub mod go_json;
mod image_name;
pub mod media_type;
mod platform;
mod registry_reference;

pub use config::{History, ImageConfig, RootFs, RuntimeConfig};
pub use created::{NO_DATE, parse_created};
pub use cut_digest::{cut_digest, is_image_id};
pub use descriptor::{Descriptor, ImageIndex, ImageManifest, leading_map};
pub use digest::{ChainId, DiffId, DigestHasher};
pub use image_name::{full_image_name, repository_and_tag, without_login};
pub use oci_spec::image::{Digest, DigestAlgorithm};
pub use platform::Platform;
pub use registry_reference::{RegistryReference, is_loopback};

/// How errors and progress call a layer: its position, counted from the base layer as 1, and the
/// start of its digest, as in `2 of 5 sha256:0123456789ab`; of one that has none yet the position.
pub fn layer_label(index: usize, count: usize, digest: Option<&Digest>) -> String {
    let position = format!("{} of {count}", index + 1);
    let Some(digest) = digest else {
        return position;
    };
    let hexadecimal: String = digest.digest().chars().take(12).collect();
    let algorithm = digest.algorithm();
    format!("{position} {algorithm}:{hexadecimal}")
}
