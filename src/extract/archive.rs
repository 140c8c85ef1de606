//! A tree as a pax tar: the same tree the same bytes.

use std::io::Write;

use super::{Data, Entry, Sink};
use crate::error::{Error, Result};
use crate::listing::Kind;
use crate::pax;
use crate::view::View;
use crate::warnings::Warnings;

/// Writes a tar with owners, times in nanoseconds, hard links, extended attributes (`SCHILY.xattr`)
/// and sparse files (GNU, pax 1.0). [`Self::finish`] ends it.
pub struct ArchiveSink<'a> {
    output: &'a mut dyn Write,
    warnings: &'a mut Warnings,
}

impl<'a> ArchiveSink<'a> {
    /// A tar to be written to `output`. What a tar cannot hold (sockets) is counted in `warnings`.
    pub fn new(output: &'a mut dyn Write, warnings: &'a mut Warnings) -> Self {
        Self { output, warnings }
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<()> {
        let Self { output, .. } = self;
        output
            .write_all(&[0; 1024])
            .and_then(|()| output.flush())
            .map_err(cannot_write)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.output.write_all(bytes).map_err(cannot_write)
    }

    fn content(
        &mut self,
        mut header: pax::Entry,
        entry: &Entry<'_>,
        view: &View,
        data: &mut Data<'_>,
    ) -> Result<()> {
        let size_bytes = entry.node.size_bytes();
        let extents = view.extents(entry.node)?;
        let stored_bytes: u64 = extents.iter().map(|(_, length)| length).sum();
        // Before the first byte is written: a header cannot be taken back.
        data.spend(stored_bytes)?;
        if stored_bytes == size_bytes {
            header.size_bytes = size_bytes;
            self.write(&header.encode())?;
        } else {
            let map = pax::encode_sparse_map(&extents, size_bytes);
            header.make_sparse(size_bytes, map.len() as u64 + stored_bytes);
            self.write(&header.encode())?;
            self.write(&map)?;
        }
        let mut reader = view.content(entry.node)?;
        while let Some((_, piece)) = reader.next_data()? {
            self.write(piece)?;
        }
        // The map is whole blocks already.
        self.write(&[0; 512][..pax::padding(stored_bytes)])
    }
}

fn cannot_write(error: std::io::Error) -> Error {
    Error::io("cannot write the tar", error)
}

impl Sink for ArchiveSink<'_> {
    fn enter(&mut self, entry: &Entry<'_>) -> Result<()> {
        let header = header(entry, pax::Kind::Directory)?;
        self.write(&header.encode())
    }

    fn leave(&mut self, _: &Entry<'_>) -> Result<()> {
        Ok(())
    }

    fn inode(&mut self, entry: &Entry<'_>, view: &View, data: &mut Data<'_>) -> Result<()> {
        let kind = match entry.node.kind {
            Kind::Regular => pax::Kind::Regular,
            Kind::Symlink => pax::Kind::Symlink,
            Kind::CharacterDevice => pax::Kind::CharacterDevice,
            Kind::BlockDevice => pax::Kind::BlockDevice,
            Kind::Directory => pax::Kind::Directory,
            Kind::Fifo => pax::Kind::Fifo,
            Kind::Socket => {
                self.warnings
                    .count("a socket cannot be in a tar and was left out", entry.path);
                return Ok(());
            }
        };
        let mut header = header(entry, kind)?;
        match entry.node.kind {
            Kind::Regular => return self.content(header, entry, view, data),
            Kind::Symlink => header.link = view.target(entry.node)?,
            _ => header.device = entry.node.device().unwrap_or_default(),
        }
        self.write(&header.encode())
    }

    fn link(&mut self, entry: &Entry<'_>, first: &[u8]) -> Result<()> {
        if entry.node.kind == Kind::Socket {
            self.warnings
                .count("a socket cannot be in a tar and was left out", entry.path);
            return Ok(());
        }
        let mut header = header(entry, pax::Kind::HardLink)?;
        header.link = first.to_vec();
        header.records.clear();
        self.write(&header.encode())
    }
}

fn header(entry: &Entry<'_>, kind: pax::Kind) -> Result<pax::Entry> {
    let mut path = entry.path.to_vec();
    if path.is_empty() {
        path.push(b'.');
    }
    if kind == pax::Kind::Directory {
        path.push(b'/');
    }
    let mut records = Vec::new();
    for attribute in entry.xattrs {
        let key = pax::xattr_keyword(&attribute.name);
        records.push((key, attribute.value.to_vec()));
    }
    Ok(pax::Entry {
        path,
        link: Vec::new(),
        kind,
        mode: entry.node.mode().into(),
        uid: entry.node.uid(),
        gid: entry.node.gid(),
        mtime: entry.node.mtime(),
        size_bytes: 0,
        device: (0, 0),
        records,
    })
}
