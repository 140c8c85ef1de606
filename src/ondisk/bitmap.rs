//! Block and inode bitmaps: bit N of a group is bit N mod 8, from the lowest, of byte N / 8.

use std::ops::Range;

/// Whether a bit is set.
pub fn is_set(bytes: &[u8], bit: u32) -> bool {
    bytes[(bit / 8) as usize] & (1 << (bit % 8)) != 0
}

/// Sets a range of bits.
pub fn set_range(bytes: &mut [u8], bits: Range<u32>) {
    let mut bit = bits.start;
    while bit < bits.end {
        if bit.is_multiple_of(8) && bits.end - bit >= 8 {
            bytes[(bit / 8) as usize] = 0xff;
            bit += 8;
        } else {
            bytes[(bit / 8) as usize] |= 1 << (bit % 8);
            bit += 1;
        }
    }
}

/// The first run of clear bits at or after `from` and before `end`, at most `longest` bits.
pub fn next_clear_run(bytes: &[u8], from: u32, end: u32, longest: u32) -> Option<Range<u32>> {
    let mut start = from;
    while start < end && is_set(bytes, start) {
        // Whole bytes in use are the rule within a group's metadata.
        start += if start.is_multiple_of(8) && bytes[(start / 8) as usize] == 0xff {
            8
        } else {
            1
        };
    }
    if start >= end {
        return None;
    }
    let end = end.min(start.saturating_add(longest));
    let mut stop = start;
    while stop < end && !is_set(bytes, stop) {
        let whole = stop.is_multiple_of(8) && end - stop >= 8 && bytes[(stop / 8) as usize] == 0;
        stop += if whole { 8 } else { 1 };
    }
    Some(start..stop)
}

/// How many of the first `bits` bits are clear.
pub fn count_clear(bytes: &[u8], bits: u32) -> u32 {
    let whole: u32 = bytes[..(bits / 8) as usize]
        .iter()
        .map(|byte| byte.count_zeros())
        .sum();
    let rest = (bits / 8 * 8..bits).map(|bit| u32::from(!is_set(bytes, bit)));
    whole + rest.sum::<u32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn setting_counting_and_finding_agree_with_a_plain_vector_of_bits(
            ranges in prop::collection::vec((0_u32..200, 0_u32..40), 0..12),
            from in 0_u32..256,
            longest in 1_u32..64,
        ) {
            let mut bytes = [0_u8; 32];
            let mut plain = [false; 256];
            for (start, length) in ranges {
                set_range(&mut bytes, start..start + length);
                plain[start as usize..(start + length) as usize].fill(true);
            }
            for bit in 0..256 {
                prop_assert_eq!(is_set(&bytes, bit), plain[bit as usize]);
                let clear = plain[..bit as usize].iter().filter(|set| !**set).count();
                prop_assert_eq!(count_clear(&bytes, bit), clear as u32);
            }
            let start = (from..250).find(|&bit| !plain[bit as usize]);
            let expected = start.map(|start| {
                let stop = (start..250.min(start + longest)).find(|&bit| plain[bit as usize]);
                start..stop.unwrap_or(250.min(start + longest))
            });
            prop_assert_eq!(next_clear_run(&bytes, from, 250, longest), expected);
        }
    }
}
