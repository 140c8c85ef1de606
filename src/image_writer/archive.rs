//! An image written into a tar: a layout's files, and for docker its own list.
//!
//! A member's header has its length and its name, which is its digest: it is written behind the
//! member's content, into the room that was left for it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::WriteOptions;
use super::blob::{Blob, Called, Sink};
use super::documents::{ImageDocuments, OCI_LAYOUT};
use super::target::{Form, ImageTarget};
use crate::error::{Error, Result};
use crate::leftovers;
use crate::oci::Digest;
use crate::page_buffer::PageBuffer;
use crate::partial_file::{PartialFile, refuse_existing};
use crate::region::FileRegion;
use crate::spool::Spool;
use crate::tar::write::{self, Entry, Kind};
use crate::units::Timestamp;

/// Bytes of a header without records, and of one that has a record for its length.
const SHORT_HEADER_BYTES: u64 = 512;
const LONG_HEADER_BYTES: u64 = 1536;

/// From which length on a header says it in a record; a blob may become a little longer than was said.
const LONG_BYTES: u64 = 7 << 30;

/// Bytes given to a stream at once.
const BUFFER_BYTES: usize = 256 << 10;

/// A tar that is written into.
#[derive(Debug)]
pub(super) struct Archive {
    output: Output,
    /// What it is to be called; of a stream the work directory.
    path: PathBuf,
    time: Timestamp,
    /// Where the next member begins.
    end_bytes: u64,
    blobs: BTreeSet<String>,
}

#[derive(Debug)]
enum Output {
    File(PartialFile, leftovers::Begun),
    /// An unnamed file, and where it goes in the end.
    Stream(Arc<File>, File),
}

impl Output {
    fn file(&self) -> &File {
        match self {
            Self::File(partial, _) => partial.file(),
            Self::Stream(file, _) => file,
        }
    }
}

impl Archive {
    pub(super) fn begin(target: &ImageTarget, options: WriteOptions<'_>) -> Result<Self> {
        let mut path = target.path().to_owned();
        let output = match options.stream {
            Some(stream) if target.is_stream() => {
                path = options.work_dir.to_owned();
                let spool = Spool::new(&path, "the image")?;
                Output::Stream(Arc::clone(spool.file()), stream)
            }
            _ => {
                if options.no_clobber {
                    refuse_existing(&path)?;
                }
                let mut partial = PartialFile::create(&path)?;
                partial.set_no_clobber(options.no_clobber);
                Output::File(partial, leftovers::begin(&path))
            }
        };
        let mut archive = Self {
            output,
            path,
            // A fraction would need a record of its own.
            time: Timestamp::from_seconds(options.time.seconds.clamp(0, 0o77_777_777_777)),
            end_bytes: 0,
            blobs: BTreeSet::new(),
        };
        for directory in ["blobs", "blobs/sha256"] {
            let entry = Entry {
                path: write::name(directory.as_bytes(), true),
                kind: Kind::Directory,
                mode: 0o755,
                mtime: archive.time,
                ..Entry::default()
            };
            archive.append(&entry.encode())?;
        }
        Ok(archive)
    }

