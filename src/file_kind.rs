//! What a file is by the marks it bears, for errors that say what was found.

mod disk;

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use crate::error::{Error, Result};

/// Bytes that are looked at; a CD's mark lies farthest.
pub const HEAD_BYTES: usize = 0x8000 + 8;

/// Where an ext filesystem's magic is.
const EXT_MAGIC: (usize, &[u8]) = (1080, b"\x53\xef");

/// Marks that are enough by themselves. What is compressed or packed comes with what helps.
const MARKS: [(usize, &[u8], &str); 36] = [
    (
        0,
        b"\x1f\x8b",
        "a gzip-compressed file (`gzip -d` unpacks it; `layerpress build` takes a compressed container image as it is)",
    ),
    (
        0,
        b"\x28\xb5\x2f\xfd",
        "a zstd-compressed file (`zstd -d` unpacks it; `layerpress build` takes a compressed container image as it is)",
    ),
    (
        0,
        b"\xfd7zXZ\0",
        "an xz-compressed file (`xz -d` unpacks it)",
    ),
    (0, b"BZh", "a bzip2-compressed file (`bzip2 -d` unpacks it)"),
    (
        0,
        b"\x04\x22\x4d\x18",
        "an lz4-compressed file (`lz4 -d` unpacks it)",
    ),
    (0, b"LZIP", "an lzip-compressed file"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (
        0,
        b"\x3a\xff\x26\xed",
        "an Android sparse image (`simg2img` unpacks it)",
    ),
    (0, b"hsqs", "a squashfs filesystem image"),
    (0, b"sqsh", "a squashfs filesystem image"),
    (0, b"XFSB", "an XFS filesystem image"),
    (1024, b"\xe2\xe1\xf5\xe0", "an EROFS filesystem image"),
    (1024, b"\x10\x20\xf5\xf2", "an F2FS filesystem image"),
    (0, b"\x45\x3d\xcd\x28", "a cramfs filesystem image"),
    (0, b"-rom1fs-", "a romfs filesystem image"),
    (0, b"\x31\x18\x10\x06", "a UBIFS filesystem image"),
    (0, b"UBI#", "a UBI image"),
    (3, b"NTFS    ", "an NTFS filesystem image"),
    (3, b"EXFAT   ", "an exFAT filesystem image"),
    (82, b"FAT32", "a FAT filesystem image"),
    (54, b"FAT1", "a FAT filesystem image"),
    (4086, b"SWAPSPACE2", "swap space"),
    (0, b"LUKS\xba\xbe", "a LUKS volume, which is encrypted"),
    (0x218, b"LVM2 001", "an LVM physical volume"),
    (0x8001, b"CD001", "an ISO 9660 image"),
    (0, b"QFI\xfb", "a qcow2 disk image"),
    (0, b"KDMV", "a VMDK disk image"),
    (0, b"conectix", "a VHD disk image"),
    (0, b"vhdxfile", "a VHDX disk image"),
    (0, b"\x7fELF", "an ELF program"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"07070", "a cpio archive"),
    (0, b"!<arch>\n", "an ar archive or Debian package"),
    (0, b"\xed\xab\xee\xdb", "an RPM package"),
    (0, b"SIF_MAGIC", "a SIF image"),
    (0, b"ANDROID!", "an Android boot image"),
];

/// Marks that much else may begin with.
const WEAK_MARKS: [(usize, &[u8], &str); 3] = [
    (0, b"{", "a JSON document or the like"),
    (0, b"[", "a JSON document or the like"),
    (0, b"#!", "a script"),
];

/// The first bytes of a file, for [`is_ext`] and [`name`].
///
/// # Errors
/// When it cannot be read.
pub fn head(file: &File) -> io::Result<Vec<u8>> {
    head_at(file, 0)
}

/// The same of what begins at a byte of the file.
///
/// # Errors
/// When it cannot be read.
pub fn head_at(file: &File, offset_bytes: u64) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD_BYTES];
    let mut filled = 0;
    while filled < head.len() {
        // What no file has is behind its end.
        let Some(at) = offset_bytes.checked_add(filled as u64).filter(is_place) else {
            break;
        };
        match file.read_at(&mut head[filled..], at) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    Ok(head)
}

/// Whether a file can have a byte here.
fn is_place(offset_bytes: &u64) -> bool {
    i64::try_from(*offset_bytes).is_ok()
}

/// Opens whatever there is for reading, without waiting for a named pipe's writer.
///
/// # Errors
/// [`Error::Io`].
pub fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|error| Error::path("open", path, error))
}

/// Opens the file or block device that should hold an ext filesystem, for [`expect_ext`] to look
/// at.
///
/// # Errors
/// [`Error::Io`] when it cannot be opened, [`Error::BadImage`] for anything else, which is named.
pub fn open_image(path: &Path) -> Result<File> {
    let file = open(path)?;
    let kind = file
        .metadata()
        .map_err(|error| Error::path("read", path, error))?
        .file_type();
    if kind.is_file() || kind.is_block_device() {
        return Ok(file);
    }
    let name = path.display().to_string();
    if kind.is_dir() {
        let found = if path.join("oci-layout").is_file() {
            "an OCI image layout (`layerpress build` makes a filesystem of one)"
        } else {
            "a directory"
        };
        return Err(not_ext(found, &name));
    }
    let found = if kind.is_fifo() {
        "a named pipe"
    } else {
        "a device without blocks"
    };
    Err(not_ext(found, &name))
}

