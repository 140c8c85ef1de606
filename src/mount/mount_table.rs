//! Which filesystem images are mounted where: `/proc/self/mountinfo` (proc(5)) and the loop
//! devices in sysfs.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::pinned::identity_at;
use crate::units::parse_device;

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// What the kernel appends to the path of a file that has none any more.
const DELETED: &[u8] = b" (deleted)";

/// Stands for the path of a file that lies too deep for the kernel to tell it.
const UNTELLABLE: &[u8] = b"(a path of more than 4096 bytes)";

/// A mount as the kernel tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountEntry {
    /// Its number while it exists.
    pub id: u64,
    /// The mount it is mounted on.
    pub parent_id: u64,
    /// The device, as in `7:0`.
    pub device_number: (u32, u32),
    /// The directory of the filesystem that shows, `/` unless it is a bind mount.
    pub root: PathBuf,
    /// Where.
    pub mount_point: PathBuf,
    /// Options of the mount and of the filesystem, without duplicates.
    pub options: Vec<String>,
    /// As in `ext3`.
    pub filesystem_type: String,
    /// The device's node as it was named when mounting, or a word.
    pub source: PathBuf,
}

/// A filesystem image that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedImage {
    /// The image's file; a remark where its path is longer than Linux tells.
    pub image: PathBuf,
    /// Whether that file has lost its name; its bytes stay until it is unmounted.
    pub is_deleted: bool,
    /// The mount.
    pub mount: MountEntry,
}

/// All mounts of this mount namespace, in the kernel's order: of two on one directory, the later
/// is on top.
///
/// # Errors
/// [`Error::Io`] without a `/proc`.
pub fn mounts() -> Result<Vec<MountEntry>> {
    let text =
        fs::read(MOUNTINFO).map_err(|error| Error::path("read", Path::new(MOUNTINFO), error))?;
    Ok(text
        .split(|&byte| byte == b'\n')
        .filter_map(parse)
        .collect())
}

/// The number of the mount that a path leads to; `None` where it leads nowhere, may not be looked
/// at, or on kernels before 5.8.
pub fn mount_id(path: &Path) -> Option<u64> {
    let found = statx(CWD, path, AtFlags::NO_AUTOMOUNT, StatxFlags::MNT_ID).ok()?;
    StatxFlags::from_bits_retain(found.stx_mask)
        .contains(StatxFlags::MNT_ID)
        .then_some(found.stx_mnt_id)
}

/// The ext2, ext3 and ext4 filesystems that are mounted from files, whoever mounted them.
///
/// # Errors
/// As of [`mounts`].
pub fn mounted_images() -> Result<Vec<MountedImage>> {
    Ok(mounts()?.into_iter().filter_map(image_of).collect())
}

/// The image behind a mount, if it is an ext filesystem on a loop device.
pub fn image_of(mount: MountEntry) -> Option<MountedImage> {
    if !matches!(&*mount.filesystem_type, "ext2" | "ext3" | "ext4") {
        return None;
    }
    let (image, is_deleted) = backing_file(mount.device_number)?;
    Some(MountedImage {
        image,
        is_deleted,
        mount,
    })
}

/// The file that a loop device, or the loop device of a partition, is over, and whether that file
/// is deleted.
pub(super) fn backing_file((major, minor): (u32, u32)) -> Option<(PathBuf, bool)> {
    let device = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
    let text = fs::read(device.join("loop/backing_file"))
        .or_else(
            |error| match fs::read(device.join("../loop/backing_file")) {
                Err(_) if error.raw_os_error() == Some(Errno::NAMETOOLONG.raw_os_error()) => {
                    Ok(UNTELLABLE.to_vec())
                }
                other => other,
            },
        )
        .ok()?;
    Some(without_deleted(text.strip_suffix(b"\n").unwrap_or(&text)))
}

