//! dm-verity: a tree of hashes over a filesystem's blocks, by which the kernel knows each block
//! that it reads for the one that was written.
//!
//! ```text
//! digests → superblock, shape → tree (made) → table (told)
//!                                    ↘ proof (held against what is there)
//! ```
//!
//! What is written is what `veritysetup format` writes, byte for byte: hash type 1, SHA-256, blocks
//! of 4 KiB (cryptsetup's "DM-Verity On-Disk Format", the kernel's `device-mapper/verity.rst`).
//! Nothing in it depends on anything but the data, the salt and the UUID.

mod digests;
mod proof;
mod shape;
mod stretches;
mod superblock;
mod table;
mod tree;

use digests::MAX_SALT_BYTES;
pub use digests::{RootHash, Salt};
pub use proof::{Damage, Proof, Stored, prove};
pub use shape::Shape;
pub use superblock::{Superblock, is_signed};
pub use table::Table;
pub use tree::{Place, write_area};

/// Bytes of a data block and of a hash block.
pub const BLOCK_BYTES: u64 = 4096;

/// The block as an index within memory.
const BLOCK_LENGTH: usize = 4096;

/// Bytes of a SHA-256.
const DIGEST_BYTES: usize = 32;

/// Digests in a hash block.
const DIGESTS_IN_BLOCK: u64 = 128;
