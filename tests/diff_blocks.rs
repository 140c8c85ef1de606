//! `diff --blocks` tells which blocks differ at the same offset, and what they are part of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::oracles;
use support::run::LAYERPRESS;
use support::sample::{bytes, make_image_with};
use support::session::{Layer, Pressed, Ran, layerpress};

fn diff_blocks(a: &Path, b: &Path, more: &[&str]) -> Ran {
    let (a, b) = (a.to_str().unwrap(), b.to_str().unwrap());
    layerpress(["diff", "--blocks", a, b].iter().chain(more))
}

fn ranges(document: &Value) -> &Vec<Value> {
    document["ranges"].as_array().unwrap()
}

/// A filesystem with something of every kind of block, made by mke2fs and debugfs.
fn filesystem(directory: &Path, name: &str, options: &[&str]) -> PathBuf {
    let root = directory.join(format!("{name}-root"));
    fs::create_dir_all(root.join("deep/er/than")).unwrap();
    fs::write(root.join("deep/er/than/content"), bytes(200_000)).unwrap();
    fs::write(root.join("marked"), b"x").unwrap();
    // Every other block is a hole: too many extents for an inode.
    let pieces = File::create(root.join("deep/pieces")).unwrap();
    for piece in 0..40 {
        pieces.write_all_at(&[1], piece * 8192).unwrap();
    }
    let image = directory.join(name);
    // So that each kind keeps room for further descriptors.
    let options = [options, &["-E", "resize=8000000"]].concat();
    make_image_with(&options, &root, &image, "10M");
    let value = directory.join("value");
    fs::write(&value, bytes(500)).unwrap();
    let command = format!("ea_set -f {} /marked user.mark", value.display());
    oracles::debugfs_write(&image, &[&command]);
    image
}

