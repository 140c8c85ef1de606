//! Real layers, damaged at random: whatever the bytes, no panic, no hang, no memory beyond the
//! input's size, and never a layer whose digests do not match.

#[path = "support/oracles.rs"]
mod oracles;
#[allow(dead_code)]
#[path = "layers/support.rs"]
mod support;

use std::io::Write;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use layerpress::error::Error;
use layerpress::layers::{Data, EntryKind};
use proptest::prelude::*;

use oracles::installed;
use support::{Verified, blob, digest, listing, read_blobs, run};

/// Every format that is read, from a small tree with every kind of extension header in it.
static TARS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    if !installed(&["tar", "setfattr"]) {
        return Vec::new();
    }
    let directory = tempfile::tempdir().unwrap();
    let script = "
        set -e
        long=$(printf 'n%.0s' $(seq 120))
        printf content > file
        ln file hardlink
        ln -s \"$long\" symlink
        mkdir dir
        printf x > \"dir/$long\"
        mkfifo fifo
        touch -d '1969-12-31 23:59:58.25 UTC' dir
        for number in 0 1 2 3 4 5 6 7; do
            printf $number | dd of=sparse bs=8192 seek=$number conv=notrunc status=none
        done
        truncate -s 100000 sparse
        setfattr -n user.a -v 0x0a00ff3d file
    ";
    run(Command::new("sh")
        .args(["-c", script])
        .current_dir(&directory));
    [
        &["--format=v7", "--exclude=fifo", "--exclude=symlink"][..],
        &["--format=gnu", "--sparse"],
        &[
            "--format=posix",
            "--xattrs",
            "--sparse",
            "--sparse-version=0.0",
        ],
        &[
            "--format=posix",
            "--xattrs",
            "--sparse",
            "--sparse-version=0.1",
        ],
        &[
            "--format=posix",
            "--xattrs",
            "--acls",
            "--sparse",
            "--sparse-version=1.0",
        ],
    ]
    .iter()
    .map(|options| {
        let mut tar = Command::new("tar");
        tar.args(*options).arg("-cC").arg(directory.path());
        tar.args(["--sort=name", "-b1", "."]);
        // v7 leaves out the long name and the time before 1970 and says so with its status.
        tar.output().unwrap().stdout
    })
    .collect()
});

