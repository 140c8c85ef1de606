//! What the record loop makes of tars that no archiver writes, and of those only old ones wrote.

mod bounds;
mod entries;
mod extensions;
mod sparse;

use super::header::BLOCK;
use super::index::Index;
use super::testing::{Block, Tar, record, records};
use crate::error::{Error, Result};
use crate::layers::budget::{Budget, Used};
use crate::layers::{Content, Data, DataExtent, Device, Entry, EntryKind};
use crate::limits::Limits;
use crate::units::Timestamp;

fn index_within(tar: &[u8], limits: &Limits) -> Result<Index> {
    let used = [Used::default()];
    super::index(tar, limits, &Budget::new(limits, &used, 0))
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
