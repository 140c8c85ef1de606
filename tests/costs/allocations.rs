//! Allocations of a build in this process.

use std::num::NonZeroUsize;

use layerpress::ext::{JournalSize, Room, SizePolicy, ToolPaths};
use layerpress::finish::FinishOptions;
use layerpress::limits::Limits;
use layerpress::pipeline::{self, FilesystemRequest, IdentityRequest, ImageRequest, OutputRequest};
use layerpress::progress::Silent;
use layerpress::source::{DaemonOptions, RegistryOptions};

use crate::image::{ARCHIVE, Form, GZIP, ZSTD};
use crate::{Cost, alone, strayed};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

fn build(form: Form) -> dhat::HeapStats {
    let directory = tempfile::tempdir().unwrap();
    let image = ImageRequest {
        reference: form.write(directory.path()).parse().unwrap(),
        platform: None,
        work_dir: directory.path().to_owned(),
        jobs: NonZeroUsize::MIN,
        limits: Limits::default(),
        registry: RegistryOptions::default(),
        daemon: DaemonOptions::default(),
        held_against: None,
    };
    let filesystem = FilesystemRequest {
        size: SizePolicy::default(),
        room: Room {
            free_inodes: 0,
            journal: JournalSize::Auto,
        },
        identity: IdentityRequest::default(),
    };
    let output = OutputRequest {
        path: directory.path().join("fs.img"),
        tools: ToolPaths {
            search_path: std::env::var_os("PATH"),
            ..ToolPaths::default()
        },
        finish: FinishOptions {
            fsck: true,
            verify: false,
            sha256: false,
            sync: false,
        },
    };
    let _profiler = dhat::Profiler::builder().testing().build();
    let built = pipeline::build(&image, &filesystem, &output, &Silent).unwrap();
    let stats = dhat::HeapStats::get();
    drop(built);
    stats
}

#[test]
fn a_build_allocates_as_often_and_as_much_as_before() {
    let _alone = alone();
    let mut strays = Vec::new();
    for (form, [allocations, bytes, peak_bytes]) in [
        (ARCHIVE, [32_829, 5_863_443, 1_147_782]),
        (GZIP, [33_138, 8_813_225, 1_560_319]),
        (ZSTD, [33_134, 8_669_822, 1_512_487]),
    ] {
        let found = build(form);
        let cost = |what, found, expected| Cost {
            what,
            found,
            expected,
        };
        strays.extend(strayed(
            form.name,
            &[
                cost("allocations", found.total_blocks, allocations),
                cost("bytes allocated", found.total_bytes, bytes),
                cost(
                    "bytes allocated at once",
                    found.max_bytes as u64,
                    peak_bytes,
                ),
            ],
        ));
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}
