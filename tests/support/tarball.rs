//! A root filesystem as a pax tar, zeros and holes costing the host nothing.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use super::rootfs::{Bytes, Item, Rootfs, What};

const BLOCK: u64 = 512;

/// Writes a tar of all items in their order.
pub fn write_tar(rootfs: &Rootfs, path: &Path) {
    let mut tar = std::io::BufWriter::new(File::create(path).unwrap());
    for item in &rootfs.items {
        append(&mut tar, item);
    }
    tar.write_all(&[0; 1024]).unwrap();
    tar.into_inner().unwrap();
}

/// The same in memory.
pub fn tar_bytes(rootfs: &Rootfs) -> Vec<u8> {
    let mut tar = std::io::Cursor::new(Vec::new());
    for item in &rootfs.items {
        append(&mut tar, item);
    }
    let mut bytes = tar.into_inner();
    bytes.extend_from_slice(&[0; 1024]);
    bytes
}

fn append<W: Write + Seek>(tar: &mut W, item: &Item) {
    let mut records = Vec::new();
    let mut header = tar::Header::new_ustar();
    let path = match item.what {
        What::Directory => [&item.path[..], b"/"].concat(),
        _ => item.path.clone(),
    };
    let path = if item.path.is_empty() {
        b"./".to_vec()
    } else {
        path
    };
    put(&mut header.as_old_mut().name, &path, "path", &mut records);
    let (kind, link) = match &item.what {
        What::File(_) => (tar::EntryType::Regular, None),
        What::Directory => (tar::EntryType::Directory, None),
        What::Symlink(target) => (tar::EntryType::Symlink, Some(target)),
        What::Link(target) => (tar::EntryType::Link, Some(target)),
        What::Character(..) => (tar::EntryType::Char, None),
        What::Block(..) => (tar::EntryType::Block, None),
        What::Fifo => (tar::EntryType::Fifo, None),
    };
    header.set_entry_type(kind);
    if let Some(link) = link {
        let field = &mut header.as_old_mut().linkname;
        put(field, link, "linkpath", &mut records);
    }
    if let What::Character(major, minor) | What::Block(major, minor) = item.what {
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
    }
    header.set_mode(u32::from(item.mode));
    for (name, id) in [("uid", item.uid), ("gid", item.gid)] {
        if id > 0o7_777_777 {
            record(&mut records, name, id.to_string().as_bytes());
        }
    }
    header.set_uid(u64::from(item.uid & 0o7_777_777));
    header.set_gid(u64::from(item.gid & 0o7_777_777));
    header.set_mtime(0);
    record(&mut records, "mtime", pax_time(item).as_bytes());
    for (name, value) in &item.xattrs {
        let keyword = [b"SCHILY.xattr.", &name[..]].concat();
        record(&mut records, &keyword, value);
    }
    if !item.file_flags.is_empty() {
        record(
            &mut records,
            "SCHILY.fflags",
            item.file_flags.in_tar().as_bytes(),
        );
    }
    // What stands before the data, and how much of both there is.
    let mut map = Vec::new();
    let mut stored_bytes = 0;
    match &item.what {
        What::File(Bytes::Sparse(size, pieces)) => {
            record(&mut records, "GNU.sparse.major", b"1");
            record(&mut records, "GNU.sparse.minor", b"0");
            record(&mut records, "GNU.sparse.name", &item.path);
            let size = size.to_string();
            record(&mut records, "GNU.sparse.realsize", size.as_bytes());
            let mut lines = format!("{}\n", pieces.len());
            for (offset, bytes) in pieces {
                lines.push_str(&format!("{offset}\n{}\n", bytes.len()));
                stored_bytes += bytes.len() as u64;
            }
            map = lines.into_bytes();
            map.resize(map.len().next_multiple_of(BLOCK as usize), 0);
            stored_bytes += map.len() as u64;
        }
        What::File(bytes) => stored_bytes = bytes.size_bytes(),
        _ => {}
    }
    if stored_bytes > 0o77_777_777_777 {
        record(&mut records, "size", stored_bytes.to_string().as_bytes());
    }
    header.set_size(stored_bytes & 0o77_777_777_777);
    let mut pax = tar::Header::new_ustar();
    pax.set_entry_type(tar::EntryType::XHeader);
    pax.set_size(records.len() as u64);
    pax.set_cksum();
    tar.write_all(pax.as_bytes()).unwrap();
    tar.write_all(&records).unwrap();
    pad(tar, records.len() as u64);
    header.set_cksum();
    tar.write_all(header.as_bytes()).unwrap();
    tar.write_all(&map).unwrap();
    match &item.what {
        What::File(Bytes::Dense(bytes)) => tar.write_all(bytes).unwrap(),
        // The tar goes on behind the zeros, so that they are never written.
        What::File(Bytes::Zeros(size, pieces)) => {
            let start = tar.stream_position().unwrap();
            for (offset, bytes) in pieces {
                tar.seek(SeekFrom::Start(start + offset)).unwrap();
                tar.write_all(bytes).unwrap();
            }
            tar.seek(SeekFrom::Start(start + size)).unwrap();
        }
        What::File(Bytes::Sparse(_, pieces)) => {
            for (_, bytes) in pieces {
                tar.write_all(bytes).unwrap();
            }
        }
        _ => {}
    }
    pad(tar, stored_bytes);
}

fn pad<W: Write + Seek>(tar: &mut W, length: u64) {
    let zeros = [0; BLOCK as usize];
    let padding = length.next_multiple_of(BLOCK) - length;
    tar.write_all(&zeros[..padding as usize]).unwrap();
}

/// A header's field where it holds the bytes, otherwise a pax record.
fn put(field: &mut [u8], bytes: &[u8], keyword: &str, records: &mut Vec<u8>) {
    if bytes.len() <= field.len() {
        field[..bytes.len()].copy_from_slice(bytes);
    } else {
        record(records, keyword, bytes);
    }
}

/// `LENGTH KEYWORD=VALUE\n`, the length counting itself.
fn record(records: &mut Vec<u8>, keyword: impl AsRef<[u8]>, value: &[u8]) {
    let rest = [b" ", keyword.as_ref(), b"=", value, b"\n"].concat();
    let digits = (1..)
        .find(|digits| (rest.len() + digits).to_string().len() == *digits)
        .unwrap();
    records.extend_from_slice((rest.len() + digits).to_string().as_bytes());
    records.extend_from_slice(&rest);
}

/// Seconds with their fraction; before 1970 the fraction counts backwards from the second after.
fn pax_time(item: &Item) -> String {
    let time = item.mtime;
    if time.seconds < 0 && time.nanoseconds > 0 {
        let (seconds, rest) = (time.seconds + 1, 1_000_000_000 - time.nanoseconds);
        return format!("-{}.{rest:09}", seconds.unsigned_abs());
    }
    format!("{}.{:09}", time.seconds, time.nanoseconds)
}
