//! Compression, digests, limits, and which error is reported.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use layerpress::error::Error;
use layerpress::limits::Limits;
use layerpress::oci::Digest;
use layerpress::progress::Silent;
use layerpress::region::FileRegion;
use layerpress::source::{LayerBlob, StoredBlob};

use crate::oracles::{installed, is_root, skip};
use crate::support::{blob, content, digest, image, listing, options, read, read_blobs, run};

/// A tar with one file of `size` bytes of `fill` for each of `names`.
fn tar_of(names: &[&str], size: usize, fill: u8) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for name in names {
        let mut header = tar::Header::new_ustar();
        header.set_size(size as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, &vec![fill; size][..])
            .unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn noisy_tar() -> Vec<u8> {
    let mut noise = tar_of(&["a", "b"], 300_000, 0);
    let mut state: u32 = 1;
    for byte in &mut noise[512..200_000] {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8 & 0x3f;
    }
    noise
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a program makes of its standard input.
fn filter(program: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{program:?}");
    output.stdout
}

#[track_caller]
fn refused(blobs: Vec<LayerBlob>, limits: Limits, expected: &str) -> Error {
    let error = read(&image(blobs), &options(limits, 2), &Silent).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    error
}

#[test]
fn every_compression_gives_the_same_layer() {
    let tar = noisy_tar();
    let half = tar.len() / 2;
    let skippable = [&[0x51, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"stuff"].concat();
    let mut stored = vec![
        ("none", tar.clone()),
        ("gzip", gzip(&tar)),
        (
            "gzip members",
            [gzip(&tar[..half]), gzip(&tar[half..])].concat(),
        ),
        ("padded gzip", [gzip(&tar), vec![0; 200_000]].concat()),
        ("zstd", zstd(&tar)),
        (
            "zstd frames",
            [zstd(&tar[..half]), zstd(&tar[half..])].concat(),
        ),
        (
            "zstd with skippable frames",
            [&skippable[..], &zstd(&tar), &skippable].concat(),
        ),
    ];
    for (name, program) in [
        ("gzip -9", &["gzip", "-9"][..]),
        ("pigz", &["pigz", "-c"]),
        ("pigz -i", &["pigz", "-ic"]),
        ("zstd -19", &["zstd", "-19", "-qc"]),
        ("zstd --long", &["zstd", "--long=27", "-qc"]),
    ] {
        if installed(&program[..1]) {
            stored.push((name, filter(program, &tar)));
        }
    }
    let expected = listing(&read_blobs(vec![blob(&tar, &tar)]).unwrap());
    for (name, stored) in stored {
        let layers = read_blobs(vec![blob(&stored, &tar)]).unwrap();
        assert_eq!(listing(&layers), expected, "{name}");
        let summary = &layers.changesets[0].layer;
        assert_eq!(summary.stored_bytes, stored.len() as u64);
        assert_eq!(summary.tar_bytes, tar.len() as u64);
        assert_eq!(summary.entry_count, 2);
        assert_eq!(layers.warnings.lines().count(), 0);
    }
}

#[test]
fn wrong_digests_are_refused_however_the_layer_is_compressed() {
    let tar = noisy_tar();
    let other = digest(b"other");
    for stored in [tar.clone(), gzip(&tar), zstd(&tar)] {
        let mut wrong = blob(&stored, &tar);
        wrong.digest = Some(other.clone());
        refused(
            vec![wrong],
            Limits::default(),
            &format!("the digest {other}, found sha256:"),
        );
        let wrong = blob(&stored, b"another tar");
        refused(
            vec![wrong],
            Limits::default(),
            "expected a tar with the diff ID sha256:",
        );
        let mut unnamed = blob(&stored, &tar);
        unnamed.digest = None;
        read_blobs(vec![unnamed]).unwrap();
    }
}

#[test]
fn digests_of_two_algorithms_are_both_verified() {
    let tar = noisy_tar();
    let sha512 = |bytes: &[u8]| -> Digest {
        let text = filter(&["sha512sum"], bytes);
        let hex = String::from_utf8(text[..128].to_vec()).unwrap();
        format!("sha512:{hex}").parse().unwrap()
    };
    for stored in [tar.clone(), gzip(&tar)] {
        let mut layer = blob(&stored, &tar);
        layer.digest = Some(sha512(&stored));
        read_blobs(vec![layer.clone()]).unwrap();
        layer.digest = Some(sha512(b"other"));
        refused(vec![layer], Limits::default(), "the digest sha512:");
    }
}

#[test]
fn damage_is_called_damage_and_not_by_what_it_broke() {
    let tar = noisy_tar();
    for stored in [tar.clone(), gzip(&tar), zstd(&tar)] {
        let mut damaged = stored.clone();
        // The first header's name; of the compressed ones, something in the first block.
        damaged[40] ^= 0x40;
        let mut layer = blob(&damaged, &tar);
        layer.digest = Some(digest(&stored));
        refused(
            vec![layer],
            Limits::default(),
            "expected stored bytes with the digest",
        );
    }
}

#[test]
fn truncated_streams_and_garbage_after_them_are_refused() {
    let tar = noisy_tar();
    for (stored, name) in [(gzip(&tar), "gzip"), (zstd(&tar), "zstd")] {
        for cut in [1, 4, 9, stored.len() / 2, stored.len() - 12] {
            let cut = &stored[..stored.len() - cut];
            refused(
                vec![blob(cut, &tar)],
                Limits::default(),
                &format!("whole {name} stream"),
            );
        }
        for garbage in [&b"garbage"[..], b"x", b"\0\0\0\x01", &stored[..20]] {
            let stored = [&stored[..], garbage].concat();
            refused(
                vec![blob(&stored, &tar)],
                Limits::default(),
                &format!("whole {name} stream"),
            );
        }
    }
}

#[test]
fn a_media_type_that_lies_is_counted_and_a_foreign_compression_refused() {
    let tar = noisy_tar();
    let mut layer = blob(&gzip(&tar), &tar);
    layer.media_type = Some("application/vnd.oci.image.layer.v1.tar+zstd".into());
    let layers = read_blobs(vec![layer]).unwrap();
    let warnings: Vec<_> = layers.warnings.lines().collect();
    assert_eq!(
        warnings,
        [
            "layer compressed in another way than its media type says: application/vnd.oci.image.layer.v1.tar+zstd"
        ]
    );
    if installed(&["xz"]) {
        let stored = filter(&["xz", "-0"], &tar);
        refused(
            vec![blob(&stored, &tar)],
            Limits::default(),
            "xz compression",
        );
    }
}

#[test]
fn an_empty_layer_and_no_layers_at_all_are_fine() {
    let layers = read_blobs(vec![blob(b"", b""), blob(&[0; 1024], &[0; 1024])]).unwrap();
    assert!(
        layers
            .changesets
            .iter()
            .all(|changeset| changeset.entries.is_empty())
    );
    assert!(read_blobs(Vec::new()).unwrap().changesets.is_empty());
}

#[test]
fn an_uncompressed_layer_stays_where_it_is() {
    let tar = noisy_tar();
    let mut archive = tempfile::tempfile().unwrap();
    archive
        .write_all(&[&[1; 512][..], &tar, &[2; 512]].concat())
        .unwrap();
    let whole = FileRegion::whole(archive).unwrap();
    let mut layer = blob(b"", &tar);
    layer.digest = Some(digest(&tar));
    layer.stored = StoredBlob::AtHand(whole.part(512, tar.len() as u64).unwrap());
    let mut in_place = options(Limits::default(), 1);
    in_place.work_dir = Path::new("/nonexistent").into();
    let layers = read(&image(vec![layer]), &in_place, &Silent).unwrap();
    assert!(Arc::ptr_eq(&layers.contents.tars[0].file, &whole.file));
    let entries = &layers.changesets[0].entries;
    assert_eq!(content(&layers, 0, &entries[0]), tar[512..300_512]);
}

#[test]
fn every_limit_names_its_flag() {
    let tar = noisy_tar();
    let zeros = tar_of(&["zeros"], 64 << 20, 0);
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    let plain = || vec![blob(&tar, &tar), blob(&gzip(&tar), &tar)];
    refused(
        plain(),
        limits(|limits| limits.max_entries = 3),
        "b: at byte 300544: expected at most 3 entries over all layers, found more (--max-entries",
    );
    refused(
        plain(),
        limits(|limits| limits.max_bytes = 700_000),
        "--max-bytes",
    );
    refused(
        plain(),
        limits(|limits| limits.max_layer_bytes = 500_000),
        "--max-layer-bytes",
    );
    refused(
        plain(),
        limits(|limits| limits.max_index_bytes = 3),
        "--max-index-bytes",
    );
    let exact = limits(|limits| {
        limits.max_entries = 4;
        limits.max_index_bytes = 4;
    });
    read(&image(plain()), &options(exact, 2), &Silent).unwrap();

    let bomb = || vec![blob(&zstd(&zeros), &zeros)];
    let early = |max_expansion| Limits {
        max_expansion,
        max_expansion_from: 1 << 20,
        ..Limits::default()
    };
    refused(bomb(), early(1000), "--max-expansion");
    let loose = options(early(u64::MAX), 1);
    read(&image(bomb()), &loose, &Silent).unwrap();
    // A small one is no bomb, whatever its ratio.
    let small = tar_of(&["zeros"], 1_000_000, 0);
    let strict = early(1);
    read(
        &image(vec![blob(&zstd(&small), &small)]),
        &options(strict, 1),
        &Silent,
    )
    .unwrap();

    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(&tar).unwrap();
    let wide = encoder.finish().unwrap();
    refused(
        vec![blob(&wide, &tar)],
        Limits::default(),
        "--max-zstd-window-log",
    );
    let wider = limits(|limits| limits.max_zstd_window_log = 28);
    read(&image(vec![blob(&wide, &tar)]), &options(wider, 1), &Silent).unwrap();
}

#[test]
fn the_error_of_the_lowest_layer_is_reported_however_the_threads_run() {
    let good = noisy_tar();
    let small = tar_of(&["a"], 1, 0);
    let broken = |name: &str| {
        let mut tar = tar_of(&[name], 200_000, 1);
        let end = tar.len() - 1024;
        tar.splice(end.., *b"garbage");
        blob(&tar, &tar)
    };
    let unsupported = || {
        let stored = b"\xfd7zXZ\0garbage";
        blob(stored, stored)
    };
    let layers = || {
        vec![
            blob(&zstd(&good), &good),
            blob(&gzip(&good), &good),
            broken("slow to fail"),
            unsupported(),
            blob(&small, b"wrong"),
        ]
    };
    let text = |limits: Limits, jobs| {
        read(&image(layers()), &options(limits, jobs), &Silent)
            .unwrap_err()
            .to_string()
    };
    let first = text(Limits::default(), 1);
    assert!(
        first.starts_with("test image: layer 3 of 5 sha256:"),
        "{first}"
    );
    assert!(first.contains("within a header"), "{first}");
    for max_entries in [1, 2, 3, 4, 5, 100] {
        let limits = || Limits {
            max_entries,
            ..Limits::default()
        };
        let first = text(limits(), 1);
        let layer = [1, 1, 2, 2, 3, 3, 3]
            .get(max_entries as usize)
            .unwrap_or(&3);
        assert!(
            first.contains(&format!("layer {layer} of 5")),
            "{max_entries}: {first}"
        );
        for round in 0..20 {
            assert_eq!(text(limits(), 1 + round % 5), first, "{max_entries}");
        }
    }
}

#[test]
fn a_work_directory_that_is_absent_or_full_is_named_with_its_option() {
    let tar = noisy_tar();
    let spool_into = |directory: &Path| -> Error {
        let mut elsewhere = options(Limits::default(), 1);
        elsewhere.work_dir = directory.into();
        read(&image(vec![blob(&gzip(&tar), &tar)]), &elsewhere, &Silent).unwrap_err()
    };
    let error = spool_into(Path::new("/nonexistent"));
    assert!(matches!(error, Error::Io { .. }));
    assert!(
        error.to_string().contains("/nonexistent (--work-dir"),
        "{error}"
    );

    if !is_root() {
        return skip("only root can mount a small filesystem to fill");
    }
    let directory = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(directory.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return skip("mounting is not allowed here");
    }
    let error = spool_into(directory.path());
    run(Command::new("umount").arg(directory.path()));
    assert!(
        error.to_string().contains("No space left on device"),
        "{error}"
    );
}
