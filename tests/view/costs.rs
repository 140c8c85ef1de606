//! What looking into an image may cost, counted in blocks that are read: some for each block that
//! there is and some for each name that was asked for, whatever the image says.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use layerpress::view::{Follow, View};

use super::support::oracles;
use super::support::sample::make_image_with;
use super::{layerpress, said};

/// A directory of many names, links that lead through it thousands of times, and a directory that
/// holds itself.
fn image(directory: &Path) -> std::path::PathBuf {
    let root = directory.join("root");
    fs::create_dir_all(root.join("many/inner")).unwrap();
    fs::create_dir(root.join("self")).unwrap();
    for index in 0..2000 {
        fs::write(
            root.join(format!("many/a name of some length {index}")),
            b"",
        )
        .unwrap();
    }
    fs::write(root.join("many/file"), b"content").unwrap();
    // As long as a target can be, and as many of them as are followed.
    symlink("inner/../".repeat(440) + "file", root.join("many/link0")).unwrap();
    for index in 1..45 {
        let target = "inner/../".repeat(440) + &format!("link{}", index - 1);
        symlink(target, root.join(format!("many/link{index}"))).unwrap();
    }
    symlink("a/".repeat(2000) + "s", root.join("self/s")).unwrap();
    let image = directory.join("image");
    make_image_with(&["-t", "ext4", "-b", "4096"], &root, &image, "16M");
    oracles::debugfs_write(&image, &["link /self /self/a"]);
    image
}

/// Bug: `cat` of a link took 6.6 GB of memory, and another one read a directory for each component
/// of its target. Cause: each step kept its path, and nothing was remembered of a directory that
/// was read. Found by a red team.
#[test]
fn a_lookup_reads_each_directory_and_each_link_once_however_often_it_leads_there() {
    let directory = tempfile::tempdir().unwrap();
    let image = image(directory.path());
    let view = View::open(&image).unwrap();
    let names = 2000 + 50;
    for (path, is_there) in [
        (&b"many/link0"[..], true),
        (b"many/link39", true),
        (b"many/link40", false),
        (b"self/s", false),
        (b"self/a/a/a/a/s", false),
    ] {
        let before = view.blocks_read();
        let found = view.lookup(path, Follow::Always);
        assert_eq!(found.is_ok(), is_there, "{}", String::from_utf8_lossy(path));
        let read = view.blocks_read() - before;
        assert!(
            read <= 400,
            "{read} blocks for {}",
            String::from_utf8_lossy(path)
        );
    }
    // Any number of paths through one directory read it once.
    let before = view.blocks_read();
    let mut lookups = view.lookups();
    for index in 0..2000 {
        let path = format!("many/inner/../a name of some length {index}");
        lookups.find(path.as_bytes(), Follow::Always).unwrap();
    }
    let read = view.blocks_read() - before;
    assert!(read <= 5 * names, "{read} blocks for {names} names");
}

#[test]
fn walking_and_listing_everything_reads_a_few_blocks_for_each_name() {
    let directory = tempfile::tempdir().unwrap();
    let image = image(directory.path());
    let view = View::open(&image).unwrap();
    let whole = view.listing_of_at_most(u64::MAX, &mut |_, _| true).unwrap();
    assert_eq!(whole.problems.len(), 1, "the directory that holds itself");
    let names = whole.listing.lines().len() as u64;
    let bound = 2 * view.blocks() + 6 * names;
    let read = view.blocks_read();
    assert!(
        read <= bound,
        "{read} blocks of {} for {names} names",
        view.blocks()
    );
}

/// The same through the program, which may not have more memory than a few times the image.
#[test]
fn the_commands_end_within_little_memory_where_a_directory_holds_itself() {
    let directory = tempfile::tempdir().unwrap();
    let image = image(directory.path());
    for arguments in [
        &["cat"][..],
        &["ls"],
        &["ls", "-aR"],
        &["stat", "-L"],
        &["extract", "-o-"],
    ] {
        let mut command = std::process::Command::new(oracles::required("prlimit"));
        command.arg("--as=536870912");
        command.arg(env!("CARGO_BIN_EXE_layerpress"));
        command.arg(arguments[0]).arg(&image).arg("/self/s");
        let output = command.args(&arguments[1..]).output().unwrap();
        let told = said(&output);
        assert!(
            matches!(output.status.code(), Some(0 | 3)),
            "{arguments:?}: {told}"
        );
        assert!(!told.contains("memory"), "{arguments:?}: {told}");
    }
    let all = [OsStr::new("ls"), OsStr::new("-aR"), image.as_os_str()];
    let output = layerpress(&all);
    assert!(
        said(&output).contains("by another name"),
        "{}",
        said(&output)
    );
}
