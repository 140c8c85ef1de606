//! Tars put together byte by byte, for what no archiver would write.

use super::header::BLOCK;
use super::write::pax_record;

/// A pax record with its length.
pub(super) fn record(keyword: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    pax_record(keyword.as_bytes(), value.as_ref())
}

/// Pax records in a row.
pub(super) fn records(records: &[(&str, &[u8])]) -> Vec<u8> {
    records
        .iter()
        .flat_map(|(keyword, value)| record(keyword, value))
        .collect()
}

/// One header; sets its checksum last.
#[derive(Clone)]
pub(super) struct Block(pub(super) [u8; BLOCK]);

impl Block {
    pub(super) fn new(type_flag: u8, name: &str) -> Self {
        Self([0; BLOCK])
            .set(0, name.as_bytes())
            .set(100, b"0000644\0")
            .set(108, b"0001750\0")
            .set(116, b"0001751\0")
            .set(124, b"00000000000\0")
            .set(136, b"14000000000\0")
            .set(156, &[type_flag])
            .set(257, b"ustar\x0000")
    }

    pub(super) fn gnu(type_flag: u8, name: &str) -> Self {
        Self::new(type_flag, name).set(257, b"ustar  \0")
    }

    pub(super) fn v7(type_flag: u8, name: &str) -> Self {
        Self::new(type_flag, name).set(257, &[0; 8])
    }

    pub(super) fn set(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(super) fn size(self, size: usize) -> Self {
        self.set(124, format!("{size:011o}").as_bytes())
    }

    pub(super) fn finish(self) -> [u8; BLOCK] {
        let blank = self.set(148, b"        ");
        let sum: u32 = blank.0.iter().map(|byte| u32::from(*byte)).sum();
        blank.set(148, format!("{sum:06o}\0 ").as_bytes()).0
    }
}

/// A tar in the making.
#[derive(Default, Clone)]
pub(super) struct Tar(pub(super) Vec<u8>);

impl Tar {
    pub(super) fn block(mut self, block: Block) -> Self {
        self.0.extend(block.finish());
        self
    }

    /// Bytes as they are, and zeros to the next block.
    pub(super) fn data(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// A header with its payload; its size is set.
    pub(super) fn member(self, block: Block, payload: &[u8]) -> Self {
        self.block(block.size(payload.len())).data(payload)
    }

    pub(super) fn file(self, name: &str, content: &[u8]) -> Self {
        self.member(Block::new(b'0', name), content)
    }

    pub(super) fn pax(self, keywords: &[(&str, &[u8])]) -> Self {
        self.member(Block::new(b'x', "PaxHeaders/x"), &records(keywords))
    }

    pub(super) fn global(self, keywords: &[(&str, &[u8])]) -> Self {
        self.member(Block::new(b'g', "pax_global_header"), &records(keywords))
    }

    /// The two zero blocks.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 2 * BLOCK]);
        self.0
    }
}
