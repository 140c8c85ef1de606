//! Structures of the ext2/3/4 on-disk format, field by field at literal offsets.
//!
//! Names of fields are the kernel's; all numbers are little-endian. There is no I/O and no policy
//! here. Source: kernel documentation, `filesystems/ext4` ("High Level Design", "Global
//! Structures", "Dynamic Structures").

#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap,
        clippy::cast_lossless
    )
)]

pub mod bitmap;
pub mod checksum;
pub mod directory_entry;
pub mod directory_index;
pub mod extent;
pub mod features;
pub mod group_descriptor;
pub mod hash;
pub mod indirect;
pub mod inode;
pub mod journal_head;
pub mod posix_acl;
pub mod superblock;
pub mod xattr;

use crate::units::BLOCK_SIZE;

/// Bytes of the blocks that are written.
const BLOCK: usize = 4096;
const _: () = assert!(BLOCK as u64 == BLOCK_SIZE);

/// A length or an offset within a block that is written. Those of names, which have 8 bits, are 255
/// at most, and all others 4096.
#[allow(clippy::expect_used)]
fn within_block<T: TryFrom<usize>>(number: usize) -> T {
    T::try_from(number)
        .ok()
        .expect("what is written was planned to fit into its block")
}

fn get_u16(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

fn get_u32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes([
        bytes[offset],
        bytes[offset + 1],
        bytes[offset + 2],
        bytes[offset + 3],
    ])
}

fn put_u16(bytes: &mut [u8], offset: usize, value: u16) {
    bytes[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
}

fn put_u32(bytes: &mut [u8], offset: usize, value: u32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

/// The low and the high 32 bits.
fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    )
}

/// The low and the high 16 bits.
fn short_halves(value: u32) -> (u16, u16) {
    let [a, b, c, d] = value.to_le_bytes();
    (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
}
