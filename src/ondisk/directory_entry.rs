//! Directory blocks: kernel documentation, "Linear (Classic) Directories". Nodes of a hash index
//! look like blocks without entries.

use super::{BLOCK, get_u16, get_u32, put_u16, put_u32, within_block};
use crate::units::InodeNumber;

/// Bytes of `.` and `..` at the start of a directory's first block.
pub const DOT_ENTRIES_BYTES: usize = 24;

/// The longest name.
pub const NAME_MAX: usize = 255;

const HEADER_BYTES: usize = 8;
const FILE_TYPE_DIRECTORY: u8 = 2;

/// Bytes of the tail that a block of names ends with where there are checksums: an entry without an
/// inode and a name, and the checksum.
pub const DIRECTORY_TAIL_BYTES: usize = 12;
/// `det_reserved_ft`: what stands for a file type in a tail.
const TAIL_FILE_TYPE: u8 = 0xde;

/// A name in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryEntry<'a> {
    /// The inode it leads to, never 0.
    pub inode: InodeNumber,
    /// `file_type`: see [`super::inode::FileType::directory_entry_type`]; meaningful with the
    /// `filetype` feature only.
    pub file_type: u8,
    /// 1 to 255 bytes where the directory is sound.
    pub name: &'a [u8],
}

/// Bytes that an entry with a name of this length takes: a header of 8 and the name, in fours.
pub const fn entry_bytes(name_len: usize) -> usize {
    (HEADER_BYTES + name_len).next_multiple_of(4)
}

/// Fills one directory block entry by entry.
#[derive(Debug)]
pub struct DirectoryBlock {
    bytes: Box<[u8; BLOCK]>,
    /// Where the last entry ends: at the block's end, or where its tail starts.
    end: usize,
    used: usize,
    last: usize,
}

impl DirectoryBlock {
    /// A block without entries; as it stands it is one unused entry over all of its `names_bytes`.
    /// Where these leave room, a tail follows, its checksum zero.
    pub fn empty(names_bytes: usize) -> Self {
        let mut bytes = Box::new([0; BLOCK]);
        put_u16(&mut bytes[..], 4, within_block(names_bytes));
        if names_bytes + DIRECTORY_TAIL_BYTES <= BLOCK {
            put_u16(
                &mut bytes[..],
                names_bytes + 4,
                within_block(DIRECTORY_TAIL_BYTES),
            );
            bytes[names_bytes + 7] = TAIL_FILE_TYPE;
        }
        Self {
            bytes,
            end: names_bytes,
            used: 0,
            last: 0,
        }
    }

    /// A directory's first block, with `.` and `..`.
    pub fn first(names_bytes: usize, own: InodeNumber, parent: InodeNumber) -> Self {
        let mut block = Self::empty(names_bytes);
        for (inode, name) in [(own, &b"."[..]), (parent, b"..")] {
            block.push(DirectoryEntry {
                inode,
                file_type: FILE_TYPE_DIRECTORY,
                name,
            });
        }
        block
    }

    /// Appends an entry, which must have room: see [`entry_bytes`].
    pub fn push(&mut self, entry: DirectoryEntry<'_>) {
        let start = self.used;
        if start > 0 {
            put_u16(
                &mut self.bytes[..],
                self.last + 4,
                within_block(start - self.last),
            );
        }
        put_u32(&mut self.bytes[..], start, entry.inode.0);
        // The last entry reaches to the end.
        put_u16(
            &mut self.bytes[..],
            start + 4,
            within_block(self.end - start),
        );
        self.bytes[start + 6] = within_block(entry.name.len());
        self.bytes[start + 7] = entry.file_type;
        self.bytes[start + 8..start + 8 + entry.name.len()].copy_from_slice(entry.name);
        self.last = start;
        self.used += entry_bytes(entry.name.len());
    }

    /// The block as it stands.
    pub fn bytes(&self) -> &[u8; BLOCK] {
        &self.bytes
    }
}

