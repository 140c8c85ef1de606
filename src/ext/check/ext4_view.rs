//! An image through the ext4-view crate: names, types, modes, owners, times, targets, contents.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ext4_view::{DirEntry, Ext4, Ext4Error, FileType, Metadata};

use super::seen::{Problem, View, length_of};
use crate::error::{Error, Result};
use crate::listing::{Body, ContentDigest, ContentHasher, Kind, Line, Listing, Owner, join};
use crate::page_buffer::PageBuffer;
use crate::units::Timestamp;

/// The longest symlink target that is read; the kernel's limit is one block.
const MAX_TARGET_BYTES: u64 = 1 << 16;

/// The largest block, which is what ext4-view reads at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Reads everything ext4-view can see in `image`: no inode numbers, link counts, device numbers,
/// extended attributes or flags, which stay unknown.
///
/// `wants_content` is asked for each regular file with its path and length whether to read it;
/// ext4-view gives a hole's zeros one block after another, so that large sparse files are better
/// left to another reader. After `max_names` names the walk ends with a problem: without inode
/// numbers a directory that contains itself cannot be told.
///
/// # Errors
/// [`Error::Io`] when the image cannot be opened. All that is wrong within it is a problem of the
/// view.
pub fn read_through_ext4_view(
    image: &Path,
    max_names: u64,
    wants_content: &mut dyn FnMut(&[u8], u64) -> bool,
) -> Result<View> {
    let file = File::open(image).map_err(|error| Error::path("open", image, error))?;
    let length = length_of(&file, image)?;
    let mut walk = Walk {
        names: Vec::new(),
        problems: Vec::new(),
        unlisted: Vec::new(),
        open: Vec::new(),
        max_names,
        buffer: PageBuffer::new(BUFFER_BYTES),
    };
    let loaded =
        check_superblock(&file, length).and_then(|()| guarded(|| Ext4::load(Box::new(file))));
    match loaded {
        Ok(filesystem) => walk.run(&filesystem, wants_content),
        Err(why) => return Ok(View::blind(why)),
    }
    let mut listing = Listing::new(walk.names.into_iter().map(|line| (line, None)));
    for directory in &walk.unlisted {
        listing.leave_unlisted(directory);
    }
    Ok(View {
        listing,
        problems: walk.problems,
    })
}

/// ext4-view believes these superblock fields as they stand and allocates, indexes or panics by
/// them (offsets: kernel docs, ext4, "Super Block").
fn check_superblock(image: &File, length: u64) -> Result<(), String> {
    let mut superblock = [0; 1024];
    image
        .read_exact_at(&mut superblock, 1024)
        .map_err(|error| format!("superblock: {error}"))?;
    let field = |offset: usize| {
        let bytes = [0, 1, 2, 3].map(|index| superblock[offset + index]);
        u32::from_le_bytes(bytes)
    };
    let s_blocks_count = u64::from(field(0x4)) | u64::from(field(0x150)) << 32;
    let s_log_block_size = field(0x18);
    let s_blocks_per_group = u64::from(field(0x20)).max(1);
    let s_inode_size = field(0x58) & 0xffff;
    if s_log_block_size > 6 {
        return Err(format!("superblock: s_log_block_size {s_log_block_size}"));
    }
    if s_inode_size < 128 {
        return Err(format!("superblock: s_inode_size {s_inode_size}"));
    }
    // Every group has a descriptor of 32 bytes or more.
    if s_blocks_count.div_ceil(s_blocks_per_group) > length / 32 {
        return Err(format!(
            "superblock: {s_blocks_count} blocks in groups of {s_blocks_per_group} do not fit into {length} bytes"
        ));
    }
    Ok(())
}

/// Runs what calls into ext4-view; a panic there becomes an error like any other.
fn guarded<T>(call: impl FnOnce() -> Result<T, Ext4Error>) -> Result<T, String> {
    // What a panic leaves half done is a cache of blocks read from the image, nothing of ours.
    let called = catch_unwind(AssertUnwindSafe(call));
    let called = called.map_err(|_| "ext4-view panicked on it".to_owned())?;
    called.map_err(|error| error.to_string())
}

struct Walk {
    names: Vec<Line>,
    problems: Vec<Problem>,
    unlisted: Vec<Vec<u8>>,
    /// Directories still to be listed.
    open: Vec<Vec<u8>>,
    max_names: u64,
    buffer: PageBuffer,
}