/// The first number behind these words in what a program of e2fsprogs says.
fn number_behind(text: &str, words: &str) -> u64 {
    let (_, behind) = text
        .split_once(words)
        .unwrap_or_else(|| panic!("no {words:?} in {text}"));
    let digits: String = behind
        .chars()
        .skip_while(|letter| !letter.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}

/// Blocks of each kind, as e2fsprogs sees them: block, kind, path.
fn known_blocks(image: &Path, has_journal: bool) -> Vec<(u64, &'static str, Option<&'static str>)> {
    let dumped = oracles::succeed("dumpe2fs", [image.as_os_str()]);
    let dumped = String::from_utf8(dumped).unwrap();
    let asked = |command: &str| oracles::debugfs(image, &[command]);
    let mapped = |path: &str, block: u64| -> u64 {
        let said = asked(&format!("bmap {path} {block}"));
        let mut number = said.lines().filter_map(|line| line.trim().parse().ok());
        number.next_back().unwrap_or_else(|| panic!("{said}"))
    };
    let stat = |path: &str| asked(&format!("stat {path}"));
    let pieces = stat("/deep/pieces");
    let map = match pieces.contains("(ETB0)") {
        true => number_behind(&pieces, "(ETB0):"),
        false => number_behind(&pieces, "(IND):"),
    };
    let content = Some("/deep/er/than/content");
    let mut known = vec![
        (
            number_behind(&dumped, "Group descriptors at"),
            "descriptors",
            None,
        ),
        (
            number_behind(&dumped, "Reserved GDT blocks at"),
            "descriptors",
            None,
        ),
        (number_behind(&dumped, "Block bitmap at"), "bitmaps", None),
        (number_behind(&dumped, "Inode bitmap at"), "bitmaps", None),
        // Not its first block, which has the root directory's inode.
        (
            number_behind(&dumped, "Inode table at") + 3,
            "inode_tables",
            None,
        ),
        (mapped("/deep/er", 0), "directories", Some("/deep/er")),
        (map, "block_maps", Some("/deep/pieces")),
        (
            number_behind(&stat("/marked"), "File ACL:"),
            "attributes",
            Some("/marked"),
        ),
        (mapped("/deep/er/than/content", 7), "content", content),
        (
            number_behind(&asked("ffb 1"), "Free blocks found:"),
            "free",
            None,
        ),
    ];
    if has_journal {
        known.push((mapped("<8>", 5), "journal", None));
    }
    known
}

#[test]
fn each_block_is_told_by_what_it_is_part_of_and_whose_it_is() {
    let directory = tempfile::tempdir().unwrap();
    for (name, options, block_bytes) in [
        ("ext2-1k", &["-t", "ext2", "-b", "1024"][..], 1024),
        ("ext2", &["-t", "ext2", "-b", "4096"], 4096),
        ("ext3", &["-t", "ext3", "-b", "4096"], 4096),
        ("ext4-1k", &["-t", "ext4", "-b", "1024"], 1024),
        ("ext4", &["-t", "ext4", "-b", "4096"], 4096),
        (
            "ext4-nocsum",
            &["-t", "ext4", "-b", "2048", "-O", "^metadata_csum"],
            2048,
        ),
    ] {
        let image = filesystem(directory.path(), name, options);
        let mut known = known_blocks(&image, !name.starts_with("ext2"));
        let end = fs::metadata(&image).unwrap().len();
        // Where nothing is but a label that was never set, and behind the end.
        known.push((1024 / block_bytes, "superblocks", None));
        known.push((end / block_bytes, "behind_filesystem", None));
        let changed = directory.path().join("changed");
        fs::copy(&image, &changed).unwrap();
        let file = File::options()
            .read(true)
            .write(true)
            .open(&changed)
            .unwrap();
        for (index, (block, kind, path)) in known.into_iter().enumerate() {
            let at = match kind {
                "superblocks" => 1024 + 0x88 + 5,
                _ => block * block_bytes + 900,
            };
            let mut byte = [0];
            let read = file.read_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
            // What is damaged may be either side's.
            let (a, b) = match index % 2 {
                0 => (&image, &changed),
                _ => (&changed, &image),
            };
            let document = diff_blocks(a, b, &["--json"]).ended_with(1).json();
            let found = ranges(&document);
            let why = format!("{name}, block {block}, {kind}: {found:?}");
            assert_eq!(found.len(), 1, "{why}");
            let range = &found[0];
            assert_eq!(range["offset_bytes"], block * block_bytes, "{why}");
            let owner = (&range["kind"], &range["path"]);
            assert_eq!(owner, (&json!(kind), &json!(path)), "{why}");
            if kind != "behind_filesystem" {
                assert_eq!(range["differing_bytes"], 1, "{why}");
                assert_eq!(range["length_bytes"], block_bytes, "{why}");
            }
            file.write_all_at(&byte[..read], at).unwrap();
            file.set_len(end).unwrap();
        }
    }
}

/// As whoever reads both as a whole counts them.
fn counted(a: &[u8], b: &[u8], block: usize) -> (u64, u64) {
    let longer = a.len().max(b.len());
    let (mut blocks, mut differing) = (0, 0);
    for start in (0..longer).step_by(block) {
        let count = (start..(start + block).min(longer))
            .filter(|at| a.get(*at) != b.get(*at))
            .count();
        differing += count as u64;
        blocks += u64::from(count > 0);
    }
    (blocks, differing)
}

#[test]
fn the_figures_are_those_of_a_plain_comparison_and_the_sums_are_of_the_ranges() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let small = filesystem(directory.path(), "small", &["-t", "ext3", "-b", "1024"]);
    let large = filesystem(directory.path(), "large", &["-t", "ext4", "-b", "4096"]);
    let (whole, longer) = (fs::read(&large).unwrap(), at("longer"));
    fs::write(at("cut"), &whole[..whole.len() - 12_345]).unwrap();
    fs::write(&longer, [&whole[..], &bytes(70_001)].concat()).unwrap();
    fs::write(at("plain"), bytes(3_000_000)).unwrap();
    for (a, b, block) in [
        (&small, &large, 1024),
        (&large, &longer, 4096),
        (&at("cut"), &longer, 4096),
        (&at("plain"), &small, 1024),
        (&at("plain"), &at("cut"), 4096),
    ] {
        let document = diff_blocks(a, b, &["--json"]).ended_with(1).json();
        let sum = |of: &Value, key: &str| -> u64 {
            let rows = of.as_array().unwrap().iter();
            rows.map(|row| row[key].as_u64().unwrap()).sum()
        };
        let figure = |key: &str| document[key].as_u64().unwrap();
        let found = (figure("differing_blocks"), figure("differing_bytes"));
        let expected = counted(&fs::read(a).unwrap(), &fs::read(b).unwrap(), block);
        assert_eq!(found, expected, "{a:?} {b:?}");
        assert_eq!(figure("block_bytes"), block as u64);
        assert_eq!(sum(&document["kinds"], "differing_blocks"), found.0);
        assert_eq!(sum(&document["kinds"], "differing_bytes"), found.1);
        assert_eq!(sum(&document["ranges"], "differing_bytes"), found.1);
        let mut end = 0;
        for range in ranges(&document) {
            let start = range["offset_bytes"].as_u64().unwrap();
            assert!(start >= end, "{range}");
            end = start + range["length_bytes"].as_u64().unwrap();
        }
        // The other way round as much differs.
        let back = diff_blocks(b, a, &["--json"]).ended_with(1).json();
        assert_eq!(back["differing_blocks"], document["differing_blocks"]);
        assert_eq!(back["differing_bytes"], document["differing_bytes"]);
    }
}

