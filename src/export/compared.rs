//! An inode held against a node of the base.

use super::{Base, LayerOptions, exported_xattrs};
use crate::error::{Error, Result};
use crate::layers::{Content, Contents, DataExtent, Xattr};
use crate::listing::{Attribute, Body, Kind, Line, Owner};
use crate::ondisk::inode::EARLIEST_SECOND;
use crate::page_buffer::PageBuffer;
use crate::progress::Meter;
use crate::region::FileRegion;
use crate::tree::{ContentRef, NodeId, NodeKind};
use crate::units::{FileFlags, InodeNumber, Timestamp};
use crate::view::{Node, View};
use crate::warnings::Warnings;

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Compares one after the other.
pub(super) struct Comparer<'a> {
    pub view: &'a View,
    pub base: &'a Base<'a>,
    pub options: &'a LayerOptions,
    pub meter: &'a dyn Meter,
    pub warnings: &'a mut Warnings,
    /// What may still be read of the filesystem's contents.
    left_bytes: u64,
    buffer: PageBuffer,
}

impl<'a> Comparer<'a> {
    pub fn new(
        view: &'a View,
        base: &'a Base<'a>,
        options: &'a LayerOptions,
        meter: &'a dyn Meter,
        warnings: &'a mut Warnings,
    ) -> Self {
        Self {
            view,
            base,
            options,
            meter,
            warnings,
            left_bytes: view.max_data_bytes(),
            buffer: PageBuffer::new(BUFFER_BYTES),
        }
    }

    /// Whether an inode has everything that the filesystem could keep of the base's node, the bytes of
    /// its content included, and nothing else. How many names they have is not looked at.
    pub fn is_same(
        &mut self,
        inode: InodeNumber,
        base: NodeId,
        path: &dyn Fn() -> Vec<u8>,
    ) -> Result<bool> {
        self.compare(inode, base, path)
            .map_err(|error| error.in_entry(&path()))
    }

    fn compare(
        &mut self,
        inode: InodeNumber,
        base: NodeId,
        path: &dyn Fn() -> Vec<u8>,
    ) -> Result<bool> {
        let node = self.view.node(inode)?;
        let path = path();
        let base = self.base.tree.node(base);
        let mut expected = (self.base.normalise)(&path, base, None);
        let xattrs = self.view.xattrs(&node)?;
        let xattrs = exported_xattrs(&path, &xattrs, &mut Warnings::default());
        let mut found = line(self.view, &path, &node, xattrs)?;
        if !self.options.file_flags {
            expected.file_flags = None;
            found.file_flags = None;
        }
        // No entry says how many names there are.
        expected.link_count = None;
        let of_base = &base.attributes;
        // What a build would have made of it, or itself: another filesystem may hold what a build does not
        // put into one, and a layer that was made of it has told so.
        for time in [of_base.mtime, expected.mtime.unwrap_or(of_base.mtime)] {
            let held = Some(as_held(time, &node));
            if held == found.mtime {
                expected.mtime = held;
            }
        }
        if found.file_flags == Some(of_base.file_flags) {
            expected.file_flags = found.file_flags;
        }
        if found.xattrs != expected.xattrs {
            expected.xattrs = Some(all_of(&of_base.xattrs));
        }
        if expected != found {
            return Ok(false);
        }
        let is_same = match &base.kind {
            NodeKind::Regular(file) => self.has_same_content(&node, file)?,
            _ => true,
        };
        let flags = node.file_flags();
        if is_same && !self.options.file_flags && !flags.is_empty() {
            let told = || flags.told_of(&path);
            self.warnings.count_with(FileFlags::NOT_KEPT, told);
        }
        Ok(is_same)
    }

    /// Byte by byte, holes being zeros; the lengths are the same.
    fn has_same_content(&mut self, node: &Node, file: &ContentRef) -> Result<bool> {
        let mut base = BaseContent::of(file, self.base.contents)?;
        let mut reader = self.view.content(node)?;
        let mut end = 0;
        while let Some((offset_bytes, data)) = reader.next_data()? {
            let length = data.len() as u64;
            self.left_bytes = self.left_bytes.checked_sub(length).ok_or_else(too_large)?;
            self.meter.add(length);
            let is_same = base.holds(end, offset_bytes, None, &mut self.buffer)?
                && base.holds(
                    offset_bytes,
                    offset_bytes.saturating_add(length),
                    Some(data),
                    &mut self.buffer,
                )?;
            if !is_same {
                return Ok(false);
            }
            end = offset_bytes.saturating_add(length);
        }
        base.holds(end, file.content.size_bytes, None, &mut self.buffer)
    }
}

/// All of a base's attributes, as they stand beside those of an inode.
fn all_of(xattrs: &[Xattr]) -> Box<[Attribute]> {
    let xattrs = xattrs.iter();
    let mut all: Box<[_]> = xattrs
        .map(|xattr| Attribute::new(&xattr.name, &xattr.value))
        .collect();
    all.sort();
    all
}

