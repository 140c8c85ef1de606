//! The flags that chattr sets on a file.

use std::fmt;
use std::ops::{BitAnd, BitOr, Not};

/// Flags that somebody set on a file (ioctl_iflags(2), chattr(1)), by the numbers that the kernel
/// gives them (`FS_*_FL`) and ext stores them by. What else an inode's flags say is its filesystem's
/// own business, as how its content is mapped, and is none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileFlags(u32);

/// A flag with its names.
struct Named {
    bit: FileFlags,
    /// For people.
    word: &'static str,
    /// As libarchive, and star before it, names it in a tar; the first is written.
    in_tars: &'static [&'static str],
}

/// All flags in lsattr's order.
const NAMED: [Named; 15] = [
    named(
        FileFlags::SECURE_DELETION,
        "secdel",
        &["secdel", "securedeletion"],
    ),
    named(FileFlags::UNDELETE, "undel", &[]),
    named(FileFlags::SYNC, "sync", &[]),
    named(FileFlags::DIRSYNC, "dirsync", &[]),
    named(
        FileFlags::IMMUTABLE,
        "immutable",
        &["schg", "schange", "simmutable"],
    ),
    named(FileFlags::APPEND, "append", &["sappnd", "sappend"]),
    named(FileFlags::NODUMP, "nodump", &[]),
    named(FileFlags::NOATIME, "noatime", &[]),
    named(FileFlags::COMPRESS, "compress", &[]),
    named(FileFlags::JOURNAL, "journal", &["journal-data"]),
    named(FileFlags::NOTAIL, "notail", &[]),
    named(FileFlags::TOPDIR, "topdir", &[]),
    named(FileFlags::NOCOW, "nocow", &[]),
    named(FileFlags::DAX, "dax", &[]),
    named(FileFlags::PROJECT, "projinherit", &[]),
];

const fn named(bit: FileFlags, word: &'static str, in_tars: &'static [&'static str]) -> Named {
    Named { bit, word, in_tars }
}

/// Longer lists are nobody's: all names together take less.
const MAX_LIST_BYTES: usize = 512;

impl FileFlags {
    /// Overwritten when it is deleted (`s`).
    pub const SECURE_DELETION: Self = Self(0x1);
    /// Kept for undeletion (`u`).
    pub const UNDELETE: Self = Self(0x2);
    /// Compressed by the filesystem (`c`).
    pub const COMPRESS: Self = Self(0x4);
    /// Written without delay (`S`).
    pub const SYNC: Self = Self(0x8);
    /// Not changed, renamed, linked or removed by anybody (`i`).
    pub const IMMUTABLE: Self = Self(0x10);
    /// Appended to only (`a`).
    pub const APPEND: Self = Self(0x20);
    /// Left out by dump(8) (`d`).
    pub const NODUMP: Self = Self(0x40);
    /// Read without a new access time (`A`).
    pub const NOATIME: Self = Self(0x80);
    /// Data written through the journal (`j`).
    pub const JOURNAL: Self = Self(0x4000);
    /// Its end not merged with others' (`t`).
    pub const NOTAIL: Self = Self(0x8000);
    /// A directory whose changes are written without delay (`D`).
    pub const DIRSYNC: Self = Self(0x1_0000);
    /// A directory whose directories have nothing to do with each other (`T`).
    pub const TOPDIR: Self = Self(0x2_0000);
    /// Written in its place (`C`).
    pub const NOCOW: Self = Self(0x80_0000);
    /// Reached past the page cache (`x`).
    pub const DAX: Self = Self(0x200_0000);
    /// A directory that gives its project to what is made in it (`P`).
    pub const PROJECT: Self = Self(0x2000_0000);

    /// The counted warning of flags that were there to be kept.
    pub const NOT_KEPT: &str = "file flags are not kept (--file-flags keeps them)";

    /// A path with its flags, as the example of a warning.
    pub fn told_of(self, path: &[u8]) -> Vec<u8> {
        let path = if path.is_empty() { b"/" } else { path };
        [path, format!(" ({self})").as_bytes()].concat()
    }

    /// Of an inode's flags, or those of `FS_IOC_GETFLAGS`, the ones that somebody sets.
    pub const fn of_inode(flags: u32) -> Self {
        let mut all = 0;
        let mut index = 0;
        while index < NAMED.len() {
            all |= NAMED[index].bit.0;
            index += 1;
        }
        Self(flags & all)
    }

    /// Both together.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// As an inode has them.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// None at all.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Reads the list of names that a tar has (`SCHILY.fflags`): flags that are set, and names that
    /// are none, in order. Names are separated by commas, blanks or tabs; with `no` before it, or
    /// without the one that it has, a name takes a flag away, which there is nothing to take from
    /// here.
    pub fn parse(list: &[u8]) -> (Self, Vec<&[u8]>) {
        let (list, beyond) = list.split_at(list.len().min(MAX_LIST_BYTES));
        let (mut set, mut unknown) = (Self::default(), Vec::new());
        for name in list.split(|byte| matches!(byte, b',' | b' ' | b'\t')) {
            match find(name) {
                _ if name.is_empty() => {}
                Some((flag, true)) => set = set | flag,
                Some((_, false)) => {}
                None => unknown.push(name),
            }
        }
        if !beyond.is_empty() {
            unknown.push(b"...");
        }
        (set, unknown)
    }

    /// The list of names that a tar has, as libarchive writes it.
    pub fn in_tar(self) -> String {
        self.joined(",", |named| named.in_tars.first().unwrap_or(&named.word))
    }

    /// Each flag alone.
    pub fn each(self) -> impl Iterator<Item = Self> {
        self.named().map(|named| named.bit)
    }

    /// Each flag by its name.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        self.named().map(|named| named.word)
    }

    fn named(self) -> impl Iterator<Item = &'static Named> {
        let is_set = move |named: &&Named| !(self & named.bit).is_empty();
        NAMED.iter().filter(is_set)
    }

    fn joined(self, between: &str, name: impl Fn(&Named) -> &str) -> String {
        let names: Vec<_> = self.named().map(name).collect();
        names.join(between)
    }
}

