//! What the record loop makes of tars that no archiver writes, and of those only old ones wrote.

mod bounds;
mod costs;
mod entries;
mod extensions;
mod sparse;

use std::io::{self, Write};

use super::blocks::{TarBytes, read_to_the_brim};
use super::header::BLOCK;
use super::index::Index;
use super::testing::{Block, Tar, record, records};
use crate::error::{Error, Result};
use crate::layers::budget::{Budget, Used};
use crate::layers::plain::PlainTar;
use crate::layers::{Content, Data, DataExtent, Device, Entry, EntryKind};
use crate::limits::Limits;
use crate::page_buffer::PageBuffer;
use crate::region::FileRegion;
use crate::source::StoredBlob;
use crate::units::Timestamp;

/// Every tar here is read twice, without and with leaving its files' data out.
fn index_within(tar: &[u8], limits: &Limits) -> Result<Index> {
    let used = [Used::default()];
    let read = super::index(tar, limits, &Budget::new(limits, &used, &[0], 0));
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(tar).unwrap();
    let stored = StoredBlob::AtHand(FileRegion::whole(file).unwrap());
    let stored = stored.open(&|| false).unwrap();
    let used = [Used::default()];
    let budget = Budget::new(limits, &used, &[0], 0);
    let hopped = super::index(PlainTar::new(&stored, &budget, &|| false), limits, &budget);
    match (&read, &hopped) {
        (Ok(read), Ok(hopped)) => {
            assert_eq!(read.entries, hopped.entries);
            assert!(read.warnings.lines().eq(hopped.warnings.lines()));
            assert_eq!(budget.tar_bytes(), tar.len() as u64);
        }
        (read, hopped) => assert_eq!(
            read.as_ref().unwrap_err().to_string(),
            hopped.as_ref().unwrap_err().to_string()
        ),
    }
    read
}

impl TarBytes for &[u8] {
    fn next(&mut self, buffer: &mut PageBuffer) -> io::Result<usize> {
        read_to_the_brim(self, buffer)
    }
}

fn index(tar: &[u8]) -> Result<Index> {
    index_within(tar, &Limits::default())
}

/// The entries of a tar that is read without a warning.
fn entries(tar: &[u8]) -> Vec<Entry> {
    let index = index(tar).unwrap();
    assert_eq!(index.warnings.lines().collect::<Vec<_>>(), [""; 0]);
    index.entries
}

fn only(tar: Tar) -> Entry {
    let mut entries = entries(&tar.end());
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

fn warned(tar: &[u8]) -> (Vec<Entry>, String) {
    let index = index(tar).unwrap();
    let lines: Vec<_> = index.warnings.lines().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    (index.entries, lines[0].clone())
}

#[track_caller]
fn refused(tar: &[u8], expected: &str) -> Error {
    let error = index(tar).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    error
}

fn contiguous(size_bytes: u64, offset_bytes: u64) -> EntryKind {
    let data = Data::Contiguous { offset_bytes };
    EntryKind::Regular(Content { size_bytes, data })
}

fn paths(entries: &[Entry]) -> Vec<&str> {
    entries
        .iter()
        .map(|entry| std::str::from_utf8(&entry.path).unwrap())
        .collect()
}
