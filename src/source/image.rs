//! What there is to choose from.

use crate::oci::{Digest, Platform};

/// One image of a layout's index or of an archive's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What it is called: tags, full names; none for one that only its digest or its place names.
    pub names: Vec<String>,
    /// The manifest's digest; archives of older `docker save` have no manifest.
    pub manifest_digest: Option<Digest>,
    /// The configuration's digest, where it is at hand.
    pub config_digest: Option<Digest>,
    /// What it runs on, as the index says, or else its configuration.
    pub platform: Option<Platform>,
    /// Whether its manifest and configuration are at hand: an index may list more than an archive
    /// holds.
    pub is_at_hand: bool,
}
