//! An image through debugfs of e2fsprogs, asked in batches: directories level by level with
//! `ls -p`, then every inode once with `stat`, then long attribute values with `ea_get`.

mod block_map;
mod inode;
mod names;
mod session;
mod walk;
mod xattr;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

pub use inode::InodeRecord;

use self::session::{AnswerLimits, LOST, Session};
use super::mapped::MappedReader;
use super::seen::{Problem, View, length_of};
use crate::command;
use crate::error::{Error, Result, escape_path};
use crate::listing::{Attribute, Body, Kind, Line, Listing, Owner};
use crate::progress::Reporter;
use crate::units::{FileFlags, InodeNumber};

/// The longest symlink target that is read; the kernel's limit is one block.
const MAX_TARGET_BYTES: u64 = 1 << 16;

/// What one run over inodes may print; an inode whose block map takes more is given up.
const INODES_LIMIT_BYTES: u64 = 64 << 20;

/// What debugfs prints of an inode at most, its map left out: attributes, a few of a block's.
const BYTES_PER_INODE: u64 = 16 << 10;
/// What debugfs prints of a block in a map, generously.
const BYTES_PER_BLOCK: u64 = 64;

/// Everything debugfs shows of an image's names and inodes; contents are not read yet.
#[derive(Debug)]
pub struct DebugfsView {
    names: Vec<(Box<[u8]>, InodeNumber)>,
    inodes: BTreeMap<InodeNumber, InodeRecord>,
    unlisted: Vec<Box<[u8]>>,
    /// Why an inode, or its attributes, cannot be read.
    unreadable: BTreeMap<InodeNumber, String>,
    problems: Vec<Problem>,
    image: PathBuf,
    block_size: u64,
    image_bytes: u64,
}

/// Reads the names and inodes of `image` with the program `debugfs`.
///
/// After `max_names` names the walk ends with a problem.
///
/// # Errors
/// [`Error::Io`] when the image cannot be opened, [`Error::Tool`] when debugfs cannot be run. All
/// that is wrong within the image is a problem of the view.
pub fn read_through_debugfs(
    image: &Path,
    debugfs: &Path,
    max_names: u64,
    reporter: &dyn Reporter,
) -> Result<DebugfsView> {
    // Held open until the end: debugfs is given the open file and not its name, in which a `?`
    // would start options.
    let file = File::open(image).map_err(|error| Error::path("open", image, error))?;
    let open_image = PathBuf::from(command::path_of_open_file(&file)?);
    let session = Session {
        debugfs,
        image: &open_image,
    };
    let walked = walk::walk(&session, max_names, reporter)?;
    let mut view = DebugfsView {
        names: walked.names,
        inodes: BTreeMap::new(),
        unlisted: walked.unlisted,
        unreadable: BTreeMap::new(),
        problems: walked.problems,
        image: image.to_owned(),
        block_size: block_size(&session, reporter)?,
        image_bytes: length_of(&file, image)?,
    };
    view.names.sort();
    view.read_inodes(&session, reporter)?;
    Ok(view)
}

/// The block size; 0 where debugfs cannot tell.
fn block_size(session: &Session<'_>, reporter: &dyn Reporter) -> Result<u64> {
    let command = b"show_super_stats -h".to_vec();
    let limits = AnswerLimits {
        run_bytes: INODES_LIMIT_BYTES,
        total_bytes: INODES_LIMIT_BYTES,
    };
    let answers = session.ask(&[command], limits, reporter, |answer| {
        let mut size = 0;
        // The label and the last mount point stand before it and may hold anything.
        while let Some(line) = answer.line() {
            if let Some(digits) = line.strip_prefix(b"Block size:") {
                size = session::number(digits).unwrap_or(0);
            }
        }
        size
    })?;
    Ok(answers.by_command.into_iter().flatten().next().unwrap_or(0))
}

