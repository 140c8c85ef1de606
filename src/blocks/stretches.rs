//! Two files read side by side, where either has data.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::seek;
use rustix::io::Errno;

use super::expect_file;
use crate::error::{Error, Result};
use crate::file_kind;
use crate::page_buffer::PageBuffer;
use crate::progress::{Phase, Reporter, Task};
use crate::view::View;

/// Bytes that are read at once; whole blocks of any size that ext has.
const PIECE_BYTES: u64 = 1 << 20;

/// A file and where it has data.
#[derive(Debug)]
struct Half {
    file: File,
    path: PathBuf,
    bytes: u64,
    /// The data that was found last; all from where it was looked for up to it is a hole.
    data: Range<u64>,
    buffer: PageBuffer,
    /// Whether the buffer holds zeros alone.
    is_zero: bool,
}

/// Both files.
#[derive(Debug)]
pub struct Pair {
    halves: [Half; 2],
    /// Bytes that were read of both.
    pub bytes_read: u64,
}

impl Half {
    fn open(path: &Path) -> Result<Self> {
        let mut file = file_kind::open(path)?;
        expect_file(&file, path)?;
        let read = |error| Error::path("read", path, error);
        let bytes = file.seek(SeekFrom::End(0)).map_err(read)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            bytes,
            data: 0..0,
            buffer: PageBuffer::new(PIECE_BYTES.try_into().unwrap_or(0)),
            is_zero: true,
        })
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::path("read", &self.path, error)
    }

    /// The next data at or behind `at`; from the end on, or a hole that reaches there, nothing.
    fn data_from(&mut self, at: u64) -> Result<Range<u64>> {
        if at >= self.data.end && at < self.bytes {
            self.data = match seek(&self.file, rustix::fs::SeekFrom::Data(at)) {
                Ok(start) => match seek(&self.file, rustix::fs::SeekFrom::Hole(start)) {
                    // Who writes meanwhile must not keep this from ending.
                    Ok(end) => start.max(at)..end.max(start.max(at) + 1),
                    Err(error) => return Err(self.failed(error.into())),
                },
                Err(Errno::NXIO) => u64::MAX..u64::MAX,
                // Who does not tell holes has none.
                Err(Errno::INVAL | Errno::OPNOTSUPP) => at..self.bytes,
                Err(error) => return Err(self.failed(error.into())),
            };
        }
        Ok(self.data.start.max(at)..self.data.end.max(at))
    }

    /// Fills the buffer's beginning with these bytes of the file; how many were read.
    fn fill(&mut self, bytes: &Range<u64>) -> Result<u64> {
        let length = usize::try_from(bytes.end - bytes.start).unwrap_or(0);
        if self.data.start >= bytes.end {
            if !self.is_zero {
                self.buffer.fill(0);
                self.is_zero = true;
            }
            return Ok(0);
        }
        self.is_zero = false;
        self.file
            .read_exact_at(&mut self.buffer[..length], bytes.start)
            .map_err(|error| Error::path("read", &self.path, error))?;
        Ok(bytes.end - bytes.start)
    }
}

impl Pair {
    /// Opens both.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Unsupported`] for what is no file.
    pub fn open([before, after]: [&Path; 2]) -> Result<Self> {
        Ok(Self {
            halves: [Half::open(before)?, Half::open(after)?],
            bytes_read: 0,
        })
    }

    /// The filesystems in them, of the same open files.
    pub fn views(&self) -> [Result<View>; 2] {
        [&self.halves[0], &self.halves[1]].map(|half| {
            let file = half.file.try_clone().map_err(|error| half.failed(error))?;
            View::of_file(file, &half.path.display().to_string())
        })
    }

    /// Their lengths in bytes.
    pub fn lengths(&self) -> [u64; 2] {
        [self.halves[0].bytes, self.halves[1].bytes]
    }

