//! Disks with a partition table: MBR, and GPT (UEFI specification, 5.3).

use super::bears;

/// Bytes of a sector, by which partition tables count.
const SECTOR_BYTES: u64 = 512;

/// Where the entries of an MBR are, how long one is, and how many there are.
const MBR: (usize, usize, usize) = (446, 16, 4);

/// The same of a GPT whose header says that they follow it, as far as a file's head goes.
const GPT: (usize, usize, usize) = (1024, 128, 128);

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
        let follow = word(head, 512 + 72) == Some(2);
        // Those that no type is told of are unused.
        let start = |at: usize| {
            let kind = head.get(at..at + 16)?;
            let start = word(head, at + 32)?;
            kind.iter().any(|&byte| byte != 0).then_some(start)
        };
        let starts = entries(GPT).filter_map(start).filter(|_| follow);
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
        mbr[512 + 72..512 + 76].copy_from_slice(&2_u32.to_le_bytes());
        for (index, sector) in [(0, 34_u64), (5, 4096), (6, u64::MAX)] {
            mbr[1024 + 128 * index] = 0xaf;
            mbr[1024 + 128 * index + 32..][..8].copy_from_slice(&sector.to_le_bytes());
        }
        assert!(
            name(&mbr).contains("GPT partition table; its first partition starts at byte 17408")
        );
        assert_eq!(partitions(&mbr), Some(vec![17_408, 2 << 20]));
        // Entries elsewhere are not read.
        mbr[512 + 72] = 3;
        assert_eq!(partitions(&mbr), Some(vec![]));
        assert_eq!(partitions(&mbr[..600]), Some(vec![]));
    }
}
