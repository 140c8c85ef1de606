//! Randomly damaged filesystems: an error or a layer, no panic, and no more read than there is.

use std::fs;

use layerpress::export::{Base, LayerOptions, write_layer};
use layerpress::progress::Silent;
use layerpress::view::View;

use crate::rig::Image;
use crate::support::damage::{Numbers, fill_with_metadata};
use crate::support::rootfs::{Rootfs, directory, file, link};
use crate::support::sample::make_image_with;

#[test]
fn damaged_filesystems_end_in_an_error_or_in_a_layer() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("root");
    fs::create_dir(&root).unwrap();
    fill_with_metadata(&root, 20);
    // Something to be held against: names that the filesystem has, and others.
    let base = Image::of(&Rootfs::of([
        directory(""),
        directory("directory 7"),
        file("directory 7/inner", *b"x"),
        file("gone", *b"x"),
        link("gone too", "gone"),
        directory("lost+found"),
    ]));
    let mut errors = 0;
    for options in [
        &["-t", "ext2", "-b", "1024"][..],
        &["-t", "ext3", "-b", "4096"],
        &["-t", "ext4", "-b", "1024"],
        &["-t", "ext4", "-b", "4096", "-O", "inline_data"],
    ] {
        let image = scratch.path().join("image");
        let _ = fs::remove_file(&image);
        make_image_with(options, &root, &image, "16M");
        let whole = fs::read(&image).unwrap();
        let used: Vec<_> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
        let mut numbers = Numbers(1);
        for _ in 0..40 {
            let mut damaged = whole.clone();
            for _ in 0..=numbers.below(30) {
                let at = used[numbers.below(used.len() as u64) as usize];
                // More than the superblock is to be met.
                if at >= 2048 {
                    damaged[at] ^= 1 << numbers.below(8);
                }
            }
            fs::write(&image, &damaged).unwrap();
            let Ok(view) = View::open(&image) else {
                continue;
            };
            for base in [None, Some(base.base())] {
                errors += usize::from(is_error(&view, base.as_ref()));
            }
            // Looked at four times: by the walk, to be compared, for the map and for the content.
            let bound = 2 * (6 * view.blocks() + 10_000);
            let read = view.blocks_read();
            assert!(
                read <= bound,
                "{read} blocks read, expected {bound} at most"
            );
        }
    }
    assert!((20..300).contains(&errors), "{errors}");
}

fn is_error(view: &View, base: Option<&Base<'_>>) -> bool {
    let mut nowhere = std::io::sink();
    let written = write_layer(view, base, &LayerOptions::default(), &mut nowhere, &Silent);
    match written {
        Ok(exported) => {
            assert!(exported.entries > 0);
            false
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            true
        }
    }
}
