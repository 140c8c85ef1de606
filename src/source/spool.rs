//! Input that cannot be read at any offset as it is (a pipe, a compressed archive) becomes an
//! unnamed file that can.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Write};
use std::path::Path;
use std::rc::Rc;

use super::compression::{Compression, MAGIC_BYTES};
use crate::error::{Error, Result};
use crate::leftovers;
use crate::limits::Limits;
use crate::oci::{Digest, DigestHasher};
use crate::ownership;
use crate::page_buffer::PageBuffer;
use crate::pinned::{Identity, identity};
use crate::progress::{Meter, Reporter, Unit};
use crate::region::FileRegion;

const BUFFER_BYTES: usize = 256 << 10;

/// Makes spools, all in one directory and under one set of limits.
pub(super) struct Spooler<'a> {
    pub work_dir: &'a Path,
    pub limits: &'a Limits,
    pub reporter: &'a dyn Reporter,
    /// Whether what is spooled is hashed on the way; for archives it would be wasted.
    pub hashes: bool,
}

/// An input with random access.
#[derive(Debug)]
pub(super) struct Spooled {
    pub region: FileRegion,
    /// What the bytes hash to, where they had to be read anyway.
    pub sha256: Option<Digest>,
}

impl Spooler<'_> {
    /// A file's uncompressed bytes: in place where it is not compressed.
    pub(super) fn file(&self, region: FileRegion, name: &str) -> Result<Spooled> {
        let mut head = [0; MAGIC_BYTES];
        let known = head
            .len()
            .min(usize::try_from(region.length_bytes).unwrap_or(usize::MAX));
        region
            .read_exact_at(&mut head[..known], 0)
            .map_err(|error| Error::io(format!("cannot read {name}"), error))?;
        if Compression::detect(&head[..known])? == Compression::None {
            return Ok(Spooled {
                region,
                sha256: None,
            });
        }
        self.stream(region.reader(), Some(region.length_bytes), name)
    }

    /// What nobody else may write: as it is where that is so, or a copy. It is hashed by one reading
    /// and used by another.
    pub(super) fn own(&self, tar: Spooled, name: &str) -> Result<Spooled> {
        let cannot_read = |error| Error::io(format!("cannot read {name}"), error);
        if ownership::others_of(&tar.region.file)
            .map_err(cannot_read)?
            .is_none()
        {
            return Ok(tar);
        }
        let length_bytes = tar.region.length_bytes;
        self.stream(tar.region.reader(), Some(length_bytes), name)
    }

    /// A spool to be written.
    pub(super) fn writer(&self) -> Result<SpoolWriter<'_>> {
        let file = leftovers::undisturbed(|| tempfile::tempfile_in(self.work_dir))
            .map_err(|error| spool_error(self.work_dir, error))?;
        Ok(SpoolWriter {
            file,
            work_dir: self.work_dir,
            hasher: self.hashes.then(DigestHasher::sha256),
            max_bytes: self.limits.max_bytes,
            written_bytes: 0,
        })
    }

    /// A stream's uncompressed bytes, copied to an unnamed file.
    pub(super) fn stream(
        &self,
        input: impl Read,
        length_bytes: Option<u64>,
        name: &str,
    ) -> Result<Spooled> {
        let meter = self
            .reporter
            .begin(&format!("read {name}"), Unit::Bytes, length_bytes);
        let taken = Rc::new(Cell::new(0));
        let mut input = Counted {
            input,
            taken: Rc::clone(&taken),
            meter: &*meter,
        };
        // A pipe may give fewer bytes at first than tell the compression.
        let mut head = Vec::new();
        (&mut input)
            .take(MAGIC_BYTES as u64)
            .read_to_end(&mut head)
            .map_err(|error| Error::io(format!("cannot read {name}"), error))?;
        let compression = Compression::detect(&head)?;
        let input = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(input));
        let mut decoder = compression.decoder(input, self.limits)?;
        let mut spool = self.writer()?;
        let mut buffer = PageBuffer::new(BUFFER_BYTES);
        loop {
            let read = match decoder.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.undecodable(error, compression, name)),
            };
            spool.write_all(&buffer[..read])?;
            if compression != Compression::None {
                self.check_expansion(spool.written_bytes, taken.get())?;
            }
        }
        drop(decoder);
        meter.finish("spooled");
        spool.finish()
    }

    fn check_expansion(&self, written_bytes: u64, taken_bytes: u64) -> Result<()> {
        let allowed = taken_bytes
            .saturating_mul(self.limits.max_expansion)
            .max(self.limits.max_expansion_from);
        if written_bytes > allowed {
            return Err(Error::bad_image(format!(
                "expands to more than {} times its size (--max-expansion raises the limit)",
                self.limits.max_expansion
            )));
        }
        Ok(())
    }

    /// A decoder's complaint is about the archive, an operating system's about the machine.
    fn undecodable(&self, error: io::Error, compression: Compression, name: &str) -> Error {
        let format = match compression {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::None => return Error::io(format!("cannot read {name}"), error),
        };
        if error.raw_os_error().is_some() {
            return Error::io(format!("cannot read {name}"), error);
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Error::bad_image(format!("truncated: the {format} data ends too early"));
        }
        let text = error.to_string();
        if text.contains("not enough memory") {
            return Error::io(format!("cannot decompress {name}"), no_memory(&text));
        }
        if text.contains("too much memory") {
            return Error::bad_image(format!(
                "needs a zstd window of more than 2^{} bytes (--max-zstd-window-log raises the limit)",
                self.limits.max_zstd_window_log
            ));
        }
        Error::bad_image(format!("broken {format} data: {text}"))
    }
}

