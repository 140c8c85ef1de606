//! Sparse files: the maps of GNU tar's four formats, and what comes of them.

use super::blocks::{Blocks, TarBytes};
use super::header::{BLOCK, Header};
use super::number::{decimal, header_number};
use super::pax::Extended;
use crate::error::{Error, Result, escape_path};
use crate::limits::Limits;
use crate::region::{Content, Data, DataExtent};

/// Offset and length of each piece of data, as the tar says it.
type Map = Vec<(u64, u64)>;

/// Bytes of one extent in an old GNU map: two numbers of 12 bytes.
const OLD_EXTENT: usize = 24;
/// Extents in a block that continues an old GNU map; the byte after them tells whether it goes on.
const OLD_EXTENTS_PER_BLOCK: usize = 21;
/// The most a file can be long: what a signed 64-bit number holds.
const MAX_SIZE: u64 = i64::MAX.cast_unsigned();

/// A sparse file's map and its length, holes included.
pub(super) struct Sparse {
    map: Map,
    real_size: u64,
}

impl Sparse {
    /// The old GNU format: type `S`, four extents in the header, the rest in blocks after it.
    pub(super) fn old<R: TarBytes>(
        header: &Header<'_>,
        blocks: &mut Blocks<R>,
        limits: &Limits,
    ) -> Result<Self> {
        let real_size = header.real_size()?;
        let mut map = Map::new();
        push_old(&mut map, header.sparse_map())?;
        let mut continues = header.sparse_map_continues();
        let mut map_bytes = 0;
        while continues {
            let block = map_block(&mut map_bytes, blocks, limits)?;
            let end = OLD_EXTENTS_PER_BLOCK * OLD_EXTENT;
            push_old(&mut map, &block[..end])?;
            continues = block[end] != 0;
        }
        Ok(Self { map, real_size })
    }

    /// The pax formats 0.0, 0.1 (map in the records) and 1.0 (map before the data, within
    /// `stored_bytes`, which becomes less by the map's length).
    ///
    /// `None` where no record says the file is sparse.
    pub(super) fn pax<R: TarBytes>(
        extended: &Extended<'_>,
        stored_bytes: &mut u64,
        blocks: &mut Blocks<R>,
        limits: &Limits,
    ) -> Result<Option<Self>> {
        let version = (
            extended.get("GNU.sparse.major"),
            extended.get("GNU.sparse.minor"),
        );
        let map_record = extended.get("GNU.sparse.map");
        let real_size = match extended.number("GNU.sparse.size", MAX_SIZE)? {
            Some(size) => Some(size),
            None => extended.number("GNU.sparse.realsize", MAX_SIZE)?,
        };
        let map = match version {
            (Some(b"1"), Some(b"0")) => read_map(stored_bytes, blocks, limits)?,
            (None, None) if !extended.is_sparse() => return Ok(None),
            (Some(b"0"), Some(b"0" | b"1")) | (None, None) => {
                let map = parse_map(map_record.unwrap_or_default())?;
                let extents = extended.number("GNU.sparse.numblocks", u64::MAX)?;
                if let Some(extents) = extents.filter(|extents| *extents != map.len() as u64) {
                    return Err(Error::bad_image(format!(
                        "expected {extents} extents in a sparse map, found {}",
                        map.len()
                    )));
                }
                map
            }
            (major, minor) => {
                return Err(Error::unsupported(format!(
                    "GNU sparse format {}.{}: expected 0.0, 0.1 or 1.0",
                    escape_path(major.unwrap_or(b"?")),
                    escape_path(minor.unwrap_or(b"?"))
                )));
            }
        };
        let real_size = real_size.ok_or_else(|| {
            Error::bad_image("expected a sparse file's size in its pax header, found none")
        })?;
        Ok(Some(Self { map, real_size }))
    }

    /// Holds the map against the file's length and the data that is stored from `offset_bytes` on,
    /// piece after piece without padding.
    pub(super) fn place(self, mut offset_bytes: u64, stored_bytes: u64) -> Result<Content> {
        let mut extents = Vec::new();
        let mut end = 0;
        let mut left = stored_bytes;
        for (file_offset_bytes, length_bytes) in self.map {
            let after = file_offset_bytes
                .checked_add(length_bytes)
                .filter(|after| file_offset_bytes >= end && *after <= self.real_size);
            let Some(after) = after else {
                return Err(Error::bad_image(format!(
                    "expected a sparse map's extents in order, apart and within {} bytes, found {length_bytes} bytes at {file_offset_bytes}",
                    self.real_size
                )));
            };
            end = after;
            let Some(rest) = left.checked_sub(length_bytes) else {
                return Err(Error::bad_image(format!(
                    "expected a sparse map for {stored_bytes} bytes of data, found one for more"
                )));
            };
            left = rest;
            if length_bytes > 0 {
                extents.push(DataExtent {
                    file_offset_bytes,
                    length_bytes,
                    offset_bytes,
                });
                offset_bytes += length_bytes;
            }
        }
        if left > 0 {
            return Err(Error::bad_image(format!(
                "expected a sparse map for {stored_bytes} bytes of data, found one for {}",
                stored_bytes - left
            )));
        }
        Ok(Content {
            size_bytes: self.real_size,
            data: Data::Sparse(extents.into()),
        })
    }
}

