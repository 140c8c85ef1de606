//! What was there and what was not.

use serde::Serialize;

use crate::registry::Sent;

/// Some blobs; the names are those that JSON shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PushShare {
    /// How many; one that is at several places of the file counts once.
    pub blobs: u64,
    /// Their bytes, as they are stored.
    pub blob_bytes: u64,
}

impl PushShare {
    fn add(&mut self, bytes: u64) {
        self.blobs += 1;
        self.blob_bytes += bytes;
    }
}

/// All blobs of an artifact: its segments and its configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PushTally {
    /// Those that were uploaded.
    pub pushed: PushShare,
    /// Those that the repository had.
    pub already_there: PushShare,
    /// Those that the registry took over from another repository.
    pub mounted: PushShare,
}

impl PushTally {
    pub(super) fn count(&mut self, sent: Sent, bytes: u64) {
        match sent {
            Sent::Uploaded => self.pushed.add(bytes),
            Sent::WasThere => self.already_there.add(bytes),
            Sent::Mounted => self.mounted.add(bytes),
        }
    }
}