fn without_deleted(text: &[u8]) -> (PathBuf, bool) {
    let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
    match text.strip_suffix(DELETED) {
        // A file may well be called so.
        Some(name) if !path(text).exists() => (path(name), true),
        _ => (path(text), false),
    }
}

fn parse(line: &[u8]) -> Option<MountEntry> {
    let mut fields = line.split(|&byte| byte == b' ');
    let mut next = || fields.next();
    let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse::<u64>().ok();
    let (id, parent_id) = (number(next()?)?, number(next()?)?);
    let device_number = parse_device(std::str::from_utf8(next()?).ok()?)?;
    let (root, mount_point) = (unescape(next()?), unescape(next()?));
    let mut options = vec![];
    add_options(&mut options, next()?);
    // Optional fields end at a lone dash.
    while next()? != b"-" {}
    let filesystem_type = String::from_utf8_lossy(next()?).into_owned();
    let source = unescape(next()?);
    add_options(&mut options, next()?);
    Some(MountEntry {
        id,
        parent_id,
        device_number,
        root,
        mount_point,
        options,
        filesystem_type,
        source,
    })
}

fn add_options(options: &mut Vec<String>, field: &[u8]) {
    for option in String::from_utf8_lossy(field).split(',') {
        if !options.iter().any(|other| other == option) {
            options.push(option.to_owned());
        }
    }
}

/// Undoes the octal escapes of white space and backslashes.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if byte == b'\\' => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        bytes.push(escaped.unwrap_or(byte));
        rest = &after[if escaped.is_some() { 3 } else { 0 }..];
    }
    PathBuf::from(OsString::from_vec(bytes))
}

impl MountEntry {
    /// Whether nothing can be written through it.
    pub fn is_read_only(&self) -> bool {
        self.options.iter().any(|option| option == "ro")
    }

    /// Whether its mount point leads to it, rather than to a mount that was put on top later.
    pub fn is_reachable(&self) -> bool {
        mount_id(&self.mount_point) == Some(self.id)
    }
}

impl MountedImage {
    /// Whether its image is what `file` was called before another file got that name.
    pub fn is_of_former(&self, file: &Path) -> bool {
        self.is_deleted && self.image.as_os_str().as_bytes() == file.as_os_str().as_bytes()
    }

    /// Whether `file` is its image, by whatever name.
    pub fn is_of(&self, file: &Path) -> bool {
        match identity_at(file) {
            Some(own) => !self.is_deleted && identity_at(&self.image) == Some(own),
            None => self.image.as_os_str().as_bytes() == file.as_os_str().as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo_is_taken_apart_with_its_escapes_and_optional_fields() {
        let line = br"61 27 7:3 / /mnt/a\040b\134\011\012c ro,nosuid,noatime shared:3 master:1 - ext3 /dev/loop3 ro,errors=remount-ro";
        let mount = parse(line).unwrap();
        assert_eq!((mount.id, mount.parent_id), (61, 27));
        assert_eq!(mount.device_number, (7, 3));
        assert_eq!(mount.mount_point, Path::new("/mnt/a b\\\t\nc"));
        assert_eq!(
            mount.options.join(","),
            "ro,nosuid,noatime,errors=remount-ro"
        );
        assert_eq!(mount.filesystem_type, "ext3");
        assert_eq!(mount.source, Path::new("/dev/loop3"));
        assert!(mount.is_read_only());
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"61 27 7:3 / /mnt ro"), None);
    }

    #[test]
    fn the_mounts_of_this_machine_are_read() {
        let mounts = mounts().unwrap();
        assert!(
            mounts
                .iter()
                .any(|mount| mount.mount_point == Path::new("/proc"))
        );
    }

    #[test]
    fn a_file_whose_name_says_deleted_is_told_from_a_deleted_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a (deleted)");
        assert_eq!(
            without_deleted(path.as_os_str().as_bytes()),
            (directory.path().join("a"), true)
        );
        fs::write(&path, b"").unwrap();
        assert_eq!(without_deleted(path.as_os_str().as_bytes()), (path, false));
    }
}