/// Two images of a root, one file of which changed.
fn two_versions() -> (Pressed, PathBuf, PathBuf) {
    let pressed = Pressed::new();
    let image = |content: &[u8], name: &str| {
        let mut layer = Layer::new().directory("usr").directory("usr/share");
        for directory in 0..25 {
            let path = format!("usr/share/d{directory}");
            layer = layer.directory(&path);
            layer = layer.file(&format!("{path}/file"), &[content, &[b'x'; 9000]].concat());
        }
        fs::write(pressed.at(&format!("{name}.tar")), layer.tar()).unwrap();
        let reference = format!("rootfs:{}.tar", pressed.path(name));
        PathBuf::from(pressed.build(&reference, &format!("{name}.img")))
    };
    let (one, other) = (image(b"one", "one"), image(b"two", "two"));
    (pressed, one, other)
}

#[test]
fn people_are_shown_kinds_and_the_directories_with_most_and_nothing_of_equal_files() {
    let (pressed, one, other) = two_versions();
    let equal = diff_blocks(&one, &one, &[]).ended_with(0);
    assert_eq!((&*equal.stdout, &*equal.stderr), ("", ""));
    let ran = diff_blocks(&one, &other, &[]).ended_with(1);
    assert_eq!(ran.stderr, "");
    let text = &ran.stdout;
    for expected in [
        "    blocks       bytes  part of\n",
        "superblocks\n",
        "        25        75 B  content\n",
        "    blocks       bytes  directory\n",
        "        25        75 B  /usr/share\n",
        " blocks of 4 KiB differ",
    ] {
        let expected = expected.replace(" blocks of 4 KiB differ", " of 4 KiB (");
        assert!(text.contains(&expected), "{expected:?}: {text}");
    }
    let deeper = diff_blocks(&one, &other, &["--depth", "3"]).ended_with(1);
    let rows = deeper
        .stdout
        .lines()
        .filter(|line| line.contains("/usr/share/d"));
    assert_eq!(rows.count(), 20, "{}", deeper.stdout);
    assert!(
        deeper
            .stdout
            .contains("         5        15 B  (5 others)\n"),
        "{}",
        deeper.stdout
    );
    let json = diff_blocks(&one, &other, &["--depth", "3", "--json"]).json();
    assert_eq!(json["directories"].as_array().unwrap().len(), 25);
    drop(pressed);
}

