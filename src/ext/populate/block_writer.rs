//! Writing runs of blocks with few system calls.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::error::Error;
use crate::host_space;
use crate::page_buffer::PageBuffer;
use crate::progress::Meter;
use crate::units::BLOCK_SIZE;

/// Small writes that follow each other are gathered up to this size where there are many; it stays
/// in the processor's cache, and larger writes were measured to be no faster.
pub const MANY_BYTES: usize = 256 << 10;

/// The same where there are few.
pub const FEW_BYTES: usize = 64 << 10;

/// Writes from this size on go straight to the file.
const DIRECT_BYTES: usize = 64 << 10;

const BLOCK: usize = BLOCK_SIZE as usize;

/// An error of the filesystem being written.
pub fn write_failed(error: std::io::Error) -> Error {
    Error::io("cannot write the filesystem", error)
}

/// Gathers writes at ascending offsets.
pub struct BlockWriter<'a> {
    file: &'a File,
    meter: &'a dyn Meter,
    staged: PageBuffer,
    staged_bytes: usize,
    start_bytes: u64,
    unreported_bytes: u64,
    /// Whether the host's space can be taken ahead of writing.
    takes_space: bool,
}

/// Takes the host's space for bytes about to be written, where they are many; tells whether that
/// can be done. A full disk is met again, and told, by writing.
fn take_space(file: &File, offset_bytes: u64, bytes: &[u8]) -> bool {
    bytes.len() < DIRECT_BYTES || host_space::take(file, offset_bytes, bytes.len() as u64)
}

impl<'a> BlockWriter<'a> {
    /// A writer into a file that gathers up to `staged_bytes`; the meter is told of
    /// [`Self::note_progress`].
    pub fn new(file: &'a File, meter: &'a dyn Meter, staged_bytes: usize) -> Self {
        Self {
            file,
            meter,
            staged: PageBuffer::new(staged_bytes),
            staged_bytes: 0,
            start_bytes: 0,
            unreported_bytes: 0,
            takes_space: true,
        }
    }

    /// Writes bytes at an offset, now or with what follows.
    ///
    /// # Errors
    /// The file's.
    pub fn write(&mut self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let follows = offset_bytes == self.start_bytes + self.staged_bytes as u64;
        if !follows || self.staged_bytes + bytes.len() > self.staged.len() {
            self.flush()?;
        }
        if bytes.len() >= DIRECT_BYTES.min(self.staged.len()) {
            self.flush()?;
            self.takes_space = self.takes_space && take_space(self.file, offset_bytes, bytes);
            return self.file.write_all_at(bytes, offset_bytes);
        }
        if self.staged_bytes == 0 {
            self.start_bytes = offset_bytes;
        }
        let end = self.staged_bytes + bytes.len();
        self.staged[self.staged_bytes..end].copy_from_slice(bytes);
        self.staged_bytes = end;
        Ok(())
    }

    /// Writes whole blocks, leaving out those that are all zeros: the file has never held
    /// anything there and reads as zeros already.
    ///
    /// # Errors
    /// The file's.
    pub fn write_blocks(&mut self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let mut offset_bytes = offset_bytes;
        for run in runs(bytes) {
            if !is_zero(&run[..BLOCK.min(run.len())]) {
                self.write(offset_bytes, run)?;
            }
            offset_bytes += run.len() as u64;
        }
        Ok(())
    }

    /// Counts towards the meter.
    pub fn note_progress(&mut self, bytes: u64) {
        self.unreported_bytes += bytes;
        if self.unreported_bytes >= 1 << 20 {
            self.meter.add(self.unreported_bytes);
            self.unreported_bytes = 0;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let staged = &self.staged[..std::mem::take(&mut self.staged_bytes)];
        self.takes_space = self.takes_space && take_space(self.file, self.start_bytes, staged);
        self.file.write_all_at(staged, self.start_bytes)
    }

    /// Writes what is still gathered.
    ///
    /// # Errors
    /// The file's.
    pub fn finish(&mut self) -> io::Result<()> {
        self.meter.add(self.unreported_bytes);
        self.unreported_bytes = 0;
        self.flush()
    }
}

/// Piece by piece, so that many bytes are looked at with one instruction and most blocks are done
/// with after the first.
fn is_zero(block: &[u8]) -> bool {
    let is_zero = |piece: &[u8]| piece.iter().fold(0, |all, byte| all | byte) == 0;
    block.chunks(256).all(is_zero)
}

/// Splits into runs of blocks, in turns of zeros and of others.
fn runs(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let first = is_zero(rest.chunks(BLOCK).next()?);
        let same = rest
            .chunks(BLOCK)
            .take_while(|block| is_zero(block) == first);
        let (run, after) = rest.split_at(same.map(<[u8]>::len).sum());
        rest = after;
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn what_is_read_back_is_what_was_written_whatever_the_order_and_size() {
        let file = tempfile::tempfile().unwrap();
        let mut writer = BlockWriter::new(&file, &Silent, MANY_BYTES);
        let mut expected = vec![0; 2 << 20];
        for (index, (offset, length)) in [
            (4096, 100),
            (4196, 50),
            (0, 10),
            (500_000, 70_000),
            (570_000, 300_000),
            (10, 4000),
        ]
        .into_iter()
        .enumerate()
        {
            let bytes = vec![index as u8 + 1; length];
            writer.write(offset as u64, &bytes).unwrap();
            expected[offset..offset + length].copy_from_slice(&bytes);
        }
        writer.finish().unwrap();
        let length = file.metadata().unwrap().len() as usize;
        let mut found = vec![0; length];
        file.read_exact_at(&mut found, 0).unwrap();
        assert_eq!(found, expected[..length]);
    }

    #[test]
    fn blocks_of_zeros_are_not_written() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(16 << 20).unwrap();
        let mut writer = BlockWriter::new(&file, &Silent, MANY_BYTES);
        let mut bytes = vec![0; 8 << 20];
        bytes[5 << 20] = 1;
        writer.write_blocks(0, &bytes).unwrap();
        writer.finish().unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, 5 << 20).unwrap();
        assert_eq!(byte, [1]);
        assert!(file.metadata().unwrap().blocks() * 512 <= 64 << 10);
    }
}