/// That this machine, or a limit set here, has no memory for a window is not the image's fault.
fn no_memory(text: &str) -> io::Error {
    let text =
        format!("{text}, as its zstd window asks for (a limit such as `ulimit -v` counts, too)");
    io::Error::new(io::ErrorKind::OutOfMemory, text)
}

struct Counted<'a, R> {
    input: R,
    taken: Rc<Cell<u64>>,
    meter: &'a dyn Meter,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.taken.set(self.taken.get().saturating_add(read as u64));
        self.meter.add(read as u64);
        Ok(read)
    }
}

/// An unnamed file being written.
pub(super) struct SpoolWriter<'a> {
    file: File,
    work_dir: &'a Path,
    hasher: Option<DigestHasher>,
    max_bytes: u64,
    pub written_bytes: u64,
}

impl SpoolWriter<'_> {
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.written_bytes = self.written_bytes.saturating_add(bytes.len() as u64);
        if self.written_bytes > self.max_bytes {
            return Err(Error::bad_image(format!(
                "more than {} uncompressed bytes (--max-bytes raises the limit)",
                self.max_bytes
            )));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.file
            .write_all(bytes)
            .map_err(|error| spool_error(self.work_dir, error))
    }

    /// Which file it is, should its directory show it.
    pub(super) fn identity(&self) -> Result<Identity> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|error| spool_error(self.work_dir, error))?;
        Ok(identity(&metadata))
    }

    pub(super) fn finish(self) -> Result<Spooled> {
        let region =
            FileRegion::whole(self.file).map_err(|error| spool_error(self.work_dir, error))?;
        Ok(Spooled {
            region,
            sha256: self.hasher.map(DigestHasher::finish),
        })
    }
}

fn spool_error(work_dir: &Path, error: io::Error) -> Error {
    Error::io(
        format!(
            "cannot spool into {} (--work-dir names another directory)",
            work_dir.display()
        ),
        error,
    )
}

