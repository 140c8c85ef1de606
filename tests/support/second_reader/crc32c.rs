//! The Castagnoli checksum as ext4 uses it: without the last inversion, and going on from any value.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                value >> 1 ^ 0x82f6_3b78
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

/// The checksum of `bytes` behind what came to `seed`.
pub fn crc(seed: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(seed, |value, &byte| {
        value >> 8 ^ TABLE[usize::from(value as u8 ^ byte)]
    })
}

/// Where every checksum starts that has no seed.
pub const START: u32 = !0;
