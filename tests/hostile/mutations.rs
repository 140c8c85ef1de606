//! Images changed at random, a few thousand: whatever comes, it is an error or a filesystem, never
//! a panic, never layerpress' own fault, never a file left behind.

use std::fs;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use layerpress::Error;
use layerpress::ext::{JournalSize, Room, SizePolicy, ToolPaths};
use layerpress::finish::FinishOptions;
use layerpress::limits::Limits;
use layerpress::pipeline::{self, FilesystemRequest, IdentityRequest, ImageRequest, OutputRequest};
use layerpress::progress::Silent;
use layerpress::source::Reference;
use serde_json::json;

use super::support::archive::{Files, TestImage, gzip, zstd};
use super::support::raw_tar::{Header, RawTar};
use super::support::run::Press;

/// A generator whose every run is the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Changes some bytes, mostly to those that mean something.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let length = 1 + self.below(12);
            let end = bytes.len().min(at + length);
            match self.below(8) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.next() as u8,
                2 => bytes[at..end].fill(0),
                3 => bytes[at..end].fill(0xff),
                4 => bytes[at..end].fill(b"079/.-= \n"[self.below(9)]),
                5 => drop(bytes.drain(at..end)),
                6 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                _ => bytes.truncate(at.max(1)),
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
    }

    /// Changes a tar so that it stays one in form: checksums are made right again.
    fn mutate_tar(&mut self, tar: &mut [u8]) {
        let blocks = tar.len() / 512;
        for _ in 0..=self.below(3) {
            let at = self.below(blocks) * 512;
            if at + 512 > tar.len() {
                continue;
            }
            let is_header = &tar[at + 257..at + 262] == b"ustar";
            if !is_header {
                let byte = at + self.below(512);
                tar[byte] = self.next() as u8;
                continue;
            }
            // Name, mode, ids, size, time, type and target count more than what follows.
            let fields = [
                (0, 100),
                (100, 8),
                (108, 16),
                (124, 12),
                (136, 12),
                (156, 1),
                (157, 100),
            ];
            let (start, length) = fields[self.below(fields.len())];
            let byte = at + start + self.below(length.min(14));
            let letters = b"0123456789/.wh\0\xff\x80 xgLKSDV7aox";
            tar[byte] = letters[self.below(letters.len())];
            let mut header = [0; 512];
            header.copy_from_slice(&tar[at..at + 512]);
            tar[at..at + 512].copy_from_slice(&Header(header).bytes());
        }
    }
}

/// A tar with one of everything.
fn base() -> Vec<u8> {
    let acl = b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x04\0\x05\0\xff\xff\xff\xff\x20\0\x05\0\xff\xff\xff\xff";
    let mut map = b"2\n0\n4\n1000\n4\n".to_vec();
    map.resize(512, 0);
    map.extend(b"headtail");
    RawTar::default()
        .header(Header::new(b'5', "./"))
        .header(Header::new(b'5', "usr/"))
        .header(Header::new(b'5', "usr/bin/"))
        .file("usr/bin/tool", &b"#!/bin/sh\n".repeat(80))
        .header(Header::new(b'1', "usr/bin/link").target("usr/bin/tool"))
        .header(Header::new(b'2', "bin").target("usr/bin"))
        .file("bin/through", b"x")
        .pax(&[
            ("mtime", b"1234567890.123456789"),
            ("SCHILY.xattr.user.a", b"value"),
            ("SCHILY.xattr.system.posix_acl_access", acl),
        ])
        .file("usr/attributed", b"x")
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"sparse"),
            ("GNU.sparse.realsize", b"1004"),
        ])
        .file("f", &map)
        .member(Header::new(b'L', "././@LongLink"), &[b'l'; 150])
        .file("short", b"long")
        .header(
            Header::new(b'3', "null")
                .set(329, b"0000001\0")
                .set(337, b"0000003\0"),
        )
        .header(Header::new(b'6', "fifo"))
        .end()
}

fn top() -> Vec<u8> {
    RawTar::default()
        .header(Header::new(b'5', "usr/"))
        .file("usr/.wh.attributed", b"")
        .file("usr/bin/.wh..wh..opq", b"")
        .file("usr/bin/new", b"y")
        .header(Header::new(b'1', "late").target("usr/bin/new"))
        .end()
}

fn image_request(path: &Path, work_dir: &Path) -> ImageRequest {
    ImageRequest {
        reference: Reference::parse(path.as_os_str()).unwrap(),
        platform: None,
        work_dir: work_dir.to_owned(),
        jobs: NonZeroUsize::new(2).unwrap(),
        limits: Limits::default(),
        daemon: layerpress::source::DaemonOptions::default(),
        held_against: None,
        registry: layerpress::source::RegistryOptions::default(),
    }
}

fn filesystem() -> FilesystemRequest {
    FilesystemRequest {
        size: SizePolicy::Fit,
        room: Room {
            free_inodes: 0,
            journal: JournalSize::Auto,
        },
        identity: IdentityRequest::default(),
    }
}