impl Walk {
    fn run(&mut self, filesystem: &Ext4, wants_content: &mut dyn FnMut(&[u8], u64) -> bool) {
        match guarded(|| filesystem.symlink_metadata("/")) {
            Ok(metadata) => self.names.push(line(&[], &metadata)),
            Err(why) => {
                self.names.push(Line::unknown(&[]));
                return self.unlisted(&[], why);
            }
        }
        self.open.push(Vec::new());
        while let Some(directory) = self.open.pop() {
            let listed = guarded(|| self.list(filesystem, &directory, wants_content));
            if let Err(why) = listed {
                self.unlisted(&directory, why);
            }
        }
    }

    fn list(
        &mut self,
        filesystem: &Ext4,
        directory: &[u8],
        wants_content: &mut dyn FnMut(&[u8], u64) -> bool,
    ) -> Result<(), Ext4Error> {
        for entry in filesystem.read_dir(&absolute(directory)[..])? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.as_ref(), b"." | b"..") {
                continue;
            }
            if self.names.len() as u64 >= self.max_names {
                self.unlisted(directory, format!("more than {} names", self.max_names));
                for directory in std::mem::take(&mut self.open) {
                    self.unlisted.push(directory);
                }
                return Ok(());
            }
            let path = join(directory, name.as_ref());
            let line = guarded(|| Ok(self.entry(filesystem, &path, &entry, wants_content)));
            let line = line.unwrap_or_else(|why| self.unreadable(&path, why));
            if line.kind == Some(Kind::Directory) {
                if line.mode.is_some() {
                    self.open.push(path);
                } else {
                    self.unlisted.push(path);
                }
            }
            self.names.push(line);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        filesystem: &Ext4,
        path: &[u8],
        entry: &DirEntry,
        wants_content: &mut dyn FnMut(&[u8], u64) -> bool,
    ) -> Line {
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) => {
                // The directory knows at least the type.
                return Line {
                    kind: entry.file_type().ok().map(kind),
                    ..self.unreadable(path, error.to_string())
                };
            }
        };
        let mut line = line(path, &metadata);
        let body = match metadata.file_type() {
            FileType::Regular if wants_content(path, metadata.len()) => {
                digest(filesystem, path, &mut self.buffer).map(Body::Content)
            }
            FileType::Symlink => target(filesystem, path, metadata.len()),
            _ => return line,
        };
        match body {
            Ok(body) => line.body = body,
            Err(why) => self.problems.push(Problem::new(path, why)),
        }
        line
    }

    fn unreadable(&mut self, path: &[u8], why: String) -> Line {
        self.problems.push(Problem::new(path, why));
        Line::unknown(path)
    }

    fn unlisted(&mut self, directory: &[u8], why: String) {
        self.problems.push(Problem::new(directory, why));
        self.unlisted.push(directory.to_vec());
    }
}

fn absolute(path: &[u8]) -> Vec<u8> {
    [b"/", path].concat()
}

fn line(path: &[u8], metadata: &Metadata) -> Line {
    let kind = kind(metadata.file_type());
    let modified = metadata.modified();
    Line {
        kind: Some(kind),
        mode: Some(metadata.mode()),
        owner: Some(Owner {
            uid: metadata.uid(),
            gid: metadata.gid(),
        }),
        mtime: Some(Timestamp {
            seconds: modified.seconds(),
            nanoseconds: modified.nanoseconds(),
        }),
        size_bytes: matches!(kind, Kind::Regular | Kind::Symlink).then(|| metadata.len()),
        body: match kind {
            Kind::Directory | Kind::Fifo | Kind::Socket => Body::Nothing,
            _ => Body::Unknown,
        },
        ..Line::unknown(path)
    }
}

fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::Regular => Kind::Regular,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::CharacterDevice => Kind::CharacterDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
    }
}

fn target(filesystem: &Ext4, path: &[u8], size_bytes: u64) -> Result<Body, String> {
    // ext4-view allocates what the inode says.
    if size_bytes > MAX_TARGET_BYTES {
        return Err(format!("a target of {size_bytes} bytes"));
    }
    let target = filesystem.read_link(&absolute(path)[..]);
    let target = target.map_err(|error| error.to_string())?;
    Ok(Body::Target(target.as_path().as_ref().into()))
}

fn digest(filesystem: &Ext4, path: &[u8], buffer: &mut [u8]) -> Result<ContentDigest, String> {
    let mut read = || -> Result<ContentDigest, Ext4Error> {
        let mut file = filesystem.open(&absolute(path)[..])?;
        let mut hasher = ContentHasher::default();
        let mut position = 0;
        loop {
            let length = file.read_bytes(buffer)?;
            if length == 0 {
                return Ok(hasher.finish(position));
            }
            // Pieces follow each other, so that none can come out of order.
            let _ = hasher.data(position, &buffer[..length]);
            position += length as u64;
        }
    };
    read().map_err(|error| error.to_string())
}
