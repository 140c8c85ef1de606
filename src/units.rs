//! Numbers with a meaning: block, inode and group numbers, sizes, times; and what numbers and bytes
//! look like as text.

mod date;
mod file_flags;
mod thousands;

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::str::FromStr;

pub use date::{Date, rfc3339};
pub use file_flags::FileFlags;
pub use thousands::thousands;

/// The name of mke2fs's own directory, which is [`InodeNumber::LOST_FOUND`].
pub const LOST_FOUND: &[u8] = b"lost+found";

/// Bytes in a filesystem block. layerpress formats with 4 KiB blocks only.
pub const BLOCK_SIZE: u64 = 4096;

/// Bytes in a sector, the unit of an inode's `i_blocks`.
pub const SECTOR_SIZE: u64 = 512;

/// A filesystem block, counted from the start of the filesystem (32 bits: 16 TiB of 4 KiB blocks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockNumber(pub u32);

impl BlockNumber {
    /// Where the block starts in the filesystem, in bytes.
    pub fn offset_bytes(self) -> u64 {
        u64::from(self.0) * BLOCK_SIZE
    }
}

/// An inode's number; inode 1 is the first of group 0, inode 2 the root directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeNumber(pub u32);

impl InodeNumber {
    /// The root directory.
    pub const ROOT: Self = Self(2);
    /// What the filesystem may grow into.
    pub const RESIZE: Self = Self(7);
    /// The journal.
    pub const JOURNAL: Self = Self(8);
    /// `/lost+found` as mke2fs makes it (`s_first_ino`).
    pub const LOST_FOUND: Self = Self(11);
    /// The first inode that mke2fs leaves free.
    pub const FIRST_FREE: Self = Self(12);
}

impl fmt::Display for InodeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A block group, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupNumber(pub u32);

/// A point in time as a tar header and an inode hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z; negative before.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, 0 to 999,999,999, also before 1970.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// A time of whole seconds.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self {
            seconds,
            nanoseconds: 0,
        }
    }

    /// When a file's content was changed last.
    pub fn of_change(metadata: &Metadata) -> Self {
        Self {
            seconds: metadata.mtime(),
            // The kernel keeps it below a thousand million.
            nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
        }
    }
}

/// Seconds with nine decimals, as in `1700000000.000000001`; the fraction counts forward, so
/// half a second before 1970 reads `-1.500000000`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.seconds, self.nanoseconds)
    }
}

/// A device's major and minor number, as the kernel and debugfs write them: `8:1`.
pub fn parse_device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim_end().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A size in bytes, shown and typed the way `ls -h`, `truncate` and `dd` do: powers of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = (self.0.max(1).ilog2() / 10) as usize;
        if unit == 0 {
            return write!(f, "{} B", self.0);
        }
        let whole = 1_u64 << (10 * unit);
        if self.0.is_multiple_of(whole) {
            return write!(f, "{} {}", self.0 / whole, UNITS[unit]);
        }
        write!(f, "{:.1} {}", self.0 as f64 / whole as f64, UNITS[unit])
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, suffix) = text.split_at(digits);
        let expected = || {
            let instead =
                fraction(text).map_or_else(String::new, |whole| format!("; {whole} is as much"));
            format!(
                "'{text}' is not a size: expected a whole number with an optional suffix K, M, G or T (powers of 1024), as in 900M{instead}"
            )
        };
        let number: u64 = number.parse().map_err(|_| expected())?;
        let shift = match suffix.to_ascii_uppercase().as_str() {
            "" | "B" => 0,
            "K" | "KIB" => 10,
            "M" | "MIB" => 20,
            "G" | "GIB" => 30,
            "T" | "TIB" => 40,
            _ => return Err(expected()),
        };
        number
            .checked_mul(1 << shift)
            .map(ByteSize)
            .ok_or_else(|| format!("'{text}' is more bytes than 64 bits count"))
    }
}

/// What a fraction as `1.5G` is in whole numbers of the next smaller unit, where it is that exactly.
fn fraction(text: &str) -> Option<String> {
    let end = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, suffix) = text.split_at(end);
    let (whole, part) = number.split_once('.')?;
    let smaller = match suffix.to_ascii_uppercase().as_str() {
        "K" | "KIB" => "",
        "M" | "MIB" => "K",
        "G" | "GIB" => "M",
        "T" | "TIB" => "G",
        _ => return None,
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // What has more digits than this is told as no whole number.
    if !is_number(whole) || !is_number(part) || part.len() > 6 {
        return None;
    }
    let tenths = 10_u64.pow(u32::try_from(part.len()).ok()?);
    let above = part.parse::<u64>().ok()?.checked_mul(1024)?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(1024)?;
    let sum = whole.checked_add(above / tenths)?;
    above
        .is_multiple_of(tenths)
        .then(|| format!("{sum}{smaller}"))
}

/// Bytes, shown as two lowercase digits each.
#[derive(Debug, Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The bytes that digits of either case stand for, two each; `None` where they are anything else.
pub fn parse_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok();
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_fits() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (900 << 20, "900 MiB"),
            (3 << 40, "3 TiB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), shown);
        }
    }

    #[test]
    fn devices_are_two_numbers_with_a_colon() {
        assert_eq!(parse_device("8:1"), Some((8, 1)));
        assert_eq!(parse_device("259:1048575\n"), Some((259, 1_048_575)));
        for wrong in ["", "8", "8:", ":1", "8:1:2", "8: 1", "-1:0"] {
            assert_eq!(parse_device(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_with_binary_suffixes_and_refused_when_they_overflow() {
        assert_eq!("900M".parse(), Ok(ByteSize(900 << 20)));
        assert_eq!("8GiB".parse(), Ok(ByteSize(8 << 30)));
        assert_eq!("512".parse(), Ok(ByteSize(512)));
        for wrong in ["", "M", "1.5G", "-1", "1X", "99999999999T"] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
        // A fraction is told as what it is in whole numbers, where it is that.
        let said = "1.5G".parse::<ByteSize>().unwrap_err();
        assert!(said.ends_with("; 1536M is as much"), "{said}");
        for wrong in [
            "1.3G",
            "1.5",
            "1.5X",
            ".5G",
            "1.G",
            "99999999999999999999.5G",
        ] {
            let said = wrong.parse::<ByteSize>().unwrap_err();
            assert!(said.ends_with("as in 900M"), "{said}");
        }
    }

    #[test]
    fn digits_come_back_as_they_went_and_signs_are_none() {
        assert_eq!(Hex(&[0, 0x7f, 0xa0, 0xff]).to_string(), "007fa0ff");
        assert_eq!(parse_hex(b"007fA0ff"), Some(vec![0, 0x7f, 0xa0, 0xff]));
        assert_eq!(parse_hex(b""), Some(vec![]));
        for wrong in [&b"0"[..], b"+1", b"0x", b" 1", b"g0"] {
            assert_eq!(parse_hex(wrong), None);
        }
    }
}
