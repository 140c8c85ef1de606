//! Stretches of files on disk (a blob inside an archive, a spooled layer), and where in one a file's
//! content is.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// `length_bytes` bytes of `file` from `offset_bytes` on. Cloning shares the file.
///
/// Reading never moves the file's own position, so threads can share a region.
#[derive(Debug, Clone)]
pub struct FileRegion {
    /// The open file.
    pub file: Arc<File>,
    /// Where the region starts in the file.
    pub offset_bytes: u64,
    /// How long it is.
    pub length_bytes: u64,
}

impl FileRegion {
    /// The whole of a file, as long as it is now.
    ///
    /// # Errors
    /// When the file's length cannot be read.
    pub fn whole(file: File) -> io::Result<Self> {
        let length_bytes = file.metadata()?.len();
        Ok(Self {
            file: Arc::new(file),
            offset_bytes: 0,
            length_bytes,
        })
    }

    /// A part of this region; `None` where it would leave it.
    pub fn part(&self, offset_bytes: u64, length_bytes: u64) -> Option<Self> {
        let end = offset_bytes.checked_add(length_bytes)?;
        (end <= self.length_bytes).then(|| Self {
            file: Arc::clone(&self.file),
            offset_bytes: self.offset_bytes + offset_bytes,
            length_bytes,
        })
    }

    /// Fills `buffer` from `offset_bytes` within the region.
    ///
    /// # Errors
    /// `UnexpectedEof` where the region ends first, or the file, which was longer when the region was made;
    /// the file's read errors.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        let end = offset_bytes.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.length_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let at = self.offset_bytes + offset_bytes;
        self.file
            .read_exact_at(buffer, at)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    let wanted = at + buffer.len() as u64;
                    let changed = format!(
                        "changed while it was read: expected at least {wanted} bytes, found less"
                    );
                    io::Error::new(io::ErrorKind::UnexpectedEof, changed)
                }
                _ => error,
            })
    }

    /// Reads all of it through `buffer`; `take` gets each piece, as far as it could be read, with its
    /// offset within the region.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn for_each_piece<E>(
        &self,
        buffer: &mut [u8],
        mut take: impl FnMut(u64, io::Result<&[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut done = 0;
        while done < self.length_bytes {
            // At most the buffer's length.
            let length = (self.length_bytes - done).min(buffer.len() as u64) as usize;
            let piece = &mut buffer[..length];
            let read = self.read_exact_at(piece, done);
            take(done, read.map(|()| &*piece))?;
            done += length as u64;
        }
        Ok(())
    }

    /// A reader over the region from its start.
    pub fn reader(&self) -> RegionReader {
        RegionReader {
            region: self.clone(),
            position: 0,
        }
    }
}

/// Where a regular file's bytes are in a source: a layer's tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The file's length in bytes, holes included.
    pub size_bytes: u64,
    /// Where in the source its data is.
    pub data: Data,
}

impl Content {
    /// Its data in pieces, ascending, none of them empty: what is no sparse file is one piece.
    pub fn extents(&self) -> impl Iterator<Item = DataExtent> {
        let (whole, pieces) = match &self.data {
            Data::Contiguous { offset_bytes } => {
                let whole = DataExtent {
                    file_offset_bytes: 0,
                    length_bytes: self.size_bytes,
                    offset_bytes: *offset_bytes,
                };
                (Some(whole).filter(|_| self.size_bytes > 0), &[][..])
            }
            Data::Sparse(pieces) => (None, &pieces[..]),
        };
        whole.into_iter().chain(pieces.iter().copied())
    }

    /// The file's blocks of this many bytes that hold its data: ranges of their numbers, ascending and
    /// apart from each other.
    pub fn blocks(&self, block_bytes: u64) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for extent in self.extents() {
            let start = extent.file_offset_bytes;
            let next = start / block_bytes..(start + extent.length_bytes).div_ceil(block_bytes);
            match ranges.last_mut() {
                Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
                _ => ranges.push(next),
            }
        }
        ranges
    }
}

/// A file's data: all of it in one place, or in pieces with holes between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// `size_bytes` bytes from this offset of the source.
    Contiguous {
        /// The offset.
        offset_bytes: u64,
    },
    /// A sparse file: what no extent covers reads as zeros. Ascending, not overlapping, none empty.
    Sparse(Box<[DataExtent]>),
}

/// A piece of a sparse file that has data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataExtent {
    /// Where the piece belongs in the file.
    pub file_offset_bytes: u64,
    /// How long it is.
    pub length_bytes: u64,
    /// Where it is in the source.
    pub offset_bytes: u64,
}

/// Reads a [`FileRegion`] from start to end; unbuffered.
#[derive(Debug)]
pub struct RegionReader {
    region: FileRegion,
    position: u64,
}

impl Read for RegionReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.region.length_bytes - self.position;
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if want == 0 {
            return Ok(0);
        }
        let read = self.region.file.read_at(
            &mut buffer[..want],
            self.region.offset_bytes + self.position,
        )?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_part_reads_its_own_bytes_and_never_beyond() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let whole = FileRegion::whole(file).unwrap();
        let part = whole.part(2, 5).unwrap().part(1, 3).unwrap();
        let mut text = String::new();
        part.reader().read_to_string(&mut text).unwrap();
        assert_eq!(text, "345");
        assert!(part.read_exact_at(&mut [0; 2], 2).is_err());
        assert!(part.part(3, 1).is_none());
        assert!(part.part(u64::MAX, 2).is_none());
    }

    #[test]
    fn a_file_that_shrank_is_an_error_and_not_a_short_read() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let whole = FileRegion::whole(file.try_clone().unwrap()).unwrap();
        file.set_len(4).unwrap();
        let error = whole.reader().read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
