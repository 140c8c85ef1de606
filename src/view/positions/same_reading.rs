//! The whole image read once more from its start to its end, held against what was read of it before.

use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::view::image::Image;
use crate::view::sightings::Sightings;

/// Bytes that are read at once; whole blocks of any size.
const PIECE_BYTES: u64 = 256 << 10;

/// An image of which some blocks were read.
#[derive(Debug)]
pub struct Sighted {
    image: Image,
    sightings: Sightings,
}

/// The whole of an image, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// The SHA-256 of the whole file, with what stands behind the filesystem.
    pub sha256: [u8; 32],
    /// Bytes that were read for it; holes are not.
    pub read_bytes: u64,
    /// The file's length.
    pub file_bytes: u64,
}

impl Sighted {
    /// # Errors
    /// [`Error::Io`] where a block was another when it was read again.
    pub(super) fn of(mut image: Image) -> Result<Self> {
        let sightings = image.sightings.take().unwrap_or_default();
        let mut sightings = sightings
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        sightings.let_go();
        match sightings.are_the_same() {
            true => Ok(Self { image, sightings }),
            false => Err(image.changed()),
        }
    }

    /// How many blocks of it were read.
    pub fn blocks(&self) -> usize {
        self.sightings.len()
    }

    /// How many blocks were read, those that were not kept and wanted again among them.
    pub fn blocks_read(&self) -> u64 {
        self.image.blocks_read.load(Ordering::Relaxed)
    }

    /// Hashes the image from its start to its end and holds what was read before against it; gives up
    /// between two pieces where that `is_given_up`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read or has changed, [`Error::Cancelled`].
    pub fn hash(&self, is_given_up: &dyn Fn() -> bool) -> Result<Hashed> {
        let mut hasher = Sha256::new();
        let mut read_bytes = 0;
        let zeros = vec![0; buffer_bytes()];
        let mut buffer = vec![0; buffer_bytes()];
        let mut at = 0;
        let file_bytes = self.image.file_bytes;
        while at < file_bytes {
            let data = self.next_data(at)?;
            let hole = at..data.start;
            for piece in pieces(hole) {
                give_up(is_given_up)?;
                self.hold(&piece, &zeros)?;
                hasher.update(&zeros[..length(&piece)]);
            }
            for piece in pieces(data.clone()) {
                give_up(is_given_up)?;
                let bytes = &mut buffer[..length(&piece)];
                let read = self.image.file.read_exact_at(bytes, piece.start);
                read.map_err(|error| match error.kind() {
                    ErrorKind::UnexpectedEof => self.image.changed(),
                    _ => Error::io(format!("cannot read {}", self.image.name), error),
                })?;
                self.hold(&piece, bytes)?;
                hasher.update(bytes);
                read_bytes += piece.end - piece.start;
            }
            at = data.end;
        }
        let end = seek(&self.image.file, SeekFrom::End(0));
        if end != Ok(file_bytes) {
            return Err(self.image.changed());
        }
        Ok(Hashed {
            sha256: hasher.finalize().into(),
            read_bytes,
            file_bytes,
        })
    }

    /// Where data is from `at` on, in whole blocks; at the file's end there is none.
    fn next_data(&self, at: u64) -> Result<Range<u64>> {
        let (block_bytes, end) = (self.image.block_bytes, self.image.file_bytes);
        let failed =
            |error: Errno| Error::io(format!("cannot read {}", self.image.name), error.into());
        let start = match seek(&self.image.file, SeekFrom::Data(at)) {
            Ok(start) => start / block_bytes * block_bytes,
            Err(Errno::NXIO) => end,
            // Who does not know where holes are reads all.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => at,
            Err(error) => return Err(failed(error)),
        };
        let start = start.clamp(at, end);
        if start == end {
            return Ok(end..end);
        }
        let hole = match seek(&self.image.file, SeekFrom::Hole(start)) {
            Ok(hole) => hole.div_ceil(block_bytes).saturating_mul(block_bytes),
            Err(Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP) => end,
            Err(error) => return Err(failed(error)),
        };
        // Who writes meanwhile must not keep this from ending.
        Ok(start..hole.max(start + block_bytes).min(end))
    }

    /// Holds the blocks in a piece that were read before against its bytes.
    fn hold(&self, piece: &Range<u64>, bytes: &[u8]) -> Result<()> {
        let block_bytes = self.image.block_bytes;
        let blocks = piece.start / block_bytes..piece.end.div_ceil(block_bytes);
        for block in self.sightings.seen(blocks) {
            let start = block * block_bytes - piece.start;
            let place = length(&(0..start))..length(&(0..start + block_bytes));
            let is_same = bytes.get(place);
            if !is_same.is_some_and(|bytes| self.sightings.is_as_seen(block, bytes)) {
                return Err(self.image.changed());
            }
        }
        Ok(())
    }
}

fn give_up(is_given_up: &dyn Fn() -> bool) -> Result<()> {
    match is_given_up() {
        true => Err(Error::Cancelled),
        false => Ok(()),
    }
}

fn pieces(bytes: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let starts = (bytes.start..bytes.end).step_by(buffer_bytes());
    starts.map(move |start| start..(start + PIECE_BYTES).min(bytes.end))
}

fn length(bytes: &Range<u64>) -> usize {
    usize::try_from(bytes.end - bytes.start).unwrap_or(usize::MAX)
}

fn buffer_bytes() -> usize {
    length(&(0..PIECE_BYTES))
}