impl DebugfsView {
    /// The inode of a path.
    pub fn inode_of(&self, path: &[u8]) -> Option<InodeNumber> {
        let found = self.names.binary_search_by(|(name, _)| (**name).cmp(path));
        found.ok().map(|index| self.names[index].1)
    }

    /// What is known of an inode.
    pub fn record(&self, inode: InodeNumber) -> Option<&InodeRecord> {
        self.inodes.get(&inode)
    }

    /// Paths with their inodes, ascending by path.
    pub fn names(&self) -> impl ExactSizeIterator<Item = (&[u8], InodeNumber)> {
        self.names.iter().map(|(path, inode)| (&**path, *inode))
    }

    fn read_inodes(&mut self, session: &Session<'_>, reporter: &dyn Reporter) -> Result<()> {
        let mut numbers: Vec<_> = self.names.iter().map(|(_, inode)| *inode).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let commands: Vec<_> = numbers
            .iter()
            .map(|inode| format!("stat <{inode}>").into_bytes())
            .collect();
        let mut blocks_left = self.image_bytes / self.least_block_size();
        let limits = self.inode_limits(commands.len(), BYTES_PER_BLOCK);
        let stats = session.ask(&commands, limits, reporter, |answer| {
            let mut stat = inode::parse(answer);
            if let Ok(stat) = &mut stat {
                stat.record.keep_map_within(&mut blocks_left);
            }
            stat
        })?;
        let mut long_xattrs = Vec::new();
        for (inode, stat) in numbers.into_iter().zip(stats.by_command) {
            match stat.unwrap_or_else(|| Err(LOST.to_owned())) {
                Ok(stat) => {
                    long_xattrs.extend(stat.long_xattrs.into_iter().map(|name| (inode, name)));
                    self.inodes.insert(inode, stat.record);
                }
                Err(why) => {
                    self.unreadable.insert(inode, why);
                }
            }
        }
        self.read_long_xattrs(&long_xattrs, session, reporter)
    }

    /// What a sound filesystem's inodes are printed within.
    fn inode_limits(&self, commands: usize, bytes_per_block: u64) -> AnswerLimits {
        let of_blocks =
            (self.image_bytes / self.least_block_size()).saturating_mul(bytes_per_block);
        let of_inodes = (commands as u64).saturating_mul(BYTES_PER_INODE);
        AnswerLimits {
            run_bytes: INODES_LIMIT_BYTES,
            total_bytes: of_blocks.saturating_add(of_inodes),
        }
    }

    /// Without a block size nothing is mapped.
    fn least_block_size(&self) -> u64 {
        self.block_size.max(1 << 10)
    }

    fn read_long_xattrs(
        &mut self,
        wanted: &[(InodeNumber, Vec<u8>)],
        session: &Session<'_>,
        reporter: &dyn Reporter,
    ) -> Result<()> {
        let mut asked = Vec::new();
        let mut commands = Vec::new();
        for (inode, name) in wanted {
            match xattr::get_command(*inode, name) {
                Some(command) => {
                    asked.push((*inode, name));
                    commands.push(command);
                }
                None => self.lose_xattrs(*inode, name),
            }
        }
        if commands.is_empty() {
            return Ok(());
        }
        // A byte is three letters, and a list of values may be several inodes' own.
        let limits = self.inode_limits(commands.len(), 4 * self.least_block_size());
        let values = session.ask(&commands, limits, reporter, |answer| {
            answer.line().and_then(xattr::parse)
        })?;
        for ((inode, name), shown) in asked.into_iter().zip(values.by_command) {
            let shown = shown.flatten().filter(|shown| shown.name == *name);
            let Some(value) = shown.and_then(|shown| shown.value) else {
                self.lose_xattrs(inode, name);
                continue;
            };
            if let Some(record) = self.inodes.get_mut(&inode)
                && let Some(attributes) = record.xattrs.take()
            {
                let mut attributes = attributes.into_vec();
                attributes.push(Attribute::new(name, &value));
                attributes.sort();
                record.xattrs = Some(attributes.into());
            }
        }
        Ok(())
    }

