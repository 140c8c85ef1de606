//! Bytes that reading a tar allocates, and so copies: a few for each of the tar's own, whatever its
//! headers say.

use std::io::Write;
use std::num::NonZeroUsize;

use layerpress::layers::{self, ReadOptions};
use layerpress::limits::Limits;
use layerpress::progress::Silent;
use layerpress::source::{self, OpenOptions};
use layerpress::tree::{FlattenOptions, flatten};
use proptest::prelude::*;

use crate::alone;
use crate::support::raw_tar::{Header, RawTar};

/// What is allocated for the smallest of tars: buffers, mostly.
const BASE_BYTES: u64 = 4 << 20;
/// Bytes for each byte of the tar. Sixteen may come from global headers.
const MOST: u64 = 40;

/// Reads and flattens a tar; gives the bytes allocated on the way, and whether that went well.
fn allocated(tar: &[u8]) -> (u64, bool) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rootfs.tar");
    std::fs::File::create(&path)
        .unwrap()
        .write_all(tar)
        .unwrap();
    let reference = format!("rootfs:{}", path.display()).parse().unwrap();
    let limits = Limits::default();
    let open = OpenOptions {
        held_against: None,
        written: Vec::new(),
        reach: layerpress::pinned::Reach::default(),
        file_flags: false,
        one_file_system: false,
        or_filesystem: false,
        platform: None,
        work_dir: directory.path().to_owned(),
        limits: limits.clone(),
        registry: source::RegistryOptions::default(),
        daemon: source::DaemonOptions::default(),
    };
    let read = ReadOptions {
        work_dir: directory.path().to_owned(),
        limits,
        jobs: NonZeroUsize::MIN,
    };
    let _profiler = dhat::Profiler::builder().testing().build();
    let run = || {
        let image = source::open(&source::Place::of(&reference)?, &open, &Silent)?;
        let layers = layers::read(&image, &read, &Silent)?;
        flatten(layers.changesets, &FlattenOptions::default(), &Silent)
    };
    let went_well = run().is_ok();
    (dhat::HeapStats::get().total_bytes, went_well)
}

#[track_caller]
fn assert_cheap(what: &str, tar: &[u8], goes_well: bool) {
    let (bytes, went_well) = allocated(tar);
    assert_eq!(went_well, goes_well, "{what}");
    let most = BASE_BYTES + MOST * tar.len() as u64;
    assert!(
        bytes <= most,
        "{what}: {bytes} bytes allocated for {}",
        tar.len()
    );
}

fn keywords(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|index| format!("10 {index:05}=\n").into_bytes())
        .collect()
}

fn long_name(bytes: usize) -> Vec<u8> {
    let mut name = [&[b'n'; 200][..], b"/"].concat().repeat(bytes / 201);
    name.push(b'f');
    name
}

/// Bug: for each keyword that is not known the entry's whole name was copied, to be an example that
/// only the first needs to be. Found by a red team.
#[test]
fn a_long_name_with_many_unknown_keywords_is_copied_a_few_times() {
    let _alone = alone();
    let name = long_name(400_000);
    let one = |tar: RawTar| {
        tar.member(Header::new(b'L', "././@LongLink"), &name)
            .member(Header::new(b'x', "pax"), &keywords(50_000))
            .file("f", b"")
    };
    // Too deep for a tree, and for nothing else.
    assert_cheap("two", &one(one(RawTar::default())).end(), false);
    let short = |tar: RawTar| {
        tar.member(Header::new(b'L', "././@LongLink"), &long_name(100_000))
            .member(Header::new(b'x', "pax"), &keywords(90_000))
            .file("f", b"")
    };
    assert_cheap("short", &short(short(RawTar::default())).end(), true);
}

/// Neighbour of the above: a name or an attribute in a global header is every later entry's.
#[test]
fn what_a_global_header_says_is_not_copied_without_bound() {
    let _alone = alone();
    for (what, keyword, value) in [
        ("name", "path", long_name(200_000)),
        ("target", "linkpath", long_name(200_000)),
        ("attribute", "SCHILY.xattr.user.a", vec![b'v'; 60_000]),
        ("encoded", "LIBARCHIVE.xattr.user.a", vec![b'A'; 60_000]),
        ("label", "RHT.security.selinux", vec![b'l'; 60_000]),
    ] {
        let payload = crate::support::raw_tar::record(keyword, value);
        let tar = RawTar::default().member(Header::new(b'g', "pax"), &payload);
        let tar = (0..2000).fold(tar, |tar, index| {
            tar.header(Header::new(b'2', format!("s{index}")).target("t"))
        });
        assert_cheap(what, &tar.end(), false);
    }
}

#[test]
fn copies_without_bound_are_noticed() {
    // The judge itself: a copy of the whole for each of its blocks.
    let _alone = alone();
    let tar = vec![0_u8; 1 << 20];
    let profiler = dhat::Profiler::builder().testing().build();
    for _ in 0..tar.len() / 512 {
        drop(tar.clone());
    }
    let bytes = dhat::HeapStats::get().total_bytes;
    drop(profiler);
    assert!(bytes > BASE_BYTES + MOST * tar.len() as u64);
}

fn members() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        (0..20_000_usize).prop_map(keywords),
        (1..200_000_usize).prop_map(long_name),
        (
            "(path|linkpath|SCHILY.xattr.user.[a-z]{1,9}|[a-z]{1,9})",
            0..50_000_usize
        )
            .prop_map(|(keyword, bytes)| crate::support::raw_tar::record(
                &keyword,
                vec![b'v'; bytes]
            )),
    ];
    (
        proptest::sample::select(&b"gxxLK0125"[..]),
        payload,
        1..200_usize,
    )
        .prop_map(|(letter, payload, times)| {
            let header = Header::new(letter, "n").target("t");
            match letter {
                b'0'..=b'9' => RawTar::default().header(header).0.repeat(times),
                _ => RawTar::default().member(header, &payload).0,
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_the_headers_a_tars_bytes_are_copied_a_few_times_each(
        members in proptest::collection::vec(members(), 1..15),
        damage in proptest::collection::vec((0.0..1.0_f64, any::<u8>()), 0..3),
    ) {
        let _alone = alone();
        let mut tar = members.concat();
        for (at, byte) in damage {
            let index = (at * tar.len() as f64) as usize;
            tar[index] = byte;
        }
        let (bytes, _) = allocated(&tar);
        let most = BASE_BYTES + MOST * tar.len() as u64;
        prop_assert!(bytes <= most, "{} bytes allocated for {}", bytes, tar.len());
    }
}
