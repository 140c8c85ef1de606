//! Directory blocks of any ext filesystem, for reading: kernel documentation, "Linear (Classic)
//! Directories". Nodes of a hash index look like blocks without entries.

use super::{get_u16, get_u32};

const HEADER_BYTES: usize = 8;

/// A name in a directory block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredEntry<'a> {
    /// The inode it leads to, never 0.
    pub inode: u32,
    /// `file_type`; meaningful with the `filetype` feature only.
    pub file_type: u8,
    /// The name, whatever it is.
    pub name: &'a [u8],
}

/// The entries in use of a directory block, or of what an inode holds of a directory; `.` and `..`
/// are entries like others.
///
/// # Errors
/// A sentence about what was expected and found.
pub fn decode_entries(bytes: &[u8]) -> Result<Vec<StoredEntry<'_>>, String> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let left = bytes.len() - at;
        if left < HEADER_BYTES {
            return Err(format!(
                "expected a directory entry, found {left} bytes at byte {at}"
            ));
        }
        let rec_len = match usize::from(get_u16(bytes, at + 4)) {
            // 16 bits cannot say 64 KiB.
            0 | 0xffff if bytes.len() == 1 << 16 => 1 << 16,
            rec_len => rec_len,
        };
        let name_len = usize::from(bytes[at + 6]);
        if rec_len < HEADER_BYTES + 4
            || !rec_len.is_multiple_of(4)
            || rec_len > left
            || HEADER_BYTES + name_len > rec_len
        {
            return Err(format!(
                "expected a directory entry within {left} bytes, found one of {rec_len} with a name of {name_len} at byte {at}"
            ));
        }
        let inode = get_u32(bytes, at);
        if inode != 0 {
            entries.push(StoredEntry {
                inode,
                file_type: bytes[at + 7],
                name: &bytes[at + HEADER_BYTES..at + HEADER_BYTES + name_len],
            });
        }
        at += rec_len;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ondisk::directory_entry::{DirectoryBlock, DirectoryEntry};
    use crate::units::InodeNumber;

    #[test]
    fn entries_come_back_as_they_went_and_unused_ones_do_not() {
        let mut block = DirectoryBlock::first(4096, InodeNumber(2), InodeNumber(3));
        block.push(DirectoryEntry {
            inode: InodeNumber(12),
            file_type: 1,
            name: b"hello",
        });
        let entries = decode_entries(&block.bytes()[..]).unwrap();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| (entry.inode, entry.file_type, entry.name))
            .collect();
        assert_eq!(found, [(2, 2, &b"."[..]), (3, 2, b".."), (12, 1, b"hello")]);
        assert_eq!(
            decode_entries(&DirectoryBlock::empty(4096).bytes()[..]),
            Ok(vec![])
        );
    }

    #[test]
    fn entries_that_leave_their_block_or_stand_still_are_refused() {
        let whole = *DirectoryBlock::first(4096, InodeNumber(2), InodeNumber(2)).bytes();
        for (offset, bytes) in [
            (4, [0, 0]),
            (4, [13, 0]),
            (4, [8, 0]),
            (16, [0xff, 0xff]),
            (6, [5, 2]),
        ] {
            let mut wrong = whole;
            wrong[offset..offset + 2].copy_from_slice(&bytes);
            assert!(decode_entries(&wrong).is_err(), "{offset} {bytes:?}");
        }
        assert!(decode_entries(&whole[..4]).is_err());
    }
}