    /// One value that cannot be had makes the list as a whole unknown.
    fn lose_xattrs(&mut self, inode: InodeNumber, name: &[u8]) {
        if let Some(record) = self.inodes.get_mut(&inode) {
            record.xattrs = None;
        }
        let name = escape_path(name);
        let why = format!("debugfs does not give the value of its attribute {name}");
        self.unreadable.insert(inode, why);
    }

    /// The view as a listing. Slow symlinks are read from their blocks, and so are the regular files
    /// that `wants_content` names, each inode once.
    ///
    /// # Errors
    /// [`Error::Io`] when the image cannot be opened.
    pub fn view(&self, wants_content: &mut dyn FnMut(&[u8], &InodeRecord) -> bool) -> Result<View> {
        let mut reader = MappedReader::open(&self.image, self.least_block_size())?;
        let mut shared = BTreeMap::new();
        let mut problems = self.problems.clone();
        let mut lines = Vec::with_capacity(self.names.len());
        for (path, inode) in &self.names {
            let mut line = Line::unknown(path);
            if let Some(why) = self.unreadable.get(inode) {
                problems.push(Problem::new(path, why));
            }
            if let Some(record) = self.inodes.get(inode) {
                line = self.line(path, record);
                let body = match shared.get(inode) {
                    Some(body) => Ok(Body::clone(body)),
                    None => self.body(record, &mut reader, || wants_content(path, record)),
                };
                line.body = body.unwrap_or_else(|why| {
                    problems.push(Problem::new(path, why));
                    Body::Unknown
                });
                if record.link_count != 1 && record.kind != Some(Kind::Directory) {
                    shared.insert(*inode, line.body.clone());
                }
            }
            lines.push((line, Some(u64::from(inode.0))));
        }
        let mut listing = Listing::new(lines);
        for directory in &self.unlisted {
            listing.leave_unlisted(directory);
        }
        Ok(View { listing, problems })
    }

    fn line(&self, path: &[u8], record: &InodeRecord) -> Line {
        Line {
            kind: record.kind,
            mode: Some(record.mode),
            owner: Some(Owner {
                uid: record.uid,
                gid: record.gid,
            }),
            mtime: Some(record.mtime),
            link_count: Some(record.link_count),
            size_bytes: matches!(record.kind, Some(Kind::Regular | Kind::Symlink))
                .then_some(record.size_bytes),
            xattrs: record.xattrs.clone(),
            file_flags: Some(FileFlags::of_inode(record.flags)),
            ..Line::unknown(path)
        }
    }

    fn body(
        &self,
        record: &InodeRecord,
        reader: &mut MappedReader,
        wants_content: impl FnOnce() -> bool,
    ) -> Result<Body, String> {
        let map = || {
            if record.map_is_whole(self.block_size) {
                return Ok(&*record.blocks);
            }
            Err("its block map is not as long as its block count".to_owned())
        };
        let size = record.size_bytes;
        Ok(match record.kind {
            None => Body::Unknown,
            Some(Kind::Directory | Kind::Fifo | Kind::Socket) => Body::Nothing,
            Some(Kind::CharacterDevice | Kind::BlockDevice) => {
                let (major, minor) = record.device.ok_or("debugfs does not show its numbers")?;
                Body::Device { major, minor }
            }
            Some(Kind::Regular | Kind::Symlink) if record.is_content_hidden() => Body::Unknown,
            Some(Kind::Symlink) => Body::Target(match &record.fast_target {
                Some(target) => target.clone(),
                None => reader.bytes(map()?, size, MAX_TARGET_BYTES)?.into(),
            }),
            Some(Kind::Regular) if wants_content() => Body::Content(reader.digest(map()?, size)?),
            Some(Kind::Regular) => Body::Unknown,
        })
    }
}
