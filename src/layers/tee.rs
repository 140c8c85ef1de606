//! A decompressed tar as it passes: counted against the limits, spooled.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::budget::Budget;
use super::carried;
use super::tar::TarBytes;
use super::verifying::Growing;
use crate::error::{Error, Result};
use crate::host_space;
use crate::leftovers;
use crate::page_buffer::PageBuffer;

/// Space taken in one go: at first the least, then as much as is written already, so that many small
/// layers do not take many times their size. More than the most was measured to be no faster.
const LEAST_TAKEN_BYTES: u64 = 256 << 10;
const MOST_TAKEN_BYTES: u64 = 8 << 20;

/// Where a compressed layer's tar is kept: an unnamed file that vanishes with the process.
#[derive(Debug)]
pub(super) struct Spool<'a> {
    pub(super) file: Arc<File>,
    work_dir: &'a Path,
    written_bytes: u64,
    /// How far the file's space has been taken; the maximum where it cannot be.
    taken_bytes: u64,
}

impl<'a> Spool<'a> {
    /// # Errors
    /// [`Error::Io`] with the directory and the option to choose another.
    pub(super) fn new(work_dir: &'a Path) -> Result<Self> {
        let file = leftovers::undisturbed(|| tempfile::tempfile_in(work_dir))
            .map_err(|error| spool_failed(work_dir, error))?;
        Ok(Self {
            file: Arc::new(file),
            work_dir,
            written_bytes: 0,
            taken_bytes: 0,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.written_bytes + bytes.len() as u64;
        if end > self.taken_bytes {
            let more = self
                .written_bytes
                .clamp(LEAST_TAKEN_BYTES, MOST_TAKEN_BYTES);
            let is_taken = host_space::take(&self.file, self.taken_bytes, more);
            self.taken_bytes = if is_taken {
                self.taken_bytes + more
            } else {
                u64::MAX
            };
        }
        (&*self.file)
            .write_all(bytes)
            .map_err(|error| spool_failed(self.work_dir, error))?;
        self.written_bytes = end;
        Ok(())
    }

    /// The whole tar; what was taken beyond it is left again.
    pub(super) fn finish(self) -> Arc<File> {
        // If that cannot be, it is left when the file is.
        let _ = self.file.set_len(self.written_bytes);
        self.file
    }
}

pub(super) fn spool_failed(work_dir: &Path, error: io::Error) -> Error {
    Error::io(
        format!(
            "cannot write a layer to the work directory {} (--work-dir names another)",
            work_dir.display()
        ),
        error,
    )
}

/// Passes on what `reader` gives, after everything has been done with it that must be; its errors
/// are carried ones.
pub(super) struct Tee<'a, R> {
    pub(super) reader: R,
    pub(super) spool: Spool<'a>,
    /// Told how far the spool has got, for who hashes it.
    pub(super) growing: &'a Growing,
    pub(super) budget: &'a Budget<'a>,
    /// The most uncompressed bytes that the blob's stored size allows.
    pub(super) expansion: Expansion,
}

/// A ceiling on what may come out of a compressed blob.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expansion {
    pub(super) stored_bytes: u64,
    pub(super) max_expansion: u64,
    /// Below so many uncompressed bytes nothing is too much.
    pub(super) from_bytes: u64,
}

impl Expansion {
    fn check(self, tar_bytes: u64) -> Result<()> {
        let most = self
            .stored_bytes
            .saturating_mul(self.max_expansion)
            .max(self.from_bytes);
        if tar_bytes > most {
            return Err(Error::bad_image(format!(
                "expected at most {} uncompressed bytes for each of {} stored ones, found more (--max-expansion raises the limit)",
                self.max_expansion, self.stored_bytes
            )));
        }
        Ok(())
    }
}

impl<R: TarBytes> Tee<'_, R> {
    fn pass(&mut self, bytes: &[u8]) -> Result<()> {
        self.budget.add_expanded_bytes(bytes.len() as u64)?;
        self.expansion.check(self.budget.tar_bytes())?;
        self.spool.write(bytes)?;
        self.growing.grow(bytes.len() as u64);
        Ok(())
    }
}

impl<R: TarBytes> TarBytes for &mut Tee<'_, R> {
    fn next(&mut self, buffer: &mut PageBuffer) -> io::Result<usize> {
        let length = self.reader.next(buffer)?;
        self.pass(&buffer[..length]).map_err(carried::wrap)?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileExt, MetadataExt};

    #[test]
    fn a_spool_holds_what_was_written_and_in_the_end_takes_no_more() {
        let directory = tempfile::tempdir().unwrap();
        for (length, most_ahead) in [(1, 256 << 10), (3 << 20, 4 << 20), (30 << 20, 8 << 20)] {
            let bytes: Vec<u8> = (0..length as u32).map(|index| index as u8).collect();
            let mut spool = Spool::new(directory.path()).unwrap();
            for piece in bytes.chunks(200_000) {
                spool.write(piece).unwrap();
            }
            let host_bytes = |file: &File| file.metadata().unwrap().blocks() * 512;
            assert!(host_bytes(&spool.file) <= length + most_ahead);
            let file = spool.finish();
            let mut found = vec![1; bytes.len()];
            file.read_exact_at(&mut found, 0).unwrap();
            assert!(found == bytes);
            assert_eq!(file.metadata().unwrap().len(), length);
            // The filesystem's own map may take a block or two.
            assert!(host_bytes(&file) <= length.next_multiple_of(4096) + 8192);
        }
    }
}
