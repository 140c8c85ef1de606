//! One member of a tar: header, extensions and map put together to an entry.

use super::blocks::{Blocks, TarBytes};
use super::entry::{Device, Entry, EntryKind};
use super::header::{Format, Header};
use super::pax::Extended;
use super::sparse::Sparse;
use super::xattrs;
use crate::error::{Error, Result, escape_path};
use crate::limits::Limits;
use crate::region::{Content, Data};
use crate::units::{FileFlags, Timestamp};
use crate::warnings::Warnings;

/// Names too long for a header, as GNU tar stores them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) path: Option<Box<[u8]>>,
    pub(super) target: Option<Box<[u8]>>,
}

/// An entry and how many bytes of data follow.
pub(super) struct Member {
    pub(super) entry: Entry,
    pub(super) data_bytes: u64,
}

/// Makes an entry. `blocks` stand behind the header, and afterwards at the data.
pub(super) fn entry<R: TarBytes>(
    header: &Header<'_>,
    header_offset: u64,
    names: Names,
    extended: &Extended<'_>,
    blocks: &mut Blocks<R>,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Member> {
    let path = path(header, names.path, extended);
    if path.is_empty() {
        return Err(Error::bad_image("expected a name, found an empty one"));
    }
    let rest = || -> Result<Member> {
        let mut mode = header.mode()?;
        count_odd_character_set(extended, &path, warnings);
        let xattrs = xattrs::collect(extended, &mut mode, &path, limits, warnings)?;
        let (kind, data_bytes) = kind(
            header,
            &path,
            names.target,
            extended,
            blocks,
            limits,
            warnings,
        )?;
        let entry = Entry {
            path: Box::default(),
            kind,
            mode,
            uid: extended.number_32("uid", || header.uid())?,
            gid: extended.number_32("gid", || header.gid())?,
            mtime: mtime(header, extended)?,
            xattrs,
            file_flags: file_flags(extended, &path, warnings),
            header_offset,
        };
        Ok(Member { entry, data_bytes })
    };
    let mut member = rest().map_err(|error| error.in_entry(&path))?;
    member.entry.path = path;
    Ok(member)
}

fn path(header: &Header<'_>, long: Option<Box<[u8]>>, extended: &Extended<'_>) -> Box<[u8]> {
    // A sparse file's `path` is a made-up name, for readers that do not know the format.
    if let Some(name) = extended.get("GNU.sparse.name") {
        return name.into();
    }
    long.or_else(|| extended.get("path").map(Into::into))
        .unwrap_or_else(|| header.name().into())
}

fn mtime(header: &Header<'_>, extended: &Extended<'_>) -> Result<Timestamp> {
    match extended.get("mtime") {
        None => header.mtime().map(Timestamp::from_seconds),
        Some(text) => super::number::time(text).ok_or_else(|| {
            Error::bad_image(format!(
                "expected decimal seconds in pax record 'mtime', found '{}'",
                escape_path(&text[..text.len().min(40)])
            ))
        }),
    }
}

/// The type with what belongs to it, and how many bytes of data follow. Links, directories,
/// devices and FIFOs have none, whatever their size field says.
fn kind<R: TarBytes>(
    header: &Header<'_>,
    path: &[u8],
    long_target: Option<Box<[u8]>>,
    extended: &Extended<'_>,
    blocks: &mut Blocks<R>,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<(EntryKind, u64)> {
    let device = || -> Result<Device> {
        Ok(Device {
            major: extended.number_32("SCHILY.devmajor", || header.device_major())?,
            minor: extended.number_32("SCHILY.devminor", || header.device_minor())?,
        })
    };
    let target = || -> Result<Box<[u8]>> {
        let target = long_target
            .or_else(|| extended.get("linkpath").map(Into::into))
            .unwrap_or_else(|| header.link_name().into());
        if target.is_empty() {
            return Err(Error::bad_image(
                "expected a link target, found an empty one",
            ));
        }
        Ok(target)
    };
    let slash = path.ends_with(b"/");
    let kind = match header.type_flag() {
        // Before POSIX gave directories a type of their own, the slash was it.
        0 if slash => EntryKind::Directory,
        0 | b'0' | b'7' | b'S' => {
            if slash {
                // GNU tar takes it for a directory; Go, and so every container runtime, does not.
                warnings.count("regular file whose name ends in a slash", path);
            }
            return regular(header, extended, blocks, limits);
        }
        b'1' => EntryKind::HardLink(target()?),
        b'2' => EntryKind::Symlink(target()?),
        b'3' => EntryKind::CharacterDevice(device()?),
        b'4' => EntryKind::BlockDevice(device()?),
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        // GNU tar's incremental backups: a directory, its data the names of what is in it.
        b'D' => return Ok((EntryKind::Directory, stored_size(header, extended)?)),
        other => return Err(unsupported_type(other)),
    };
    if extended.is_sparse() {
        return Err(Error::bad_image(
            "expected a regular file after a sparse file's pax header, found another type",
        ));
    }
    Ok((kind, 0))
}

fn stored_size(header: &Header<'_>, extended: &Extended<'_>) -> Result<u64> {
    let size = extended.number("size", i64::MAX.cast_unsigned())?;
    size.map_or_else(|| header.size(), Ok)
}

fn regular<R: TarBytes>(
    header: &Header<'_>,
    extended: &Extended<'_>,
    blocks: &mut Blocks<R>,
    limits: &Limits,
) -> Result<(EntryKind, u64)> {
    let mut stored_bytes = stored_size(header, extended)?;
    let sparse = if header.type_flag() == b'S' {
        if header.format() != Format::Gnu {
            return Err(Error::unsupported(
                "a sparse file (type 'S') outside the GNU format",
            ));
        }
        Some(Sparse::old(header, blocks, limits)?)
    } else {
        Sparse::pax(extended, &mut stored_bytes, blocks, limits)?
    };
    let offset_bytes = blocks.position();
    let content = match sparse {
        Some(sparse) => sparse.place(offset_bytes, stored_bytes)?,
        None => Content {
            size_bytes: stored_bytes,
            data: Data::Contiguous { offset_bytes },
        },
    };
    Ok((EntryKind::Regular(content), stored_bytes))
}

fn unsupported_type(type_flag: u8) -> Error {
    let known_as = match type_flag {
        b'M' => " (the continuation of a file from another volume)",
        b'N' => " (long names of old GNU tar)",
        b'A' => " (an access control list of Solaris tar)",
        b'E' => " (an extended attribute of Solaris tar)",
        b'I' => " (an inode without data of star)",
        _ => "",
    };
    Error::unsupported(format!(
        "entry type '{}'{known_as}: expected a file, directory, link, device or FIFO",
        escape_path(&[type_flag])
    ))
}

/// The flags that chattr sets, where it has them: BSD has others.
fn file_flags(extended: &Extended<'_>, path: &[u8], warnings: &mut Warnings) -> FileFlags {
    let list = extended.get("SCHILY.fflags").unwrap_or_default();
    let (flags, unknown) = FileFlags::parse(list);
    if !unknown.is_empty() {
        warnings.count_with("file flags that Linux does not have were left out", || {
            [path, b" (", &unknown.join(&b", "[..]), b")"].concat()
        });
    }
    flags
}

/// Names are bytes here from end to end; only a character set that nobody uses would need more.
fn count_odd_character_set(extended: &Extended<'_>, path: &[u8], warnings: &mut Warnings) {
    let known = [&b"BINARY"[..], b"ISO-IR 10646 2000 UTF-8"];
    if extended
        .get("hdrcharset")
        .is_some_and(|name| !known.contains(&name))
    {
        warnings.count(
            "name in a character set that is not known kept as it is",
            path,
        );
    }
}
