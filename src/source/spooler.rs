//! Input that cannot be read at any offset as it is (a pipe, a compressed archive) becomes a spool
//! that can.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::Path;

use crate::compression::{
    self, Compression, Decompressor, MAGIC_BYTES, StoredBytes, check_expansion,
};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::oci::{Digest, DigestHasher};
use crate::ownership;
use crate::page_buffer::PageBuffer;
use crate::pinned::{Identity, identity};
use crate::progress::{Meter, Phase, Reporter, Task};
use crate::region::FileRegion;
use crate::spool::{self, Spool};

const BUFFER_BYTES: usize = 256 << 10;

/// What errors about spools call them.
const WHAT: &str = "the image";

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
    /// Whether those are the bytes of a file that has a name, and no copy.
    pub is_in_place: bool,
}

impl Spooler<'_> {
    /// A file's uncompressed bytes: in place where it is not compressed.
    pub(super) fn file(&self, region: FileRegion, name: &str) -> Result<Spooled> {
        if compression_of(&head(&mut region.reader(), name)?)? == Compression::None {
            return Ok(Spooled {
                region,
                sha256: None,
                is_in_place: true,
            });
        }
        self.stream(region.reader(), Some(region.length_bytes), name)
    }

    /// What nobody else may write: as it is where that is so, or a copy. It is hashed by one reading
    /// and used by another.
    pub(super) fn own(&self, tar: Spooled, name: &str) -> Result<Spooled> {
        let cannot_read = |error| Error::io(format!("cannot read {name}"), error);
        let others = ownership::others_of(&tar.region.file).map_err(cannot_read)?;
        if others.is_none() {
            return Ok(tar);
        }
        let meter = self.begin(name, Some(tar.region.length_bytes));
        let mut hasher = DigestHasher::sha256();
        let region = spool::copy(&tar.region, self.work_dir, WHAT, |bytes| {
            hasher.update(bytes);
            meter.add(bytes.len() as u64);
            Ok(())
        })?;
        meter.finish("spooled");
        Ok(Spooled {
            region,
            sha256: Some(hasher.finish()),
            is_in_place: false,
        })
    }

    /// A spool to be written.
    pub(super) fn writer(&self) -> Result<SpoolWriter<'_>> {
        Ok(SpoolWriter {
            spool: Spool::new(self.work_dir, WHAT)?,
            hasher: self.hashes.then(DigestHasher::sha256),
            max_bytes: self.limits.max_bytes,
        })
    }

    /// A stream's uncompressed bytes, copied into a spool.
    pub(super) fn stream(
        &self,
        mut input: impl Read,
        length_bytes: Option<u64>,
        name: &str,
    ) -> Result<Spooled> {
        let head = head(&mut input, name)?;
        let compression = compression_of(&head)?;
        let meter = self.begin(name, length_bytes);
        let taken_bytes = Cell::new(0);
        let input = Counted {
            input: io::Cursor::new(head).chain(input),
            taken_bytes: &taken_bytes,
            meter: &*meter,
            name,
        };
        let mut decompressor = Decompressor::new(input, compression, self.limits)?;
        let mut spool = self.writer()?;
        let mut buffer = PageBuffer::new(BUFFER_BYTES);
        loop {
            let read = decompressor.fill(&mut buffer)?;
            if read == 0 {
                break;
            }
            spool.write_all(&buffer[..read])?;
            if decompressor.is_compressed() {
                let written_bytes = spool.spool.written_bytes();
                check_expansion(taken_bytes.get(), written_bytes, self.limits)?;
            }
        }
        meter.finish("spooled");
        Ok(spool.finish())
    }

    fn begin(&self, name: &str, length_bytes: Option<u64>) -> Box<dyn Meter> {
        let name = format!("read {name}");
        self.reporter
            .begin(Task::bytes(Phase::Find, &name, length_bytes))
    }
}

