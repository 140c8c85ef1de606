//! Where everything lies is told as debugfs tells it, of what is hostile no more than once, and held
//! against a second reading.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use layerpress::error::Error;
use layerpress::listing::Kind;
use layerpress::units::Hex;
use layerpress::view::{Positions, PositionsNode, Sighted, View};

use super::KINDS;
use super::support::oracles;
use super::support::sample::{bytes, make_image_with};

fn positions(image: &Path) -> (Positions, Sighted) {
    View::open(image).unwrap().positions().unwrap()
}

/// Some of everything that has blocks, and names that have none.
fn fill(root: &Path) {
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::create_dir(root.join("many")).unwrap();
    for (name, length) in [
        ("empty", 0),
        ("one", 1),
        ("a/b/direct", 12 * 4096),
        ("a/indirect", 13 * 4096 + 5),
        ("double", (12 + 1024 + 3) * 4096),
    ] {
        fs::write(root.join(name), bytes(length)).unwrap();
    }
    for index in 0..700 {
        let name = format!("a name of some length, so that there are blocks of them {index}");
        fs::write(root.join("many").join(name), b"").unwrap();
    }
    fs::hard_link(root.join("one"), root.join("a/also")).unwrap();
    symlink("short", root.join("fast")).unwrap();
    symlink("t".repeat(300), root.join("slow")).unwrap();
    // Of two blocks of tables on 1 KiB blocks, and of three levels as extents.
    let sparse = File::create(root.join("sparse")).unwrap();
    for block in 0..1500 {
        sparse.write_all_at(&bytes(4096), block * 2 * 4096).unwrap();
    }
}

fn image_of(directory: &Path, options: &[&str]) -> PathBuf {
    let root = directory.join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    let image = directory.join("image");
    make_image_with(options, &root, &image, "64M");
    image
}

/// Each path's node, the root's path being empty.
fn by_path(positions: &Positions) -> BTreeMap<Vec<u8>, &PositionsNode> {
    let mut found = BTreeMap::new();
    let mut due = vec![(Vec::new(), 0)];
    while let Some((path, place)) = due.pop() {
        let node = &positions.nodes[place as usize];
        for (name, child) in &node.children {
            let mut below: Vec<u8> = path.clone();
            below.push(b'/');
            below.extend(&**name);
            due.push((below, *child));
        }
        found.insert(path, node);
    }
    found
}

fn all(ranges: &[Range<u32>]) -> Vec<u32> {
    ranges.iter().cloned().flatten().collect()
}

