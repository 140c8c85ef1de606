//! Randomly damaged images: no panic, no hang, nothing written elsewhere.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use layerpress::extract::{ArchiveSink, DirectorySink, Taken, extract};
use layerpress::look::{Inside, Lookups};
use layerpress::progress::Silent;
use layerpress::view::{Follow, View};
use layerpress::warnings::Warnings;

use super::support::damage::{Numbers, fill_with_metadata};
use super::support::sample::make_image_with;

/// Everything that can be done with an image is done, in this process, so that a panic fails the
/// test; how many errors there were.
fn use_everything(image: &Path, scratch: &Path) -> usize {
    let view = match View::open(image) {
        Ok(view) => view,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return 1;
        }
    };
    let (mut errors, names) = match view.listing_of_at_most(u64::MAX, &mut |_, _| true) {
        Ok(whole) => (whole.problems.len(), whole.listing.lines().len()),
        Err(_) => (1, 1),
    };
    // Whatever the damage says, looking costs some reads for each block and each name there is.
    let bound = 3 * view.blocks() + 8 * (names + errors) as u64 + 100;
    let read = view.blocks_read();
    assert!(
        read <= bound,
        "{read} blocks read, at most {bound} expected"
    );
    let inside = Inside::from(&view);
    let Ok(root) = Lookups::of(inside)
        .find(b"/", Follow::Always)
        .map(Taken::whole)
    else {
        return errors + 1;
    };
    let mut warnings = Warnings::default();
    let target = scratch.join("out");
    let mut sink = DirectorySink::new(&target, 0o700, false, &mut warnings).unwrap();
    errors +=
        usize::from(extract(inside, vec![root.clone()], &mut sink, &Silent, &|| false).is_err());
    fs::remove_dir_all(&target).unwrap();
    let mut nowhere = std::io::sink();
    let mut sink = ArchiveSink::new(&mut nowhere, true, &mut warnings);
    errors += usize::from(extract(inside, vec![root], &mut sink, &Silent, &|| false).is_err());
    let link = b"directory 7/inner/link/directory 3/inner/mapped";
    errors += usize::from(view.lookup(link, Follow::Always).is_err());
    let read = view.blocks_read();
    assert!(
        read <= 4 * bound,
        "{read} blocks read, at most four times {bound} expected"
    );
    errors
}

/// The most memory that this process ever had.
fn peak_memory_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

/// Over two hundred images damaged in up to two hundred of their bytes that are not zero: in the
/// superblock, descriptors, inode tables, directories, indirect blocks, extents, attributes.
#[test]
fn damaged_images_end_in_an_error_or_in_what_is_left_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill_with_metadata(&root, 20);
    let scratch = directory.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let canary = directory.path().join("canary");
    fs::write(&canary, b"alive").unwrap();
    let (mut errors, mut slowest) = (0, Duration::ZERO);
    let mut images = 0;
    for options in [
        &["-t", "ext2", "-b", "1024"][..],
        &["-t", "ext3", "-b", "4096"],
        &["-t", "ext4", "-b", "1024"],
        &["-t", "ext4", "-b", "4096", "-O", "inline_data"],
    ] {
        let image = directory.path().join("image");
        let _ = fs::remove_file(&image);
        make_image_with(options, &root, &image, "16M");
        let whole = fs::read(&image).unwrap();
        assert_eq!(use_everything(&image, &scratch), 0, "{options:?}");
        let used: Vec<_> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
        let mut numbers = Numbers(1);
        for round in 0..60 {
            let mut damaged = whole.clone();
            // Every other time the superblock is left alone, so that more than it is met.
            let spared = if round % 2 == 0 { 2048 } else { 0 };
            for _ in 0..=numbers.below(200) {
                let at = used[numbers.below(used.len() as u64) as usize];
                if at >= spared {
                    damaged[at] ^= 1 << numbers.below(8);
                }
            }
            let path = directory.path().join("damaged");
            fs::write(&path, &damaged).unwrap();
            let started = Instant::now();
            errors += use_everything(&path, &scratch);
            images += 1;
            slowest = slowest.max(started.elapsed());
            assert!(slowest < Duration::from_secs(30), "{options:?} {round}");
        }
    }
    println!("{errors} errors in {images} images, the slowest took {slowest:?}");
    assert!(images >= 200 && errors > 1000, "{errors}: nothing was hit");
    let peak = peak_memory_kib();
    assert!(peak < 512 << 10, "{peak} KiB of memory");
    assert_eq!(fs::read(&canary).unwrap(), b"alive");
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
}

#[test]
fn every_superblock_field_may_be_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill_with_metadata(&root, 20);
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext4", "-b", "1024"], &root, &image, "16M");
    for offset in (0..1024).step_by(4) {
        for value in [0, 1, 0x7fff_ffff, u32::MAX] {
            let file = File::options().read(true).write(true).open(&image).unwrap();
            let mut before = [0; 4];
            file.read_exact_at(&mut before, 1024 + offset).unwrap();
            let write = |bytes: &[u8]| file.write_all_at(bytes, 1024 + offset).unwrap();
            write(&value.to_le_bytes());
            if let Ok(view) = View::open(&image) {
                let _ = view.listing_of_at_most(u64::MAX, &mut |_, _| false);
            }
            write(&before);
        }
    }
    assert!(View::open(&image).is_ok());
}
