//! The filesystem of a recipe.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{is_default, words};
use crate::pinned::Reach;
use crate::pipeline::{
    FilesystemRequest, IdentityRequest, JournalSize, Kind, LikeRequest, Room, SizePolicy,
};

/// The kind, the size and what it is called, by the names of the options.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FilesystemRecipe {
    /// Its kind.
    #[serde(with = "words")]
    pub fs: Kind,
    /// Its size.
    #[serde(with = "words")]
    pub size: SizePolicy,
    /// The journal.
    #[serde(with = "words")]
    pub journal: JournalSize,
    /// Inodes to be left free at least.
    #[serde(skip_serializing_if = "is_default")]
    pub free_inodes: u32,
    /// The label, at most 16 bytes.
    #[serde(with = "words", skip_serializing_if = "is_default")]
    pub label: String,
    /// Its UUID, where it is not made from what is in it.
    #[serde(with = "words::option", skip_serializing_if = "Option::is_none")]
    pub uuid: Option<[u8; 16]>,
    /// The seed of directory hashes, where it is not the usual one.
    #[serde(with = "words::option", skip_serializing_if = "Option::is_none")]
    pub hash_seed: Option<[u8; 16]>,
    /// The filesystem image that it is laid out like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub like: Option<PathBuf>,
    /// Whether it is an error where it cannot have that one's layout.
    #[serde(skip_serializing_if = "is_default")]
    pub like_strict: bool,
}

impl FilesystemRecipe {
    /// What is asked for, with the time of what has none of its own; paths begin where `reach` says.
    pub(super) fn request(&self, made_seconds: Option<i64>, reach: &Reach) -> FilesystemRequest {
        let Self {
            fs,
            size,
            journal,
            free_inodes,
            label,
            uuid,
            hash_seed,
            like,
            like_strict,
        } = self;
        let like = like.as_ref().map(|path| LikeRequest {
            from: reach.clone(),
            ..LikeRequest::new(path)
        });
        FilesystemRequest {
            kind: *fs,
            size: *size,
            room: Room {
                free_inodes: *free_inodes,
                journal: *journal,
            },
            identity: IdentityRequest {
                uuid: *uuid,
                hash_seed: *hash_seed,
                label: label.clone(),
                made_seconds,
            },
            like,
            like_strict: *like_strict,
        }
    }

    /// What a request says, and the time that it says beside. A request's new field has to be named
    /// here, or nothing compiles.
    pub(super) fn of(request: &FilesystemRequest) -> (Self, Option<i64>) {
        let FilesystemRequest {
            kind,
            size,
            room,
            identity,
            like,
            like_strict,
        } = request;
        let like = like.as_ref().map(|like| {
            let LikeRequest {
                path,
                // Where its paths begin is where the recipe is.
                from: _,
            } = like;
            path.clone()
        });
        let Room {
            free_inodes,
            journal,
        } = room;
        let IdentityRequest {
            uuid,
            hash_seed,
            label,
            made_seconds,
        } = identity;
        let recipe = Self {
            fs: *kind,
            size: *size,
            journal: *journal,
            free_inodes: *free_inodes,
            label: label.clone(),
            uuid: *uuid,
            hash_seed: *hash_seed,
            like,
            like_strict: *like_strict,
        };
        (recipe, *made_seconds)
    }
}
