//! What several tests share.

pub mod changeset;
