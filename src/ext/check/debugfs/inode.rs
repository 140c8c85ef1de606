//! An inode as `stat` shows it.

use super::block_map;
use super::session::Answer;
use super::xattr::{self, ShownAttribute};
use crate::ext::check::mapped::BlockMap;
use crate::listing::{Attribute, Kind};
use crate::ondisk::inode::{FLAG_ENCRYPT, FLAG_INLINE_DATA};
use crate::units::{SECTOR_SIZE, Timestamp, parse_device};

/// What attributes are called that user space sees; the kernel keeps others for itself, as
/// `system.data` with the content of an inode that holds it.
const SHOWN_PREFIXES: [&[u8]; 4] = [b"user.", b"trusted.", b"security.", b"system.posix_acl_"];

/// Everything debugfs shows of an inode.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InodeRecord {
    /// The type; `None` for one that is none.
    pub kind: Option<Kind>,
    /// Permission, setuid, setgid and sticky bits.
    pub mode: u16,
    /// `i_flags`.
    pub flags: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size_bytes: u64,
    /// `i_links_count`.
    pub link_count: u32,
    /// Sectors of 512 bytes that the inode says it takes, its metadata blocks among them.
    pub sectors: u64,
    /// Whether extended attributes are in a block of their own.
    pub has_xattr_block: bool,
    /// Modification time.
    pub mtime: Timestamp,
    /// Access time.
    pub atime: Timestamp,
    /// Change time.
    pub ctime: Timestamp,
    /// Creation time, which small inodes lack.
    pub crtime: Option<Timestamp>,
    /// A device's major and minor number.
    pub device: Option<(u32, u32)>,
    /// The target of a symlink that lies in the inode itself.
    pub fast_target: Option<Box<[u8]>>,
    /// Extended attributes; `None` where a value could not be had.
    pub xattrs: Option<Box<[Attribute]>>,
    /// Where its blocks are.
    pub blocks: BlockMap,
    /// Blocks in the map, those of the map itself among them.
    mapped_blocks: u64,
}

impl InodeRecord {
    /// Whether the content is where no block map leads, in the inode itself, or is encrypted.
    pub(in crate::ext::check) fn is_content_hidden(&self) -> bool {
        self.flags & (FLAG_INLINE_DATA | FLAG_ENCRYPT) != 0
    }

    /// Forgets the map where all maps together have more blocks than there are: inodes that share
    /// theirs would take any amount of memory.
    pub(super) fn keep_map_within(&mut self, blocks_left: &mut u64) {
        match blocks_left.checked_sub(self.blocks.len() as u64) {
            Some(left) => *blocks_left = left,
            None => {
                self.blocks = Box::default();
                self.mapped_blocks = u64::MAX;
            }
        }
    }

    /// Whether the map has as many blocks as the inode counts. debugfs leaves out of the map what
    /// it cannot read, without a word. Where the inode counts clusters (`bigalloc`), it cannot be
    /// told.
    pub(super) fn map_is_whole(&self, block_size: u64) -> bool {
        let blocks = self
            .mapped_blocks
            .saturating_add(u64::from(self.has_xattr_block));
        blocks.saturating_mul(block_size / SECTOR_SIZE) == self.sectors
    }
}

/// An inode, and the attributes whose values `stat` was too short for.
pub(super) struct Stat {
    pub record: InodeRecord,
    pub long_xattrs: Vec<Vec<u8>>,
}

/// Reads the answer to `stat`.
///
/// # Errors
/// Why the inode is unreadable.
pub(super) fn parse(answer: &mut Answer<'_>) -> Result<Stat, String> {
    let mut draft = Draft::default();
    let mut section = Section::Fields;
    loop {
        if answer.take(b"Fast link dest: \"") {
            draft.record.fast_target = Some(fast_target(answer, draft.record.size_bytes)?);
            continue;
        }
        let Some(line) = answer.line() else { break };
        match line {
            b"Extended attributes:" => section = Section::Attributes,
            b"BLOCKS:" | b"EXTENTS:" => section = Section::Blocks,
            _ if section == Section::Attributes && line.starts_with(b"  ") => {
                let attribute = xattr::parse(&line[2..]);
                draft
                    .xattrs
                    .push(attribute.ok_or_else(|| unexpected(line))?);
            }
            _ if section == Section::Blocks && line.starts_with(b"(") => {
                let map = block_map::parse(line).ok_or_else(|| unexpected(line))?;
                draft.record.mapped_blocks = map.blocks();
                draft.record.blocks = map.runs.into();
            }
            _ => {
                if section == Section::Attributes {
                    section = Section::Fields;
                }
                draft.fields(line).ok_or_else(|| unexpected(line))?;
            }
        }
    }
    draft.finish()
}

#[derive(PartialEq)]
enum Section {
    Fields,
    Attributes,
    Blocks,
}

fn unexpected(line: &[u8]) -> String {
    format!("debugfs says {}", String::from_utf8_lossy(line))
}

