//! Disks with a partition table: MBR, and GPT (UEFI specification, 5.3).

use std::ops::Range;

use super::bears;

/// Bytes of a sector, by which partition tables count.
const SECTOR_BYTES: u64 = 512;

/// Where the entries of an MBR are, how long one is, and how many there are.
const MBR: (usize, usize, usize) = (446, 16, 4);

/// Where those of a GPT are whose header says that they follow it, and how long one is at least.
const GPT: (usize, usize) = (1024, 128);

/// A disk with a partition table. Where its partitions are helps nobody who does not know what is in
/// them: see [`told`].
pub(super) fn name(head: &[u8]) -> Option<&'static str> {
    Some(match table(head)?.kind {
        Kind::Gpt => "a disk with a GPT partition table",
        Kind::Mbr => "a disk with an MBR partition table",
        Kind::Unknown => "a disk image with a boot sector or a partition table",
    })
}

/// Where partitions are, in bytes; `None` where there is no table.
pub(super) fn partitions(head: &[u8]) -> Option<Vec<Range<u64>>> {
    let table = table(head)?;
    (table.kind != Kind::Unknown).then_some(table.partitions)
}

/// A disk called `name`, by those of its partitions that `is_ext` says to hold a filesystem.
pub(super) fn told(
    name: &str,
    partitions: &[Range<u64>],
    is_ext: impl Fn(&Range<u64>) -> bool,
) -> String {
    let mut found = partitions.iter().filter(|partition| is_ext(partition));
    let Some(Range { start, end }) = found.next() else {
        return match partitions.len() {
            0 => name.to_owned(),
            1 => format!("{name} whose one partition holds no ext filesystem"),
            count => format!("{name} none of whose {count} partitions holds an ext filesystem"),
        };
    };
    let first = match found.count() {
        0 => String::new(),
        more => format!("the first of {}; ", more + 1),
    };
    let count = match end.saturating_sub(*start) / SECTOR_BYTES {
        0 => String::new(),
        sectors => format!(" count={sectors}"),
    };
    let skip = start / SECTOR_BYTES;
    format!(
        "{name} and an ext filesystem in the partition at byte {start} ({first}`ls`, `cat`, `stat` and `extract` look into it with --offset {start}, `dd if=DISK of=FILE bs={SECTOR_BYTES} skip={skip}{count}` copies it out)"
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gpt,
    Mbr,
    Unknown,
}

struct Table {
    kind: Kind,
    partitions: Vec<Range<u64>>,
}

fn table(head: &[u8]) -> Option<Table> {
    if bears(head, (512, b"EFI PART")) {
        let (first, least) = GPT;
        let follow = word(head, 512 + 72) == Some(2);
        let number = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?) as usize);
        let (count, length) = (number(512 + 80)?, number(512 + 84)?.max(least));
        // Those that no type is told of are unused.
        let start = |at: usize| {
            let kind = head.get(at..at + 16)?;
            let (start, last) = (word(head, at + 32)?, word(head, at + 40)?);
            let is_used = kind.iter().any(|&byte| byte != 0);
            is_used.then_some((start, last.saturating_add(1)))
        };
        // As far as the head goes: a header may tell of any number.
        let there = head.len().saturating_sub(first) / length;
        let starts = entries((first, length, count.min(there)));
        let starts = starts.filter_map(start).filter(|_| follow);
        return Some(Table {
            kind: Kind::Gpt,
            partitions: bytes(starts),
        });
    }
    if !bears(head, (510, b"\x55\xaa")) {
        return None;
    }
    let (first, ..) = MBR;
    let (status, first_type) = (*head.get(first)?, *head.get(first + 4)?);
    // What keeps other programs away from a GPT.
    if first_type == 0xee {
        return Some(Table {
            kind: Kind::Gpt,
            partitions: Vec::new(),
        });
    }
    if first_type == 0 || !matches!(status, 0 | 0x80) {
        return Some(Table {
            kind: Kind::Unknown,
            partitions: Vec::new(),
        });
    }
    let start = |at: usize| {
        let is_used = *head.get(at + 4)? != 0;
        let number = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?));
        let (start, count) = (u64::from(number(at + 8)?), u64::from(number(at + 12)?));
        is_used.then_some((start, start + count))
    };
    Some(Table {
        kind: Kind::Mbr,
        partitions: bytes(entries(MBR).filter_map(start)),
    })
}

fn entries((first, length, count): (usize, usize, usize)) -> impl Iterator<Item = usize> {
    (0..count).map(move |index| first + index * length)
}

fn word(head: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*head.get(at..)?.first_chunk()?))
}

