//! Whether a file is what an earlier run has written under a name that this one writes: then it may be
//! replaced where all else that is read may not.
//!
//! It is told by what is in it. A name says nothing: any file may have it, and what was there before is
//! gone once it is replaced. What cannot be told is nobody's to replace.

use std::fs::File;
use std::path::Path;

use super::document::DocumentKind;
use super::output::OutputRequest;
use crate::compression::{Compression, Decompressor, MAGIC_BYTES};
use crate::ext::HASH_SEED;
use crate::file_kind::is_ext;
use crate::inspect::Filesystem;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::oci::RuntimeConfig;
use crate::packages::Packages;
use crate::pinned::read_regular_file;
use crate::put_in::start_document;
use crate::verity;

/// No document is longer, in bytes; one that is cannot be told.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;

/// A checksum's line with a name that is as long as names are, and a superblock of a hash tree.
const SHORT_BYTES: u64 = 4096;

/// Bytes of a filesystem with its superblock.
const WITH_SUPERBLOCK: usize = 2048;

/// Where a filesystem has `s_hash_seed`.
const HASH_SEED_AT: usize = 1024 + 0xec;

/// Whether the file `written`, one of those that `output` asks for, is of an earlier run.
pub(super) fn is_of_earlier_run(output: &OutputRequest, written: &Path) -> bool {
    let OutputRequest { path, finish, .. } = output;
    if written == path {
        return own_uuid(written).is_some();
    }
    let beside = output.beside.iter().find(|beside| beside.path == written);
    if let Some(beside) = beside {
        let bytes = read_regular_file(written, MAX_DOCUMENT_BYTES);
        return bytes.is_ok_and(|bytes| is_document(beside.document.kind(), &bytes));
    }
    let compressed = finish.compress.map(|compress| compress.path(path));
    if compressed.as_deref() == Some(written) {
        return is_compressed(written).unwrap_or(false);
    }
    let Ok(bytes) = read_regular_file(written, SHORT_BYTES) else {
        return false;
    };
    if finish.verity.as_ref().and_then(|verity| verity.file()) == Some(written) {
        // It is called as the filesystem beside it is.
        let tree = verity::Superblock::decode(&bytes);
        return tree.is_ok_and(|tree| own_uuid(path) == Some(tree.uuid));
    }
    finish.is_sidecar(path, written, &bytes)
}

/// The UUID of a filesystem that bears the note of a build.
fn own_uuid(path: &Path) -> Option<[u8; 16]> {
    let read = Filesystem::read(path).ok()?;
    let is_own = read.chain_id.is_some() || read.recipe_digest.is_some();
    is_own.then_some(read.superblock.uuid)
}

/// Of what is compressed only the beginning is unpacked: there is the hash seed, which no filesystem of
/// others has.
fn is_compressed(path: &Path) -> crate::Result<bool> {
    let magic = read_regular_file(path, MAGIC_BYTES as u64).unwrap_or_default();
    let compression = Compression::of(&magic)?;
    let Ok(file) = File::open(path) else {
        return Ok(false);
    };
    let mut head = vec![0; WITH_SUPERBLOCK];
    let filled = Decompressor::new(&file, compression, &Limits::default())?.fill(&mut head)?;
    let seed = HASH_SEED_AT..HASH_SEED_AT + HASH_SEED.len();
    Ok(compression != Compression::None
        && filled == head.len()
        && is_ext(&head)
        && head[seed] == HASH_SEED)
}

/// Whether a document is written as a build writes it.
fn is_document(kind: DocumentKind, bytes: &[u8]) -> bool {
    let again = match kind {
        DocumentKind::Manifest => return Manifest::from_bytes(bytes).is_ok(),
        DocumentKind::Packages => serde_json::from_slice(bytes).ok().and_then(|packages| {
            let packages = Packages {
                packages,
                ..Packages::default()
            };
            packages.to_json().ok()
        }),
        DocumentKind::Start => serde_json::from_slice::<RuntimeConfig>(bytes)
            .ok()
            .and_then(|start| start_document(&start).ok()),
        DocumentKind::Other => None,
    };
    again.is_some_and(|again| again == bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_told_by_its_form_and_one_of_others_by_none() {
        use DocumentKind::{Manifest, Other, Packages, Start};
        let packages = b"[\n  {\"name\":\"a\",\"version\":\"1\",\"arch\":\"amd64\"}\n]\n";
        let start = b"{\"Cmd\":[\"-x\"],\"User\":\"web\"}\n";
        assert!(is_document(Packages, packages) && is_document(Packages, b"[]\n"));
        assert!(is_document(Start, start));
        for kind in [Manifest, Packages, Start, Other] {
            assert!(!is_document(kind, b"precious"), "{kind:?}");
            assert!(!is_document(kind, b"{\"User\": \"web\"}\n"), "{kind:?}");
            assert!(!is_document(kind, b"[{\"name\":\"a\"}]"), "{kind:?}");
        }
        assert!(!is_document(Other, packages) && !is_document(Manifest, start));
    }
}