fn fast_target(answer: &mut Answer<'_>, size_bytes: u64) -> Result<Box<[u8]>, String> {
    let wrong = || "its target is not as long as its size says".to_owned();
    let size = usize::try_from(size_bytes).ok();
    let target = size.and_then(|size| answer.take_length(size));
    let target = target.ok_or_else(wrong)?;
    if !answer.take(b"\"\n") {
        return Err(wrong());
    }
    Ok(target.into())
}

/// The lines that every inode has, and what they tell.
const LINES: [(&str, &str); 6] = [
    ("Inode: ", "type"),
    ("User: ", "user"),
    ("Links: ", "link count"),
    ("mtime: 0x", "mtime"),
    ("atime: 0x", "atime"),
    ("ctime: 0x", "ctime"),
];

/// What was found so far.
#[derive(Default)]
struct Draft {
    record: InodeRecord,
    /// Which of [`LINES`] were there.
    met: [bool; LINES.len()],
    xattrs: Vec<ShownAttribute>,
    total_blocks: Option<u64>,
}

impl Draft {
    /// Takes in a line of fields; lines that say nothing needed here pass. `None` for a field that
    /// cannot be read.
    fn fields(&mut self, line: &[u8]) -> Option<()> {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_start();
        let word = |name: &str| {
            let after = &text[text.find(name)? + name.len()..];
            after.split_whitespace().next()
        };
        if let Some(line) = LINES.iter().position(|(start, _)| text.starts_with(start)) {
            self.met[line] = true;
        }
        let record = &mut self.record;
        if text.starts_with("Inode: ") {
            let kind = text.split("Type: ").nth(1)?.split("Mode:").next()?;
            record.kind = match kind.trim() {
                "regular" => Some(Kind::Regular),
                "directory" => Some(Kind::Directory),
                "symlink" => Some(Kind::Symlink),
                "character special" => Some(Kind::CharacterDevice),
                "block special" => Some(Kind::BlockDevice),
                "FIFO" => Some(Kind::Fifo),
                "socket" => Some(Kind::Socket),
                _ => None,
            };
            record.mode = u16::from_str_radix(word("Mode:")?, 8).ok()? & 0o7777;
            record.flags = u32::from_str_radix(word("Flags: 0x")?, 16).ok()?;
        } else if text.starts_with("User: ") {
            record.uid = id(word("User:")?)?;
            record.gid = id(word("Group:")?)?;
            record.size_bytes = word("Size:")?.parse().ok()?;
        } else if text.starts_with("File ACL: ") {
            record.has_xattr_block = word("File ACL:")?.parse::<u64>().ok()? != 0;
        } else if text.starts_with("Links: ") {
            record.link_count = word("Links:")?.parse().ok()?;
            record.sectors = word("Blockcount:")?.parse().ok()?;
        } else if text.starts_with("TOTAL: ") {
            self.total_blocks = Some(word("TOTAL:")?.parse().ok()?);
        } else if let Some(numbers) = text.split("Device major/minor number: ").nth(1) {
            record.device = Some(parse_device(numbers.split_whitespace().next()?)?);
        } else if text.starts_with("mtime: 0x") {
            record.mtime = time(word("mtime: 0x")?)?;
        } else if text.starts_with("atime: 0x") {
            record.atime = time(word("atime: 0x")?)?;
        } else if text.starts_with("ctime: 0x") {
            record.ctime = time(word("ctime: 0x")?)?;
        } else if text.starts_with("crtime: 0x") {
            record.crtime = Some(time(word("crtime: 0x")?)?);
        }
        Some(())
    }

    fn finish(self) -> Result<Stat, String> {
        match self.met.iter().position(|met| !met) {
            None => {}
            Some(0) => return Err("debugfs cannot read its inode".to_owned()),
            Some(line) => return Err(format!("debugfs does not show its {}", LINES[line].1)),
        }
        let mut record = self.record;
        // There is no empty block of attributes: it is one that debugfs cannot read.
        let has_all_xattrs = !record.has_xattr_block || !self.xattrs.is_empty();
        let mut long_xattrs = Vec::new();
        let mut xattrs = Vec::new();
        for ShownAttribute { name, value } in self.xattrs {
            if !SHOWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            match value {
                Some(value) => xattrs.push(Attribute::new(&name, &value)),
                None => long_xattrs.push(name),
            }
        }
        xattrs.sort();
        record.xattrs = has_all_xattrs.then(|| xattrs.into());
        // Which extent trees lack.
        record.mapped_blocks = self.total_blocks.unwrap_or(record.mapped_blocks);
        Ok(Stat {
            record,
            long_xattrs,
        })
    }
}

/// A user or group, which debugfs prints as a signed number of 32 bits.
fn id(text: &str) -> Option<u32> {
    let number: i64 = text.parse().ok()?;
    match i32::try_from(number) {
        Ok(signed) => Some(signed.cast_unsigned()),
        Err(_) => u32::try_from(number).ok(),
    }
}