fn push_old(map: &mut Map, extents: &[u8]) -> Result<()> {
    for extent in extents.chunks_exact(OLD_EXTENT) {
        let (offset, length) = extent.split_at(OLD_EXTENT / 2);
        // An unused place ends the block's part of the map.
        if offset[0] == 0 || length[0] == 0 {
            break;
        }
        let number = |field: &[u8]| {
            header_number(field)
                .and_then(|number| u64::try_from(number).ok())
                .ok_or_else(|| {
                    Error::bad_image(format!(
                        "expected an octal or base-256 number in a sparse map, found '{}'",
                        escape_path(field)
                    ))
                })
        };
        map.push((number(offset)?, number(length)?));
    }
    Ok(())
}

/// `OFFSET,LENGTH,OFFSET,LENGTH…`
fn parse_map(text: &[u8]) -> Result<Map> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    let numbers: Option<Vec<u64>> = text.split(|byte| *byte == b',').map(decimal).collect();
    numbers
        .filter(|numbers| numbers.len() % 2 == 0)
        .map(|numbers| pairs(&numbers))
        .ok_or_else(|| {
            Error::bad_image(format!(
                "expected pairs of decimal numbers in a sparse map, found '{}'",
                escape_path(&text[..text.len().min(40)])
            ))
        })
}

/// The count of extents, then offsets and lengths, each a line; padded to a whole block.
fn read_map<R: TarBytes>(
    stored_bytes: &mut u64,
    blocks: &mut Blocks<R>,
    limits: &Limits,
) -> Result<Map> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut line: Vec<u8> = Vec::new();
    let mut map_bytes = 0;
    loop {
        let block = map_block(&mut map_bytes, blocks, limits)?;
        *stored_bytes = stored_bytes.checked_sub(BLOCK as u64).ok_or_else(|| {
            Error::bad_image("expected a sparse map before the data, found it longer than both")
        })?;
        for byte in block {
            if byte != b'\n' {
                line.push(byte);
                continue;
            }
            let number = decimal(&line).ok_or_else(|| {
                Error::bad_image(format!(
                    "expected a decimal number in a sparse map, found '{}'",
                    escape_path(&line[..line.len().min(40)])
                ))
            })?;
            line.clear();
            numbers.push(number);
            let given = (numbers.len() - 1) as u64;
            if numbers[0].checked_mul(2) == Some(given) {
                return Ok(pairs(&numbers[1..]));
            }
        }
    }
}

fn pairs(numbers: &[u64]) -> Map {
    numbers
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect()
}

/// The next block of a map that has `map_bytes` so far.
fn map_block<R: TarBytes>(
    map_bytes: &mut u64,
    blocks: &mut Blocks<R>,
    limits: &Limits,
) -> Result<[u8; BLOCK]> {
    *map_bytes += BLOCK as u64;
    if *map_bytes > limits.max_header_bytes {
        return Err(Error::bad_image(format!(
            "expected a sparse map of at most {} bytes, found a longer one (--max-header-bytes raises the limit)",
            limits.max_header_bytes
        )));
    }
    blocks.block("a sparse map")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(map: &[(u64, u64)], real_size: u64, stored_bytes: u64) -> Result<Content> {
        let map = map.to_vec();
        Sparse { map, real_size }.place(1024, stored_bytes)
    }

    #[test]
    fn a_map_becomes_extents_that_follow_each_other_in_the_tar() {
        let content = place(
            &[
                (0, 0),
                (10, 5),
                (15, 0),
                (15, 1),
                (1 << 42, 7),
                (1 << 43, 0),
            ],
            1 << 43,
            13,
        )
        .unwrap();
        assert_eq!(content.size_bytes, 1 << 43);
        let extent = |file_offset_bytes, length_bytes, offset_bytes| DataExtent {
            file_offset_bytes,
            length_bytes,
            offset_bytes,
        };
        let extents = [
            extent(10, 5, 1024),
            extent(15, 1, 1029),
            extent(1 << 42, 7, 1030),
        ];
        assert_eq!(content.data, Data::Sparse(extents.into()));
    }

    #[test]
    fn maps_that_overlap_leave_the_file_or_disagree_with_the_data_are_refused() {
        for (map, real_size, stored_bytes) in [
            (&[(5, 5), (9, 1)][..], 100, 6),
            (&[(5, 5), (0, 5)], 100, 10),
            (&[(5, 5)], 9, 5),
            (&[(101, 0)], 100, 0),
            (&[(u64::MAX, 2)], 100, 2),
            (&[(0, 5)], 100, 4),
            (&[(0, 5)], 100, 6),
            (&[(0, 5), (10, u64::MAX - 10)], u64::MAX, 6),
        ] {
            assert!(place(map, real_size, stored_bytes).is_err(), "{map:?}");
        }
    }

    #[test]
    fn a_map_in_a_record_is_pairs_of_decimals() {
        assert_eq!(parse_map(b"0,512,1024,1").unwrap(), [(0, 512), (1024, 1)]);
        for text in [&b"0"[..], b"0,1,", b"0,1,2", b"a,b", b"0 ,1"] {
            assert!(parse_map(text).is_err(), "{text:?}");
        }
    }
}
