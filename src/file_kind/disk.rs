//! Disks with a partition table: MBR, and GPT (UEFI specification, 5.3).

use super::bears;

/// Bytes of a sector, by which partition tables count.
const SECTOR_BYTES: u64 = 512;

/// Where the entries of an MBR are, how long one is, and how many there are.
const MBR: (usize, usize, usize) = (446, 16, 4);

/// Where those of a GPT are whose header says that they follow it, and how long one is at least.
const GPT: (usize, usize) = (1024, 128);

/// A disk with a partition table, and where its first partition is.
pub(super) fn name(head: &[u8]) -> Option<String> {
    let start = |byte: Option<&u64>| match byte {
        Some(byte) => format!(
            "; its first partition starts at byte {byte}: `ls`, `cat`, `stat` and `extract` look into it with --offset {byte}, `dd bs=512 skip={}` copies from there",
            byte / SECTOR_BYTES
        ),
        None => String::new(),
    };
    let table = table(head)?;
    let first = start(table.starts.first());
    Some(match table.kind {
        Kind::Gpt => format!("a disk with a GPT partition table{first}"),
        Kind::Mbr => format!("a disk with an MBR partition table{first}"),
        Kind::Unknown => "a disk image with a boot sector or a partition table".to_owned(),
    })
}

/// Where partitions begin, in bytes; `None` where there is no table.
pub(super) fn partitions(head: &[u8]) -> Option<Vec<u64>> {
    let table = table(head)?;
    (table.kind != Kind::Unknown).then_some(table.starts)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gpt,
    Mbr,
    Unknown,
}

struct Table {
    kind: Kind,
    starts: Vec<u64>,
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
            let start = word(head, at + 32)?;
            kind.iter().any(|&byte| byte != 0).then_some(start)
        };
        // As far as the head goes: a header may tell of any number.
        let there = head.len().saturating_sub(first) / length;
        let starts = entries((first, length, count.min(there)));
        let starts = starts.filter_map(start).filter(|_| follow);
        return Some(Table {
            kind: Kind::Gpt,
            starts: bytes(starts),
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
            starts: Vec::new(),
        });
    }
    if first_type == 0 || !matches!(status, 0 | 0x80) {
        return Some(Table {
            kind: Kind::Unknown,
            starts: Vec::new(),
        });
    }
    let start = |at: usize| {
        let is_used = *head.get(at + 4)? != 0;
        let start = u64::from(u32::from_le_bytes(*head.get(at + 8..)?.first_chunk()?));
        is_used.then_some(start)
    };
    Some(Table {
        kind: Kind::Mbr,
        starts: bytes(entries(MBR).filter_map(start)),
    })
}

fn entries((first, length, count): (usize, usize, usize)) -> impl Iterator<Item = usize> {
    (0..count).map(move |index| first + index * length)
}

fn word(head: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*head.get(at..)?.first_chunk()?))
}

fn bytes(sectors: impl Iterator<Item = u64>) -> Vec<u64> {
    let found = sectors.filter(|&sector| sector > 0);
    found
        .filter_map(|sector| sector.checked_mul(SECTOR_BYTES))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{HEAD_BYTES, name, partitions};

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
        let told = name(&mbr);
        assert!(told.contains("MBR partition table; its first partition starts at byte 1048576"));
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
        assert!(
            name(&mbr).contains("GPT partition table; its first partition starts at byte 17408")
        );
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