/// `seconds` or `seconds:extra` in hexadecimal digits (kernel docs, ext4, "Inode Timestamps": 32
/// signed bits of seconds; then two more bits above them and 30 bits of nanoseconds).
fn time(text: &str) -> Option<Timestamp> {
    let hex = |digits: &str| u32::from_str_radix(digits, 16).ok();
    let (seconds, extra) = match text.split_once(':') {
        Some((seconds, extra)) => (hex(seconds)?, hex(extra)?),
        None => (hex(text)?, 0),
    };
    Some(Timestamp {
        seconds: i64::from(seconds.cast_signed()) + (i64::from(extra & 3) << 32),
        nanoseconds: extra >> 2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"Inode: 14   Type: regular    Mode:  06755   Flags: 0x1000
Generation: 0    Version: 0x00000000:00000000
User:    -2   Group: -1294967296   Project:     0   Size: 50000
File ACL: 1295
Links: 2   Blockcount: 120
Fragment:  Address: 0    Number: 0    Size: 0
 ctime: 0x6b00d2f5:00000000 -- Fri Nov 20 23:08:37 2026
 atime: 0xffffffff:00000000 -- Wed Dec 31 23:59:59 1969
 mtime: 0x83aa7e80:1dcd6505 -- Sun Jan  1 00:00:00 2040
crtime: 0x6b00d2f5:00000000 -- Fri Nov 20 23:08:37 2026
Size of extra inode fields: 32
Extended attributes:
  user.a (4) = 00 ff 0a 62 
  user.big (300)
BLOCKS:
(0-11):500-511, (IND):512, (12):513
TOTAL: 14

"#;

    fn record(text: &str) -> Result<InodeRecord, String> {
        parse(&mut Answer::new(text.as_bytes())).map(|stat| stat.record)
    }

    #[test]
    fn every_field_of_an_inode_is_read() {
        let stat = parse(&mut Answer::new(FILE.as_bytes())).unwrap();
        assert_eq!(stat.long_xattrs, [b"user.big"]);
        let record = stat.record;
        assert_eq!(record.kind, Some(Kind::Regular));
        assert_eq!((record.mode, record.flags), (0o6755, 0x1000));
        assert_eq!((record.uid, record.gid), (4294967294, 3000000000));
        assert_eq!((record.size_bytes, record.link_count), (50000, 2));
        assert_eq!(record.atime, Timestamp::from_seconds(-1));
        assert_eq!(
            record.mtime,
            Timestamp {
                seconds: 2_208_988_800,
                nanoseconds: 125_000_001
            }
        );
        let runs: Vec<_> = record
            .blocks
            .iter()
            .map(|run| (run.file_block, run.disk_block, run.count))
            .collect();
        assert_eq!(runs, [(0, 500, 12), (12, 513, 1)]);
        assert!(record.map_is_whole(4096));
        let less = record_with("TOTAL: 14", "TOTAL: 13");
        assert!(!less.map_is_whole(4096));
    }

    fn record_with(old: &str, new: &str) -> InodeRecord {
        record(&FILE.replace(old, new)).unwrap()
    }

    #[test]
    fn extents_are_read_with_what_is_unwritten() {
        let text = FILE.split("BLOCKS").next().unwrap();
        let text = format!("{text}EXTENTS:\n(ETB0):99, (0-3):100-103, (5[u]):200\n");
        let record = record(&text).unwrap();
        assert_eq!(record.blocks.len(), 2);
        assert!(record.blocks[1].unwritten && record.blocks[1].file_block == 5);
        // One extent of the two, or none: what debugfs cannot read it leaves out.
        assert_eq!(record.mapped_blocks, 6);
        assert!(!record.map_is_whole(4096));
        let text = text.replace("Blockcount: 120", "Blockcount: 56");
        assert!(self::record(&text).unwrap().map_is_whole(4096));
    }

    #[test]
    fn devices_and_targets_are_read_and_a_target_may_hold_anything() {
        let (head, _) = FILE.split_once("Extended").unwrap();
        let device =
            format!("{head}(New-style) Device major/minor number: 300:70000 (hex 12c:11170)\n");
        assert_eq!(record(&device).unwrap().device, Some((300, 70000)));
        let head = head.replace("Size: 50000", "Size: 11");
        let link = format!("{head}Fast link dest: \"a\"\nLinks: 9\"\n");
        let record_of_link = record(&link).unwrap();
        assert_eq!(
            record_of_link.fast_target.as_deref(),
            Some(&b"a\"\nLinks: 9"[..])
        );
        assert_eq!(record_of_link.link_count, 2);
        assert!(record(&link.replace("a\"\nLinks: 9", "short")).is_err());
    }

    #[test]
    fn what_is_no_inode_is_unreadable() {
        assert!(record("").is_err());
        assert!(record("\n").is_err());
        for (old, new) in [
            ("Mode:  06755", "Mode:  0x"),
            ("Size: 50000", "Size: many"),
            ("(0-11):500-511", "(0-11):500-510"),
            ("(0-11):500-511", "(11-0):500-511"),
            (" mtime: ", " mtome: "),
        ] {
            assert!(record(&FILE.replace(old, new)).is_err(), "{new}");
        }
    }
}
