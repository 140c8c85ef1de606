//! One name and everything a view knows of it.

use std::fmt;
use std::sync::Arc;

use super::content::ContentDigest;
use crate::error::escape_path;
use crate::ondisk::posix_acl;
use crate::units::{FileFlags, Hex, Timestamp};

/// A name with what a view knows of its inode; `None` and `Unknown` are what it cannot see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The path's bytes without a leading `/`; the root's is empty.
    pub path: Box<[u8]>,
    /// The type.
    pub kind: Option<Kind>,
    /// Permission, setuid, setgid and sticky bits: `0o7777` at most.
    pub mode: Option<u16>,
    /// User and group.
    pub owner: Option<Owner>,
    /// Modification time.
    pub mtime: Option<Timestamp>,
    /// The inode's own count of its names.
    pub link_count: Option<u32>,
    /// With which other names it shares its inode; [`super::Listing::new`] fills it in.
    pub links: Links,
    /// A regular file's length or a symlink's; unknown for what has no length of its own.
    pub size_bytes: Option<u64>,
    /// Extended attributes, ascending by name.
    pub xattrs: Option<Box<[Attribute]>>,
    /// What chattr sets.
    pub file_flags: Option<FileFlags>,
    /// What it holds.
    pub body: Body,
}

/// An inode's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
}

impl Kind {
    /// The type in the upper four bits of a POSIX `st_mode`.
    pub fn from_st_mode(st_mode: u32) -> Option<Self> {
        Some(match st_mode & 0o170_000 {
            0o100_000 => Self::Regular,
            0o040_000 => Self::Directory,
            0o120_000 => Self::Symlink,
            0o020_000 => Self::CharacterDevice,
            0o060_000 => Self::BlockDevice,
            0o010_000 => Self::Fifo,
            0o140_000 => Self::Socket,
            _ => return None,
        })
    }
}

/// An inode's user and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// `uid:gid`.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// Which other names lead to the same inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Links {
    /// Not seen.
    Unknown,
    /// None.
    Alone,
    /// Those whose smallest path is this.
    Group(Arc<[u8]>),
}

/// What an inode holds, by its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Not seen.
    Unknown,
    /// Nothing: a directory, a FIFO, a socket.
    Nothing,
    /// A regular file's content.
    Content(ContentDigest),
    /// A symlink's target.
    Target(Box<[u8]>),
    /// A device's numbers.
    Device {
        /// Up to 12 bits on ext.
        major: u32,
        /// Up to 20 bits on ext.
        minor: u32,
    },
}

/// An extended attribute as user space sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attribute {
    /// The full name with its prefix, as `user.comment`.
    pub name: Box<[u8]>,
    /// The value as `getxattr` returns it.
    pub value: Box<[u8]>,
}

impl Attribute {
    /// An attribute; a POSIX ACL's value may be in ext's on-disk form or in user space's and
    /// becomes the latter, as the kernel gives it.
    pub fn new(name: &[u8], value: &[u8]) -> Self {
        let is_acl = matches!(
            name,
            b"system.posix_acl_access" | b"system.posix_acl_default"
        );
        let in_user_form = is_acl.then(|| posix_acl::to_user_space(value)).flatten();
        Self {
            name: name.into(),
            value: in_user_form.map_or_else(|| value.into(), Into::into),
        }
    }
}

/// A part of a line that can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The type.
    Kind,
    /// The permission bits.
    Mode,
    /// User and group.
    Owner,
    /// Modification time.
    Mtime,
    /// The inode's count of names.
    LinkCount,
    /// The hard-link group.
    Links,
    /// The length.
    Size,
    /// Content, target or device numbers.
    Body,
    /// Extended attributes.
    Xattrs,
    /// What chattr sets.
    Flags,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => "type",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Mtime => "mtime",
            Self::LinkCount => "link count",
            Self::Links => "hard-link group",
            Self::Size => "size",
            Self::Body => "content",
            Self::Xattrs => "xattrs",
            Self::Flags => "flags",
        })
    }
}

