//! Bytes written so that zeros stay holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::units::BLOCK_SIZE;

const BLOCK_BYTES: usize = BLOCK_SIZE as usize;

const ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

/// Writes `bytes` at an offset of a file that has nothing but zeros there, without the blocks that are
/// zeros.
///
/// # Errors
/// The file's.
pub(super) fn write(file: &File, bytes: &[u8], offset_bytes: u64) -> io::Result<()> {
    let is_zero = |block: &[u8]| *block == ZEROS[..block.len()];
    let mut done = 0;
    let mut blocks = bytes.chunks(BLOCK_BYTES).peekable();
    while let Some(block) = blocks.next() {
        let start = done;
        done += block.len();
        if is_zero(block) {
            continue;
        }
        while let Some(next) = blocks.next_if(|next| !is_zero(next)) {
            done += next.len();
        }
        file.write_all_at(&bytes[start..done], offset_bytes + start as u64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn all_that_is_written_reads_back_and_zero_blocks_take_no_room() {
        for pattern in ["", "1", "0", "101", "0110", "10011", "00000"] {
            for end in [0, 1, 4095] {
                let blocks = pattern.bytes().map(|letter| vec![letter - b'0'; 4096]);
                let mut bytes: Vec<u8> = blocks.flatten().collect();
                bytes.extend(vec![9; end]);
                let file = tempfile::tempfile().unwrap();
                file.set_len(8192 + bytes.len() as u64).unwrap();
                write(&file, &bytes, 8192).unwrap();
                let mut found = vec![7; bytes.len()];
                file.read_exact_at(&mut found, 8192).unwrap();
                assert!(found == bytes, "{pattern} {end}");
                let full = bytes
                    .chunks(4096)
                    .filter(|block| block.contains(&1) || block.contains(&9));
                let most = (full.count() as u64 + 2) * 4096;
                assert!(
                    file.metadata().unwrap().blocks() * 512 <= most,
                    "{pattern} {end}"
                );
            }
        }
    }
}