/// The blocks that debugfs says an inode has.
fn told_blocks(image: &Path, inode: u32) -> BTreeSet<u32> {
    let told = oracles::debugfs(image, &[&format!("blocks <{inode}>")]);
    let words = told.split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn every_path_has_the_inode_and_the_blocks_that_debugfs_tells() {
    for (kind, options) in KINDS {
        let directory = tempfile::tempdir().unwrap();
        let image = image_of(directory.path(), options);
        let (positions, sighted) = positions(&image);
        assert_eq!(positions.left_out, 0, "{kind}");
        let paths = by_path(&positions);
        let view = View::open(&image).unwrap();
        let names = view.listing_of_at_most(u64::MAX, &mut |_, _| true).unwrap();
        assert_eq!(paths.len(), names.listing.lines().len(), "{kind}");
        for (path, node) in paths
            .iter()
            .filter(|(path, _)| !path.starts_with(b"/many/"))
        {
            let path = String::from_utf8_lossy(path);
            let (data, maps) = (all(&node.data), all(&node.maps));
            let found: BTreeSet<u32> = data.iter().chain(&maps).copied().collect();
            assert_eq!(found.len(), data.len() + maps.len(), "{kind}: {path}");
            // debugfs takes a target in the inode for numbers of blocks.
            if path != "/fast" {
                assert_eq!(found, told_blocks(&image, node.inode), "{kind}: {path}");
            }
            for at in [0, 1, data.len() / 2, data.len().saturating_sub(1)] {
                let is_sparse = path == "/sparse";
                let Some(block) = data.get(at).filter(|_| !is_sparse) else {
                    continue;
                };
                let told = oracles::debugfs(&image, &[&format!("bmap <{}> {at}", node.inode)]);
                assert!(told.contains(&block.to_string()), "{kind}: {path}: {told}");
            }
        }
        assert_eq!(
            paths[&b"/one"[..]].inode,
            paths[&b"/a/also"[..]].inode,
            "{kind}"
        );
        assert_eq!(paths[&b"/fast"[..]].data, [], "{kind}");
        // Each block of the metadata once.
        assert_eq!(sighted.blocks_read(), sighted.blocks() as u64, "{kind}");
        let hashed = sighted.hash(&|| false).unwrap();
        let told = oracles::succeed("sha256sum", [&image]);
        assert!(told.starts_with(Hex(&hashed.sha256).to_string().as_bytes()));
    }
}

#[test]
fn a_tree_of_extents_is_told_from_its_top_level_to_its_leaves() {
    let directory = tempfile::tempdir().unwrap();
    let image = image_of(directory.path(), &["-t", "ext4", "-b", "4096"]);
    let (positions, _) = positions(&image);
    let node = by_path(&positions)[&b"/sparse"[..]];
    // Rows of ` 0/ 2   1/  2 …` with where the node is last but one, or last.
    let told = oracles::debugfs(&image, &[&format!("ex <{}>", node.inode)]);
    let mut levels: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for row in told.lines().filter(|row| row.contains('/')) {
        let row = row.replace('/', " ");
        let numbers: Vec<u32> = row
            .split(|letter: char| !letter.is_ascii_digit())
            .filter_map(|word| word.parse().ok())
            .collect();
        let (level, depth) = (numbers[0], numbers[1]);
        if level < depth {
            // Level, depth, entry, entries, the first and last block of the file, the block.
            levels.entry(level).or_default().push(numbers[6]);
        }
    }
    assert_eq!(levels.len(), 2, "{told}");
    let expected: Vec<u32> = levels.into_values().flatten().collect();
    assert_eq!(all(&node.maps), expected, "{told}");
}

/// Puts a file's inode in the place of others'.
fn put_in_place(image: &Path, of: &str, others: &[&str], change: impl Fn(&mut [u8; 256])) {
    let place = |name: &str| {
        let told = oracles::debugfs(image, &[&format!("imap /{name}")]);
        let (_, place) = told.split_once("located at block ").unwrap();
        let (block, offset) = place.trim().split_once(", offset ").unwrap();
        let offset = u64::from_str_radix(offset.trim_start_matches("0x"), 16).unwrap();
        block.parse::<u64>().unwrap() * 4096 + offset
    };
    let file = File::options().read(true).write(true).open(image).unwrap();
    let mut inode = [0; 256];
    file.read_exact_at(&mut inode, place(of)).unwrap();
    change(&mut inode);
    for other in others {
        file.write_all_at(&inode, place(other)).unwrap();
    }
}

#[test]
fn blocks_of_two_files_are_the_first_ones_and_the_other_is_left_out() {
    for options in [
        &["-t", "ext2", "-b", "4096", "-I", "256"][..],
        &["-t", "ext4", "-b", "4096", "-O", "^metadata_csum"],
    ] {
        let directory = tempfile::tempdir().unwrap();
        let image = image_of(directory.path(), options);
        // In the tree's order `double` comes before `one` and `sparse`, and before `a/indirect`.
        put_in_place(&image, "double", &["one", "sparse", "a/indirect"], |_| {});
        let (positions, sighted) = positions(&image);
        let paths = by_path(&positions);
        assert!(paths.contains_key(&b"/double"[..]));
        for lost in ["/one", "/sparse", "/a/indirect", "/a/also"] {
            assert!(!paths.contains_key(lost.as_bytes()), "{lost}");
        }
        assert_eq!(positions.left_out, 4);
        assert!(sighted.blocks_read() <= 2 * sighted.blocks() as u64);
    }
}

/// A thousand inodes with one tree of pointers that leads nowhere: followed for each, it would be a
/// thousand times as much as there is.
#[test]
fn a_map_that_many_inodes_have_is_followed_once() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let sparse = File::create(root.join("0")).unwrap();
    for table in 0..300 {
        let at = (12 + table * 1024) * 4096;
        sparse.write_all_at(&bytes(4096), at).unwrap();
    }
    let names: Vec<_> = (1..300).map(|index| index.to_string()).collect();
    for name in &names {
        fs::write(root.join(name), b"").unwrap();
    }
    let image = directory.path().join("image");
    let options = ["-t", "ext2", "-b", "4096", "-I", "256"];
    make_image_with(&options, &root, &image, "16M");
    // Every pointer to data is taken out of the blocks of the map.
    let (found, _) = positions(&image);
    let maps = all(&by_path(&found)[&b"/0"[..]].maps);
    assert!(maps.len() > 100, "{}", maps.len());
    let others: Vec<_> = names.iter().map(String::as_str).collect();
    put_in_place(&image, "0", &others, |inode| inode[0x28..0x28 + 48].fill(0));
    let file = File::options().read(true).write(true).open(&image).unwrap();
    // The first is the single one, the second leads to all others.
    for map in maps.iter().enumerate().filter(|(index, _)| *index != 1) {
        file.write_all_at(&[0; 4096], u64::from(*map.1) * 4096)
            .unwrap();
    }
    let (found, sighted) = positions(&image);
    assert_eq!(found.left_out, 299);
    let most = sighted.blocks() as u64 + 2 * 300;
    assert!(sighted.blocks_read() <= most, "{}", sighted.blocks_read());
}