impl Line {
    /// A line of which nothing but the path is known.
    pub fn unknown(path: &[u8]) -> Self {
        Self {
            path: path.into(),
            kind: None,
            mode: None,
            owner: None,
            mtime: None,
            link_count: None,
            links: Links::Unknown,
            size_bytes: None,
            xattrs: None,
            file_flags: None,
            body: Body::Unknown,
        }
    }

    /// The fields that are known.
    pub fn known_fields(&self) -> impl Iterator<Item = Field> {
        [
            (Field::Kind, self.kind.is_some()),
            (Field::Mode, self.mode.is_some()),
            (Field::Owner, self.owner.is_some()),
            (Field::Mtime, self.mtime.is_some()),
            (Field::LinkCount, self.link_count.is_some()),
            (Field::Links, self.links != Links::Unknown),
            (Field::Size, self.size_bytes.is_some()),
            (Field::Body, self.body != Body::Unknown),
            (Field::Xattrs, self.xattrs.is_some()),
            (Field::Flags, self.file_flags.is_some()),
        ]
        .into_iter()
        .filter_map(|(field, known)| known.then_some(field))
    }
}

/// `/path type mode uid:gid mtime links=N size=N content flags=F xattrs`; what is unknown is `?`.
///
/// Spaces within paths, targets and names are escaped, so that the fields can be told apart.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", escape(&self.path))?;
        let mode = self.mode.map(|mode| format!("{mode:04o}"));
        write!(f, " {} {}", or_unknown(self.kind), or_unknown(mode))?;
        write!(f, " {} {}", or_unknown(self.owner), or_unknown(self.mtime))?;
        write!(f, " links={}", or_unknown(self.link_count))?;
        match &self.links {
            Links::Unknown => f.write_str(" with=?")?,
            Links::Alone => {}
            Links::Group(smallest) => write!(f, " with=/{}", escape(smallest))?,
        }
        if !matches!(self.body, Body::Nothing | Body::Device { .. }) {
            write!(f, " size={}", or_unknown(self.size_bytes))?;
        }
        match &self.body {
            Body::Unknown => f.write_str(" ?")?,
            Body::Nothing => {}
            Body::Content(digest) => write!(f, " {digest}")?,
            Body::Target(target) => write!(f, " -> {}", escape(target))?,
            Body::Device { major, minor } => write!(f, " {major}:{minor}")?,
        }
        match self.file_flags {
            None => f.write_str(" flags=?")?,
            Some(flags) if flags.is_empty() => {}
            Some(flags) => {
                let words: Vec<_> = flags.words().collect();
                write!(f, " flags={}", words.join(","))?;
            }
        }
        match &self.xattrs {
            None => f.write_str(" xattrs=?"),
            Some(attributes) => attributes
                .iter()
                .try_for_each(|attribute| write!(f, " {attribute}")),
        }
    }
}

/// `name=0x…`.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=0x{}", escape(&self.name), Hex(&self.value))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Regular => "file",
            Self::Directory => "dir",
            Self::Symlink => "symlink",
            Self::CharacterDevice => "char",
            Self::BlockDevice => "block",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
        })
    }
}

fn escape(bytes: &[u8]) -> String {
    escape_path(bytes).replace(' ', "\\x20")
}

fn or_unknown(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_every_field_and_a_question_mark_for_what_is_unknown() {
        assert_eq!(
            Line::unknown(b"a b\n").to_string(),
            "/a\\x20b\\x0a ? ? ? ? links=? with=? size=? ? flags=? xattrs=?"
        );
        let line = Line {
            kind: Some(Kind::CharacterDevice),
            mode: Some(0o4755),
            owner: Some(Owner { uid: 1, gid: 70000 }),
            mtime: Some(Timestamp::from_seconds(-1)),
            link_count: Some(1),
            links: Links::Alone,
            xattrs: Some(Box::new([Attribute::new(b"user.a", b"\x00\xff")])),
            file_flags: Some(FileFlags::NODUMP.with(FileFlags::NOATIME)),
            body: Body::Device { major: 1, minor: 3 },
            ..Line::unknown(b"dev/null")
        };
        assert_eq!(
            line.to_string(),
            "/dev/null char 4755 1:70000 -1.000000000 links=1 1:3 flags=nodump,noatime user.a=0x00ff"
        );
    }
}
