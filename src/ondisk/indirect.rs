//! Block maps: kernel documentation, "Direct/Indirect Block Addressing".

use super::{BLOCK, get_u32, put_u32};
use crate::units::BLOCK_SIZE;

/// Pointers in an indirect block.
pub const POINTERS_PER_BLOCK: u64 = BLOCK_SIZE / 4;

/// Pointers to data in the inode itself.
pub const DIRECT_POINTERS: u64 = 12;

/// The longest file the kernel reads on ext3 with 4 KiB blocks, in bytes: a full file's sectors,
/// data and indirect blocks, must fit `i_blocks`' 32 bits (`ext4_max_bitmap_size`).
pub const MAX_FILE_BYTES: u64 = {
    let blocks = u32::MAX as u64 >> 3;
    let below_single = blocks - DIRECT_POINTERS - POINTERS_PER_BLOCK;
    let below_triple = below_single - POINTERS_PER_BLOCK * POINTERS_PER_BLOCK;
    let indirect = 1
        + 1
        + POINTERS_PER_BLOCK
        + 1
        + below_triple.div_ceil(POINTERS_PER_BLOCK)
        + below_triple.div_ceil(POINTERS_PER_BLOCK * POINTERS_PER_BLOCK);
    (blocks - indirect) * BLOCK_SIZE
};

/// An indirect block's pointers.
pub fn encode_pointers(pointers: &[u32; BLOCK / 4]) -> Vec<u8> {
    let mut bytes = vec![0; BLOCK];
    for (index, pointer) in pointers.iter().enumerate() {
        put_u32(&mut bytes, 4 * index, *pointer);
    }
    bytes
}

/// The pointers of an encoded indirect block.
pub fn decode_pointers(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    (0..bytes.len() / 4).map(|index| get_u32(bytes, 4 * index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_come_back_as_they_went() {
        let pointers = std::array::from_fn(|index| (index as u32).wrapping_mul(0x0101_0101));
        let bytes = encode_pointers(&pointers);
        assert_eq!(bytes.len(), 4096);
        assert_eq!(bytes[4..8], [1, 1, 1, 1]);
        assert!(decode_pointers(&bytes).eq(pointers));
    }

    #[test]
    fn the_longest_file_is_a_little_under_two_tebibytes() {
        assert_eq!(MAX_FILE_BYTES, 2_196_873_666_560);
    }
}
