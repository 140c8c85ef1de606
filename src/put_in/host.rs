//! What comes of the host's disk, freed of what is of that host alone: whoever checks the same files
//! out with another umask, as another user, at another time puts the same in.

use crate::edits::{Mode, Owner};
use crate::error::{Error, Result};
use crate::layers::{Existing, Made, PutInTar, set_permissions};
use crate::tar::{Device, Entry, EntryKind};
use crate::units::FileFlags;
use crate::warnings::Warnings;

/// How names of the host are put in.
pub(super) struct Given<'a> {
    /// The path in the tree of what was read, without a slash before it.
    pub(super) at: &'a [u8],
    /// Whether modes, owners, times and all else stay as they are on the host.
    pub(super) keeps_attributes: bool,
    /// The mode of files; directories can be entered where it can be read, too.
    pub(super) mode: Option<Mode>,
    /// Everything's owner.
    pub(super) owner: Option<Owner>,
}

/// The names of a directory or a file that was read, in their order.
///
/// # Errors
/// [`Error::Unsupported`] for a whiteout of overlayfs.
pub(super) fn names(
    taken: PutInTar,
    given: &Given<'_>,
    warnings: &mut Warnings,
) -> Result<Vec<Made>> {
    let region = taken.region;
    let names = taken.entries.into_iter().map(|entry| {
        let path = entry.path.clone();
        given
            .made(entry, region, warnings)
            .map_err(|error| error.in_entry(&path))
    });
    names.collect()
}

impl Given<'_> {
    fn made(&self, entry: Entry, region: u32, warnings: &mut Warnings) -> Result<Made> {
        let path = self.placed(&entry.path);
        check(&entry, warnings)?;
        let kind = match entry.kind {
            EntryKind::HardLink(first) => EntryKind::HardLink(self.placed(&first)),
            kind => kind,
        };
        let is_directory = kind == EntryKind::Directory;
        let mut made = Made {
            path,
            kind,
            region,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: Some(entry.mtime),
            xattrs: entry.xattrs,
            file_flags: entry.file_flags,
            existing: Existing::Set,
        };
        if !self.keeps_attributes {
            warn_of_lost_bits(&made, &entry.path, self.mode, warnings);
            made.mode = usual_mode(&made.kind, made.mode);
            (made.uid, made.gid, made.mtime) = (0, 0, None);
            made.xattrs = Box::default();
            made.file_flags = FileFlags::default();
            made.existing = Existing::Kept;
        }
        if let Some(mode) = self.mode {
            let bits = mode.bits();
            made.mode = match is_directory {
                // Who may read one may enter it; set-user-ID and the like are files' alone.
                true => (bits & 0o777) | ((bits & 0o444) >> 2),
                false => bits,
            };
            set_permissions(&mut made.xattrs, made.mode);
        }
        if let Some(owner) = self.owner {
            (made.uid, made.gid) = (owner.uid, owner.gid);
        }
        Ok(made)
    }

    /// Where a name of what was read is in the tree.
    fn placed(&self, name: &[u8]) -> Box<[u8]> {
        let name = name.strip_suffix(b"/").unwrap_or(name);
        match name {
            b"" | b"." => self.at.into(),
            name if self.at.is_empty() => name.into(),
            name => [self.at, b"/", name].concat().into(),
        }
    }
}

/// Modes as a checkout has them, whatever the umask.
fn usual_mode(kind: &EntryKind, mode: u16) -> u16 {
    match kind {
        EntryKind::Directory => 0o755,
        // What its owner may run, everybody may.
        EntryKind::Regular(_) if mode & 0o100 != 0 => 0o755,
        EntryKind::Regular(_) => 0o644,
        EntryKind::Symlink(_) | EntryKind::HardLink(_) => 0o777,
        // Nobody checks these out; so it is nobody's but root's.
        EntryKind::CharacterDevice(_) | EntryKind::BlockDevice(_) | EntryKind::Fifo => 0o600,
    }
}

fn warn_of_lost_bits(made: &Made, path: &[u8], given: Option<Mode>, warnings: &mut Warnings) {
    let is_file = matches!(made.kind, EntryKind::Regular(_));
    if is_file && given.is_none() && made.mode & 0o6000 != 0 {
        warnings.count(
            "set-user-ID or set-group-ID left out of what is put in (a mode or --keep-attributes gives it)",
            path,
        );
    }
}

/// A directory has no whiteouts: what looks like one is a name, or is refused.
fn check(entry: &Entry, warnings: &mut Warnings) -> Result<()> {
    const NONE: Device = Device { major: 0, minor: 0 };
    if entry.kind == EntryKind::CharacterDevice(NONE) {
        return Err(Error::unsupported(
            "expected what a tree can hold, found a whiteout of overlayfs (--remove takes a name away, and so does .wh.NAME in a tar)",
        ));
    }
    let name = entry.path.strip_suffix(b"/").unwrap_or(&entry.path);
    let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
    if name.starts_with(b".wh.") {
        warnings.count(
            "a name in a directory that is put in looks like a whiteout and was put in as it is (whiteouts count in tars)",
            &entry.path,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(at: &'static [u8], mode: Option<u16>) -> Given<'static> {
        Given {
            at,
            keeps_attributes: false,
            mode: mode.and_then(Mode::new),
            owner: None,
        }
    }

    #[test]
    fn names_are_placed_below_where_the_tree_is_put() {
        for (at, name, path) in [
            (&b""[..], &b"./"[..], &b""[..]),
            (b"", b"a/b/", b"a/b"),
            (b"opt", b"./", b"opt"),
            (b"opt", b".", b"opt"),
            (b"opt/x", b"a/b", b"opt/x/a/b"),
            (b"opt", b".a", b"opt/.a"),
        ] {
            let given = Given {
                at,
                ..given(b"", None)
            };
            assert_eq!(&*given.placed(name), path);
        }
    }

    #[test]
    fn a_mode_is_of_files_and_lets_who_may_read_a_directory_enter_it() {
        let content = crate::region::Content {
            size_bytes: 0,
            data: crate::region::Data::Contiguous { offset_bytes: 0 },
        };
        let entry = |kind: EntryKind| Entry {
            path: b"a".as_slice().into(),
            kind,
            mode: 0o4711,
            uid: 7,
            gid: 8,
            mtime: crate::units::Timestamp::from_seconds(9),
            xattrs: Box::default(),
            file_flags: FileFlags::default(),
            header_offset: 0,
        };
        let mut warnings = Warnings::default();
        let mut mode = |mode, kind: &EntryKind| {
            let made = given(b"", mode).made(entry(kind.clone()), 0, &mut warnings);
            made.unwrap().mode
        };
        let file = EntryKind::Regular(content);
        for (given, of_file, of_directory) in [
            (None, 0o755, 0o755),
            (Some(0o644), 0o644, 0o755),
            (Some(0o4750), 0o4750, 0o750),
            (Some(0o600), 0o600, 0o700),
        ] {
            assert_eq!(mode(given, &file), of_file);
            assert_eq!(mode(given, &EntryKind::Directory), of_directory);
        }
        let lines: Vec<_> = warnings.lines().collect();
        assert!(
            lines.len() == 1 && lines[0].contains("set-user-ID"),
            "{lines:?}"
        );
    }
}
