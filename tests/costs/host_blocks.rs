//! What the output takes of the host's disk.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

use crate::image::ARCHIVE;
use crate::support::run::{LAYERPRESS, Press};
use crate::{alone, support};

const BLOCK: usize = 4096;

/// The host's own map of the file, which some filesystems count with it.
const MAP_BYTES: u64 = 64 << 10;

/// Bytes of blocks with something in them, and bytes taken on the host.
fn content_and_host_bytes(path: &Path) -> (u64, u64) {
    let bytes = fs::read(path).unwrap();
    let has_content = |block: &&[u8]| block.iter().any(|byte| *byte != 0);
    let blocks = bytes.chunks(BLOCK).filter(has_content).count();
    let host_bytes = fs::metadata(path).unwrap().blocks() * 512;
    ((blocks * BLOCK) as u64, host_bytes)
}

fn is_sparse(path: &Path) -> bool {
    let (content_bytes, host_bytes) = content_and_host_bytes(path);
    host_bytes <= content_bytes + MAP_BYTES
}

#[test]
fn no_block_of_zeros_takes_room_on_the_host() {
    let _alone = alone();
    let Some(_) = support::oracles::program("mke2fs") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let reference = ARCHIVE.write(directory.path());
    let output = directory.path().join("fs.img");
    let built = crate::support::run::without_defaults(LAYERPRESS)
        .args(["build", "-q", "--size=300M", &reference, "-o"])
        .arg(&output)
        .status()
        .unwrap();
    assert!(built.success());
    // The journal of such a filesystem has 16 MiB, and more than 250 MiB are free.
    let (content_bytes, host_bytes) = content_and_host_bytes(&output);
    assert!(
        is_sparse(&output),
        "expected at most {content_bytes} bytes on the host, found {host_bytes}"
    );
    // The same judge, when a journal's worth of zeros has been written where nothing was.
    let file = File::options().write(true).open(&output).unwrap();
    file.write_all_at(&vec![0; 16 << 20], 200 << 20).unwrap();
    file.sync_all().unwrap();
    assert!(!is_sparse(&output));
}

/// What mke2fs took of the disk would be missing there for a while, though it is given back.
#[test]
fn mke2fs_takes_no_room_for_the_journal_of_ext4() {
    let _alone = alone();
    let Some(_) = support::oracles::program("mke2fs") else {
        return;
    };
    let press = Press::new();
    let reference = ARCHIVE.write(press.input("save.tar").parent().unwrap());
    // The last as it would be if mke2fs were not told.
    for lazy in [1, 0] {
        let body = format!(
            "for word; do
                shift
                set -- \"$@\" \"$(printf %s \"$word\" | sed s/journal_init=1/journal_init={lazy}/)\"
            done
            /usr/sbin/mke2fs \"$@\" || exit
            [ \"$1\" = -V ] || stat -L -c %b \"$word\" >{}",
            press.input("blocks").display()
        );
        let mke2fs = press.script("mke2fs", &body);
        let mut command = press.command("build");
        command.args(["--fs=ext4", "--size=2G", "--journal=512M", &reference]);
        command.arg(format!("--mke2fs={}", mke2fs.display()));
        press.add_directories(&mut command);
        press.run(&mut command).succeeded();
        let blocks = fs::read_to_string(press.input("blocks")).unwrap();
        let taken_bytes = blocks.trim().parse::<u64>().unwrap() * 512;
        // Elsewhere, as on a tmpfs, it has no way to.
        let takes = lazy == 0 && takes_zeros(&press.output());
        assert_eq!(taken_bytes > 16 << 20, takes, "{blocks}");
        assert!(is_sparse(&press.output()));
        fs::remove_file(press.output()).unwrap();
    }
}

/// Whether the host's filesystem can take room for zeros.
fn takes_zeros(output: &Path) -> bool {
    let file = tempfile::tempfile_in(output.parent().unwrap()).unwrap();
    fallocate(&file, FallocateFlags::ZERO_RANGE, 0, 4096).is_ok()
}
