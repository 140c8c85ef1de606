//! What a file takes of the filesystem it lies in.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

/// Takes space that will be written; what is there stays. Tells whether that was possible.
///
/// ext4 otherwise accounts for each block of a write: writing into space taken in pieces of 256 KiB
/// was measured to take a fifth less time, in pieces of 8 MiB a third.
pub fn take(file: &File, start_bytes: u64, length_bytes: u64) -> bool {
    fallocate(file, FallocateFlags::KEEP_SIZE, start_bytes, length_bytes).is_ok()
}

/// Gives back space. The bytes there read as zeros from now on, or, where the filesystem cannot do
/// that, as before.
pub fn give_back(file: &File, start_bytes: u64, length_bytes: u64) {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let _ = fallocate(file, flags, start_bytes, length_bytes);
}

/// What an ordinary user may still take of the filesystem that `path` is on; `None` where that
/// cannot be told.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
