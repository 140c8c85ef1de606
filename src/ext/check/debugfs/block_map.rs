//! A file's block map as `stat` prints it.

use super::session::number;
use crate::ondisk::extent::BlockRun;

/// `(0-11):500-511, (IND):512, (12):513`, and for extents also `(13-14[u]):…` and `(ETB0):…`.
/// `None` for a line that is none.
pub(super) fn parse(line: &[u8]) -> Option<Parsed> {
    let mut parsed = Parsed::default();
    for item in line.split(|byte| *byte == b',') {
        match item_run(item.trim_ascii())? {
            Some(run) => parsed.runs.push(run),
            None => parsed.own_blocks += 1,
        }
    }
    Some(parsed)
}

/// A block map.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub runs: Vec<BlockRun>,
    /// Blocks of the map itself.
    own_blocks: u64,
}

impl Parsed {
    /// All blocks that a file takes.
    pub fn blocks(&self) -> u64 {
        let counts = self.runs.iter().map(|run| run.count);
        counts.fold(self.own_blocks, u64::saturating_add)
    }
}

/// One item; inwardly `None` for a block of the map itself.
fn item_run(item: &[u8]) -> Option<Option<BlockRun>> {
    let item = item.strip_prefix(b"(")?;
    let colon = item.windows(2).position(|pair| pair == b"):")?;
    let (within, on_disk) = (&item[..colon], &item[colon + 2..]);
    if within.first().is_some_and(u8::is_ascii_alphabetic) {
        return Some(None);
    }
    let range = |text: &[u8]| -> Option<(u64, u64)> {
        let mut ends = text.splitn(2, |byte| *byte == b'-').map(number);
        let first = ends.next()??;
        Some((first, ends.next().unwrap_or(Some(first))?))
    };
    let written = within.strip_suffix(b"[u]");
    let (first, last) = range(written.unwrap_or(within))?;
    let (disk_block, disk_last) = range(on_disk)?;
    let count = last.checked_sub(first)?.checked_add(1)?;
    (disk_last.checked_sub(disk_block)?.checked_add(1)? == count).then_some(Some(BlockRun {
        file_block: first,
        disk_block,
        count,
        unwritten: written.is_some(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(line: &str) -> Option<Vec<(u64, u64, u64, bool)>> {
        let run = |run: BlockRun| (run.file_block, run.disk_block, run.count, run.unwritten);
        Some(parse(line.as_bytes())?.runs.into_iter().map(run).collect())
    }

    #[test]
    fn block_maps_and_extents_are_read_without_the_blocks_of_the_map_itself() {
        assert_eq!(
            runs("(0-11):500-511, (IND):512, (12):513, (TIND):7"),
            Some(vec![(0, 500, 12, false), (12, 513, 1, false)])
        );
        assert_eq!(
            runs("(ETB0):99, (0-3):100-103, (5[u]):200, (6-7[u]):300-301"),
            Some(vec![
                (0, 100, 4, false),
                (5, 200, 1, true),
                (6, 300, 2, true)
            ])
        );
    }

    #[test]
    fn the_blocks_of_the_map_count_as_well() {
        let parsed = parse(b"(ETB0):99, (0-3):100-103, (5[u]):200").unwrap();
        assert_eq!(parsed.blocks(), 6);
    }

    #[test]
    fn what_is_no_block_map_is_none() {
        for wrong in [
            "",
            "(0)",
            "0:1",
            "(0-11):500-510",
            "(11-0):500-511",
            "(0-11):511-500",
            "(0-18446744073709551615):0-18446744073709551615",
            "(0):1,",
        ] {
            assert_eq!(runs(wrong), None, "{wrong}");
        }
    }
}
