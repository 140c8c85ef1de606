//! What the record loop makes of tars that no archiver writes, and of those only old ones wrote.

mod bounds;
mod costs;
mod entries;
mod extensions;
mod sparse;

use std::cell::Cell;
use std::io::Write;

use super::blocks::TarBytes;
use super::header::BLOCK;
use super::in_place::{InPlace, Passage};
use super::testing::{Block, Tar, record, records};
use super::{Device, Entry, EntryKind, Reader};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::page_buffer::PageBuffer;
use crate::region::{Content, Data, DataExtent, FileRegion};
use crate::units::Timestamp;
use crate::warnings::Warnings;

#[derive(Debug)]
struct Index {
    entries: Vec<Entry>,
    warnings: Warnings,
}

fn all(tar: impl TarBytes, limits: &Limits) -> Result<Index> {
    let mut reader = Reader::new(tar, limits);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        entries.push(entry);
    }
    let warnings = reader.finish()?;
    Ok(Index { entries, warnings })
}

impl Passage for &Cell<u64> {
    fn pass(&self, bytes: u64) -> Result<()> {
        self.set(self.get() + bytes);
        Ok(())
    }
}

/// Every tar here is read twice, without and with leaving its files' data out.
fn index_within(tar: &[u8], limits: &Limits) -> Result<Index> {
    let read = all(tar, limits);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(tar).unwrap();
    let passed = Cell::new(0);
    let hopped = all(
        InPlace::new(&FileRegion::whole(file).unwrap(), &passed),
        limits,
    );
    match (&read, &hopped) {
        (Ok(read), Ok(hopped)) => {
            assert_eq!(read.entries, hopped.entries);
            assert!(read.warnings.lines().eq(hopped.warnings.lines()));
            assert_eq!(passed.get(), tar.len() as u64);
        }
        (Err(read), Err(hopped)) => assert_eq!(read.to_string(), hopped.to_string()),
        _ => panic!("only one of two ways to read it is an error"),
    }
    read
}

impl TarBytes for &[u8] {
    fn next(&mut self, buffer: &mut PageBuffer) -> Result<usize> {
        let length = self.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self[..length]);
        *self = &self[length..];
        Ok(length)
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

/// What is said of a tar, which must have these words in it.
#[track_caller]
fn refused(tar: Tar, expected: &str) -> String {
    let error = index(&tar.end()).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
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