fn bytes(sectors: impl Iterator<Item = (u64, u64)>) -> Vec<Range<u64>> {
    let found = sectors.filter(|&(start, _)| start > 0);
    let in_bytes = |(start, end): (u64, u64)| {
        let start = start.checked_mul(SECTOR_BYTES)?;
        Some(start..end.saturating_mul(SECTOR_BYTES).max(start))
    };
    found.filter_map(in_bytes).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::super::{HEAD_BYTES, head, name, name_in_place};

    /// Where they begin.
    fn partitions(head: &[u8]) -> Option<Vec<u64>> {
        let found = super::super::partitions(head)?;
        Some(found.into_iter().map(|partition| partition.start).collect())
    }

    /// Bug: the first partition was told, whatever was in it.
    #[test]
    fn of_a_disk_it_is_told_which_partition_holds_a_filesystem_and_else_that_none_does() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create_new(directory.path().join("disk")).unwrap();
        let file = (file, File::open(directory.path().join("disk")).unwrap());
        let named = |at: u64, bytes: &[u8]| {
            file.0.write_all_at(bytes, at).unwrap();
            name_in_place(&file.1, &head(&file.1).unwrap(), 0)
        };
        named(510, b"\x55\xaa");
        let entry = |sector: u8, count: u8| [0x83, 0, 0, 0, sector, 0, 0, 0, count, 0, 0, 0];
        let disk = "a disk with an MBR partition table";
        assert_eq!(
            named(450, &entry(8, 8)),
            format!("{disk} whose one partition holds no ext filesystem")
        );
        assert_eq!(
            named(466, &entry(16, 32)),
            format!("{disk} none of whose 2 partitions holds an ext filesystem")
        );
        named(16 * 512 + 4095, b"\0");
        assert_eq!(
            named(16 * 512 + 1080, b"\x53\xef"),
            format!(
                "{disk} and an ext filesystem in the partition at byte 8192 (`ls`, `cat`, `stat` and `extract` look into it with --offset 8192, `dd if=DISK of=FILE bs=512 skip=16 count=32` copies it out)"
            )
        );
        let both = named(8 * 512 + 1080, b"\x53\xef");
        assert!(
            both.contains("at byte 4096 (the first of 2; `ls`"),
            "{both}"
        );
    }

    #[test]
    fn of_a_partitioned_disk_it_is_told_where_its_partitions_are() {
        let mut mbr = vec![0; HEAD_BYTES];
        assert_eq!(partitions(&mbr), None);
        mbr[510..512].copy_from_slice(b"\x55\xaa");
        assert!(name(&mbr).contains("boot sector"));
        assert_eq!(partitions(&mbr), None);
        for (index, sector) in [(0, 2048_u32), (2, 4096)] {
            mbr[446 + 16 * index + 4] = 0x83;
            mbr[446 + 16 * index + 8..][..4].copy_from_slice(&sector.to_le_bytes());
        }
        assert_eq!(name(&mbr), "a disk with an MBR partition table");
        assert_eq!(partitions(&mbr), Some(vec![1 << 20, 2 << 20]));
        mbr[450] = 0xee;
        assert_eq!(name(&mbr), "a disk with a GPT partition table");
        assert_eq!(partitions(&mbr), Some(vec![]));
        mbr[512..520].copy_from_slice(b"EFI PART");
        for (at, number) in [(72, 2_u32), (80, 128), (84, 128)] {
            mbr[512 + at..][..4].copy_from_slice(&number.to_le_bytes());
        }
        for (index, sector) in [(0, 34_u64), (5, 4096), (6, u64::MAX)] {
            mbr[1024 + 128 * index] = 0xaf;
            mbr[1024 + 128 * index + 32..][..8].copy_from_slice(&sector.to_le_bytes());
        }
        assert_eq!(name(&mbr), "a disk with a GPT partition table");
        assert_eq!(partitions(&mbr), Some(vec![17_408, 2 << 20]));
        // No more of them than there are, and longer ones.
        mbr[512 + 80] = 5;
        assert_eq!(partitions(&mbr), Some(vec![17_408]));
        mbr[512 + 80..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(partitions(&mbr), Some(vec![17_408, 2 << 20]));
        mbr[512 + 84..][..4].copy_from_slice(&256_u32.to_le_bytes());
        mbr[1024 + 256..1024 + 512].fill(0);
        mbr[1024 + 256] = 0xaf;
        mbr[1024 + 256 + 32] = 64;
        // What was the seventh of 128 bytes each is the fourth of 256 each.
        mbr[1024 + 128 * 6..1024 + 128 * 7].fill(0);
        assert_eq!(partitions(&mbr), Some(vec![17_408, 32_768]));
        mbr[512 + 84..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(partitions(&mbr), Some(vec![]));
        mbr[512 + 84..][..4].copy_from_slice(&128_u32.to_le_bytes());
        // Entries elsewhere are not read.
        mbr[512 + 72] = 3;
        assert_eq!(partitions(&mbr), Some(vec![]));
        assert_eq!(partitions(&mbr[..600]), Some(vec![]));
    }
}
