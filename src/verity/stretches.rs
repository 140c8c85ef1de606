//! Where a file has data; the rest are holes, whose digest is known.

use std::fs::File;
use std::io;
use std::ops::Range;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::BLOCK_BYTES;

/// The stretches of data, in blocks, ascending and apart.
#[derive(Debug)]
pub(super) struct Stretches(Vec<Range<u64>>);

impl Stretches {
    /// Those of the first `blocks` blocks. Where the file's filesystem does not tell, all is data.
    ///
    /// # Errors
    /// The file's.
    pub fn of(file: &File, blocks: u64) -> io::Result<Self> {
        let mut found: Vec<Range<u64>> = Vec::new();
        let mut at = 0;
        while at < blocks {
            let data = match seek(file, SeekFrom::Data(at * BLOCK_BYTES)) {
                Ok(byte) => byte / BLOCK_BYTES,
                // Nothing but a hole from here on, or the end.
                Err(Errno::NXIO) => break,
                Err(Errno::INVAL | Errno::OPNOTSUPP) => at,
                Err(error) => return Err(error.into()),
            };
            if data >= blocks {
                break;
            }
            let hole = match seek(file, SeekFrom::Hole(data.max(at) * BLOCK_BYTES)) {
                Ok(byte) => byte.div_ceil(BLOCK_BYTES).min(blocks),
                Err(Errno::INVAL | Errno::OPNOTSUPP) => blocks,
                Err(error) => return Err(error.into()),
            };
            // Who writes meanwhile must not keep this from ending.
            let data = data.max(at);
            let hole = hole.max(data + 1);
            match found.last_mut() {
                Some(last) if last.end == data => last.end = hole,
                _ => found.push(data..hole),
            }
            at = hole;
        }
        Ok(Self(found))
    }

    /// What of `blocks` is data.
    pub fn within(&self, blocks: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let first = self.0.partition_point(|data| data.end <= blocks.start);
        let those = self.0[first..].iter();
        those
            .take_while(move |data| data.start < blocks.end)
            .map(move |data| data.start.max(blocks.start)..data.end.min(blocks.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn what_was_written_is_data_and_most_of_the_rest_is_none() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 30).unwrap();
        file.write_all_at(&[1], 5000).unwrap();
        file.write_all_at(&[1; 8192], 700 << 20).unwrap();
        let blocks = (1 << 30) / BLOCK_BYTES;
        let stretches = Stretches::of(&file, blocks).unwrap();
        let at = (700 << 20) / BLOCK_BYTES;
        for block in [1, at, at + 1] {
            assert!(stretches.within(block..block + 1).any(|_| true), "{block}");
        }
        let all: u64 = stretches
            .within(0..blocks)
            .map(|data| data.end - data.start)
            .sum();
        assert!(
            all < blocks / 2,
            "{all}: does the filesystem know no holes?"
        );
        assert_eq!(
            stretches.within(at + 1..at + 2).next(),
            Some(at + 1..at + 2)
        );
        assert_eq!(Stretches::of(&file, 1).unwrap().within(0..1).count(), 0);
    }
}
