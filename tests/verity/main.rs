//! dm-verity: the hash tree of a filesystem, made, shown, held against a root hash, and opened by a
//! kernel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod boots;
mod builds;
mod damage;
mod formats;
mod options;
mod shown;
#[path = "../support/mod.rs"]
mod support;

use std::fs::{self, File};
use std::path::Path;

use layerpress::progress::Silent;
use layerpress::verity::{Place, RootHash, Salt, Superblock, write_area};
use support::archive::layer_tar;
use support::oracles;
use support::run::Press;

/// The kinds of filesystems.
const KINDS: [&str; 3] = ["ext3", "ext2", "ext4"];

const UUID: [u8; 16] = *b"layerpress uuid!";

/// What veritysetup calls [`UUID`].
const UUID_TEXT: &str = "6c617965-7270-7265-7373-207575696421";

/// Data of so many blocks: some noise, some repeated, every seventh block a hole.
fn data(path: &Path, blocks: u64) -> File {
    use std::os::unix::fs::FileExt;
    let file = File::create(path).unwrap();
    file.set_len(blocks * 4096).unwrap();
    for block in (0..blocks).filter(|block| block % 7 != 3) {
        let word = block.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        file.write_all_at(&word.repeat(512), block * 4096).unwrap();
    }
    File::options().read(true).write(true).open(path).unwrap()
}

/// Appends the tree, as a build does.
fn append(path: &Path, file: &File, blocks: u64, salt: &Salt) -> RootHash {
    let data = Place::start(file, path);
    let area = Place {
        offset_bytes: blocks * 4096,
        ..data
    };
    let superblock = Superblock {
        uuid: UUID,
        data_blocks: blocks,
        salt: salt.clone(),
    };
    write_area(data, area, &superblock, &Silent).unwrap()
}

/// Another reading of the format, as plain as can be: superblock and tree, and the root hash.
fn model(data: &[u8], salt: &[u8]) -> (Vec<u8>, String) {
    let digests = |blocks: &[u8]| -> Vec<u8> {
        let each = blocks.chunks(4096);
        let mut digests: Vec<u8> = each
            .flat_map(|block| sha256_of(&[salt, block].concat()))
            .collect();
        digests.resize(digests.len().next_multiple_of(4096), 0);
        digests
    };
    let mut levels = Vec::new();
    let mut below = data.to_vec();
    while below.len() > 4096 {
        below = digests(&below);
        levels.push(below.clone());
    }
    let mut superblock = vec![0; 4096];
    superblock[..8].copy_from_slice(b"verity\0\0");
    superblock[8] = 1;
    superblock[12] = 1;
    superblock[16..32].copy_from_slice(&UUID);
    superblock[32..38].copy_from_slice(b"sha256");
    superblock[65] = 16;
    superblock[69] = 16;
    superblock[72..80].copy_from_slice(&(data.len() as u64 / 4096).to_le_bytes());
    superblock[80..82].copy_from_slice(&(salt.len() as u16).to_le_bytes());
    superblock[88..88 + salt.len()].copy_from_slice(salt);
    let root = layerpress::units::Hex(&digests(&below)[..32]).to_string();
    levels.push(superblock);
    levels.reverse();
    (levels.concat(), root)
}

/// A digest, through the hasher that images' digests come from.
fn sha256_of(bytes: &[u8]) -> Vec<u8> {
    let digest = support::archive::digest(bytes);
    let digits = digest.strip_prefix("sha256:").unwrap();
    layerpress::units::parse_hex(digits.as_bytes()).unwrap()
}

/// An image with a file of some blocks, a small one and a long list of names.
fn press() -> Press {
    let large: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let names: Vec<_> = (0..900)
        .map(|number| format!("many/name{number}"))
        .collect();
    let mut files: Vec<(&str, &[u8])> = vec![("large", &large), ("small", b"some text\n")];
    files.extend(names.iter().map(|name| (name.as_str(), &b""[..])));
    Press::with_layers([layer_tar(&files)])
}

/// Builds with options and gives the root hash that was left.
fn built(press: &Press, options: &[&str]) -> String {
    let mut build = press.build();
    build.args(options).arg("-q");
    press.run(&mut build).succeeded();
    root_hash(press)
}

fn root_hash(press: &Press) -> String {
    let sidecar = press.output().with_extension("img.roothash");
    let text = fs::read_to_string(sidecar).unwrap();
    let root = text.strip_suffix('\n').unwrap();
    assert_eq!(root.len(), 64);
    root.to_owned()
}
