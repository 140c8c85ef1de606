//! Names that hash alike under the seed that every image has: what the seed's being known costs.

use std::fs;

use layerpress::ext::plan::identity::HASH_SEED;
use layerpress::ondisk::hash::half_md4;

use crate::support::oracles::{
    Mounted, e2fsck_clean, e2fsck_clean_after_use, is_root, skip, succeed,
};
use crate::support::rootfs::{Rootfs, directory, file, link};
use crate::support::run::LAYERPRESS;
use crate::support::tarball::write_tar;

/// Found by trying 2^35 numbers: [`name`] of each hashes alike.
const NUMBERS: [u64; 11] = [
    0,
    163_811_999,
    462_120_530,
    2_375_004_095,
    2_548_234_676,
    8_334_689_542,
    9_431_219_593,
    16_731_374_945,
    17_709_523_171,
    21_058_401_040,
    21_263_754_442,
];

const LETTERS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

/// A name of 223 bytes for a number, the last 31 a piece of their own for the hash.
fn name(number: u64) -> Vec<u8> {
    let mut name = vec![b'c'; 212];
    name.extend(format!("{:08x}", number >> 18).bytes());
    for shift in [12, 6, 0] {
        name.push(LETTERS[(number >> shift & 63) as usize]);
    }
    name
}

/// The last piece of 31 bytes is padded by its length before its last word; a name that has this byte
/// there itself is hashed as the same words.
fn twin(number: u64) -> Vec<u8> {
    let mut name = name(number);
    name.insert(192 + 28, 31);
    name
}

/// More than a block of 4096 bytes takes: 17.
fn names() -> Vec<Vec<u8>> {
    let numbers = NUMBERS.iter();
    numbers
        .flat_map(|&number| [name(number), twin(number)])
        .collect()
}

#[test]
fn a_directory_of_names_that_hash_alike_is_sound_and_each_is_found() {
    let word = |at: usize| u32::from_le_bytes(HASH_SEED[4 * at..4 * at + 4].try_into().unwrap());
    let seed = [word(0), word(1), word(2), word(3)];
    let names = names();
    let hash = half_md4(&names[0], seed).major;
    for name in &names {
        assert_eq!(half_md4(name, seed).major, hash);
    }
    let scratch = tempfile::tempdir().unwrap();
    let tar = scratch.path().join("rootfs.tar");
    let image = scratch.path().join("image.img");
    let path = |name: &Vec<u8>| [b"alike/", &name[..]].concat();
    let mut items = vec![directory(""), directory("alike"), file("one", *b"one")];
    items.extend(names.iter().map(|name| link(path(name), "one")));
    write_tar(&Rootfs::of(items), &tar);
    for kind in ["ext2", "ext3", "ext4"] {
        let built = crate::support::run::without_defaults(LAYERPRESS)
            .args(["build", "-q", "--verify", "--fs", kind, "-o"])
            .arg(&image)
            .arg(format!("rootfs:{}", tar.display()))
            .status()
            .unwrap();
        assert!(built.success(), "{kind}");
        e2fsck_clean(&image);
        let arguments = ["-R", "htree_dump /alike", image.to_str().unwrap()];
        let dump = String::from_utf8(succeed("debugfs", arguments)).unwrap();
        let goes_on = format!("Hash {:#010x}", hash | 1);
        assert!(dump.contains(&goes_on), "{kind}: {goes_on}: {dump}");
        if !is_root() {
            skip("only root mounts");
            continue;
        }
        // The kernel looks each up by its name, removes it, and leaves a sound directory.
        let mounted = Mounted::read_write(&image);
        for name in &names {
            use std::os::unix::ffi::OsStrExt;
            let at = mounted.mount_point();
            fs::remove_file(at.join(std::ffi::OsStr::from_bytes(&path(name)))).unwrap();
        }
        drop(mounted);
        e2fsck_clean_after_use(&image);
    }
}