/// One damage. Places are fractions of the whole, so that they fit every length.
#[derive(Debug, Clone)]
enum Damage {
    Byte(f64, u8),
    /// One header field gets other bytes, and the header a right checksum again.
    Field(f64, usize, Vec<u8>),
    Cut(f64),
    Remove(f64, usize),
    Repeat(f64, usize),
    Insert(f64, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = || 0.0..1.0_f64;
    let fields = vec![
        0, 100, 108, 116, 124, 136, 156, 157, 257, 263, 329, 337, 345, 386, 398, 482, 483,
    ];
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..13),
        proptest::collection::vec(
            proptest::sample::select(&b"01234567 \0\x80\xff/xgLKSDV5"[..]),
            1..13
        ),
    ];
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (place(), proptest::sample::select(fields), bytes.clone())
            .prop_map(|(at, field, bytes)| Damage::Field(at, field, bytes)),
        place().prop_map(Damage::Cut),
        (place(), 1..2000_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        (place(), 1..2000_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        (place(), bytes).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    if bytes.is_empty() {
        return;
    }
    let index = |at: &f64| ((at * bytes.len() as f64) as usize).min(bytes.len() - 1);
    match damage {
        Damage::Byte(at, byte) => {
            let index = index(at);
            bytes[index] = *byte;
        }
        Damage::Field(at, field, new) => {
            let start = index(at) / 512 * 512;
            if let Some(header) = bytes.get_mut(start..start + 512) {
                header[*field..field + new.len()].copy_from_slice(new);
                header[148..156].copy_from_slice(b"        ");
                let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
                header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        Damage::Cut(at) => {
            let index = index(at);
            bytes.truncate(index);
        }
        Damage::Remove(at, length) => {
            let index = index(at);
            let end = (index + length).min(bytes.len());
            bytes.drain(index..end);
        }
        Damage::Repeat(at, length) => {
            let index = index(at);
            let end = (index + length).min(bytes.len());
            let again = bytes[index..end].to_vec();
            bytes.splice(index..index, again);
        }
        Damage::Insert(at, new) => {
            let index = index(at);
            bytes.splice(index..index, new.iter().copied());
        }
    }
}

fn damaged(original: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for damage in damages {
        apply(&mut bytes, damage);
    }
    bytes
}

/// Everything that is promised about a layer that was read.
fn check_promises(layers: &Verified) {
    let tar = &layers.contents.tars[0];
    for entry in layers.changesets[0].entries.iter() {
        assert!(!entry.path.is_empty() && !entry.path.contains(&0));
        assert!(entry.mode <= 0o7777 && entry.mtime.nanoseconds < 1_000_000_000);
        assert!(
            entry
                .xattrs
                .windows(2)
                .all(|pair| pair[0].name < pair[1].name)
        );
        let EntryKind::Regular(content) = &entry.kind else {
            continue;
        };
        match &content.data {
            Data::Contiguous { offset_bytes } => {
                assert!(tar.part(*offset_bytes, content.size_bytes).is_some());
            }
            Data::Sparse(extents) => {
                let mut end = 0;
                for extent in extents {
                    assert!(extent.length_bytes > 0 && extent.file_offset_bytes >= end);
                    end = extent.file_offset_bytes + extent.length_bytes;
                    assert!(end <= content.size_bytes);
                    assert!(tar.part(extent.offset_bytes, extent.length_bytes).is_some());
                }
            }
        }
    }
}

/// Reads without a doubt about the digests, so that what is read is all that can go wrong.
fn read_damaged(stored: &[u8], tar: &[u8]) -> Result<Verified, Error> {
    let start = Instant::now();
    let result = read_blobs(vec![blob(stored, tar)]);
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "it took {:?}",
        start.elapsed()
    );
    match &result {
        Ok(layers) => check_promises(layers),
        Err(Error::BadImage { .. } | Error::Unsupported { .. }) => {}
        Err(other) => panic!("not the image's fault: {other}"),
    }
    result
}

/// The most memory this process has held so far.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

const PEAK_LIMIT_KIB: u64 = 200 << 10;

fn compress(tar: &[u8]) -> [Vec<u8>; 2] {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(tar).unwrap();
    [gzip.finish().unwrap(), zstd::encode_all(tar, 1).unwrap()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_tar_is_read_soundly_or_refused_and_never_passes_for_the_original(
        which in any::<prop::sample::Index>(),
        damages in proptest::collection::vec(damage(), 1..4),
    ) {
        if TARS.is_empty() {
            return Ok(());
        }
        let original = which.get(&TARS);
        let changed = damaged(original, &damages);
        drop(read_damaged(&changed, &changed));
        if changed != *original {
            let mut lying = blob(&changed, original);
            prop_assert!(read_blobs(vec![lying.clone()]).is_err());
            lying.digest = None;
            prop_assert!(read_blobs(vec![lying]).is_err());
        }
        prop_assert!(peak_memory_kib() < PEAK_LIMIT_KIB, "{} KiB", peak_memory_kib());
    }

    #[test]
    fn a_damaged_compressed_layer_is_the_original_or_refused(
        which in any::<prop::sample::Index>(),
        zstd in any::<bool>(),
        damages in proptest::collection::vec(damage(), 1..4),
    ) {
        if TARS.is_empty() {
            return Ok(());
        }
        let original = which.get(&TARS);
        let stored = &compress(original)[usize::from(zstd)];
        let changed = damaged(stored, &damages);
        if let Ok(layers) = read_damaged(&changed, original) {
            // Where the damage did no harm, such as in a gzip header's time.
            let expected = read_blobs(vec![blob(original, original)]).unwrap();
            prop_assert_eq!(listing(&layers), listing(&expected));
        }
        if changed != *stored {
            let mut lying = blob(&changed, original);
            lying.digest = Some(digest(stored));
            prop_assert!(read_blobs(vec![lying]).is_err());
        }
        prop_assert!(peak_memory_kib() < PEAK_LIMIT_KIB, "{} KiB", peak_memory_kib());
    }
}

#[test]
fn the_undamaged_originals_hold_what_damage_is_to_be_done_to() {
    let lengths = TARS
        .iter()
        .map(|tar| read_damaged(tar, tar).unwrap().changesets[0].entries.len());
    let lengths: Vec<_> = lengths.collect();
    assert!(
        lengths.is_empty() || lengths == [4, 8, 8, 8, 8],
        "{lengths:?}"
    );
}
