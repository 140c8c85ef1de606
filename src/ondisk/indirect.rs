//! Block maps: kernel documentation, "Direct/Indirect Block Addressing".

use super::{get_u32, put_u32};
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

/// The indirect blocks of a file without holes.
pub fn indirect_blocks(file_blocks: u64) -> u64 {
    let single = file_blocks.saturating_sub(DIRECT_POINTERS);
    let double = single.saturating_sub(POINTERS_PER_BLOCK);
    let triple = double.saturating_sub(POINTERS_PER_BLOCK * POINTERS_PER_BLOCK);
    let below = |blocks: u64, levels: u32| blocks.div_ceil(POINTERS_PER_BLOCK.pow(levels));
    below(single.min(POINTERS_PER_BLOCK), 1)
        + below(double - triple, 1)
        + below(double - triple, 2)
        + below(triple, 1)
        + below(triple, 2)
        + below(triple, 3)
}

/// Sets one of the pointers in an indirect block or in `i_block`; 0 is a hole.
pub fn put_pointer(bytes: &mut [u8], index: usize, block: u32) {
    put_u32(bytes, 4 * index, block);
}

/// The pointers in an indirect block or in `i_block`.
pub fn decode_pointers(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    (0..bytes.len() / 4).map(|index| get_u32(bytes, 4 * index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_come_back_as_they_went() {
        let pointer = |index: usize| (index as u32).wrapping_mul(0x0101_0101);
        let mut bytes = [0; BLOCK_SIZE as usize];
        (0..1024).for_each(|index| put_pointer(&mut bytes, index, pointer(index)));
        assert_eq!(bytes[4..8], [1, 1, 1, 1]);
        assert!(decode_pointers(&bytes).eq((0..1024).map(pointer)));
    }

    #[test]
    fn the_longest_file_is_a_little_under_two_tebibytes() {
        assert_eq!(MAX_FILE_BYTES, 2_196_873_666_560);
    }

    #[test]
    fn indirect_blocks_step_at_the_edges_of_the_levels() {
        for (blocks, indirect) in [
            (0, 0),
            (12, 0),
            (13, 1),
            (1036, 1),
            (1037, 3),
            (2060, 3),
            (2061, 4),
            (1_049_612, 1026),
            (1_049_613, 1029),
            (1_050_637, 1030),
        ] {
            assert_eq!(indirect_blocks(blocks), indirect, "{blocks}");
        }
    }
}
