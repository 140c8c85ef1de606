//! The filesystem of a recipe.

use serde::{Deserialize, Serialize};

use super::{is_default, words};
use crate::pipeline::{FilesystemRequest, IdentityRequest, JournalSize, Kind, Room, SizePolicy};

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
}

impl FilesystemRecipe {
    /// What is asked for, with the time of what has none of its own.
    pub(super) fn request(&self, made_seconds: Option<i64>) -> FilesystemRequest {
        let Self {
            fs,
            size,
            journal,
            free_inodes,
            label,
            uuid,
            hash_seed,
        } = self;
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
        } = request;
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
        };
        (recipe, *made_seconds)
    }
}
