//! The layer's tar, entry by entry.

use std::io::Write;

use super::changes::{Changes, Hidden};
use super::compared::too_large;
use super::names::{Names, whiteout};
use super::{Exported, LayerOptions, exported_xattrs};
use crate::error::{Error, Result};
use crate::extract::{Entry, header};
use crate::listing::{Attribute, Kind, join};
use crate::progress::Meter;
use crate::tar::write::{self, Extent};
use crate::tree::OPAQUE_WHITEOUT;
use crate::units::FileFlags;
use crate::view::{Node, View};
use crate::warnings::Warnings;

/// What holes are written from.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A tar in the making.
pub(super) struct LayerWriter<'a> {
    view: &'a View,
    options: &'a LayerOptions,
    output: &'a mut dyn Write,
    meter: &'a dyn Meter,
    exported: &'a mut Exported,
    /// What may still be read of contents.
    left_bytes: u64,
    /// Bytes of holes that may still be written as zeros.
    left_holes: u64,
}

impl<'a> LayerWriter<'a> {
    pub fn new(
        view: &'a View,
        options: &'a LayerOptions,
        output: &'a mut dyn Write,
        meter: &'a dyn Meter,
        exported: &'a mut Exported,
    ) -> Self {
        Self {
            view,
            options,
            output,
            meter,
            exported,
            left_bytes: view.max_data_bytes(),
            left_holes: view.blocks().saturating_mul(view.block_bytes()),
        }
    }

    /// Writes it all. A directory's whiteouts come right behind it, before what is in it.
    pub fn write_all(mut self, names: &Names<'_>, changes: &Changes) -> Result<()> {
        for index in 0..names.iter().len() {
            if !changes.is_written[index] {
                continue;
            }
            let path = names.path(index);
            self.entry(names, index, &path)
                .map_err(|error| error.in_entry(&path))?;
            match changes.hidden[index] {
                Hidden::Nothing => {}
                Hidden::All => {
                    self.whiteout(join(&path, OPAQUE_WHITEOUT))?;
                    self.exported.opaque += 1;
                }
                Hidden::Gone => {
                    for name in names.gone(index) {
                        self.whiteout(whiteout(&path, name))?;
                        self.exported.whiteouts += 1;
                    }
                }
            }
        }
        self.bytes(&write::end(self.exported.tar_bytes))?;
        self.output.flush().map_err(cannot_write)
    }

    fn entry(&mut self, names: &Names<'_>, index: usize, path: &[u8]) -> Result<()> {
        let name = names.get(index);
        let node = self.view.node(name.inode)?;
        let is_first = name.first == index;
        let kind = match name.kind {
            _ if !is_first => write::Kind::HardLink,
            Kind::Regular => write::Kind::Regular,
            Kind::Symlink => write::Kind::Symlink,
            Kind::CharacterDevice => write::Kind::CharacterDevice,
            Kind::BlockDevice => write::Kind::BlockDevice,
            Kind::Directory => write::Kind::Directory,
            Kind::Fifo => write::Kind::Fifo,
            // None has a name here.
            Kind::Socket => return Ok(()),
        };
        let xattrs = self.view.xattrs(&node)?;
        let warnings = &mut self.exported.warnings;
        let xattrs = exported_xattrs(path, &xattrs, warnings);
        if is_first {
            tell_what_engines_lose(path, &node, &xattrs, warnings);
        }
        // A hard link's has all of them, too: a change of owner through the new name, as every engine
        // makes it, takes capabilities away.
        let mut header = header(
            &Entry {
                path,
                node: &node.clone().into(),
                xattrs: &xattrs,
            },
            kind,
        );
        let flags = node.file_flags();
        if self.options.file_flags {
            header.records.extend(write::flags_record(flags));
        } else if is_first && !flags.is_empty() {
            warnings.count_with(FileFlags::NOT_KEPT, || flags.told_of(path));
        }
        self.exported.entries += 1;
        match name.kind {
            _ if !is_first => header.link = names.path(name.first),
            Kind::Regular => return self.content(header, &node, path),
            Kind::Symlink => {
                header.link = self.view.target(&node)?;
                header.mode = 0o777;
            }
            Kind::CharacterDevice | Kind::BlockDevice => {
                header.device = node.device().unwrap_or_default();
            }
            _ => {}
        }
        self.bytes(&header.encode())
    }

