//! Tar headers as POSIX pax has them, for writing: a ustar header, and before it records for what
//! it cannot hold. The same attributes give the same bytes.

use crate::units::{FileFlags, Timestamp};

/// One entry's attributes.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The name; a directory's ends in a slash.
    pub path: Vec<u8>,
    /// A symlink's target or the name that a hard link joins.
    pub link: Vec<u8>,
    /// The type.
    pub kind: Kind,
    /// Permission, setuid, setgid and sticky bits.
    pub mode: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Timestamp,
    /// Of the data that follows.
    pub size_bytes: u64,
    /// Major and minor.
    pub device: (u32, u32),
    /// Further pax records, in order.
    pub records: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The type, as the letter it is written by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// A regular file.
    #[default]
    Regular = b'0' as isize,
    /// Another name of an entry before it.
    HardLink = b'1' as isize,
    /// A symbolic link.
    Symlink = b'2' as isize,
    /// A character device.
    CharacterDevice = b'3' as isize,
    /// A block device.
    BlockDevice = b'4' as isize,
    /// A directory.
    Directory = b'5' as isize,
    /// A FIFO.
    Fifo = b'6' as isize,
    /// Records about the entry that follows.
    Records = b'x' as isize,
}

/// A stretch of data in a sparse file: offset and length in bytes.
pub type Extent = (u64, u64);

/// The two blocks of zeros that end a tar.
pub const END: [u8; 1024] = [0; 1024];

/// Bytes of a record, in which GNU tar reads and writes: 20 blocks. Its `--delete` loses members of a
/// tar that does not end with a whole one.
const RECORD_BYTES: usize = 20 * 512;

/// What ends a tar of so many bytes: [`END`], and zeros up to the end of the record.
pub fn end(written_bytes: u64) -> Vec<u8> {
    // Below a record: fits.
    let over = usize::try_from(written_bytes % RECORD_BYTES as u64).unwrap_or_default();
    vec![0; (over + END.len()).next_multiple_of(RECORD_BYTES) - over]
}

/// An entry's name for a path from the root: that itself is `.`, and a directory's ends in a slash.
pub fn name(path: &[u8], is_directory: bool) -> Vec<u8> {
    let mut name = path.to_vec();
    if name.is_empty() {
        name.push(b'.');
    }
    if is_directory {
        name.push(b'/');
    }
    name
}

/// The map that precedes a sparse file's data, whole blocks of it (GNU tar, "PAX Format, Version
/// 1.0"); an empty last extent marks the end of a file that ends in a hole.
fn encode_sparse_map(extents: &[Extent], size_bytes: u64) -> Vec<u8> {
    let end = extents.last().map_or(0, |(offset, length)| offset + length);
    let last = (end < size_bytes).then_some((size_bytes, 0));
    let mut map = format!("{}\n", extents.len() + usize::from(last.is_some()));
    for (offset, length) in extents.iter().copied().chain(last) {
        map.push_str(&format!("{offset}\n{length}\n"));
    }
    let mut map = map.into_bytes();
    map.extend(padding(map.len() as u64));
    map
}

/// The keyword of an extended attribute. One cannot hold `=`: that becomes `%3D`, as GNU tar writes
/// it, and what would be read back as something else gets its `%` written as `%25`.
pub fn xattr_keyword(name: &[u8]) -> Vec<u8> {
    let mut keyword = b"SCHILY.xattr.".to_vec();
    for (at, byte) in name.iter().enumerate() {
        match byte {
            b'=' => keyword.extend(b"%3D"),
            b'%' if matches!(name[at + 1..], [b'2', b'5', ..] | [b'3', b'D' | b'd', ..]) => {
                keyword.extend(b"%25");
            }
            _ => keyword.push(*byte),
        }
    }
    keyword
}

/// The record of the flags that chattr sets, as libarchive writes it; none where none is set.
pub fn flags_record(flags: FileFlags) -> Option<(Vec<u8>, Vec<u8>)> {
    let record = || (b"SCHILY.fflags".to_vec(), flags.in_tar().into_bytes());
    (!flags.is_empty()).then(record)
}

/// The zeros after so many bytes, up to the next whole block. A file's data is followed by them; a
/// sparse map before it is whole blocks.
pub fn padding(size_bytes: u64) -> &'static [u8] {
    const BLOCK: u64 = 512;
    // Below 512: fits.
    &END[..usize::try_from(size_bytes.wrapping_neg() % BLOCK).unwrap_or(0)]
}

impl Entry {
    /// What comes before a regular file's data: the headers, and a map where `extents` are not all
    /// of its `size_bytes` (GNU tar, "PAX Format, Version 1.0").
    pub fn encode_file(mut self, size_bytes: u64, extents: &[Extent]) -> Vec<u8> {
        let stored_bytes: u64 = extents.iter().map(|(_, length)| length).sum();
        if stored_bytes == size_bytes {
            self.size_bytes = size_bytes;
            return self.encode();
        }
        let map = encode_sparse_map(extents, size_bytes);
        let path = std::mem::replace(&mut self.path, b"GNUSparseFile.0/sparse".to_vec());
        let mut record = |key: &[u8], value: Vec<u8>| self.records.push((key.to_vec(), value));
        record(b"GNU.sparse.major", b"1".to_vec());
        record(b"GNU.sparse.minor", b"0".to_vec());
        record(b"GNU.sparse.name", path);
        record(b"GNU.sparse.realsize", size_bytes.to_string().into_bytes());
        self.size_bytes = map.len() as u64 + stored_bytes;
        [self.encode(), map].concat()
    }

