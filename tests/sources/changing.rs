//! Archives and layouts that others may write, and do while they are read.

use std::fs::{self, File};
use std::io::Read;
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use layerpress::layers::{self, ReadOptions};
use layerpress::limits::Limits;
use layerpress::progress::Silent;

use super::support::archive::{Compression, TestImage, layer_tar};
use super::{directory, open};

/// The tar of the only layer as a build would use it, with every `x` in `file` made a `y` after all
/// was read and before it is used; whether it was verified.
fn tar_after_change(reference: &str, file: &Path) -> (Vec<u8>, bool) {
    let image = open(reference).unwrap();
    let options = ReadOptions {
        work_dir: std::env::temp_dir(),
        limits: Limits::default(),
        jobs: NonZeroUsize::MIN,
    };
    let layers = layers::read(&image, &options, &Silent).unwrap();
    let mut bytes = fs::read(file).unwrap();
    for byte in bytes.iter_mut().filter(|byte| **byte == b'x') {
        *byte = b'y';
    }
    // In place: whoever has it open sees it.
    let writer = File::options().write(true).open(file).unwrap();
    writer.write_all_at(&bytes, 0).unwrap();
    let is_verified = layers.verifying.finish().is_ok();
    let mut tar = Vec::new();
    layers.contents.tars[0]
        .reader()
        .read_to_end(&mut tar)
        .unwrap();
    (tar, is_verified)
}

/// Bug: an uncompressed layer was verified in one reading and copied in a later one, so that whoever
/// could write the archive meanwhile put other bytes into an image pinned by its digest.
#[test]
fn a_layer_that_others_may_write_is_used_as_it_was_verified() {
    let (_guard, path) = directory();
    let layer = layer_tar(&[("file", &[b'x'; 20_000])]);
    let image = TestImage {
        compression: Compression::None,
        ..TestImage::new(vec![layer.clone()])
    };
    let layout = image.layout("1");
    let directory = path.join("layout");
    let is_own = |mode: u32| mode & 0o022 == 0;
    for mode in [0o644, 0o666, 0o646] {
        let _ = fs::remove_dir_all(&directory);
        layout.write_directory(&directory);
        let blobs = fs::read_dir(directory.join("blobs/sha256")).unwrap();
        let blob = blobs
            .map(|blob| blob.unwrap().path())
            .find(|blob| fs::read(blob).unwrap() == layer)
            .unwrap();
        fs::set_permissions(&blob, fs::Permissions::from_mode(mode)).unwrap();
        let (tar, is_verified) = tar_after_change(&format!("oci:{}", directory.display()), &blob);
        // One's own is taken where it is: this is how the test knows that it would fail.
        assert_eq!(is_verified, !is_own(mode), "{mode:o}");
        assert_eq!(tar == layer, !is_own(mode), "{mode:o}");
    }
}

#[test]
fn a_root_filesystems_tar_that_others_may_write_is_used_as_it_was_hashed() {
    let (_guard, path) = directory();
    let tar = layer_tar(&[("file", &[b'x'; 20_000])]);
    let file = path.join("root.tar");
    for (transport, mode) in [("rootfs:", 0o644), ("rootfs:", 0o666), ("", 0o666)] {
        fs::write(&file, &tar).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let reference = format!("{transport}{}", file.display());
        let (found, _) = tar_after_change(&reference, &file);
        assert_eq!(found == tar, mode == 0o666, "{reference} {mode:o}");
    }
}
