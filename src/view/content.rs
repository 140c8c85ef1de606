//! What regular files and symbolic links hold.

use std::io::{self, Read};

use super::block_map::Runs;
use super::{Node, View};
use crate::error::{Error, Result};
use crate::listing::Kind;
use crate::ondisk::inode::FLAG_ENCRYPT;

/// Bytes read at once.
const BUFFER_BYTES: u64 = 256 << 10;

impl View {
    /// A regular file's content.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for anything but a regular file and for encrypted ones,
    /// [`Error::BadImage`] when the inode is damaged.
    pub fn content(&self, node: &Node) -> Result<ContentReader<'_>> {
        node.expect(Kind::Regular)?;
        self.reader(node)
    }

    /// A symbolic link's target.
    ///
    /// # Errors
    /// As [`Self::content`], for anything but a symbolic link.
    pub fn target(&self, node: &Node) -> Result<Vec<u8>> {
        node.expect(Kind::Symlink)?;
        let target = self.stored_target(node)?;
        if target.contains(&0) {
            return Err(self.bad(format!(
                "inode {}: expected a target without NUL, found one of {} bytes with it",
                node.number,
                target.len()
            )));
        }
        Ok(target)
    }

    fn stored_target(&self, node: &Node) -> Result<Vec<u8>> {
        let size_bytes = node.stored.size_bytes;
        if size_bytes == 0 || size_bytes > self.image.block_bytes {
            return Err(self.bad(format!(
                "inode {}: expected a target of 1 to {} bytes, found {size_bytes}",
                node.number, self.image.block_bytes
            )));
        }
        let xattr_sectors = if node.stored.xattr_block == 0 {
            0
        } else {
            self.image.cluster_sectors()
        };
        let length = usize::try_from(size_bytes).unwrap_or(usize::MAX);
        let is_fast = !node.has_inline_data()
            && !node.has_extents()
            && length < node.stored.i_block.len()
            && node.sectors <= xattr_sectors;
        if is_fast && node.stored.flags & FLAG_ENCRYPT == 0 {
            return Ok(node.stored.i_block[..length].to_vec());
        }
        let mut target = Vec::new();
        let mut reader = self.reader(node)?;
        while let Some((offset_bytes, data)) = reader.next_data()? {
            if offset_bytes != target.len() as u64 {
                break;
            }
            target.extend_from_slice(data);
        }
        if target.len() as u64 != size_bytes {
            return Err(self.bad(format!(
                "inode {}: expected a target of {size_bytes} bytes, found {}",
                node.number,
                target.len()
            )));
        }
        Ok(target)
    }

    /// The bytes of what has blocks or holds its bytes itself.
    pub(super) fn reader(&self, node: &Node) -> Result<ContentReader<'_>> {
        if node.stored.flags & FLAG_ENCRYPT != 0 && node.kind != Kind::Directory {
            return Err(Error::unsupported(
                "the content is encrypted, and the key is not here",
            ));
        }
        let size_bytes = node.stored.size_bytes;
        let source = if node.has_inline_data() {
            let mut bytes = node.stored.i_block.to_vec();
            bytes.extend(self.inline_rest(node)?);
            if size_bytes > bytes.len() as u64 {
                return Err(self.bad(format!(
                    "inode {}: expected {size_bytes} bytes in the inode, found {}",
                    node.number,
                    bytes.len()
                )));
            }
            // Not more than there are.
            bytes.truncate(usize::try_from(size_bytes).unwrap_or(usize::MAX));
            Source::Inline(bytes)
        } else {
            Source::Mapped(Extents {
                runs: self.runs(node)?,
                size_bytes,
            })
        };
        Ok(ContentReader {
            view: self,
            source,
            size_bytes,
            current: None,
            buffer: Vec::new(),
            filled: 0..0,
            filled_at: 0,
            position: 0,
        })
    }

    /// The stretches of a regular file that hold data: offset and length in bytes, ascending and
    /// apart. What lies between is zeros.
    ///
    /// # Errors
    /// As [`Self::content`].
    pub fn extents(&self, node: &Node) -> Result<Vec<(u64, u64)>> {
        let mut extents: Vec<(u64, u64)> = Vec::new();
        match self.content(node)?.source {
            Source::Inline(bytes) if bytes.is_empty() => {}
            Source::Inline(bytes) => extents.push((0, bytes.len() as u64)),
            Source::Mapped(stretches) => {
                for stretch in stretches {
                    let (_, offset_bytes, length) = stretch?;
                    match extents.last_mut() {
                        Some((start, before)) if *start + *before == offset_bytes => {
                            *before += length;
                        }
                        _ => extents.push((offset_bytes, length)),
                    }
                    if extents.len() > MAX_EXTENTS {
                        return Err(Error::unsupported(format!(
                            "inode {}: more than {MAX_EXTENTS} stretches of data",
                            node.number
                        )));
                    }
                }
            }
        }
        Ok(extents)
    }
}

