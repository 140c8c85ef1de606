//! The directory hash half_md4, names taken as signed bytes.
//!
//! Source: kernel documentation, "Hash Tree Directories"; the algorithm is MD4's round functions
//! over 32-byte pieces of the name, with a seed of the filesystem's own.

/// `hash_version` in an index root: half_md4 (signedness is told by the superblock's `s_flags`).
pub const HASH_VERSION_HALF_MD4: u8 = 1;

/// The largest hash a directory index uses; the one above marks the end of a directory.
const HASH_MAX: u32 = 0xffff_fffc;

/// A name's hash. The order of hashes is the order of entries in an indexed directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameHash {
    /// What the index is made of; its lowest bit is always 0.
    pub major: u32,
    /// Tells names of equal `major` apart while reading a directory.
    pub minor: u32,
}

/// Hashes a name with the filesystem's seed (`s_hash_seed` as four little-endian words; all zero
/// means MD4's own constants).
pub fn half_md4(name: &[u8], seed: [u32; 4]) -> NameHash {
    let mut state = if seed == [0; 4] {
        [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]
    } else {
        seed
    };
    let mut rest = name;
    while !rest.is_empty() {
        transform(&mut state, pack(rest));
        rest = &rest[rest.len().min(32)..];
    }
    NameHash {
        major: (state[1] & !1).min(HASH_MAX),
        minor: state[2],
    }
}

/// Up to 32 bytes as eight big-endian-like words, padded with the length of all that is left.
fn pack(rest: &[u8]) -> [u32; 8] {
    let [length, ..] = rest.len().to_le_bytes();
    let mut words = [u32::from_le_bytes([length; 4]); 8];
    for (word, piece) in words.iter_mut().zip(rest[..rest.len().min(32)].chunks(4)) {
        for &byte in piece {
            // Sign extension borrows from the byte before it: the format demands it.
            *word = (*word << 8).wrapping_add_signed(i32::from(byte.cast_signed()));
        }
    }
    words
}

fn transform(state: &mut [u32; 4], words: [u32; 8]) {
    type Round = (fn(u32, u32, u32) -> u32, u32, [usize; 8], [u32; 4]);
    const ROUNDS: [Round; 3] = [
        (
            |x, y, z| z ^ (x & (y ^ z)),
            0,
            [0, 1, 2, 3, 4, 5, 6, 7],
            [3, 7, 11, 19],
        ),
        (
            |x, y, z| (x & y).wrapping_add((x ^ y) & z),
            0x5a82_7999,
            [1, 3, 5, 7, 0, 2, 4, 6],
            [3, 5, 9, 13],
        ),
        (
            |x, y, z| x ^ y ^ z,
            0x6ed9_eba1,
            [3, 7, 2, 6, 1, 5, 0, 4],
            [3, 9, 11, 15],
        ),
    ];
    let [mut a, mut b, mut c, mut d] = *state;
    for (mix, constant, order, shifts) in ROUNDS {
        for (step, index) in order.into_iter().enumerate() {
            let sum = a
                .wrapping_add(mix(b, c, d))
                .wrapping_add(words[index])
                .wrapping_add(constant);
            (a, d, c, b) = (d, c, b, sum.rotate_left(shifts[step % 4]));
        }
    }
    for (word, addend) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(addend);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// debugfs is e2fsprogs' own word on the hash.
    fn debugfs_hash(name: &str, seed: &str) -> NameHash {
        let output = Command::new("/usr/sbin/debugfs")
            .args(["-R", &format!("dx_hash -h half_md4 -s {seed} {name}")])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let hex = |marker: &str| {
            let digits = text.split(marker).nth(1).unwrap();
            let digits = digits.split(|c: char| !c.is_ascii_hexdigit());
            u32::from_str_radix(digits.into_iter().next().unwrap(), 16).unwrap()
        };
        NameHash {
            major: hex("is 0x"),
            minor: hex("minor 0x"),
        }
    }

    #[test]
    fn hashes_are_those_debugfs_computes() {
        let seed = [0x6745_2301, 0xefcd_ab89, 0x6745_2301, 0xefcd_ab89];
        for (seed_text, seed) in [
            ("01234567-89ab-cdef-0123-456789abcdef", seed),
            ("00000000-0000-0000-0000-000000000000", [0; 4]),
        ] {
            // Bytes beyond ASCII are signed, as on x86.
            for name in [
                "a",
                "é",
                "perl",
                "größe",
                "日本語.txt",
                &"x".repeat(31),
                &"y".repeat(32),
                &"ä".repeat(127),
                &"z".repeat(255),
            ] {
                let expected = debugfs_hash(name, seed_text);
                assert_eq!(half_md4(name.as_bytes(), seed), expected, "{name}");
            }
        }
    }
}