    /// The headers, whole blocks of them.
    pub fn encode(&self) -> Vec<u8> {
        let mut records = Vec::new();
        let mut header = [0; 512];
        let mut field = |at: usize, bytes: &[u8]| {
            header[at..at + bytes.len()].copy_from_slice(bytes);
        };
        let mut record = |key: &[u8], value: &[u8]| records.extend(pax_record(key, value));

        let (path, is_whole) = cut(&self.path);
        field(0, path);
        if !is_whole {
            record(b"path", &self.path);
        }
        let (link, is_whole) = cut(&self.link);
        field(157, link);
        if !is_whole {
            record(b"linkpath", &self.link);
        }
        field(100, &octal(u64::from(self.mode), 7).unwrap_or_default());
        for (at, digits, key, value) in [
            (108, 7, "uid", u64::from(self.uid)),
            (116, 7, "gid", u64::from(self.gid)),
            (124, 11, "size", self.size_bytes),
        ] {
            match octal(value, digits) {
                Some(text) => field(at, &text),
                None => {
                    field(at, &vec![b'0'; digits]);
                    record(key.as_bytes(), value.to_string().as_bytes());
                }
            }
        }
        let seconds = u64::try_from(self.mtime.seconds).ok();
        let whole = seconds.filter(|_| self.mtime.nanoseconds == 0);
        let mtime = seconds.and_then(|seconds| octal(seconds, 11));
        field(136, &mtime.unwrap_or_else(|| vec![b'0'; 11]));
        if whole.and_then(|seconds| octal(seconds, 11)).is_none() {
            record(b"mtime", decimal_seconds(self.mtime).as_bytes());
        }
        field(156, &[self.kind as u8]);
        field(257, b"ustar\x0000");
        // Linux numbers devices by 12 and 20 bits: always seven digits at most.
        field(329, &octal(u64::from(self.device.0), 7).unwrap_or_default());
        field(337, &octal(u64::from(self.device.1), 7).unwrap_or_default());
        for (key, value) in &self.records {
            record(key, value);
        }
        seal(&mut header);
        if records.is_empty() {
            return header.to_vec();
        }
        // Their size has no record to go to, but no attributes are eight GiB long.
        let extension = Self {
            path: b"PaxHeaders/entry".to_vec(),
            kind: Kind::Records,
            mode: 0o644,
            size_bytes: records.len() as u64,
            ..Self::default()
        };
        let padding = padding(records.len() as u64);
        [&extension.encode(), &records, padding, &header].concat()
    }
}

/// What of a name fits into its field, and whether that is all of it.
fn cut(name: &[u8]) -> (&[u8], bool) {
    match name.get(..100) {
        Some(start) if name.len() > 100 => (start, false),
        _ => (name, true),
    }
}

fn octal(value: u64, digits: usize) -> Option<Vec<u8>> {
    let text = format!("{value:0digits$o}");
    (text.len() == digits).then(|| text.into_bytes())
}

fn seal(header: &mut [u8; 512]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    // 512 bytes sum up to less than six octal digits hold.
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
pub(super) fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// A time as pax writes it, where a fraction before 1970 counts away from it: half a second before
/// is `-0.5`.
fn decimal_seconds(time: Timestamp) -> String {
    let nanoseconds = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let size = nanoseconds.unsigned_abs();
    let text = format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_digits() {
        assert_eq!(pax_record(b"a", b"b"), b"6 a=b\n");
        for length in 0..2000 {
            let record = pax_record(b"key", &vec![b'v'; length]);
            let digits = record.iter().position(|&byte| byte == b' ').unwrap();
            let text = std::str::from_utf8(&record[..digits]).unwrap();
            assert_eq!(text.parse(), Ok(record.len()));
        }
    }

    #[test]
    fn an_attributes_name_is_escaped_only_where_it_would_be_read_as_another() {
        for (name, keyword) in [
            (&b"user.a b\xff"[..], &b"SCHILY.xattr.user.a b\xff"[..]),
            (b"user.a=b=", b"SCHILY.xattr.user.a%3Db%3D"),
            (b"user.%3D%25%3d", b"SCHILY.xattr.user.%253D%2525%253d"),
            (b"user.%=%%2", b"SCHILY.xattr.user.%%3D%%2"),
        ] {
            assert_eq!(xattr_keyword(name), keyword);
        }
    }

    #[test]
    fn times_before_1970_are_written_away_from_zero() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "0"),
            (1, 500_000_000, "1.5"),
            (-1, 500_000_000, "-0.5"),
            (-2, 0, "-2"),
            (-2, 1, "-1.999999999"),
            (8_589_934_592, 10, "8589934592.00000001"),
        ] {
            let time = Timestamp {
                seconds,
                nanoseconds,
            };
            assert_eq!(decimal_seconds(time), text);
        }
    }
}
