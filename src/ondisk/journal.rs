//! The journal's superblock: kernel documentation, `filesystems/ext4`, "Journal (jbd2)". Unlike all
//! else, its numbers are big-endian.

/// `h_magic` of every block that the journal writes for itself.
const MAGIC: [u8; 4] = [0xc0, 0x3b, 0x39, 0x98];
/// `h_blocktype`: a superblock of the first and of the second version.
const SUPERBLOCK_TYPES: [[u8; 4]; 2] = [[0, 0, 0, 3], [0, 0, 0, 4]];

/// Where `s_uuid` stands in the journal's first block, in bytes.
pub const JOURNAL_UUID_OFFSET_BYTES: u64 = 0x30;

/// Whether a journal begins like this: the first 8 bytes of its first block.
pub fn is_journal_superblock(start: &[u8; 8]) -> bool {
    start[..4] == MAGIC && SUPERBLOCK_TYPES.iter().any(|kind| start[4..] == kind[..])
}