    /// A file's header and bytes. Holes are zeros: tars of sparse files are not read alike everywhere
    /// (OCI image-spec, layer.md, "Additional file attributes"), and engines that keep no tar but
    /// make it anew from what was unpacked (docker, podman) cannot make the same again. So that a
    /// file of terabytes of nothing does not cost as much, no more zeros are written than the
    /// filesystem is large; what has more than what is left of them is written as a sparse file.
    fn content(&mut self, mut header: write::Entry, node: &Node, path: &[u8]) -> Result<()> {
        let size_bytes = node.stored.size_bytes;
        let extents = self.view.extents(node)?;
        let stored_bytes: u64 = extents.iter().map(|(_, length)| length).sum();
        let left = self.left_bytes.checked_sub(stored_bytes);
        self.left_bytes = left.ok_or_else(too_large)?;
        let holes = size_bytes.saturating_sub(stored_bytes);
        match self.left_holes.checked_sub(holes) {
            Some(left) => {
                self.left_holes = left;
                header.size_bytes = size_bytes;
                self.bytes(&header.encode())?;
                let end = self.data(node, |writer, hole| writer.zeros(hole))?;
                self.zeros(size_bytes.saturating_sub(end))?;
                self.bytes(write::padding(size_bytes))
            }
            None => {
                self.exported.warnings.count(SPARSE, path);
                self.sparse(header, node, &extents, stored_bytes)
            }
        }
    }

    fn sparse(
        &mut self,
        header: write::Entry,
        node: &Node,
        extents: &[Extent],
        stored_bytes: u64,
    ) -> Result<()> {
        self.bytes(&header.encode_file(node.stored.size_bytes, extents))?;
        self.data(node, |_, _| Ok(()))?;
        self.bytes(write::padding(stored_bytes))
    }

    /// Writes all data, `hole` before what comes behind one of so many bytes, and tells where it ends.
    fn data(
        &mut self,
        node: &Node,
        mut hole: impl FnMut(&mut Self, u64) -> Result<()>,
    ) -> Result<u64> {
        let mut end = 0;
        let mut reader = self.view.content(node)?;
        while let Some((offset_bytes, piece)) = reader.next_data()? {
            let length = piece.len() as u64;
            hole(self, offset_bytes.saturating_sub(end))?;
            self.bytes(piece)?;
            self.meter.add(length);
            end = offset_bytes.saturating_add(length);
        }
        Ok(end)
    }

    /// An empty file, of nobody in particular and no time.
    fn whiteout(&mut self, path: Vec<u8>) -> Result<()> {
        let entry = write::Entry {
            path,
            mode: 0o600,
            ..write::Entry::default()
        };
        self.bytes(&entry.encode())
    }

    fn zeros(&mut self, mut count: u64) -> Result<()> {
        while count > 0 {
            let length = count.min(ZEROS.len() as u64);
            // At most the length of the zeros.
            self.bytes(&ZEROS[..length as usize])?;
            count -= length;
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.exported.tar_bytes += bytes.len() as u64;
        self.output.write_all(bytes).map_err(cannot_write)
    }
}

/// Seconds that Go, which the engines are written in, counts in 63 bits of nanoseconds.
const GO_SECONDS: std::ops::Range<i64> = 0..9_223_372_036;

/// Counts what is in the layer and whoever applies it does not show. Found by letting them.
fn tell_what_engines_lose(path: &[u8], node: &Node, xattrs: &[Attribute], warnings: &mut Warnings) {
    if node.kind == Kind::CharacterDevice && node.device() == Some((0, 0)) {
        warnings.count(HIDDEN_DEVICE, path);
    }
    if !GO_SECONDS.contains(&node.stored.mtime.seconds) {
        warnings.count(ODD_TIME, path);
    }
    if xattrs.iter().any(|xattr| xattr.value.is_empty()) {
        warnings.count(EMPTY_VALUE, path);
    }
    if xattrs
        .iter()
        .any(|xattr| xattr.name.starts_with(b"trusted."))
    {
        warnings.count(TRUSTED, path);
    }
}

const ODD_TIME: &str = "a time before 1970 or after 2262 is written as it is; docker, podman, containerd and umoci make another of it";

const EMPTY_VALUE: &str = "an extended attribute without a value is written as it is; docker, podman, containerd and umoci leave it out";

const TRUSTED: &str = "a trusted.* attribute is written as it is; containerd leaves it out";

const HIDDEN_DEVICE: &str = "a character device 0:0 is written as it is; overlayfs, which docker and containerd use, takes it for a whiteout";

const SPARSE: &str = "a file is written as a sparse one, for its holes are larger than the filesystem; docker and podman read it, but cannot give the layer out again as it was";

fn cannot_write(error: std::io::Error) -> Error {
    Error::io("cannot write the layer", error)
}