/// Stretches of data that are held in memory for one file.
const MAX_EXTENTS: usize = 1 << 22;

/// The stretches of a file that are to be read: disk block, offset and length in bytes.
#[derive(Debug)]
struct Extents<'a> {
    runs: Runs<'a>,
    size_bytes: u64,
}

impl Iterator for Extents<'_> {
    type Item = Result<(u64, u64, u64)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let run = match self.runs.next()? {
                Ok(run) if run.unwritten => continue,
                Ok(run) => run,
                Err(error) => return Some(Err(error)),
            };
            // 2^32 blocks of 64 KiB at most, all before the file's end.
            let block_bytes = self.runs.block_bytes();
            let offset_bytes = run.file_block * block_bytes;
            let end = (run.file_block + run.count) * block_bytes;
            let length = end.min(self.size_bytes) - offset_bytes;
            return Some(Ok((run.disk_block, offset_bytes, length)));
        }
    }
}

#[derive(Debug)]
enum Source<'a> {
    Inline(Vec<u8>),
    Mapped(Extents<'a>),
}

/// Reads a content: its data with [`Self::next_data`], holes left out, or all its bytes as
/// [`Read`]; one or the other.
#[derive(Debug)]
pub struct ContentReader<'a> {
    view: &'a View,
    source: Source<'a>,
    size_bytes: u64,
    /// What is left of a stretch: disk block, bytes read of it, offset in the file, bytes left.
    current: Option<(u64, u64, u64, u64)>,
    buffer: Vec<u8>,
    /// The part of the buffer that [`Read`] has not given yet, and where it is in the file.
    filled: std::ops::Range<usize>,
    filled_at: u64,
    position: u64,
}

impl ContentReader<'_> {
    /// How long the content is.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Runs `read` with this and no more than `blocks_left` blocks, those of the block map among
    /// them, and takes from `blocks_left` what it spent.
    pub(super) fn within<T>(
        mut self,
        blocks_left: &mut u64,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let before = match &mut self.source {
            Source::Inline(_) => 0,
            Source::Mapped(extents) => {
                extents.runs.limit(*blocks_left);
                extents.runs.budget()
            }
        };
        let outcome = read(&mut self);
        if let Source::Mapped(extents) = &self.source {
            *blocks_left -= before - extents.runs.budget();
        }
        outcome
    }

    /// The next data with its offset, ascending; `None` after the last. All between is zeros.
    ///
    /// # Errors
    /// [`Error::BadImage`] where the block map is damaged, [`Error::Io`] when reading fails.
    pub fn next_data(&mut self) -> Result<Option<(u64, &[u8])>> {
        Ok(self
            .fill()?
            .map(|(offset_bytes, length)| (offset_bytes, &self.buffer[..length])))
    }

    fn fill(&mut self) -> Result<Option<(u64, usize)>> {
        let extents = match &mut self.source {
            Source::Inline(bytes) if bytes.is_empty() => return Ok(None),
            Source::Inline(bytes) => {
                self.buffer = std::mem::take(bytes);
                return Ok(Some((0, self.buffer.len())));
            }
            Source::Mapped(extents) => extents,
        };
        let (block, read, offset_bytes, left) = match self.current.take() {
            Some(current) => current,
            None => match extents.next().transpose()? {
                Some((block, offset_bytes, length)) => (block, 0, offset_bytes, length),
                None => return Ok(None),
            },
        };
        let length = left.min(BUFFER_BYTES);
        if self.buffer.len() < length as usize {
            self.buffer.resize(length as usize, 0);
        }
        let part = &mut self.buffer[..length as usize];
        self.view.image.read(block, read, part)?;
        if left > length {
            self.current = Some((block, read + length, offset_bytes + length, left - length));
        }
        Ok(Some((offset_bytes, length as usize)))
    }
}

impl Read for ContentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.filled.is_empty() && self.position >= self.filled_at {
            let filled = self.fill().map_err(io::Error::other)?;
            let (at, length) = filled.unwrap_or((self.size_bytes, 0));
            (self.filled_at, self.filled) = (at, 0..length);
        }
        if self.position < self.filled_at {
            let hole = self.filled_at - self.position;
            let length = usize::try_from(hole).map_or(buffer.len(), |hole| hole.min(buffer.len()));
            buffer[..length].fill(0);
            self.position += length as u64;
            return Ok(length);
        }
        let length = self.filled.len().min(buffer.len());
        let start = self.filled.start;
        buffer[..length].copy_from_slice(&self.buffer[start..start + length]);
        self.filled.start += length;
        self.position += length as u64;
        self.filled_at = self.position;
        Ok(length)
    }
}