/// How often a changed image passed.
#[derive(Default, Debug)]
struct Passed {
    refused: usize,
    planned: usize,
    built: usize,
}

/// Plans the image at `press.image()`, and builds it if that goes well and `build_too`.
fn attempt(press: &Press, build_too: bool, passed: &mut Passed, seed: u64) {
    let request = image_request(&press.image(), &press.root().join("work"));
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        pipeline::plan(&request, &filesystem(), &Silent).map(drop)?;
        passed.planned += 1;
        if build_too {
            let output = OutputRequest {
                path: press.output(),
                tools: ToolPaths::default(),
                finish: FinishOptions {
                    fsck: true,
                    verify: true,
                    sha256: false,
                    sync: false,
                },
            };
            pipeline::build(&request, &filesystem(), &output, &Silent)?;
            passed.built += 1;
        }
        Ok(())
    }));
    let outcome = outcome.unwrap_or_else(|_| panic!("seed {seed} panicked"));
    match outcome {
        Ok(()) => {
            let _ = fs::remove_file(press.output());
        }
        Err(Error::BadImage { .. } | Error::Unsupported { .. }) => passed.refused += 1,
        // A changed size may well ask for a sparse file that no disk holds.
        Err(other) => panic!("seed {seed}: {}: {other}", other.exit_code()),
    }
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "seed {seed} took too long"
    );
    assert!(press.left().is_empty(), "seed {seed}: {:?}", press.left());
}

fn forget(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else if path.exists() {
        fs::remove_file(path).unwrap();
    }
}

/// Makes so many images by `make` and tries each; of those that can be planned, the first few
/// dozen are built and read back too.
fn try_all(count: u64, builds: usize, mut make: impl FnMut(&mut Random, &Press)) -> Passed {
    let press = Press::new();
    let mut passed = Passed::default();
    for seed in 1..=count {
        forget(&press.image());
        make(
            &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            &press,
        );
        let build_too = passed.built < builds;
        attempt(&press, build_too, &mut passed, seed);
    }
    eprintln!("{passed:?}");
    passed
}

#[test]
fn changed_tars_are_refused_or_pressed_as_they_are() {
    let passed = try_all(2000, 60, |random, press| {
        let mut layers = [base(), top()];
        let index = random.below(2);
        if random.below(3) == 0 {
            random.mutate(&mut layers[index]);
        } else {
            random.mutate_tar(&mut layers[index]);
        }
        TestImage::new(layers)
            .classic_archive(&["test:1"])
            .write_tar(&press.image());
    });
    // Else the changes would be all too crude or all too fine.
    assert!(passed.planned > 100 && passed.refused > 100, "{passed:?}");
}

#[test]
fn changed_archives_are_refused_or_pressed_as_they_are() {
    let modern = TestImage::new([base(), top()])
        .modern_archive("test:1")
        .tar();
    let classic = TestImage::new([base(), top()])
        .classic_archive(&["test:1"])
        .tar();
    let passed = try_all(800, 20, |random, press| {
        let mut archive = if random.below(2) == 0 {
            modern.clone()
        } else {
            classic.clone()
        };
        if random.below(2) == 0 {
            random.mutate(&mut archive);
        } else {
            random.mutate_tar(&mut archive);
        }
        fs::write(press.image(), archive).unwrap();
    });
    assert!(passed.planned > 10 && passed.refused > 100, "{passed:?}");
}

#[test]
fn changed_documents_are_refused_or_pressed_as_they_are() {
    let files = TestImage::new([base(), top()]).layout("v1");
    let names: Vec<_> = files.0.keys().cloned().collect();
    let passed = try_all(600, 20, |random, press| {
        let mut files = files.clone();
        let name = &names[random.below(names.len())];
        random.mutate(files.0.get_mut(name).unwrap());
        files.write_directory(&press.image());
    });
    assert!(passed.refused > 100, "{passed:?}");
}

#[test]
fn changed_streams_are_refused_or_pressed_as_they_are() {
    let tars = [base(), top()];
    let passed = try_all(1000, 20, |random, press| {
        // The blob's digest is right, so that the decoder gets to see it.
        let image = TestImage::new(tars.clone());
        let mut files = Files::default();
        let mut manifest = image.manifest(&mut files);
        for index in 0..2 {
            let mut stored = match random.below(2) {
                0 => gzip(&tars[index]),
                _ => zstd(&tars[index]),
            };
            if random.below(2) == index {
                random.mutate(&mut stored);
            }
            manifest["layers"][index] = files.blob("application/octet-stream", stored);
        }
        let manifest = files.blob(
            "application/vnd.oci.image.manifest.v1+json",
            manifest.to_string().into_bytes(),
        );
        files.index(&[manifest]);
        files.put_json("extra", &json!({}));
        files.write_directory(&press.image());
    });
    assert!(passed.refused > 100, "{passed:?}");
}