/// The flag that a name in a tar means, and whether it sets it.
fn find(name: &[u8]) -> Option<(FileFlags, bool)> {
    NAMED.iter().find_map(|named| {
        let mut names = named.in_tars.iter().chain([&named.word]);
        names.find_map(|known| {
            let known = known.as_bytes();
            // What is called by what it takes away is given back by the rest of the name.
            let opposite = match known.strip_prefix(b"no") {
                Some(rest) => name == rest,
                None => name.strip_prefix(b"no") == Some(known),
            };
            (opposite || name == known).then_some((named.bit, !opposite))
        })
    })
}

/// The names for people, as in `immutable, nodump`; `none` where there is none.
impl fmt::Display for FileFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&self.joined(", ", |named| named.word))
    }
}

impl BitOr for FileFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl BitAnd for FileFlags {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// Every flag but these.
impl Not for FileFlags {
    type Output = Self;

    fn not(self) -> Self {
        Self::of_inode(!self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(list: &str) -> FileFlags {
        let (flags, unknown) = FileFlags::parse(list.as_bytes());
        assert!(unknown.is_empty(), "{list}");
        flags
    }

    #[test]
    fn every_name_of_libarchive_sets_its_flag_and_its_opposite_none() {
        for (names, bits) in [
            (&["sappnd", "sappend", "append"][..], 0x20),
            (&["schg", "schange", "simmutable", "immutable"], 0x10),
            (&["nodump"], 0x40),
            (&["undel"], 0x2),
            (&["compress"], 0x4),
            (&["noatime"], 0x80),
            (&["dirsync"], 0x1_0000),
            (&["journal-data", "journal"], 0x4000),
            (&["secdel", "securedeletion"], 0x1),
            (&["sync"], 0x8),
            (&["notail"], 0x8000),
            (&["topdir"], 0x2_0000),
            (&["nocow"], 0x80_0000),
            (&["projinherit"], 0x2000_0000),
        ] {
            for name in names {
                assert_eq!(set(name).bits(), bits, "{name}");
                let opposite = name
                    .strip_prefix("no")
                    .map_or_else(|| format!("no{name}"), str::to_owned);
                assert_eq!(set(&opposite).bits(), 0, "{opposite}");
            }
        }
    }

    #[test]
    fn lists_are_split_as_libarchive_splits_them_and_unknown_names_are_told() {
        assert_eq!(set(" ,schg,\tnodump, sappnd nosync,,").bits(), 0x70);
        let (flags, unknown) = FileFlags::parse(b"uchg,schg,arch,NODUMP,no");
        assert_eq!(flags, FileFlags::IMMUTABLE);
        assert_eq!(unknown, [&b"uchg"[..], b"arch", b"NODUMP", b"no"]);
        assert_eq!(FileFlags::parse(b""), (FileFlags::default(), Vec::new()));
    }

    #[test]
    fn what_is_written_into_a_tar_is_read_back() {
        let all = FileFlags::of_inode(u32::MAX);
        assert_eq!(
            all.in_tar(),
            "secdel,undel,sync,dirsync,schg,sappnd,nodump,noatime,compress,journal-data,notail,topdir,nocow,dax,projinherit"
        );
        assert!(all.in_tar().len() < MAX_LIST_BYTES);
        assert_eq!(set(&all.in_tar()), all);
        let words: Vec<_> = all.words().collect();
        assert_eq!(set(&words.join(",")), all);
        let of_the_format = FileFlags::of_inode(0x1000 | 0x8_0000 | 0x800 | 0x1000_0000);
        assert!(of_the_format.is_empty());
    }

    #[test]
    fn a_list_without_end_is_cut() {
        let endless = b"schg,".repeat(1 << 20);
        let (flags, unknown) = FileFlags::parse(&endless);
        assert_eq!(flags, FileFlags::IMMUTABLE);
        assert_eq!(unknown.last(), Some(&&b"..."[..]));
    }
}