/// How an image as a whole is compressed, by its first bytes; what another program decompresses is
/// refused with the words for it.
fn compression_of(head: &[u8]) -> Result<Compression> {
    let compression = Compression::of(head);
    match compression::foreign(head) {
        Some(program) => compression.map_err(|error| {
            error.with_more(&format!(
                " (`{program} -dc FILE | layerpress build -` takes a container image)"
            ))
        }),
        None => compression,
    }
}

/// The first bytes of an input, as many as tell its compression.
fn head(input: &mut impl Read, name: &str) -> Result<Vec<u8>> {
    let mut head = Vec::with_capacity(MAGIC_BYTES);
    let first = input.take(MAGIC_BYTES as u64).read_to_end(&mut head);
    first.map_err(|error| Error::io(format!("cannot read {name}"), error))?;
    Ok(head)
}

struct Counted<'a, R> {
    input: R,
    taken_bytes: &'a Cell<u64>,
    meter: &'a dyn Meter,
    name: &'a str,
}

impl<R: Read> StoredBytes for Counted<'_, R> {
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = loop {
            match self.input.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read.map_err(|error| Error::io(format!("cannot read {}", self.name), error))?;
        self.taken_bytes.set(self.taken_bytes.get() + read as u64);
        self.meter.add(read as u64);
        Ok(read)
    }
}

/// A spool being written, within the limits.
pub(super) struct SpoolWriter<'a> {
    spool: Spool<'a>,
    hasher: Option<DigestHasher>,
    max_bytes: u64,
}

impl SpoolWriter<'_> {
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        let written_bytes = self.spool.written_bytes() + bytes.len() as u64;
        if written_bytes > self.max_bytes {
            return Err(Error::bad_image(format!(
                "more than {} uncompressed bytes (--max-bytes raises the limit)",
                self.max_bytes
            )));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.spool.write(bytes)
    }

    /// Which file it is, should its directory show it.
    pub(super) fn identity(&self) -> Result<Identity> {
        let metadata = self.spool.file().metadata();
        let metadata = metadata.map_err(|error| Error::io("cannot read a spool", error))?;
        Ok(identity(&metadata))
    }

    pub(super) fn finish(self) -> Spooled {
        Spooled {
            region: self.spool.finish(),
            sha256: self.hasher.map(DigestHasher::finish),
            is_in_place: false,
        }
    }
}

/// The hash of all of a region's bytes.
pub(super) fn sha256(region: &FileRegion, name: &str, reporter: &dyn Reporter) -> Result<Digest> {
    let meter = reporter.begin(Task::bytes(
        Phase::Find,
        &format!("hash {name}"),
        region.length_bytes,
    ));
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
        assert_eq!(spooled.sha256, Some(DigestHasher::sha256().of(&bytes)));
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        Ok(bytes)
    }

    #[test]
    fn what_comes_is_spooled_and_hashed_without_its_compression() {
        let limits = Limits::default();
        assert_eq!(spool(b"plain", &limits).unwrap(), b"plain");
        assert_eq!(spool(b"", &limits).unwrap(), b"");
        let zstd = zstd::encode_all(&b"one"[..], 3).unwrap();
        assert_eq!(spool(&zstd, &limits).unwrap(), b"one");
    }

    /// The hint had lost the whole line, and stood behind a wrong `--max-zstd-window-log`, too.
    #[test]
    fn what_another_program_decompresses_comes_with_the_line_that_takes_it_and_nothing_else_does() {
        let limits = Limits::default();
        for (head, program) in [
            (&b"\xfd7zXZ\0"[..], "xz"),
            (b"BZh91AY&SY", "bzip2"),
            (b"\x04\x22\x4d\x18", "lz4"),
        ] {
            let error = spool(head, &limits).unwrap_err().to_string();
            // Of a filesystem that is not so.
            let hint =
                format!("(`{program} -dc FILE | layerpress build -` takes a container image)");
            assert!(error.contains(&hint), "{error}");
        }
        let zstd = zstd::encode_all(&b"one"[..], 3).unwrap();
        let limits = Limits {
            max_zstd_window_log: 40,
            ..limits
        };
        let error = spool(&zstd, &limits).unwrap_err().to_string();
        assert!(error.ends_with("expected 10 to 31, found 40"), "{error}");
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
}
