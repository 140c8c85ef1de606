//! The changeset corpus: layers in words, what they must show, and the engines that judge it too.
//!
//! Each test file uses its own part of it, and a helper that fails fails its test.
#![allow(dead_code, unused_imports)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod archive;
pub mod containerd;
pub mod daemon;
pub mod docker;
pub mod image;
pub mod listing;
pub mod model;
pub mod umoci;
pub mod words;

use std::path::PathBuf;

use layerpress::layers::{Changeset, Content, Data, Entry, EntryKind, LayerSummary, Xattr};
use layerpress::oci::{DiffId, DigestHasher};
use layerpress::units::{FileFlags, Timestamp};

pub use listing::Listing;
pub use words::{Case, Expected, Item, ItemKind, Layer};

/// The time of directories without entries.
pub const DEFAULT_TIME: Timestamp = Timestamp::from_seconds(1_600_000_000);

/// Every case of the corpus, by file and then in order.
pub fn corpus() -> Vec<Case> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/changesets");
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        cases.extend(words::cases(&text, &file.display().to_string()));
    }
    cases
}

/// Layers as the step before flattening hands them over, and their contents by layer.
pub fn changesets(layers: &[Layer]) -> (Vec<Changeset>, Vec<Vec<u8>>) {
    layers.iter().map(changeset).unzip()
}

fn changeset(layer: &Layer) -> (Changeset, Vec<u8>) {
    let mut contents = Vec::new();
    let entries: Vec<Entry> = layer
        .items
        .iter()
        .enumerate()
        .map(|(index, item)| Entry {
            path: item.path.clone().into(),
            kind: entry_kind(&item.kind, &mut contents),
            mode: item.mode,
            uid: item.uid,
            gid: item.gid,
            mtime: item.mtime,
            xattrs: item
                .xattrs
                .iter()
                .map(|(name, value)| Xattr {
                    name: name.clone().into(),
                    value: value.clone().into(),
                })
                .collect(),
            file_flags: FileFlags::default(),
            header_offset: index as u64 * 512,
        })
        .collect();
    let changeset = Changeset {
        layer: LayerSummary {
            diff_id: Some(DiffId(DigestHasher::sha256().finish())),
            digest: None,
            media_type: None,
            stored_bytes: 0,
            tar_bytes: 0,
            entry_count: entries.len() as u64,
        },
        entries: entries.into(),
        whiteouts: layer.whiteouts,
    };
    (changeset, contents)
}

fn entry_kind(kind: &ItemKind, contents: &mut Vec<u8>) -> EntryKind {
    match kind {
        ItemKind::File(bytes) => {
            let offset_bytes = contents.len() as u64;
            contents.extend_from_slice(bytes);
            EntryKind::Regular(Content {
                size_bytes: bytes.len() as u64,
                data: Data::Contiguous { offset_bytes },
            })
        }
        ItemKind::Directory => EntryKind::Directory,
        ItemKind::Symlink(target) => EntryKind::Symlink(target.clone().into()),
        ItemKind::Link(target) => EntryKind::HardLink(target.clone().into()),
        ItemKind::Character(device) => EntryKind::CharacterDevice(*device),
        ItemKind::Block(device) => EntryKind::BlockDevice(*device),
        ItemKind::Fifo => EntryKind::Fifo,
    }
}
