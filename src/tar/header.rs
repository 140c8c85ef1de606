//! One 512-byte tar header, decoded field by field (POSIX ustar; GNU tar and star where they differ).

use std::ops::Range;

use super::number::header_number;
use crate::error::{Error, Result, escape_path};

/// Bytes in a tar block: headers are one, data is padded to whole ones.
pub(super) const BLOCK: usize = 512;

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const TYPE: usize = 156;
const LINK_NAME: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
const VERSION: Range<usize> = 263..265;
const DEVICE_MAJOR: Range<usize> = 329..337;
const DEVICE_MINOR: Range<usize> = 337..345;
const PREFIX: Range<usize> = 345..500;
const STAR_PREFIX: Range<usize> = 345..476;
const STAR_TRAILER: Range<usize> = 508..512;
const GNU_ACCESS_TIME: Range<usize> = 345..357;
const GNU_CHANGE_TIME: Range<usize> = 357..369;
const GNU_SPARSE_MAP: Range<usize> = 386..482;
const GNU_SPARSE_CONTINUES: usize = 482;
const GNU_REAL_SIZE: Range<usize> = 483..495;

/// Which of the layouts that share the first 257 bytes a header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Before POSIX: no device numbers, no prefix.
    V7,
    /// POSIX ustar, also under pax.
    Ustar,
    /// star's, with a shorter prefix.
    Star,
    /// GNU tar's own.
    Gnu,
}

/// Whether a block is a tar header: its checksum fits.
pub fn is_header(block: &[u8; BLOCK]) -> bool {
    *block != [0; BLOCK] && Header::parse(block).is_ok()
}

/// A header whose checksum is right.
#[derive(Debug)]
pub(super) struct Header<'a> {
    block: &'a [u8; BLOCK],
    format: Format,
}

impl<'a> Header<'a> {
    /// Takes a block for a header.
    ///
    /// # Errors
    /// [`Error::BadImage`] when its checksum is wrong. Both sums are accepted: of unsigned bytes
    /// as POSIX says, and of signed ones as some old systems wrote.
    pub(super) fn parse(block: &'a [u8; BLOCK]) -> Result<Self> {
        let stored = header_number(&block[CHECKSUM]);
        let outside = || block[..CHECKSUM.start].iter().chain(&block[CHECKSUM.end..]);
        let blanks = 8 * i64::from(b' ');
        let unsigned: i64 = blanks + outside().map(|byte| i64::from(*byte)).sum::<i64>();
        if stored != Some(unsigned) {
            let signed = blanks
                + outside()
                    .map(|byte| i64::from(byte.cast_signed()))
                    .sum::<i64>();
            if stored != Some(signed) {
                let found = stored.map_or_else(
                    || format!("'{}'", escape_path(&block[CHECKSUM])),
                    |stored| stored.to_string(),
                );
                return Err(Error::bad_image(format!(
                    "expected a tar header with a checksum of {unsigned}, found {found}"
                )));
            }
        }
        let format = if block[MAGIC] == *b"ustar\0" {
            if block[STAR_TRAILER] == *b"tar\0" {
                Format::Star
            } else {
                Format::Ustar
            }
        } else if block[MAGIC] == *b"ustar " && block[VERSION] == *b" \0" {
            Format::Gnu
        } else {
            Format::V7
        };
        Ok(Self { block, format })
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    pub(super) fn type_flag(&self) -> u8 {
        self.block[TYPE]
    }

    /// The name, with its prefix where the layout has one.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = until_nul(&self.block[NAME]);
        let prefix = match self.format {
            Format::V7 => &[],
            Format::Ustar => until_nul(&self.block[PREFIX]),
            Format::Star => until_nul(&self.block[STAR_PREFIX]),
            Format::Gnu => self.prefix_in_gnu_header(),
        };
        if prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    /// Go's archive/tar before 1.8 wrote a ustar prefix into GNU headers, over the two times that
    /// stand there, and docker of that age made layers with it: what cannot be times but can be a
    /// name is one.
    fn prefix_in_gnu_header(&self) -> &'a [u8] {
        let times = [GNU_ACCESS_TIME, GNU_CHANGE_TIME];
        let are_times = times
            .into_iter()
            .all(|field| header_number(&self.block[field]).is_some());
        let prefix = until_nul(&self.block[PREFIX]);
        if are_times || !prefix.is_ascii() {
            return &[];
        }
        prefix
    }

    pub(super) fn link_name(&self) -> &'a [u8] {
        until_nul(&self.block[LINK_NAME])
    }

    /// Permission, setuid, setgid and sticky bits; what else the field holds (some write the file
    /// type too) is left out.
    pub(super) fn mode(&self) -> Result<u16> {
        let mode = self.number(MODE, "mode")?;
        // Of 12 bits: fits.
        Ok(u16::try_from(mode & 0o7777).unwrap_or_default())
    }

    pub(super) fn uid(&self) -> Result<u32> {
        self.id(UID, "uid")
    }

    pub(super) fn gid(&self) -> Result<u32> {
        self.id(GID, "gid")
    }

    pub(super) fn size(&self) -> Result<u64> {
        self.not_negative(SIZE, "size")
    }

    pub(super) fn mtime(&self) -> Result<i64> {
        self.number(MTIME, "mtime")
    }

    pub(super) fn device_major(&self) -> Result<u32> {
        self.device_number(DEVICE_MAJOR, "device major")
    }

    pub(super) fn device_minor(&self) -> Result<u32> {
        self.device_number(DEVICE_MINOR, "device minor")
    }

    fn device_number(&self, field: Range<usize>, name: &str) -> Result<u32> {
        match self.format {
            Format::V7 => Ok(0),
            _ => self.id(field, name),
        }
    }

    /// The four places for extents of a GNU sparse file.
    pub(super) fn sparse_map(&self) -> &'a [u8] {
        &self.block[GNU_SPARSE_MAP]
    }

    /// Whether blocks with more extents follow.
    pub(super) fn sparse_map_continues(&self) -> bool {
        self.block[GNU_SPARSE_CONTINUES] != 0
    }

    /// A GNU sparse file's length, holes included.
    pub(super) fn real_size(&self) -> Result<u64> {
        self.not_negative(GNU_REAL_SIZE, "real size")
    }

    fn id(&self, field: Range<usize>, name: &str) -> Result<u32> {
        let number = self.not_negative(field, name)?;
        u32::try_from(number)
            .map_err(|_| Error::bad_image(format!("expected a {name} of 32 bits, found {number}")))
    }

    fn not_negative(&self, field: Range<usize>, name: &str) -> Result<u64> {
        let number = self.number(field, name)?;
        u64::try_from(number).map_err(|_| {
            Error::bad_image(format!("expected a {name} of 0 or more, found {number}"))
        })
    }

    fn number(&self, field: Range<usize>, name: &str) -> Result<i64> {
        let bytes = &self.block[field];
        header_number(bytes).ok_or_else(|| {
            Error::bad_image(format!(
                "expected an octal or base-256 number of 64 bits as {name}, found '{}'",
                escape_path(bytes)
            ))
        })
    }
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}