/// The hash of all of a region's bytes.
pub(super) fn sha256(region: &FileRegion, name: &str, reporter: &dyn Reporter) -> Result<Digest> {
    let meter = reporter.begin(
        &format!("hash {name}"),
        Unit::Bytes,
        Some(region.length_bytes),
    );
    let mut reader = region.reader();
    let mut buffer = PageBuffer::new(BUFFER_BYTES);
    let mut hasher = DigestHasher::sha256();
    loop {
        let read = reader
            .read(&mut buffer)
            .map_err(|error| Error::io(format!("cannot read {name}"), error))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        meter.add(read as u64);
    }
    meter.finish("hashed");
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn spool(input: &[u8], limits: &Limits) -> Result<Vec<u8>> {
        let directory = tempfile::tempdir().unwrap();
        let spooler = Spooler {
            work_dir: directory.path(),
            limits,
            reporter: &Silent,
            hashes: true,
        };
        let spooled = spooler.stream(input, None, "input")?;
        let mut bytes = Vec::new();
        spooled.region.reader().read_to_end(&mut bytes).unwrap();
        let mut hasher = DigestHasher::sha256();
        hasher.update(&bytes);
        assert_eq!(spooled.sha256, Some(hasher.finish()));
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        Ok(bytes)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_gzip_member_and_every_zstd_frame_is_spooled() {
        let limits = Limits::default();
        assert_eq!(spool(b"plain", &limits).unwrap(), b"plain");
        assert_eq!(spool(b"", &limits).unwrap(), b"");
        let two = [gzip(b"one"), gzip(b"two")].concat();
        assert_eq!(spool(&two, &limits).unwrap(), b"onetwo");
        let frame = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
        let skippable = b"\x50\x2a\x4d\x18\x02\0\0\0xx".to_vec();
        let frames = [skippable, frame(b"one"), frame(b"two")].concat();
        assert_eq!(spool(&frames, &limits).unwrap(), b"onetwo");
    }

    #[test]
    fn truncated_and_trailing_bytes_are_errors() {
        let limits = Limits::default();
        let archive = gzip(&[7; 100_000]);
        let frame = zstd::encode_all(&[7; 100_000][..], 3).unwrap();
        for whole in [archive, frame] {
            let error = spool(&whole[..whole.len() - 5], &limits).unwrap_err();
            assert!(error.to_string().contains("truncated"), "{error}");
            let garbage = [&whole[..], b"garbage at the end"].concat();
            assert!(matches!(
                spool(&garbage, &limits),
                Err(Error::BadImage { .. })
            ));
        }
    }

    #[test]
    fn bombs_stop_at_the_limits_that_the_error_names() {
        let zeros = vec![0; 64 << 20];
        let bomb = zstd::encode_all(&zeros[..], 3).unwrap();
        let early = Limits {
            max_expansion_from: 1 << 20,
            ..Limits::default()
        };
        let error = spool(&bomb, &early).unwrap_err();
        assert!(error.to_string().contains("--max-expansion"), "{error}");
        assert!(spool(&bomb, &Limits::default()).is_ok());
        let limits = Limits {
            max_bytes: 1000,
            ..Limits::default()
        };
        let error = spool(&zeros[..1001], &limits).unwrap_err();
        assert!(error.to_string().contains("--max-bytes"), "{error}");
        assert!(spool(&zeros[..1000], &limits).is_ok());
    }

    #[test]
    fn a_zstd_window_beyond_the_limit_is_refused_by_that_limit() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(24).unwrap();
        encoder.write_all(&[1; 1000]).unwrap();
        let frame = encoder.finish().unwrap();
        let limits = Limits {
            max_zstd_window_log: 20,
            ..Limits::default()
        };
        let error = spool(&frame, &limits).unwrap_err();
        assert!(
            error.to_string().contains("--max-zstd-window-log"),
            "{error}"
        );
        assert!(spool(&frame, &Limits::default()).is_ok());
    }

    #[test]
    fn a_pipe_that_gives_a_byte_at_a_time_is_recognised() {
        struct Dribble(Cursor<Vec<u8>>);
        impl Read for Dribble {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let end = buffer.len().min(1);
                self.0.read(&mut buffer[..end])
            }
        }
        let directory = tempfile::tempdir().unwrap();
        let spooler = Spooler {
            work_dir: directory.path(),
            limits: &Limits::default(),
            reporter: &Silent,
            hashes: true,
        };
        let input = Dribble(Cursor::new(gzip(b"one")));
        let spooled = spooler.stream(input, None, "input").unwrap();
        assert_eq!(spooled.region.length_bytes, 3);
    }

    #[test]
    fn other_compressions_are_named() {
        for (head, name) in [(&b"\xfd7zXZ\0"[..], "xz"), (b"BZh91AY", "bzip2")] {
            let error = spool(head, &Limits::default()).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