#[test]
fn what_holds_no_filesystem_is_compared_all_the_same_and_said_to_hold_none() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("one"), bytes(10_000)).unwrap();
    fs::write(at("other"), [&bytes(5000)[..], b"end"].concat()).unwrap();
    let ran = diff_blocks(&at("one"), &at("other"), &["--json"]).ended_with(1);
    let document = ran.json();
    assert_eq!(document["a_filesystem_type"], Value::Null);
    assert_eq!(document["warnings"].as_array().unwrap().len(), 2);
    let kinds: Vec<_> = document["kinds"].as_array().unwrap().iter().collect();
    assert_eq!(kinds.len(), 1);
    assert_eq!(
        (&kinds[0]["kind"], &kinds[0]["differing_blocks"]),
        (&json!("other"), &json!(2))
    );
    let text = diff_blocks(&at("one"), &at("other"), &[]).ended_with(1);
    assert!(!text.stdout.contains("part of"), "{}", text.stdout);
    assert_eq!(
        text.stderr
            .matches("expected an ext2, ext3 or ext4 filesystem")
            .count(),
        2
    );
    diff_blocks(&at("one"), &at("one"), &[]).ended_with(0);
    // One side alone can say what blocks are.
    let image = filesystem(directory.path(), "image", &["-t", "ext4", "-b", "4096"]);
    let json = diff_blocks(&at("one"), &image, &["--json"])
        .ended_with(1)
        .json();
    assert_eq!(
        (&json["a_filesystem_type"], &json["b_filesystem_type"]),
        (&Value::Null, &json!("ext4"))
    );
    let json = diff_blocks(&image, &at("one"), &["--json"])
        .ended_with(1)
        .json();
    assert!(
        ranges(&json).iter().any(|range| range["kind"] == "content"),
        "{json}"
    );
}

#[test]
fn what_is_no_file_is_refused_with_what_was_found() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"x").unwrap();
    let ran = diff_blocks(&file, directory.path(), &[]).ended_with(5);
    assert!(ran.stderr.contains("found a directory"), "{}", ran.stderr);
    let reference = Path::new("docker://example.org/name:1");
    let ran = diff_blocks(reference, &file, &[]).ended_with(5);
    assert!(
        ran.stderr.contains("has to be built first"),
        "{}",
        ran.stderr
    );
    diff_blocks(&file, &directory.path().join("absent"), &[]).ended_with(3);
    for more in [["--stat"], ["--packages"], ["--ignore=mode"]] {
        diff_blocks(&file, &file, &more).ended_with(2);
    }
}

/// Bytes that were read of a file, as strace sees them.
fn bytes_read(strace: &Path, log: &Path, a: &Path, b: &Path) -> u64 {
    let traced = std::process::Command::new(strace)
        .args([
            "-f",
            "-qq",
            "-s",
            "0",
            "-e",
            "trace=pread64,read,preadv2",
            "-o",
        ])
        .arg(log)
        .args([Path::new("-P"), a, Path::new("-P"), b])
        .arg(LAYERPRESS)
        .args(["diff", "-q", "--blocks", "--json"])
        .args([a, b])
        .output()
        .unwrap();
    assert_eq!(traced.status.code(), Some(1), "{traced:?}");
    let log = fs::read_to_string(log).unwrap();
    let results = log.lines().filter_map(|line| line.rsplit_once(" = "));
    results
        .map(|(_, bytes)| bytes.trim().parse::<u64>().unwrap())
        .sum()
}