/// Refuses what does not begin as an ext filesystem does, at a byte of the file, and says what it is;
/// errors call it `name`.
///
/// # Errors
/// [`Error::BadImage`] then, [`Error::Io`] where it cannot be read.
pub fn expect_ext(mut file: &File, offset_bytes: u64, name: &str) -> Result<()> {
    let io = |error| Error::io(format!("cannot read {name}"), error);
    let head = head_at(file, offset_bytes).map_err(io)?;
    if is_ext(&head) {
        return Ok(());
    }
    if head.is_empty() && offset_bytes > 0 {
        let end = file.seek(SeekFrom::End(0)).map_err(io)?;
        let found = format!("nothing: the file ends before, at byte {end}");
        return Err(not_ext(&found, name));
    }
    Err(not_ext(&name_in_place(file, &head, offset_bytes), name))
}

fn not_ext(found: &str, name: &str) -> Error {
    let what = format!("expected an ext2, ext3 or ext4 filesystem, found {found}");
    Error::bad_image(what).in_image(name)
}

/// Whether it is an ext filesystem, and no tar that happens to have its mark.
pub fn is_ext(head: &[u8]) -> bool {
    head.len() >= 2048 && bears(head, EXT_MAGIC) && !is_ustar(head)
}

/// Where the partitions of a disk are, in bytes and in the order of its table; `None` for anything
/// else than a disk with a partition table.
pub fn partitions(head: &[u8]) -> Option<Vec<Range<u64>>> {
    let is_marked = || MARKS.iter().any(|(at, mark, _)| bears(head, (*at, mark)));
    if is_ext(head) || is_ustar(head) || is_old_tar(head) || is_marked() {
        return None;
    }
    disk::partitions(head)
}

/// What a file is that begins with `head`.
pub fn name(head: &[u8]) -> String {
    if head.is_empty() {
        return "an empty file".to_owned();
    }
    if is_ext(head) {
        return "an ext filesystem image".to_owned();
    }
    if is_ustar(head) || is_old_tar(head) {
        return "a tar, as container images are (`layerpress build` makes a filesystem of one)"
            .to_owned();
    }
    let marked = |marks: &[(usize, &[u8], &'static str)]| {
        let found = marks.iter().find(|(at, mark, _)| bears(head, (*at, mark)));
        found.map(|(_, _, name)| (*name).to_owned())
    };
    marked(&MARKS)
        .or_else(|| disk::name(head).map(str::to_owned))
        .or_else(|| marked(&WEAK_MARKS))
        .unwrap_or_else(|| {
            if head.iter().all(|&byte| byte == 0) {
                "nothing but zeros at its start".to_owned()
            } else if head.len() < 2048 {
                format!("{} bytes of no known form", head.len())
            } else {
                "something of no known form".to_owned()
            }
        })
}

/// What a file is that begins with `head` at `offset_bytes`; of a disk with the partition that holds an
/// ext filesystem, counted from there.
pub fn name_in_place(file: &File, head: &[u8], offset_bytes: u64) -> String {
    let name = name(head);
    let is_filesystem = |partition: &Range<u64>| {
        let start = offset_bytes.checked_add(partition.start);
        let head = start.and_then(|start| head_at(file, start).ok());
        head.is_some_and(|head| is_ext(&head))
    };
    match partitions(head) {
        Some(partitions) => disk::told(&name, &partitions, is_filesystem),
        None => name,
    }
}

fn bears(head: &[u8], (at, mark): (usize, &[u8])) -> bool {
    head.get(at..).is_some_and(|tail| tail.starts_with(mark))
}

fn is_ustar(head: &[u8]) -> bool {
    bears(head, (257, b"ustar"))
}

/// A header of a tar from before POSIX: its sum is right.
fn is_old_tar(head: &[u8]) -> bool {
    let Some(header) = head.first_chunk::<512>() else {
        return false;
    };
    let digits = header[148..156].iter();
    let digits: Vec<u8> = digits
        .copied()
        .skip_while(|&byte| byte == b' ')
        .take_while(u8::is_ascii_digit)
        .collect();
    let told = std::str::from_utf8(&digits).ok();
    let told = told.and_then(|digits| u32::from_str_radix(digits, 8).ok());
    let sum: u32 = header
        .iter()
        .enumerate()
        .map(|(at, &byte)| match at {
            148..156 => 32,
            _ => u32::from(byte),
        })
        .sum();
    header[0] != 0 && told == Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(at: usize, mark: &[u8]) -> Vec<u8> {
        let mut head = vec![0; HEAD_BYTES];
        head[at..at + mark.len()].copy_from_slice(mark);
        head
    }

    #[test]
    fn every_mark_is_told_by_its_own_name() {
        for (at, mark, name_of_it) in MARKS.iter().chain(&WEAK_MARKS) {
            assert_eq!(name(&with(*at, mark)), *name_of_it);
        }
        assert_eq!(name(&with(1080, b"\x53\xef")), "an ext filesystem image");
        assert_eq!(name(b""), "an empty file");
        assert_eq!(name(&[0; 4096]), "nothing but zeros at its start");
        assert_eq!(name(&[1; 4096]), "something of no known form");
        assert_eq!(name(b"abc"), "3 bytes of no known form");
    }

    #[test]
    fn a_tar_with_the_mark_of_a_filesystem_in_it_is_a_tar() {
        let mut head = with(1080, b"\x53\xef");
        assert!(is_ext(&head));
        head[257..262].copy_from_slice(b"ustar");
        assert!(!is_ext(&head));
        assert!(name(&head).starts_with("a tar"));
        // Before POSIX there was no mark but the sum.
        let mut old = vec![0; 1024];
        old[..4].copy_from_slice(b"name");
        let sum: u32 = b"name".iter().map(|&byte| u32::from(byte)).sum::<u32>() + 8 * 32;
        old[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(name(&old).starts_with("a tar"));
        old[0] = b'N';
        assert!(!name(&old).starts_with("a tar"));
    }
}
