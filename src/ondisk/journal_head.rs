//! How a journal begins: kernel documentation, `filesystems/ext4`, "Journal (jbd2)". Its numbers
//! are big-endian.

/// Bytes of the header that every block of a journal's own has.
pub const JOURNAL_HEAD_BYTES: usize = 12;

/// Where `s_uuid` stands in the journal's superblock, its first block: what the filesystem is called.
pub const UUID_OFFSET_BYTES: u64 = 0x30;

const H_MAGIC: usize = 0;
const H_BLOCKTYPE: usize = 4;

const JBD2_MAGIC: u32 = 0xc03b_3998;
/// `h_blocktype`: the journal's superblock, in its old and in its new form.
const SUPERBLOCKS: [u32; 2] = [3, 4];

/// Whether a journal begins with these bytes.
pub fn begins_journal(bytes: &[u8; JOURNAL_HEAD_BYTES]) -> bool {
    let number = |at: usize| u32::from_be_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    number(H_MAGIC) == JBD2_MAGIC && SUPERBLOCKS.contains(&number(H_BLOCKTYPE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_begins_with_its_mark_and_a_superblock() {
        let head = |mark: u32, kind: u32| {
            let mut bytes = [0; JOURNAL_HEAD_BYTES];
            bytes[..4].copy_from_slice(&mark.to_be_bytes());
            bytes[4..8].copy_from_slice(&kind.to_be_bytes());
            bytes
        };
        for kind in [3, 4] {
            assert!(begins_journal(&head(0xc03b_3998, kind)));
            assert!(!begins_journal(&head(0x9839_3bc0, kind)));
        }
        // A transaction's first block.
        assert!(!begins_journal(&head(0xc03b_3998, 1)));
    }
}