    /// Tells each block that differs and how many of its bytes do, ascending; last, all behind the
    /// end of the shorter file at once.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn compare(
        &mut self,
        block_bytes: u64,
        reporter: &dyn Reporter,
        mut differs: impl FnMut(Range<u64>, u64),
    ) -> Result<()> {
        let lengths = self.lengths();
        let common = lengths[0].min(lengths[1]);
        let meter = reporter.begin(Task::bytes(Phase::Compare, "comparing", common));
        let mut at = 0;
        while at < common {
            let next = self.next_piece(at, common, block_bytes)?;
            meter.add(next.end - at);
            at = next.end;
            if next.is_empty() {
                continue;
            }
            for half in &mut self.halves {
                self.bytes_read += half.fill(&next)?;
            }
            let length = usize::try_from(next.end - next.start).unwrap_or(0);
            let [before, after] = &self.halves;
            let (before, after) = (&before.buffer[..length], &after.buffer[..length]);
            if before == after {
                continue;
            }
            let step = usize::try_from(block_bytes).unwrap_or(usize::MAX);
            let mut start = next.start;
            for (one, other) in before.chunks(step).zip(after.chunks(step)) {
                let end = start + one.len() as u64;
                if one != other {
                    let count = one.iter().zip(other).filter(|(one, other)| one != other);
                    differs(start..end, count.count() as u64);
                }
                start = end;
            }
        }
        meter.finish("compared");
        let longer = lengths[0].max(lengths[1]);
        if longer > common {
            differs(common..longer, longer - common);
        }
        Ok(())
    }

    /// What is to be read next, in whole blocks but for the end; empty where both have a hole, up to
    /// the end of that.
    fn next_piece(&mut self, at: u64, common: u64, block_bytes: u64) -> Result<Range<u64>> {
        let [before, after] = &mut self.halves;
        let data = [before.data_from(at)?, after.data_from(at)?];
        let first = data[0].start.min(data[1].start).min(common);
        let first = match first {
            // The last block may be a part of one.
            _ if first == common => common,
            _ => first - first % block_bytes,
        };
        if first > at {
            return Ok(first..first);
        }
        let here = data
            .iter()
            .filter(|data| data.start - data.start % block_bytes == at);
        let end = here.map(|data| data.end).max().unwrap_or(common);
        let end = end.checked_next_multiple_of(block_bytes).unwrap_or(common);
        Ok(at..end.min(at + PIECE_BYTES).min(common))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use std::fs;

    const BLOCK: u64 = 4096;

    fn told(one: &Path, other: &Path) -> (Vec<(Range<u64>, u64)>, u64) {
        let mut pair = Pair::open([one, other]).unwrap();
        let mut told = Vec::new();
        let tell = |range, count| told.push((range, count));
        pair.compare(BLOCK, &Silent, tell).unwrap();
        (told, pair.bytes_read)
    }

    /// A file of so many bytes with these at these places.
    fn sparse(path: &Path, length: u64, data: &[(u64, &[u8])]) {
        let file = File::create(path).unwrap();
        file.set_len(length).unwrap();
        for (at, bytes) in data {
            file.write_all_at(bytes, *at).unwrap();
        }
    }

    #[test]
    fn what_differs_is_told_by_block_with_the_count_of_its_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("a"), directory.path().join("b"));
        let mut bytes = vec![7; 3 << 20];
        fs::write(&one, &bytes).unwrap();
        assert_eq!(told(&one, &one), (vec![], 6 << 20));
        bytes[5] = 8;
        bytes[4095] = 8;
        bytes[2 << 20] = 8;
        fs::write(&other, &bytes).unwrap();
        let expected = vec![(0..BLOCK, 2), (2 << 20..(2 << 20) + BLOCK, 1)];
        assert_eq!(told(&one, &other).0, expected);
    }

    #[test]
    fn zeros_are_a_hole_and_what_is_a_hole_in_both_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("a"), directory.path().join("b"));
        let huge = 1 << 40;
        let (zeros, data) = (vec![0; 8192], vec![1; 8192]);
        let at = 700 << 30;
        sparse(&one, huge, &[(4096, &zeros), (at, &data)]);
        sparse(&other, huge, &[(at + 4096, &data)]);
        let (found, read) = told(&one, &other);
        let block = |at: u64| at..at + BLOCK;
        assert_eq!(found, [(block(at), BLOCK), (block(at + 8192), BLOCK)]);
        assert!(read <= 1 << 20, "{read}");
    }

    #[test]
    fn all_behind_the_end_of_the_shorter_file_differs_a_hole_too() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("a"), directory.path().join("b"));
        sparse(&one, 5000, &[(4096, b"x")]);
        sparse(&other, 1 << 40, &[(4096, b"y")]);
        let tail = (1 << 40) - 5000;
        let expected = vec![(4096..5000, 1), (5000..1 << 40, tail)];
        assert_eq!(told(&one, &other).0, expected);
        assert_eq!(told(&other, &one).0, expected);
        sparse(&one, 0, &[]);
        sparse(&other, 1, &[]);
        assert_eq!(told(&one, &other).0, [(0..1, 1)]);
        assert_eq!(told(&one, &one).0, []);
    }
}
