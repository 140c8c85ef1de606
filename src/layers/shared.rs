//! Layers that several images of one process have in common: read for the first of them, kept as long
//! as another still needs them.
//!
//! A layer is the same for two images if both state the same diff ID of it, wherever each would have it
//! from and however it is compressed there: the tar is held against the diff ID once, and each image
//! waits for that. An image's own stored bytes, where they lie elsewhere, are hashed nevertheless, so that
//! whether an image is refused does not depend on who came first. Who reads images hands out [`Wanted`]s before, so that it is known what to keep.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::verifying::Verifying;
use crate::compression::Compression;
use crate::limits::Limits;
use crate::oci::DiffId;
use crate::region::FileRegion;
use crate::source::{Image, LayerBlob};
use crate::tar::Entry;
use crate::warnings::Warnings;

/// Layers that were read and are still wanted.
#[derive(Debug, Default, Clone)]
pub struct Shelf(Arc<Mutex<HashMap<Key, Place>>>);

/// What must be the same for a layer to be shared; limits are held while it is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    diff_id: DiffId,
    whiteouts: bool,
    limits: Limits,
}

#[derive(Debug, Default)]
struct Place {
    /// Images that have not been read yet.
    wanted: usize,
    kept: Option<Kept>,
}

/// Each copy stands for an image that reads a layer, or may come to.
#[derive(Debug, Clone, Default)]
pub(super) struct Reader(Arc<()>);

impl Reader {
    /// Whether nobody else reads the layer, nor can begin to.
    pub(super) fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// A layer that was read.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) entries: Arc<Vec<Entry>>,
    pub(super) tar: FileRegion,
    pub(super) tar_bytes: u64,
    pub(super) compression: Compression,
    /// What was noticed in the tar.
    pub(super) noticed: Warnings,
    /// Of this layer alone.
    pub(super) verifying: Verifying,
    pub(super) reader: Reader,
    /// The stored bytes that were held against their digest.
    pub(super) stored: Option<StoredPlace>,
}

/// Device, inode and offset of stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoredPlace(u64, u64, u64);

impl StoredPlace {
    /// Where a blob is, if it is at hand.
    pub(super) fn of(blob: &LayerBlob) -> Option<Self> {
        let stored = blob.stored.at_hand()?;
        let metadata = stored.file.metadata().ok()?;
        Some(Self(metadata.dev(), metadata.ino(), stored.offset_bytes))
    }
}

impl Shelf {
    /// What an image's layers are, so that they are kept for it.
    pub fn want(&self, image: &Image, limits: &Limits) -> Wanted {
        let mut keys: Vec<Key> = Vec::new();
        for key in keys_of(image, limits).flatten() {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let mut places = self.lock();
        for key in &keys {
            places.entry(key.clone()).or_default().wanted += 1;
        }
        drop(places);
        Wanted {
            shelf: self.clone(),
            keys,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many layers are kept.
    pub fn kept(&self) -> usize {
        let places = self.lock();
        places.values().filter(|place| place.kept.is_some()).count()
    }
}

fn keys_of(image: &Image, limits: &Limits) -> impl Iterator<Item = Option<Key>> {
    image.layers.iter().map(|layer| {
        Some(Key {
            diff_id: layer.diff_id.known()?.clone(),
            whiteouts: layer.whiteouts,
            limits: limits.clone(),
        })
    })
}

/// Layers that are kept for an image until it is read, or this is dropped.
#[derive(Debug)]
#[must_use = "layers are kept for as long as this is"]
pub struct Wanted {
    shelf: Shelf,
    keys: Vec<Key>,
}

impl Drop for Wanted {
    fn drop(&mut self) {
        let mut places = self.shelf.lock();
        for key in &self.keys {
            if let Some(place) = places.get_mut(key) {
                place.wanted -= 1;
                if place.wanted == 0 {
                    places.remove(key);
                }
            }
        }
    }
}

/// How an image comes by one of its layers.
pub(super) enum Way {
    /// It reads the layer, as nobody else wants it.
    Own,
    /// It reads the layer, and others want it.
    Give(Slot),
    /// It was read for another.
    Take(Kept),
}

/// Where a layer goes that others want.
pub(super) struct Slot {
    shelf: Shelf,
    key: Key,
}

impl Slot {
    /// Keeps a layer, if by now there still is somebody who wants it.
    pub(super) fn keep(&self, kept: Kept) {
        if let Some(place) = self.shelf.lock().get_mut(&self.key) {
            place.kept = Some(kept);
        }
    }
}

impl Wanted {
    /// How the image comes by each of its layers, now that it is read: it wants none any more.
    pub(super) fn ways(mut self, image: &Image, limits: &Limits) -> Vec<Way> {
        let mut keys = std::mem::take(&mut self.keys);
        let shelf = self.shelf.clone();
        let mut places = shelf.lock();
        let ways = keys_of(image, limits).map(|key| {
            // A layer that an image has twice is shared but once.
            let Some(at) = key.and_then(|key| keys.iter().position(|wanted| *wanted == key)) else {
                return Way::Own;
            };
            let key = keys.swap_remove(at);
            let Some(place) = places.get_mut(&key) else {
                return Way::Own;
            };
            place.wanted -= 1;
            let is_wanted = place.wanted > 0;
            // It is to be read by who may have it in a better state.
            place.kept.take_if(|kept| kept.verifying.has_failed());
            let way = match &place.kept {
                Some(kept) => Way::Take(kept.clone()),
                None if is_wanted => Way::Give(Slot {
                    shelf: self.shelf.clone(),
                    key: key.clone(),
                }),
                None => Way::Own,
            };
            if !is_wanted {
                // Whoever takes it is the last.
                places.remove(&key);
            }
            way
        });
        let ways = ways.collect();
        drop(places);
        // What the image has not after all is given up.
        self.keys = keys;
        ways
    }
}