/// Whether a block of names ends with a tail, as the kernel knows one (`get_dirent_tail`).
pub fn has_tail(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len() - DIRECTORY_TAIL_BYTES..];
    get_u32(tail, 0) == 0
        && usize::from(get_u16(tail, 4)) == DIRECTORY_TAIL_BYTES
        && tail[6..8] == [0, TAIL_FILE_TYPE]
}

/// Whether the first entry takes all of the block, as in an interior block of an index.
pub fn is_one_entry(bytes: &[u8]) -> bool {
    record_bytes(bytes, 0) == bytes.len()
}

/// `rec_len` of the entry at `at`.
fn record_bytes(block: &[u8], at: usize) -> usize {
    match usize::from(get_u16(block, at + 4)) {
        // 16 bits cannot say 64 KiB.
        0 | 0xffff if block.len() == 1 << 16 => 1 << 16,
        rec_len => rec_len,
    }
}

/// The entries in use of a directory block, or of what an inode holds of a directory; `.` and `..`
/// are entries like others.
///
/// # Errors
/// A sentence about what was expected and found.
pub fn decode_entries(bytes: &[u8]) -> Result<Vec<DirectoryEntry<'_>>, String> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let left = bytes.len() - at;
        if left < HEADER_BYTES {
            return Err(format!(
                "expected a directory entry, found {left} bytes at byte {at}"
            ));
        }
        let rec_len = record_bytes(bytes, at);
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
            entries.push(DirectoryEntry {
                inode: InodeNumber(inode),
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

    fn entry(name: &[u8]) -> DirectoryEntry<'_> {
        DirectoryEntry {
            inode: InodeNumber(12),
            file_type: 1,
            name,
        }
    }

    #[test]
    fn entries_follow_each_other_and_the_last_reaches_the_end() {
        let mut block = DirectoryBlock::first(4096, InodeNumber(2), InodeNumber(2));
        block.push(entry(b"hello"));
        let bytes = block.bytes();
        assert_eq!((get_u32(bytes, 0), get_u16(bytes, 4)), (2, 12));
        assert_eq!(bytes[6..9], [1, 2, b'.']);
        assert_eq!((get_u32(bytes, 12), get_u16(bytes, 16)), (2, 12));
        assert_eq!(bytes[18..22], [2, 2, b'.', b'.']);
        assert_eq!((get_u32(bytes, 24), get_u16(bytes, 28)), (12, 4072));
        assert_eq!(bytes[30..37], [5, 1, b'h', b'e', b'l', b'l', b'o']);
        assert_eq!(block.used, DOT_ENTRIES_BYTES + entry_bytes(5));
    }

    #[test]
    fn a_block_takes_entries_to_its_last_byte_and_leaves_its_tail_alone() {
        for names_bytes in [4096, 4084] {
            let mut block = DirectoryBlock::empty(names_bytes);
            assert_eq!(usize::from(get_u16(block.bytes(), 4)), names_bytes);
            for index in 0..16 {
                let name = [b'a' + index; 248];
                let room = (names_bytes - block.used - 8).min(name.len());
                block.push(entry(&name[..room]));
            }
            assert_eq!(block.used, names_bytes);
            let last = usize::from(get_u16(block.bytes(), block.last + 4));
            assert_eq!(block.last + last, names_bytes);
            let tail = [0, 0, 0, 0, 12, 0, 0, 0xde, 0, 0, 0, 0];
            assert_eq!(block.bytes()[names_bytes..], tail[..BLOCK - names_bytes]);
        }
    }

    #[test]
    fn entries_come_back_as_they_went_and_unused_ones_do_not() {
        let mut block = DirectoryBlock::first(4096, InodeNumber(2), InodeNumber(3));
        block.push(entry(b"hello"));
        let entries = decode_entries(&block.bytes()[..]).unwrap();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| (entry.inode.0, entry.file_type, entry.name))
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
