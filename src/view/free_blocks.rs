//! Which blocks are free by the bitmaps.

use std::ops::Range;

use super::View;
use crate::ondisk::bitmap;
use crate::units::GroupNumber;

/// Looks into the bitmaps of blocks, and keeps the one that it looked into last: who asks in
/// ascending order reads each once.
#[derive(Debug)]
pub struct FreeBlocks<'a> {
    view: &'a View,
    kept: Option<(u32, Option<Vec<u8>>)>,
}

impl View {
    /// For asking which blocks are free.
    pub fn free_blocks(&self) -> FreeBlocks<'_> {
        FreeBlocks {
            view: self,
            kept: None,
        }
    }
}

impl FreeBlocks<'_> {
    /// Whether a block is free by its group's bitmap, where that is to be had.
    pub fn is_free(&mut self, block: u64) -> Option<bool> {
        self.run(block..block.saturating_add(1)).0
    }

    /// Whether the first of these blocks is free, and the first behind it that may be of another
    /// kind: `blocks.end` at most.
    pub fn run(&mut self, blocks: Range<u64>) -> (Option<bool>, u64) {
        let superblock = &self.view.image.superblock;
        let start = u64::from(superblock.first_data_block);
        let per_group = u64::from(superblock.blocks_per_group).max(1);
        let Some(within) = blocks.start.checked_sub(start) else {
            return (None, blocks.end.min(start));
        };
        let group = within / per_group;
        let end = blocks
            .end
            .min((group + 1).saturating_mul(per_group).saturating_add(start));
        // With bigalloc a bit is a cluster's.
        let blocks_of_bit = self.view.image.blocks_of_cluster();
        let Some(bitmap) = self.bitmap(group) else {
            return (None, end);
        };
        let bit = within % per_group / blocks_of_bit;
        let bits = 8 * bitmap.len() as u64;
        let Some(first) = u32::try_from(bit).ok().filter(|_| bit < bits) else {
            return (None, end);
        };
        let is_set = bitmap::is_set(bitmap, first);
        let next_bit = run_end(bitmap, bit, is_set);
        // A cluster is as large as the superblock says: any power of two.
        let next = next_bit
            .saturating_mul(blocks_of_bit)
            .saturating_add(blocks.start - within % per_group);
        (Some(!is_set), next.clamp(blocks.start + 1, end))
    }

    fn bitmap(&mut self, group: u64) -> Option<&Vec<u8>> {
        let group = u32::try_from(group).ok()?;
        if self.kept.as_ref().is_none_or(|(kept, _)| *kept != group) {
            let image = &self.view.image;
            let descriptor = image.group_descriptor(GroupNumber(group)).ok();
            let read = descriptor.and_then(|found| image.block(found.block_bitmap.0.into()).ok());
            self.kept = Some((group, read));
        }
        self.kept.as_ref()?.1.as_ref()
    }
}

/// The first bit behind `bit` that is not as this one, or the bitmap's end.
fn run_end(bitmap: &[u8], bit: u64, is_set: bool) -> u64 {
    // Made so that all bits of the run are 0.
    let flipped = |byte: u8| if is_set { !byte } else { byte };
    let (bytes, within) = bitmap.split_at(usize::try_from(bit / 8).unwrap_or(0).min(bitmap.len()));
    let Some((first, rest)) = within.split_first() else {
        return bit + 1;
    };
    let start = bytes.len() as u64 * 8;
    let behind = flipped(*first) >> (bit % 8);
    if behind != 0 {
        return bit + u64::from(behind.trailing_zeros());
    }
    let whole = rest.iter().take_while(|byte| flipped(**byte) == 0).count();
    let last = rest
        .get(whole)
        .map_or(0, |byte| flipped(*byte).trailing_zeros());
    start + 8 * (1 + whole as u64) + u64::from(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_where_a_bit_by_bit_look_says_so() {
        let bitmap = [
            0b0000_0000,
            0b0001_1000,
            0xff,
            0xff,
            0b0000_0111,
            0,
            0,
            0b1000_0000,
            1,
        ];
        let value = |bit: u64| bitmap::is_set(&bitmap, bit as u32);
        for bit in 0..72 {
            let plain = (bit + 1..72).find(|next| value(*next) != value(bit));
            let found = run_end(&bitmap, bit, value(bit));
            assert_eq!(found, plain.unwrap_or(72), "{bit}");
        }
    }
}