#[test]
fn directories_that_lead_back_are_entered_once() {
    let directory = tempfile::tempdir().unwrap();
    let image = image_of(directory.path(), &["-t", "ext3", "-b", "4096"]);
    oracles::debugfs_write(
        &image,
        &["link /a /a/b/up", "link / /a/b/root", "link /a/b /second"],
    );
    let (positions, sighted) = positions(&image);
    assert_eq!(positions.left_out, 3);
    let paths = by_path(&positions);
    assert!(paths.contains_key(&b"/a/b/direct"[..]));
    assert!(!paths.contains_key(&b"/second"[..]));
    assert_eq!(sighted.blocks_read(), sighted.blocks() as u64);
}

#[test]
fn damage_costs_what_it_is_in_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let image = image_of(directory.path(), &["-t", "ext3", "-b", "4096", "-I", "256"]);
    let (before, _) = positions(&image);
    let beyond = |inode: &mut [u8; 256]| {
        inode[0x28..0x2c].copy_from_slice(&u32::MAX.to_le_bytes());
    };
    put_in_place(&image, "one", &["one"], beyond);
    let (after, _) = positions(&image);
    assert_eq!(after.left_out, 2, "one and a/also");
    let (before, after) = (by_path(&before), by_path(&after));
    for (path, node) in &before {
        let is_lost = [&b"/one"[..], b"/a/also"].contains(&path.as_slice());
        match after.get(path) {
            None => assert!(is_lost),
            Some(after) => assert_eq!((&after.data, after.inode), (&node.data, node.inode)),
        }
    }
    // A directory with all below it.
    put_in_place(&image, "a", &["a"], beyond);
    let (after, _) = positions(&image);
    assert_eq!(after.left_out, 2, "a and one");
    assert!(!by_path(&after).contains_key(&b"/a/b"[..]));
    // The root.
    let mut table = fs::read(&image).unwrap();
    let told = oracles::debugfs(&image, &["imap /"]);
    let (_, block) = told.split_once("located at block ").unwrap();
    let block: usize = block.split(',').next().unwrap().trim().parse().unwrap();
    table[block * 4096..block * 4096 + 512].fill(0);
    fs::write(&image, table).unwrap();
    let (after, _) = positions(&image);
    assert_eq!((after.nodes.len(), after.left_out), (0, 1));
}

/// What is read twice must be the same both times, or it is no reading of one image.
#[test]
fn what_changes_between_the_readings_is_an_error_and_holes_are_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let image = image_of(directory.path(), &["-t", "ext4", "-b", "4096"]);
    let file = File::options().read(true).write(true).open(&image).unwrap();
    let (found, sighted) = positions(&image);
    let data = u64::from(by_path(&found)[&b"/one"[..]].data[0].start) * 4096;
    let names = u64::from(by_path(&found)[&b"/many"[..]].data[0].start) * 4096;

    let hashed = sighted.hash(&|| false).unwrap();
    let host_bytes = file.metadata().unwrap().blocks() * 512;
    assert_eq!(hashed.file_bytes, 64 << 20);
    let most = host_bytes + (1 << 20);
    assert!(hashed.read_bytes <= most, "{} > {most}", hashed.read_bytes);
    assert!(hashed.read_bytes < hashed.file_bytes / 2);

    // A file's content is what the one reading says.
    file.write_all_at(b"other", data).unwrap();
    let again = sighted.hash(&|| false).unwrap();
    assert_ne!(again.sha256, hashed.sha256);
    let told = oracles::succeed("sha256sum", [&image]);
    assert!(told.starts_with(Hex(&again.sha256).to_string().as_bytes()));

    let changed = |sighted: &Sighted| {
        let error = sighted.hash(&|| false).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        let error = error.to_string();
        assert!(
            error.ends_with("image: changed while it was read"),
            "{error}"
        );
    };
    let mut block = [0; 4096];
    file.read_exact_at(&mut block, names).unwrap();
    file.write_all_at(&[block[0] ^ 1], names).unwrap();
    changed(&sighted);
    // A hole in its place.
    file.write_all_at(&block, names).unwrap();
    sighted.hash(&|| false).unwrap();
    rustix::fs::fallocate(
        &file,
        rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE,
        names,
        4096,
    )
    .unwrap();
    changed(&sighted);
    file.write_all_at(&block, names).unwrap();
    sighted.hash(&|| false).unwrap();
    for length in [(64 << 20) - 1, 1 << 20, (64 << 20) + 1] {
        file.set_len(length).unwrap();
        changed(&sighted);
    }
    let error = sighted.hash(&|| true).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
}

/// Sockets are told, too; what to make of them is the reader's.
#[test]
fn what_has_no_blocks_has_none() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    oracles::succeed("mkfifo", [root.join("fifo")]);
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext4", "-b", "4096"], &root, &image, "16M");
    let (found, _) = positions(&image);
    let paths = by_path(&found);
    for (path, kind) in [("/fifo", Kind::Fifo), ("/socket", Kind::Socket)] {
        let Some(node) = paths.get(path.as_bytes()) else {
            // An older mke2fs leaves sockets out.
            assert_eq!(kind, Kind::Socket);
            continue;
        };
        assert_eq!((node.kind, node.data.len(), node.maps.len()), (kind, 0, 0));
    }
}
