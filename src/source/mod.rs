//! Where images come from.
//!
//! A [`Reference`] names an image, a [`Place`] is where that is, [`open()`] finds it there. Archives
//! on disk are read where they are; what is compressed as a whole, or comes through a pipe or from a
//! daemon, is spooled first into an unnamed file; what a registry has is downloaded while it is read.
//! Nothing is taken on trust: documents are held against their digests here, layers by the next step.

mod archive;
mod artifact;
mod bare_name;
mod beside;
mod choice;
mod docker_archive;
mod documents;
mod image;
mod layout;
mod open;
mod own_input;
mod packed;
mod parts;
mod place;
mod recognise;
mod reference;
mod spooler;
mod store;
mod transport_word;
mod tree;

pub use crate::blobs::{Downloads, OpenBlob, StoredBlob};
pub use crate::daemon::DaemonOptions;
pub use crate::registry::{
    CacheChoice, CredentialFiles, Credentials, Login, Proxies, RegistryOptions, Tags, TlsOptions,
};
pub use artifact::{ArtifactOffer, FoundArtifact, artifact_at, find_artifact};
pub use beside::{Beside, BesideKind, BesideOptions};
pub use image::{Image, LayerBlob, LayerDiffId, Offer};
pub use open::{OpenOptions, Surveyed, daemon_offers, open, survey, tags};
pub use own_input::{holds, input_files, input_tree, is_input};
pub use place::Place;
pub use reference::Reference;