#[test]
fn both_files_are_read_once_and_what_is_a_hole_in_both_is_not() {
    let Some(strace) = oracles::program("strace") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    for name in ["a", "b", "c"] {
        fs::write(root.join(name), bytes(4 << 20)).unwrap();
    }
    let log = directory.path().join("log");
    let at = |name: &str| directory.path().join(name);
    // 64 GiB of holes behind 12 MiB of data.
    make_image_with(&["-t", "ext4", "-N", "2000"], &root, &at("one"), "64G");
    fs::write(root.join("b"), vec![9; 4 << 20]).unwrap();
    make_image_with(&["-t", "ext4", "-N", "2000"], &root, &at("other"), "64G");
    let host = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(at(name)).unwrap().blocks() * 512
    };
    let read = bytes_read(&strace, &log, &at("one"), &at("other"));
    let data = host("one") + host("other");
    // Descriptors and tables are looked at once more, to tell what is what.
    assert!(
        read > 24 << 20 && read < data + data / 4,
        "{read} of {data}"
    );
}

#[test]
fn a_map_of_holes_that_claims_everything_costs_what_its_file_holds() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a"), bytes(20 * 4096)).unwrap();
    let image = directory.path().join("image");
    make_image_with(
        &["-t", "ext2", "-b", "4096", "-N", "64"],
        &root,
        &image,
        "1T",
    );
    // A block of pointers to itself, thrice indirect: 2^30 blocks that it claims.
    let block = number_behind(&oracles::debugfs(&image, &["stat /a"]), "(IND):");
    let number = u32::try_from(block).unwrap().to_le_bytes();
    let file = File::options().write(true).open(&image).unwrap();
    let far = |index: u32| (index * 2 + 1_000_000).to_le_bytes();
    let pointers: Vec<u8> = (0..1024)
        .flat_map(|index| if index % 2 == 0 { number } else { far(index) })
        .collect();
    file.write_all_at(&pointers, block * 4096).unwrap();
    let size = format!("sif /a size {}", 1_u64 << 40);
    let (dind, tind) = (
        format!("sif /a block[DIND] {block}"),
        format!("sif /a block[TIND] {block}"),
    );
    oracles::debugfs_write(&image, &[&size, &dind, &tind]);
    let other = directory.path().join("other");
    fs::write(&other, b"x").unwrap();
    let press = support::run::Press::new();
    let mut command = press.command_within(400 << 20, "diff");
    command
        .args(["--blocks", "-q", "--progress", "none"])
        .args([&image, &other]);
    let ended = press.run(&mut command);
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
}

#[test]
fn numbers_beyond_all_bounds_in_a_descriptor_or_of_a_clusters_size_are_no_blocks() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("a"), bytes(9000)).unwrap();
    // `bg_inode_table_lo` and `_hi` of the first descriptor; `s_log_cluster_size`.
    let table = |table: u64| {
        let (low, high) = (table as u32, (table >> 32) as u32);
        vec![(4096 + 8, low), (4096 + 0x28, high)]
    };
    for (features, changes) in [
        ("64bit,^metadata_csum,^uninit_bg", table(u64::MAX)),
        ("64bit,^metadata_csum,^uninit_bg", table(u64::MAX - 1)),
        ("64bit,^metadata_csum,^uninit_bg", table(1 << 52)),
        ("bigalloc,^metadata_csum,^uninit_bg", vec![(1024 + 28, 61)]),
    ] {
        let image = directory.path().join("image");
        let options = ["-t", "ext4", "-b", "4096", "-O", features];
        make_image_with(&options, &root, &image, "10M");
        let file = File::options().write(true).open(&image).unwrap();
        for (at, word) in &changes {
            file.write_all_at(&word.to_le_bytes(), *at).unwrap();
        }
        let other = directory.path().join("other");
        fs::write(&other, vec![1; 10 << 20]).unwrap();
        let ran = diff_blocks(&image, &other, &["-q"]);
        assert_eq!(ran.code, 1, "{features} {changes:x?}: {}", ran.stderr);
        fs::remove_file(&image).unwrap();
    }
}
