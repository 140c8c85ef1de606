//! Sizes from the smallest filesystem to several GiB: the default rule and `fit` always succeed,
//! and `fit` is the true minimum, by mke2fs's own word on every smaller size that is tried.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use layerpress::Error;
use layerpress::ext::{Plan, SizePolicy};
use layerpress::layers::Contents;
use layerpress::tree::Tree;
use layerpress::units::{BLOCK_SIZE, ByteSize};

use support::oracles::{e2fsck_clean, run};
use support::press::{Wanted, plan, superblock, tree_of, write};
use support::rootfs::{Rootfs, directory, zeros};

/// So many bytes of zeros in so many files, no more than 1000 of them in a directory.
#[derive(Debug, Clone, Copy)]
struct Shape {
    bytes: u64,
    files: u64,
}

impl Shape {
    fn rootfs(self) -> Rootfs {
        let mut items = Vec::new();
        for index in 0..self.files {
            let path = format!("d{}", index / 1000);
            if index % 1000 == 0 {
                items.push(directory(&path));
            }
            let rest = u64::from(index < self.bytes % self.files);
            items.push(zeros(
                format!("{path}/{index}"),
                self.bytes / self.files + rest,
            ));
        }
        Rootfs::of(items)
    }
}

/// Around every step of the geometry: the smallest journal (8 MiB), the bands in which 107 % does
/// not do (20 to 55 and 126 to 310 MiB), the journal's steps at 128 MiB, 1 GiB and 2 GiB, groups
/// that are dropped, and more inodes than the rule gives.
fn shapes() -> Vec<Shape> {
    let of = |bytes: u64, files: u64| Shape { bytes, files };
    let mebibytes = [
        1, 2, 3, 4, 5, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 55, 64, 80, 100, 107, 109,
        110, 112, 118, 120, 121, 122, 123, 126, 130, 140, 150, 170, 190, 220, 240, 250, 260, 280,
        300, 310, 330, 400, 512, 700, 960, 972, 974, 976, 980, 1000, 1100, 1500, 1945, 1950, 1955,
        1980, 2048, 2500, 3072,
    ];
    let mut shapes: Vec<_> = mebibytes
        .into_iter()
        .map(|mebibytes| of(mebibytes << 20, 7 + mebibytes % 40))
        .collect();
    shapes.extend([
        of(0, 1),
        of(0, 500),
        of(0, 5_000),
        of(0, 60_000),
        of(0, 200_000),
        of(1 << 20, 1_000),
        of(3 << 20, 3_000),
        of(20 << 20, 5_000),
        of(40 << 20, 10_000),
        of(100 << 20, 12_000),
        of(120 << 20, 30_000),
        of(200 << 20, 50_000),
        of(600 << 20, 100_000),
        of(800 << 20, 200_000),
        of(1 << 30, 20_000),
        of(3 << 30, 200_000),
    ]);
    shapes
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Space {
    blocks: u64,
    free_blocks: u64,
    free_inodes: u64,
}

fn space(image: &Path) -> Space {
    let counts = superblock(image);
    Space {
        blocks: counts["Block count"],
        free_blocks: counts["Free blocks"],
        free_inodes: counts["Free inodes"],
    }
}

/// What mke2fs makes of a size by its own configuration; `None` where it makes no ext3 of it.
fn mke2fs(directory: &Path, blocks: u64, inodes: u64) -> Option<Space> {
    let image = directory.join("empty.img");
    let file = File::create(&image).unwrap();
    file.set_len(blocks * BLOCK_SIZE).unwrap();
    // One inode for 16 KiB, or as many as are needed.
    let inodes = inodes.max(blocks / 4).to_string();
    let options = ["-q", "-F", "-t", "ext3", "-T", "default", "-m", "1"];
    let options = options.into_iter().chain(["-b", "4096", "-I", "256"]);
    let arguments: Vec<OsString> = options
        .chain(["-N", &inodes])
        .map(OsString::from)
        .chain([image.clone().into()])
        .collect();
    let output = run("mke2fs", arguments);
    let header = run("dumpe2fs", [OsStr::new("-h"), image.as_os_str()]);
    let has_journal = String::from_utf8_lossy(&header.stdout).contains("has_journal");
    (output.status.success() && has_journal).then(|| space(&image))
}

/// Plans, writes and has e2fsck look.
fn built(tree: &Tree, contents: &Contents, policy: SizePolicy, image: &Path) -> (Plan, Space) {
    let plan = plan(tree, Wanted::size(policy)).unwrap();
    write(tree, contents, &plan, image).unwrap();
    e2fsck_clean(image);
    let space = space(image);
    assert_eq!(space.free_blocks, plan.free_blocks_after());
    (plan, space)
}

fn check(shape: Shape) {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image.img");
    let (tree, contents) = tree_of(&shape.rootfs()).unwrap();
    built(&tree, &contents, SizePolicy::default(), &image);
    let (plan_of_fit, fit) = built(&tree, &contents, SizePolicy::Fit, &image);
    assert_eq!(plan_of_fit.sized.file_bytes, fit.blocks * BLOCK_SIZE);

    // What the tree takes, counted from the image and an empty one of the same size.
    let system_inodes = 11;
    let inodes = u64::from(plan_of_fit.sized.request.inodes);
    let empty = mke2fs(directory.path(), fit.blocks, inodes).unwrap();
    let needed_blocks = empty.free_blocks - fit.free_blocks;
    let needed_inodes = empty.free_inodes - fit.free_inodes;
    assert_eq!(empty.blocks, fit.blocks);

    // One block less, the next that is not cut by mke2fs, and the ends of smaller journals, where
    // there is more room than just above.
    let uncut = (0..fit.blocks)
        .rev()
        .find(|&blocks| blocks % 32_768 == 0 || blocks % 32_768 > 600 || blocks < 32_768);
    let journal_ends = [32_767, 262_143, 524_287];
    let smaller: Vec<_> = [fit.blocks - 1, uncut.unwrap()]
        .into_iter()
        .chain(journal_ends.into_iter().filter(|&end| end < fit.blocks))
        .collect();
    for blocks in smaller {
        let exact = SizePolicy::Exact(ByteSize(blocks * BLOCK_SIZE));
        let error = plan(&tree, Wanted::size(exact)).unwrap_err();
        assert!(
            matches!(error, Error::TooSmall { .. }),
            "{shape:?} {blocks}: {error}"
        );
        let made = mke2fs(directory.path(), blocks, needed_inodes + system_inodes);
        let holds = made.is_some_and(|made| {
            made.free_blocks >= needed_blocks && made.free_inodes >= needed_inodes
        });
        assert!(
            !holds,
            "{shape:?}: {blocks} blocks would do, fit took {}",
            fit.blocks
        );
    }
}

#[test]
fn the_default_and_fit_succeed_at_every_size_and_fit_is_the_minimum() {
    let started = Instant::now();
    let shapes = shapes();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(shape) = shapes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let started = Instant::now();
                    check(*shape);
                    eprintln!("{shape:?}: {:.1} s", started.elapsed().as_secs_f64());
                }
            });
        }
    });
    eprintln!(
        "{} trees in {:.0} s",
        shapes.len(),
        started.elapsed().as_secs_f64()
    );
}

#[test]
fn large_filesystems_are_sound() {
    // More than one block of group descriptors from 16 GiB on; journals of 128 MiB and more.
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image.img");
    let (tree, contents) = tree_of(
        &Shape {
            bytes: 5 << 20,
            files: 3000,
        }
        .rootfs(),
    )
    .unwrap();
    for gibibytes in [17, 33, 70] {
        let exact = SizePolicy::Exact(ByteSize(gibibytes << 30));
        let (_, made) = built(&tree, &contents, exact, &image);
        assert_eq!(made.blocks, gibibytes << 18);
    }
}
