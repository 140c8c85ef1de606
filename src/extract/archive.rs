//! A tree as a pax tar: the same tree the same bytes.

use std::io::Write;

use super::{Data, Entry, Sink, file_flags};
use crate::error::{Error, Result};
use crate::listing::Kind;
use crate::look::Inside;
use crate::tar::write;
use crate::warnings::Warnings;

/// Why a socket is not in a tar, for a counted warning.
pub const SOCKET_LEFT_OUT: &str = "a socket cannot be in a tar and was left out";

/// Writes a tar with owners, times in nanoseconds, hard links, extended attributes (`SCHILY.xattr`),
/// file flags (`SCHILY.fflags`) and sparse files (GNU, pax 1.0). [`Self::finish`] ends it.
pub struct ArchiveSink<'a> {
    output: &'a mut dyn Write,
    written_bytes: u64,
    keeps_flags: bool,
    warnings: &'a mut Warnings,
}

impl<'a> ArchiveSink<'a> {
    /// A tar to be written to `output`, with the flags that chattr sets where `keeps_flags` says so.
    /// What a tar cannot hold (sockets), and flags that are not kept, are counted in `warnings`.
    pub fn new(output: &'a mut dyn Write, keeps_flags: bool, warnings: &'a mut Warnings) -> Self {
        Self {
            output,
            written_bytes: 0,
            keeps_flags,
            warnings,
        }
    }

    /// Ends the archive, on a whole record.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<()> {
        let Self { output, .. } = self;
        output
            .write_all(&write::end(self.written_bytes))
            .and_then(|()| output.flush())
            .map_err(cannot_write)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.written_bytes += bytes.len() as u64;
        self.output.write_all(bytes).map_err(cannot_write)
    }

    /// An inode's header.
    fn header(&mut self, entry: &Entry<'_>, kind: write::Kind) -> write::Entry {
        let mut header = header(entry, kind);
        if self.keeps_flags {
            header
                .records
                .extend(write::flags_record(entry.node.file_flags));
        } else {
            file_flags::leave_out(entry, self.warnings);
        }
        header
    }

    fn leave_out(&mut self, socket: &Entry<'_>) -> Result<()> {
        self.warnings.count(SOCKET_LEFT_OUT, socket.path);
        Ok(())
    }

    fn content(
        &mut self,
        header: write::Entry,
        entry: &Entry<'_>,
        inside: Inside<'_>,
        data: &mut Data<'_>,
    ) -> Result<()> {
        let extents = inside.extents(entry.node)?;
        let stored_bytes: u64 = extents.iter().map(|(_, length)| length).sum();
        // Before the first byte is written: a header cannot be taken back.
        data.spend(stored_bytes)?;
        self.write(&header.encode_file(entry.node.size_bytes, &extents))?;
        let mut reader = inside.content(entry.node)?;
        while let Some((_, piece)) = reader.next_data()? {
            self.write(piece)?;
        }
        self.write(write::padding(stored_bytes))
    }
}

fn cannot_write(error: std::io::Error) -> Error {
    Error::io("cannot write the tar", error)
}

impl Sink for ArchiveSink<'_> {
    fn enter(&mut self, entry: &Entry<'_>) -> Result<()> {
        let header = self.header(entry, write::Kind::Directory);
        self.write(&header.encode())
    }

    fn inode(&mut self, entry: &Entry<'_>, inside: Inside<'_>, data: &mut Data<'_>) -> Result<()> {
        let kind = match entry.node.kind {
            Kind::Regular => write::Kind::Regular,
            Kind::Symlink => write::Kind::Symlink,
            Kind::CharacterDevice => write::Kind::CharacterDevice,
            Kind::BlockDevice => write::Kind::BlockDevice,
            Kind::Directory => write::Kind::Directory,
            Kind::Fifo => write::Kind::Fifo,
            Kind::Socket => return self.leave_out(entry),
        };
        let mut header = self.header(entry, kind);
        match entry.node.kind {
            Kind::Regular => return self.content(header, entry, inside, data),
            Kind::Symlink => header.link = inside.target(entry.node)?,
            _ => header.device = entry.node.device.unwrap_or_default(),
        }
        self.write(&header.encode())
    }

    fn link(&mut self, entry: &Entry<'_>, first: &[u8]) -> Result<()> {
        if entry.node.kind == Kind::Socket {
            return self.leave_out(entry);
        }
        let mut header = header(entry, write::Kind::HardLink);
        header.link = first.to_vec();
        header.records.clear();
        self.write(&header.encode())
    }
}

/// An entry's header with its owner, its times and its extended attributes.
pub fn header(entry: &Entry<'_>, kind: write::Kind) -> write::Entry {
    let records = entry.xattrs.iter().map(|attribute| {
        let key = write::xattr_keyword(&attribute.name);
        (key, attribute.value.to_vec())
    });
    write::Entry {
        path: write::name(entry.path, kind == write::Kind::Directory),
        kind,
        mode: entry.node.mode.into(),
        uid: entry.node.uid,
        gid: entry.node.gid,
        mtime: entry.node.mtime,
        records: records.collect(),
        ..write::Entry::default()
    }
}
