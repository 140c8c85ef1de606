//! Images changed at random, a few thousand: whatever comes, it is an error or a filesystem, never
//! a panic, never layerpress' own fault, never a file left behind.

use std::fs;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use layerpress::Error;
use layerpress::ext::SizePolicy;
use layerpress::finish::FinishOptions;
use layerpress::pipeline::{self, FilesystemRequest, ImageRequest, OutputRequest};
use layerpress::progress::Silent;
use layerpress::source::Reference;
use serde_json::json;

use super::support::archive::{Files, TestImage, gzip, zstd};
use super::support::mutation::{Random, base, top};
use super::support::run::Press;

fn image_request(path: &Path, work_dir: &Path) -> ImageRequest {
    ImageRequest::new(Reference::parse(path.as_os_str()).unwrap(), work_dir)
        .with_jobs(NonZeroUsize::new(2).unwrap())
}

fn filesystem() -> FilesystemRequest {
    FilesystemRequest::default().with_size(SizePolicy::Fit)
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
            let output = OutputRequest::new(press.output()).with_finish(FinishOptions {
                verify: true,
                ..FinishOptions::default()
            });
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