    fn called(&self) -> Called<'_> {
        match &self.output {
            Output::File(..) => Called::Path(&self.path),
            Output::Stream(..) => Called::In(&self.path),
        }
    }

    /// A blob that is in it already.
    pub(super) fn there(&self, region: &FileRegion, digest: &Digest) -> Option<Blob> {
        let is_there = self.blobs.contains(digest.digest());
        is_there.then(|| Blob {
            digest: digest.clone(),
            size_bytes: region.length_bytes,
        })
    }

    pub(super) fn blob<T>(
        &mut self,
        at_most_bytes: u64,
        fill: impl FnOnce(&mut Sink<'_>) -> Result<T>,
    ) -> Result<(T, Blob)> {
        let is_long = at_most_bytes >= LONG_BYTES;
        let header_bytes = match is_long {
            true => LONG_HEADER_BYTES,
            false => SHORT_HEADER_BYTES,
        };
        let start = self.end_bytes + header_bytes;
        let mut sink = Sink::at(self.output.file(), start, self.called());
        let made = fill(&mut sink)?;
        let blob = sink.finish();
        let name = blob.digest.digest().to_owned();
        if !self.blobs.contains(&name) {
            let path = format!("blobs/sha256/{name}");
            let header = header(&path, blob.size_bytes, self.time, is_long);
            if header.len() as u64 != header_bytes {
                return Err(Error::Mismatch(format!(
                    "{path}: expected a header of {header_bytes} bytes, found {}",
                    header.len()
                )));
            }
            self.append(&header)?;
            self.end_bytes = start + blob.size_bytes;
            self.append(write::padding(blob.size_bytes))?;
            self.blobs.insert(name);
        }
        Ok((made, blob))
    }

    pub(super) fn finish(
        mut self,
        target: &ImageTarget,
        documents: &ImageDocuments<'_>,
    ) -> Result<()> {
        self.small("index.json", &documents.index(target, None)?)?;
        if target.form() == Form::DockerArchive {
            self.small("manifest.json", &documents.docker_list(target)?)?;
        }
        self.small("oci-layout", OCI_LAYOUT.as_bytes())?;
        self.append(&write::end(self.end_bytes))?;
        let (file, length_bytes) = (self.output.file(), self.end_bytes);
        // What was written of a blob twice lies behind the end.
        file.set_len(length_bytes)
            .map_err(|error| self.called().unwritable(error))?;
        match self.output {
            Output::File(partial, _begun) => partial.persist(),
            Output::Stream(file, stream) => send(file, length_bytes, &stream),
        }
    }

    fn small(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.append(&header(name, bytes.len() as u64, self.time, false))?;
        self.append(bytes)?;
        self.append(write::padding(bytes.len() as u64))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let file = self.output.file();
        file.write_all_at(bytes, self.end_bytes)
            .map_err(|error| self.called().unwritable(error))?;
        self.end_bytes += bytes.len() as u64;
        Ok(())
    }
}

fn header(path: &str, size_bytes: u64, mtime: Timestamp, is_long: bool) -> Vec<u8> {
    let mut entry = Entry {
        path: path.as_bytes().to_vec(),
        mode: 0o644,
        mtime,
        size_bytes,
        ..Entry::default()
    };
    if is_long && size_bytes < 1 << 33 {
        let record = (b"size".to_vec(), size_bytes.to_string().into_bytes());
        entry.records.push(record);
    }
    entry.encode()
}

fn send(file: Arc<File>, length_bytes: u64, stream: &File) -> Result<()> {
    let region = FileRegion {
        file,
        offset_bytes: 0,
        length_bytes,
    };
    let mut stream = stream;
    let mut buffer = PageBuffer::new(BUFFER_BYTES);
    let unwritable = |error| Error::io("cannot write to standard output", error);
    region.for_each_piece(&mut buffer, |_, piece| {
        let piece = piece.map_err(|error| Error::io("cannot read the image again", error))?;
        stream.write_all(piece).map_err(unwritable)
    })?;
    stream.flush().map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_takes_the_room_that_was_left_for_it_whatever_the_length() {
        for size_bytes in [0, 1, LONG_BYTES, (1 << 33) - 1] {
            let short = header(
                "blobs/sha256/a",
                size_bytes,
                Timestamp::from_seconds(0),
                false,
            );
            assert_eq!(short.len() as u64, SHORT_HEADER_BYTES, "{size_bytes}");
        }
        for size_bytes in [0, 1, LONG_BYTES, (1 << 33) - 1, 1 << 33, u64::MAX >> 1] {
            let time = Timestamp::from_seconds(0o77_777_777_777);
            let long = header("blobs/sha256/a", size_bytes, time, true);
            assert_eq!(long.len() as u64, LONG_HEADER_BYTES, "{size_bytes}");
        }
    }
}
