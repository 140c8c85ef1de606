//! Images that are mostly metadata, and where to damage them.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

/// The same numbers on every run (splitmix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }
}

/// Names, inodes and block maps, and next to nothing in the files; `pieces` is how often a file's
/// next piece of data lies twice as far out.
pub fn fill_with_metadata(root: &Path, pieces: u32) {
    for directory in 0..20 {
        let inner = root.join(format!("directory {directory}/inner"));
        fs::create_dir_all(&inner).unwrap();
        for file in 0..10 {
            fs::write(inner.join(format!("file {file}")), b"x").unwrap();
        }
        symlink("../".repeat(directory * 3 + 1), inner.join("link")).unwrap();
        let mapped = File::create(inner.join("mapped")).unwrap();
        for piece in 0..pieces {
            mapped.write_all_at(b"x", (3 << piece) * 4096).unwrap();
        }
        for index in 0..4 {
            let (name, value) = (format!("user.attribute {index}"), [b'v'; 45]);
            let flags = rustix::fs::XattrFlags::empty();
            let _ = rustix::fs::lsetxattr(&inner, &name, &value[index..], flags);
        }
    }
}
