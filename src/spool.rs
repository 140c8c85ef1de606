//! Files without a name in the work directory: what must be read again, or at any offset, and is
//! nowhere in that form. They vanish with the process.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::host_space;
use crate::leftovers;
use crate::page_buffer::PageBuffer;
use crate::region::FileRegion;

/// Space taken in one go: at first the least, then as much as is written already, so that many small
/// spools do not take many times their size. More than the most was measured to be no faster.
const LEAST_TAKEN_BYTES: u64 = 256 << 10;
const MOST_TAKEN_BYTES: u64 = 8 << 20;

const BUFFER_BYTES: usize = 256 << 10;

/// A spool that is written from its start to its end.
#[derive(Debug)]
pub struct Spool<'a> {
    file: Arc<File>,
    work_dir: &'a Path,
    what: &'a str,
    written_bytes: u64,
    /// How far the file's space has been taken; the maximum where it cannot be.
    taken_bytes: u64,
}

impl<'a> Spool<'a> {
    /// An empty one; errors call what it holds `what`, as in `a layer`.
    ///
    /// # Errors
    /// [`Error::Io`] with the directory and the option to choose another.
    pub fn new(work_dir: &'a Path, what: &'a str) -> Result<Self> {
        Ok(Self {
            file: Arc::new(unnamed(work_dir).map_err(|error| failed(work_dir, what, error))?),
            work_dir,
            what,
            written_bytes: 0,
            taken_bytes: 0,
        })
    }

    /// The file, which may be read as far as it is written, also by other threads.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// How many bytes were written.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Adds to the end.
    ///
    /// # Errors
    /// [`Error::Io`] as [`Self::new`] has it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
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
            .map_err(|error| failed(self.work_dir, self.what, error))?;
        self.written_bytes = end;
        Ok(())
    }

    /// All that was written; what was taken beyond it is left again.
    pub fn finish(self) -> FileRegion {
        // If that cannot be, it is left when the file is.
        let _ = self.file.set_len(self.written_bytes);
        FileRegion {
            file: self.file,
            offset_bytes: 0,
            length_bytes: self.written_bytes,
        }
    }
}

/// A copy of what others may write, as it is now; `each` is given its bytes in their order, and may
/// stop it. A hole as large as a disk takes no more in the copy than in the original.
///
/// # Errors
/// [`Error::Io`] where it cannot be read or written; those of `each`.
pub fn copy(
    region: &FileRegion,
    work_dir: &Path,
    what: &str,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<FileRegion> {
    let failed = |error| failed(work_dir, what, error);
    let file = unnamed(work_dir).map_err(failed)?;
    let mut reader = region.reader();
    let mut buffer = PageBuffer::new(BUFFER_BYTES);
    let mut position = 0;
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(|error| Error::io(format!("cannot read {what}"), error))?,
        };
        each(&buffer[..read])?;
        if buffer[..read].iter().any(|&byte| byte != 0) {
            file.write_all_at(&buffer[..read], position)
                .map_err(failed)?;
        }
        position += read as u64;
    }
    file.set_len(position).map_err(failed)?;
    FileRegion::whole(file).map_err(failed)
}

fn unnamed(work_dir: &Path) -> io::Result<File> {
    leftovers::undisturbed(|| tempfile::tempfile_in(work_dir))
}

/// Why what goes into a work directory could not be written there, with the option to choose another.
pub fn failed(work_dir: &Path, what: &str, error: io::Error) -> Error {
    Error::io(
        format!(
            "cannot write {what} to the work directory {} (--work-dir names another)",
            work_dir.display()
        ),
        error,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn host_bytes(file: &File) -> u64 {
        file.metadata().unwrap().blocks() * 512
    }

    #[test]
    fn a_spool_holds_what_was_written_and_in_the_end_takes_no_more() {
        let directory = tempfile::tempdir().unwrap();
        for (length, most_ahead) in [(1, 256 << 10), (3 << 20, 4 << 20), (30 << 20, 8 << 20)] {
            let bytes: Vec<u8> = (0..length as u32).map(|index| index as u8).collect();
            let mut spool = Spool::new(directory.path(), "it").unwrap();
            for piece in bytes.chunks(200_000) {
                spool.write(piece).unwrap();
            }
            assert!(host_bytes(spool.file()) <= length + most_ahead);
            let region = spool.finish();
            let mut found = vec![1; bytes.len()];
            region.read_exact_at(&mut found, 0).unwrap();
            assert!(found == bytes);
            assert_eq!(region.file.metadata().unwrap().len(), length);
            // The filesystem's own map may take a block or two.
            assert!(host_bytes(&region.file) <= length.next_multiple_of(4096) + 8192);
        }
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_copy_has_the_same_bytes_and_holes_and_stops_when_it_is_told_to() {
        let directory = tempfile::tempdir().unwrap();
        let original = tempfile::tempfile().unwrap();
        original.write_all_at(b"start", 3).unwrap();
        original.write_all_at(b"end", 50 << 20).unwrap();
        let region = FileRegion::whole(original).unwrap().part(1, (50 << 20) + 2);
        let region = region.unwrap();
        let mut seen_bytes = 0;
        let copy_with =
            |each: &mut dyn FnMut(&[u8]) -> Result<()>| copy(&region, directory.path(), "it", each);
        let copied = copy_with(&mut |bytes| {
            seen_bytes += bytes.len() as u64;
            Ok(())
        });
        let copied = copied.unwrap();
        assert_eq!(
            (seen_bytes, copied.length_bytes),
            ((50 << 20) + 2, (50 << 20) + 2)
        );
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        copied.reader().read_to_end(&mut bytes).unwrap();
        region.reader().read_to_end(&mut expected).unwrap();
        assert!(bytes == expected);
        assert!(host_bytes(&copied.file) <= 1 << 20);
        copy_with(&mut |_| Err(Error::bad_image("enough"))).unwrap_err();
    }
}
