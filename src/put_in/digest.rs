//! The digest of what is put in: where it is the same, it does the same to the same tree.

use crate::error::{Error, Result};
use crate::layers::{Existing, Layers, Made, Put};
use crate::oci::{Digest, DigestHasher};
use crate::region::{Content, FileRegion};
use crate::tar::{Device, EntryKind};

/// What the digest begins with.
const TITLE: &[u8] = b"layerpress what is put in, form 1\n";

/// Bytes hashed at once.
const PIECE_BYTES: usize = 256 << 10;

/// Digests all that is put in behind layers, in its order: of a tar where its root goes and its bytes, of
/// names made one by one their path, type, mode, owner, group, time, attributes, flags and content, and
/// what becomes of what is there. Nothing of it is of the host: neither a path there nor, where they are
/// not kept, its owners and times. Fields are bytes with their length before them, numbers of 64 bits,
/// little-endian.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub fn put_in_digest(layers: &Layers) -> Result<Digest> {
    let mut digesting = Digesting {
        regions: &layers.contents.put_in,
        hasher: DigestHasher::sha256(),
        buffer: vec![0; PIECE_BYTES],
    };
    digesting.hasher.update(TITLE);
    for put_in in &layers.put_in {
        match &put_in.put {
            Put::Tar { at, region, .. } => {
                digesting.field(b"tar");
                digesting.field(at);
                let tar = digesting.region(*region)?;
                digesting.number(tar.length_bytes);
                digesting.bytes(&tar, 0, tar.length_bytes)?;
            }
            Put::Names { made, replaces } => {
                digesting.field(b"names");
                digesting.number(u64::from(*replaces));
                digesting.number(made.len() as u64);
                for made in &**made {
                    digesting.made(made)?;
                }
            }
        }
    }
    Ok(digesting.hasher.finish())
}

struct Digesting<'a> {
    regions: &'a [FileRegion],
    hasher: DigestHasher,
    buffer: Vec<u8>,
}

impl Digesting<'_> {
    fn made(&mut self, made: &Made) -> Result<()> {
        self.field(&made.path);
        self.number(made.mode.into());
        self.number(made.uid.into());
        self.number(made.gid.into());
        match made.mtime {
            None => self.field(b"no time"),
            Some(mtime) => {
                self.field(b"time");
                self.number(mtime.seconds.cast_unsigned());
                self.number(mtime.nanoseconds.into());
            }
        }
        self.number(made.xattrs.len() as u64);
        for xattr in &made.xattrs {
            self.field(&xattr.name);
            self.field(&xattr.value);
        }
        self.field(made.file_flags.to_string().as_bytes());
        self.field(match made.existing {
            Existing::Kept => b"kept",
            Existing::Set => b"set",
            Existing::Changed { owner: false } => b"mode",
            Existing::Changed { owner: true } => b"mode and owner",
            Existing::Spared => b"spared",
        });
        match &made.kind {
            EntryKind::Regular(content) => self.content(content, made.region)?,
            EntryKind::Directory => self.field(b"directory"),
            EntryKind::Symlink(target) => {
                self.field(b"symbolic link");
                self.field(target);
            }
            EntryKind::HardLink(first) => {
                self.field(b"hard link");
                self.field(first);
            }
            EntryKind::CharacterDevice(device) => self.device(b"character device", device),
            EntryKind::BlockDevice(device) => self.device(b"block device", device),
            EntryKind::Fifo => self.field(b"fifo"),
        }
        Ok(())
    }

    fn content(&mut self, content: &Content, region: u32) -> Result<()> {
        self.field(b"file");
        self.number(content.size_bytes);
        let region = self.region(region)?;
        for extent in content.extents() {
            self.number(extent.file_offset_bytes);
            self.number(extent.length_bytes);
            self.bytes(&region, extent.offset_bytes, extent.length_bytes)?;
        }
        Ok(())
    }

    fn device(&mut self, kind: &[u8], device: &Device) {
        self.field(kind);
        self.number(device.major.into());
        self.number(device.minor.into());
    }

    fn region(&self, index: u32) -> Result<FileRegion> {
        let region = usize::try_from(index)
            .ok()
            .and_then(|index| self.regions.get(index));
        let region = region.cloned();
        region.ok_or_else(|| Error::Mismatch(format!("there is no put-in {index}")))
    }

    fn bytes(&mut self, region: &FileRegion, from: u64, length_bytes: u64) -> Result<()> {
        let mut done = 0;
        while done < length_bytes {
            let left = usize::try_from(length_bytes - done).unwrap_or(PIECE_BYTES);
            let piece = &mut self.buffer[..left.min(PIECE_BYTES)];
            let read = region.read_exact_at(piece, from + done);
            read.map_err(|error| Error::io("cannot read what is put in", error))?;
            self.hasher.update(piece);
            done += piece.len() as u64;
        }
        Ok(())
    }

    fn field(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.hasher.update(bytes);
    }

    fn number(&mut self, number: u64) {
        self.hasher.update(&number.to_le_bytes());
    }
}
