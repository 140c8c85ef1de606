//! Layers as real tars, for engines that read nothing else.

use super::words::{Item, ItemKind, Layer};
use layerpress::oci::DigestHasher;

/// Uncompressed tars of layers.
pub fn tars_of(layers: &[Layer]) -> Vec<Vec<u8>> {
    layers.iter().map(tar_of).collect()
}

/// An uncompressed tar of a layer's items, in their order.
pub fn tar_of(layer: &Layer) -> Vec<u8> {
    let mut archive = Vec::new();
    for item in &layer.items {
        append(&mut archive, item);
    }
    archive.extend_from_slice(&[0; 1024]);
    archive
}

/// `sha256:…` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    let mut hasher = DigestHasher::sha256();
    hasher.update(bytes);
    hasher.finish().to_string()
}

fn append(archive: &mut Vec<u8>, item: &Item) {
    let (kind, link, content): (_, &[u8], &[u8]) = match &item.kind {
        ItemKind::File(bytes) => (tar::EntryType::Regular, b"", bytes),
        ItemKind::Directory => (tar::EntryType::Directory, b"", b""),
        ItemKind::Symlink(target) => (tar::EntryType::Symlink, target, b""),
        ItemKind::Link(target) => (tar::EntryType::Link, target, b""),
        ItemKind::Character(_) => (tar::EntryType::Char, b"", b""),
        ItemKind::Block(_) => (tar::EntryType::Block, b"", b""),
        ItemKind::Fifo => (tar::EntryType::Fifo, b"", b""),
    };
    let mut records = Vec::new();
    let mut header = tar::Header::new_ustar();
    let fields = header.as_old_mut();
    put(&mut fields.name, &item.path, b"path", &mut records);
    put(&mut fields.linkname, link, b"linkpath", &mut records);
    if let ItemKind::Character(device) | ItemKind::Block(device) = &item.kind {
        header.set_device_major(device.major).unwrap();
        header.set_device_minor(device.minor).unwrap();
    }
    header.set_entry_type(kind);
    header.set_mode(u32::from(item.mode));
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(content.len() as u64);
    record(&mut records, b"uid", item.uid.to_string().as_bytes());
    record(&mut records, b"gid", item.gid.to_string().as_bytes());
    record(&mut records, b"mtime", pax_time(item).as_bytes());
    for (name, value) in &item.xattrs {
        record(&mut records, &[b"SCHILY.xattr.", &name[..]].concat(), value);
    }
    let mut pax = tar::Header::new_ustar();
    pax.set_entry_type(tar::EntryType::XHeader);
    pax.set_size(records.len() as u64);
    write(archive, &mut pax, &records);
    write(archive, &mut header, content);
}

/// A field where it holds the bytes, otherwise a pax record.
fn put(field: &mut [u8], bytes: &[u8], key: &[u8], records: &mut Vec<u8>) {
    if bytes.len() <= field.len() {
        field[..bytes.len()].copy_from_slice(bytes);
    } else {
        record(records, key, bytes);
    }
}

/// `length key=value\n`, the length counting itself (POSIX, pax interchange format).
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} ").as_bytes());
    records.extend_from_slice(&[key, b"=", value, b"\n"].concat());
}

/// A decimal number, whose fraction counts away from zero.
fn pax_time(item: &Item) -> String {
    let nanoseconds =
        i128::from(item.mtime.seconds) * 1_000_000_000 + i128::from(item.mtime.nanoseconds);
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let nanoseconds = nanoseconds.unsigned_abs();
    format!(
        "{sign}{}.{:09}",
        nanoseconds / 1_000_000_000,
        nanoseconds % 1_000_000_000
    )
}

fn write(archive: &mut Vec<u8>, header: &mut tar::Header, content: &[u8]) {
    header.set_cksum();
    archive.extend_from_slice(header.as_bytes());
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512), 0);
}
