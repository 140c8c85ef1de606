//! Filesystems that the kernel writes, with everything in them that mke2fs does not make: deep
//! extents, extents that are allocated and not written, indexes of two levels, blocks of attributes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use rustix::fs::{FallocateFlags, XattrFlags};

use super::oracles::{self, Mounted};
use super::sample::bytes;

/// Extents of the file `deep`: more than 4 × 340, so that two levels are above them.
pub const DEEP: u64 = 8_000;

/// Makes an empty filesystem as mke2fs is told by `options`, words with one space between them.
pub fn make(options: &str, size: &str, image: &Path) {
    let _ = fs::remove_file(image);
    let arguments = ["-q", "-F"].into_iter().chain(options.split(' '));
    let arguments = arguments.map(OsStr::new);
    let image_and_size = [image.as_os_str(), OsStr::new(size)];
    oracles::succeed("mke2fs", arguments.chain(image_and_size));
}

/// Makes a filesystem of 300 MiB and lets the kernel fill it, with `many` names in a directory of
/// that name. Needs root.
pub fn make_and_fill(options: &str, image: &Path, many: usize) {
    make(options, "300M", image);
    let mounted = Mounted::read_write(image);
    fill(&mounted.mount_point(), many);
}

fn fill(root: &Path, names: usize) {
    let many = root.join("many");
    fs::create_dir(&many).unwrap();
    // Names of 200 bytes: of 12,000 there are too many leaves for an index of one level.
    for index in 0..names {
        let name = many.join(format!("{index:0>200}"));
        if index % 15 == 0 {
            File::create(name).unwrap();
        } else {
            let file = many.join(format!("{:0>200}", index - index % 15));
            fs::hard_link(file, name).unwrap();
        }
    }
    fs::create_dir_all(root.join("some/where")).unwrap();
    for index in 0..600 {
        fs::write(root.join(format!("some/name {index}")), index.to_string()).unwrap();
    }
    let deep = File::create(root.join("deep")).unwrap();
    let content = bytes(DEEP as usize * 4096);
    for (block, content) in content.chunks(4096).enumerate() {
        deep.write_all_at(content, block as u64 * 8192).unwrap();
    }
    // Blocks with old bytes in them become blocks that are allocated and not written.
    let old = root.join("old");
    fs::write(&old, bytes(8 << 20)).unwrap();
    File::open(&old).unwrap().sync_all().unwrap();
    fs::remove_file(&old).unwrap();
    let preallocated = File::create(root.join("preallocated")).unwrap();
    preallocated.write_all_at(b"data", 40_960).unwrap();
    for (flags, at) in [
        (FallocateFlags::empty(), 0),
        (FallocateFlags::KEEP_SIZE, 8 << 20),
    ] {
        // Not on ext2 and ext3.
        let _ = rustix::fs::fallocate(&preallocated, flags, at, 4 << 20);
    }
    preallocated.write_all_at(b"more", 1_000_000).unwrap();
    fs::write(root.join("large"), bytes(20 << 20)).unwrap();
    symlink("t".repeat(59), root.join("fast")).unwrap();
    symlink("to/".repeat(300), root.join("slow")).unwrap();
    let flags = XattrFlags::empty();
    for (path, length) in [("large", 900), ("some", 40), ("some/where", 700)] {
        let value = vec![7; length];
        rustix::fs::lsetxattr(root.join(path), "user.value", &value, flags).unwrap();
    }
    oracles::succeed("mkfifo", [root.join("fifo")]);
    let device = root.join("device").into_os_string();
    oracles::succeed("mknod", [device, "c".into(), "300".into(), "70000".into()]);
}