pub(super) fn too_large() -> Error {
    Error::bad_image("the files together are larger than the filesystem")
}

/// A time as an inode of this size can hold it: without the words beyond 128 bytes, seconds of 32 bits.
fn as_held(time: Timestamp, node: &Node) -> Timestamp {
    if node.stored.crtime.is_some() {
        return time;
    }
    Timestamp::from_seconds(time.seconds.clamp(EARLIEST_SECOND, i32::MAX.into()))
}

/// What an inode is, without its content and the number of its names, as a base's node is normalised.
fn line(view: &View, path: &[u8], node: &Node, xattrs: Vec<Attribute>) -> Result<Line> {
    let (size_bytes, body) = match node.kind {
        Kind::Regular => (Some(node.stored.size_bytes), Body::Unknown),
        Kind::Symlink => {
            let target = view.target(node)?;
            (Some(target.len() as u64), Body::Target(target.into()))
        }
        Kind::CharacterDevice | Kind::BlockDevice => {
            let (major, minor) = node.stored.device();
            (None, Body::Device { major, minor })
        }
        Kind::Directory | Kind::Fifo | Kind::Socket => (None, Body::Nothing),
    };
    // Linux knows no other mode for a symbolic link, whatever is said of it.
    let mode = match node.kind {
        Kind::Symlink => 0o777,
        _ => node.mode(),
    };
    Ok(Line {
        kind: Some(node.kind),
        mode: Some(mode),
        owner: Some(Owner {
            uid: node.stored.uid,
            gid: node.stored.gid,
        }),
        mtime: Some(node.stored.mtime),
        size_bytes,
        xattrs: Some(xattrs.into()),
        file_flags: Some(node.file_flags()),
        body,
        ..Line::unknown(path)
    })
}

/// A file's bytes in the base's layers, asked for in ascending order.
struct BaseContent<'a> {
    tar: &'a FileRegion,
    extents: Box<dyn Iterator<Item = DataExtent> + 'a>,
    current: Option<DataExtent>,
    content: &'a Content,
}

impl<'a> BaseContent<'a> {
    fn of(file: &'a ContentRef, contents: &'a Contents) -> Result<Self> {
        let mut extents = Box::new(file.content.extents());
        Ok(Self {
            tar: contents.of(file.origin)?,
            current: extents.next(),
            extents,
            content: &file.content,
        })
    }

    /// Whether the bytes from `start` to `end` are `data`, or zeros where there is none.
    fn holds(
        &mut self,
        start: u64,
        end: u64,
        data: Option<&[u8]>,
        buffer: &mut [u8],
    ) -> Result<bool> {
        if end > self.content.size_bytes {
            // The lengths are the same, and a filesystem's data ends with its file.
            return Ok(false);
        }
        let mut at = start;
        while at < end {
            let extent = self.extent_at(at);
            let until = extent.map_or(end, |extent| match extent.file_offset_bytes > at {
                true => extent.file_offset_bytes.min(end),
                false => (extent.file_offset_bytes.saturating_add(extent.length_bytes)).min(end),
            });
            let is_hole = extent.is_none_or(|extent| extent.file_offset_bytes > at);
            let is_same = if is_hole {
                let part = data.map(|data| part(data, at - start, until - start));
                let is_same = part.is_none_or(is_zeros);
                at = until;
                is_same
            } else {
                // At most the buffer's length.
                let length = (until - at).min(buffer.len() as u64);
                let piece = &mut buffer[..length as usize];
                self.read(extent, at, piece)?;
                let expected = data.map(|data| part(data, at - start, at - start + length));
                at += length;
                expected.map_or_else(|| is_zeros(piece), |expected| *expected == *piece)
            };
            if !is_same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The first extent that does not end before `at`.
    fn extent_at(&mut self, at: u64) -> Option<DataExtent> {
        let is_before = |extent: &DataExtent| {
            extent.file_offset_bytes.saturating_add(extent.length_bytes) <= at
        };
        while self.current.as_ref().is_some_and(is_before) {
            self.current = self.extents.next();
        }
        self.current
    }

    fn read(&self, extent: Option<DataExtent>, at: u64, piece: &mut [u8]) -> Result<()> {
        let Some(extent) = extent else {
            return Ok(());
        };
        let offset_bytes = extent
            .offset_bytes
            .saturating_add(at - extent.file_offset_bytes);
        let read = self.tar.read_exact_at(piece, offset_bytes);
        read.map_err(|error| Error::io("cannot read a layer's tar", error))
    }
}

/// A part of what is in memory: both ends fit.
fn part(data: &[u8], start: u64, end: u64) -> &[u8] {
    let at = |offset: u64| usize::try_from(offset).map_or(data.len(), |at| at.min(data.len()));
    &data[at(start)..at(end)]
}

fn is_zeros(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes
        .chunks(ZEROS.len())
        .all(|chunk| *chunk == ZEROS[..chunk.len()])
}
