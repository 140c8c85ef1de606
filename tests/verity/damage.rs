//! `verify --roothash`: what is damaged is found, counted and named, without privileges.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use layerpress::verity::{Salt, Shape};
use serde_json::Value;

use super::support::archive::TestImage;
use super::support::oracles;
use super::support::run::{Ended, Press};
use super::support::session::Layer;
use super::{KINDS, append, built};

/// An image with something of everything that has blocks.
fn press() -> Press {
    let large: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut layer = Layer::new()
        .file("large", &large)
        .directory("sub")
        .file("sub/small", b"some text\n")
        .symlink("link", &"far/".repeat(40))
        .file_with_xattr("marked", ("user.mark", &[b'm'; 2000]))
        .directory("many");
    for number in 0..300 {
        layer = layer.file(&format!("many/with-a-rather-long-name-{number}"), b"");
    }
    let press = Press::new();
    let image = TestImage::new([layer.tar()]);
    image.classic_archive(&["test:1"]).write_tar(&press.image());
    press
}

struct Subject {
    press: Press,
    root: String,
}

impl Subject {
    fn new(options: &[&str]) -> Self {
        let press = press();
        let options = [&["--verity", "--size=20M"], options].concat();
        let root = built(&press, &options);
        Self { press, root }
    }

    fn image(&self) -> PathBuf {
        self.press.output()
    }

    fn verify(&self, options: &[&str]) -> Ended {
        let mut verify = self.press.command("verify");
        verify.arg(self.image()).args(["--roothash", &self.root]);
        self.press.run(verify.args(options))
    }

    fn damaged(&self) -> Value {
        let ended = self.verify(&["--json"]);
        assert_eq!(ended.code(), 8, "{}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Changes a byte of a block and expects that block, and no other, to be told as this.
    fn expect(&self, block: u64, path: Option<&str>, part: &str) {
        let flipped = Flipped::new(&self.image(), block * 4096 + 100);
        let told = self.damaged();
        let verity = &told["verity"];
        let count = [
            "damaged_data_blocks",
            "damaged_hash_blocks",
            "unproven_data_blocks",
        ];
        assert_eq!(count.map(|name| &verity[name]), [1, 0, 0], "{part}");
        let damage = &verity["damaged"][0];
        assert_eq!(damage["block"], block, "{damage}");
        assert_eq!(damage["offset_bytes"], block * 4096, "{damage}");
        assert_eq!(damage["part"], part, "{damage}");
        assert_eq!(damage["path"].as_str(), path, "{damage}");
        assert_eq!(damage["inode"].is_u64(), path.is_some(), "{damage}");
        let text = self.verify(&[]).stdout;
        assert!(
            text.contains(&format!("data block {block} at byte ")),
            "{text}"
        );
        assert!(text.contains(part), "{text}");
        drop(flipped);
        self.verify(&["-q"]).succeeded();
    }

    fn debugfs(&self, command: &str) -> String {
        oracles::debugfs(&self.image(), &[command])
    }

    /// Where debugfs says that a block of a file is.
    fn block_of(&self, file: &str, block: u64) -> u64 {
        let text = self.debugfs(&format!("bmap {file} {block}"));
        let mut numbers = text.lines().filter_map(|line| line.trim().parse().ok());
        numbers.next_back().unwrap_or_else(|| panic!("{text}"))
    }

    /// The number behind some words of what debugfs or dumpe2fs says.
    fn number_behind(text: &str, words: &str) -> u64 {
        let (_, rest) = text
            .split_once(words)
            .unwrap_or_else(|| panic!("no {words}: {text}"));
        let digits: String = rest
            .trim_start()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().unwrap()
    }

    fn blocks(&self) -> u64 {
        let length = fs::metadata(self.image()).unwrap().len();
        Shape::with_area_of(length / 4096).unwrap().data_blocks()
    }
}

/// A byte that is another until this goes.
struct Flipped {
    file: File,
    at: u64,
    byte: u8,
}

impl Flipped {
    fn new(path: &Path, at: u64) -> Self {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        let [byte] = byte;
        file.write_all_at(&[byte ^ 0x10], at).unwrap();
        Self { file, at, byte }
    }
}

impl Drop for Flipped {
    fn drop(&mut self) {
        self.file.write_all_at(&[self.byte], self.at).unwrap();
    }
}

#[test]
fn every_part_of_a_filesystem_is_named_as_debugfs_knows_it() {
    for kind in KINDS {
        let subject = Subject::new(&["--fs", kind]);
        let dumped = oracles::succeed("dumpe2fs", [subject.image()]);
        let dumped = String::from_utf8(dumped).unwrap();
        let found = |words: &str| Subject::number_behind(&dumped, words);
        subject.expect(0, None, "superblock");
        subject.expect(1, None, "group descriptors");
        subject.expect(2, None, "room for further group descriptors");
        subject.expect(found("Block bitmap at "), None, "block bitmap of group 0");
        subject.expect(found("Inode bitmap at "), None, "inode bitmap of group 0");
        let table = found("Inode table at ");
        subject.expect(table + 1, None, "inode table of group 0, inodes 17 to 32");
        if kind != "ext2" {
            subject.expect(subject.block_of("<8>", 7), None, "journal");
        }
        // What maps the journal is no less the filesystem's own.
        if kind == "ext3" {
            let map = Subject::number_behind(&subject.debugfs("stat <8>"), "(IND):");
            subject.expect(map, None, "journal");
        }
        let large = subject.block_of("/large", 200);
        subject.expect(large, Some("/large"), "block 200 of the file");
        let small = subject.block_of("/sub/small", 0);
        subject.expect(small, Some("/sub/small"), "block 0 of the file");
        let many = subject.block_of("/many", 2);
        subject.expect(many, Some("/many"), "block 2 of the directory");
        let root = subject.block_of("/", 0);
        subject.expect(root, Some("/"), "block 0 of the directory");
        let link = subject.block_of("/link", 0);
        subject.expect(link, Some("/link"), "the symbolic link's target");
        let marked = Subject::number_behind(&subject.debugfs("stat /marked"), "File ACL: ");
        subject.expect(marked, Some("/marked"), "its extended attributes");
        if kind != "ext4" {
            let map = Subject::number_behind(&subject.debugfs("stat /large"), "(IND):");
            subject.expect(map, Some("/large"), "its block map");
        }
        let free = Subject::number_behind(&subject.debugfs("ffb 1"), "Free blocks found: ");
        subject.expect(free, None, "a free block");
    }
}

#[test]
fn all_damaged_blocks_are_counted_and_the_first_ten_named() {
    let subject = Subject::new(&[]);
    let blocks: Vec<_> = (20..45)
        .map(|block| subject.block_of("/large", block))
        .collect();
    let flipped: Vec<_> = blocks
        .iter()
        .map(|block| Flipped::new(&subject.image(), block * 4096))
        .collect();
    let told = subject.damaged();
    assert_eq!(told["verity"]["damaged_data_blocks"], 25);
    let named = told["verity"]["damaged"].as_array().unwrap();
    let numbers: Vec<_> = named
        .iter()
        .map(|one| one["block"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, blocks[..10]);
    let text = subject.verify(&[]).stdout;
    assert_eq!(text.lines().count(), 12, "{text}");
    assert!(text.contains("and 15 more data blocks\n"), "{text}");
    assert!(text.contains("damaged: 25 of "), "{text}");
    drop(flipped);
}

#[test]
fn what_no_directory_leads_to_is_named_by_its_inode() {
    let subject = Subject::new(&[]);
    let small = subject.block_of("/sub/small", 0);
    let inode = Subject::number_behind(&subject.debugfs("stat /sub/small"), "Inode: ");
    let directory = subject.block_of("/sub", 0);
    let file = File::options().write(true).open(subject.image()).unwrap();
    file.write_all_at(&[0xff; 4096], directory * 4096).unwrap();
    let flipped = Flipped::new(&subject.image(), small * 4096);
    let told = subject.damaged();
    let named = told["verity"]["damaged"].as_array().unwrap();
    let by_inode = named.iter().find(|one| one["block"] == small).unwrap();
    assert_eq!(by_inode["inode"], inode);
    assert!(by_inode["path"].is_null());
    let text = subject.verify(&[]).stdout;
    let line = format!("inode {inode}: block 0 of the file");
    assert!(text.contains(&line), "{text}");
    drop(flipped);
}

#[test]
fn a_superblock_that_is_none_any_more_is_told_all_the_same() {
    let subject = Subject::new(&[]);
    let flipped = Flipped::new(&subject.image(), 1024 + 0x38);
    let told = subject.damaged();
    let verity = &told["verity"];
    assert_eq!(verity["damaged"][0]["block"], 0);
    assert!(verity["damaged"][0]["part"].is_null());
    assert!(
        verity["unowned"].as_str().unwrap().contains("found "),
        "{verity}"
    );
    drop(flipped);
    // A count of blocks that leads to another place.
    let flipped = Flipped::new(&subject.image(), 1024 + 4);
    assert_eq!(subject.damaged()["verity"]["damaged"][0]["block"], 0);
    drop(flipped);
}

#[test]
fn damaged_hashes_are_told_apart_from_damaged_data() {
    let subject = Subject::new(&[]);
    let blocks = subject.blocks();
    assert_eq!(Shape::of(blocks).levels(), [40, 1]);
    let area = blocks * 4096;
    // The superblock, level 1, then level 0. The data are right as a whole, and so is their hash.
    for (at, level, block) in [(1, 1, 0), (2, 0, 0), (5, 0, 3)] {
        let flipped = Flipped::new(&subject.image(), area + at * 4096 + 33);
        let told = subject.damaged();
        let verity = &told["verity"];
        let counts = [
            "damaged_data_blocks",
            "damaged_hash_blocks",
            "unproven_data_blocks",
        ];
        assert_eq!(counts.map(|name| &verity[name]), [0, 1, 0]);
        let damage = &verity["damaged"][0];
        assert_eq!(
            (&damage["level"], &damage["block"]),
            (&level.into(), &block.into())
        );
        assert_eq!(damage["offset_bytes"], area + at * 4096);
        assert_eq!(verity["computed_root_hash"], subject.root.as_str());
        drop(flipped);
    }
    // Both: what the damaged block speaks of is known neither way, all else is.
    let hash = Flipped::new(&subject.image(), area + 5 * 4096);
    let within = Flipped::new(&subject.image(), (3 * 128 + 7) * 4096);
    let apart = Flipped::new(&subject.image(), (4 * 128 + 7) * 4096);
    let told = subject.damaged();
    let verity = &told["verity"];
    let counts = [
        "damaged_data_blocks",
        "damaged_hash_blocks",
        "unproven_data_blocks",
    ];
    assert_eq!(counts.map(|name| &verity[name]), [1, 1, 128]);
    assert_eq!(verity["damaged"][0]["block"], 4 * 128 + 7);
    let text = subject.verify(&[]).stdout;
    assert!(text.contains("hash block 3 of level 0 at byte "), "{text}");
    assert!(text.contains("for data blocks 384 to 511\n"), "{text}");
    assert!(
        text.contains("; of 128 data blocks the hashes are lost\n"),
        "{text}"
    );
    drop((hash, within, apart));
    // The salt is in nothing that the root hash vouches for, and everything hangs on it.
    let salt = Flipped::new(&subject.image(), area + 88);
    let verity = &subject.damaged()["verity"];
    assert_eq!(verity["unproven_data_blocks"], blocks);
    assert!(subject.verify(&[]).stdout.contains("another filesystem's"));
    drop(salt);
    subject.verify(&[]).succeeded();
}

#[test]
fn another_filesystems_root_hash_is_told_as_that() {
    let mut subject = Subject::new(&[]);
    let right = std::mem::replace(&mut subject.root, "ab".repeat(32));
    let told = subject.damaged();
    assert_eq!(told["verity"]["another"], true);
    assert_eq!(told["verity"]["computed_root_hash"], right.as_str());
    let ended = subject.verify(&["-q"]);
    assert_eq!(ended.code(), 8);
    assert!(ended.stdout.contains(&right), "{}", ended.stdout);
    assert!(ended.stdout.starts_with("different: "), "{}", ended.stdout);
}

#[test]
fn with_an_image_both_are_proven() {
    let subject = Subject::new(&[]);
    let image = subject.press.image().display().to_string();
    let ended = subject.verify(&[&image]);
    let text = ended.succeeded();
    assert!(
        text.starts_with("sound: 5,120 data blocks, 41 hash blocks\nequal: "),
        "{text}"
    );
    let json = subject.verify(&[&image, "--json"]);
    let json: Value = serde_json::from_str(json.succeeded()).unwrap();
    assert_eq!(
        (&json["equal"], &json["verity"]["sound"]),
        (&true.into(), &true.into())
    );
    assert!(subject.verify(&[&image, "-q"]).succeeded().is_empty());
    let block = subject.block_of("/large", 3);
    let flipped = Flipped::new(&subject.image(), block * 4096);
    let ended = subject.verify(&[&image]);
    assert_eq!(ended.code(), 8);
    assert!(
        ended.stdout.contains("/large: block 3 of the file\n"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("different: 0 missing"),
        "{}",
        ended.stdout
    );
    drop(flipped);
    // Sound, and of another image.
    let other = super::press();
    let ended = subject.verify(&[other.image().to_str().unwrap()]);
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    assert!(ended.stdout.starts_with("sound: "), "{}", ended.stdout);
    // Damaged so that nothing can be compared.
    let flipped = Flipped::new(&subject.image(), 1024 + 0x38);
    let ended = subject.verify(&[&image]);
    assert_eq!(ended.code(), 4, "{}", ended.stderr);
    assert!(
        ended.stdout.contains("data block 0 at byte 0\n"),
        "{}",
        ended.stdout
    );
    drop(flipped);
}

#[test]
fn a_tree_may_be_in_a_file_of_its_own_at_any_place() {
    let subject = Subject::new(&[]);
    let area = subject.blocks() * 4096;
    let bytes = fs::read(subject.image()).unwrap();
    let tree = subject.press.root().join("tree");
    let [tree_name, offset] = [tree.to_str().unwrap(), &area.to_string()].map(str::to_owned);
    subject.verify(&["--hash-offset", &offset]).succeeded();
    fs::write(&tree, &bytes[area as usize..]).unwrap();
    subject.verify(&["--verity-file", &tree_name]).succeeded();
    fs::write(&tree, [&[1; 8192], &bytes[area as usize..]].concat()).unwrap();
    let options = ["--verity-file", &tree_name, "--hash-offset=8192"];
    subject.verify(&options).succeeded();
    let flipped = Flipped::new(&tree, 8192 + 4096 + 5);
    let ended = subject.verify(&options);
    assert_eq!(ended.code(), 8);
    assert!(
        ended
            .stdout
            .contains("hash block 0 of level 1 at byte 12288"),
        "{}",
        ended.stdout
    );
    drop(flipped);
    let help = "--verity-file and --hash-offset say where";
    for options in [&["--verity-file", &tree_name][..], &["--hash-offset=4096"]] {
        subject
            .verify(options)
            .failed(4, &["expected a verity superblock", help]);
    }
    subject
        .verify(&["--hash-offset=18446744073709551615"])
        .failed(4, &["expected a verity superblock"]);
}

#[test]
fn what_has_no_whole_tree_is_refused() {
    let subject = Subject::new(&[]);
    let bytes = fs::read(subject.image()).unwrap();
    let filesystem = subject.blocks() as usize * 4096;
    let put = |bytes: &[u8]| fs::write(subject.image(), bytes).unwrap();
    put(&bytes[..bytes.len() - 1]);
    subject
        .verify(&[])
        .failed(4, &["found the end of the file"]);
    put(&bytes[..filesystem + 4096 + 100]);
    subject
        .verify(&[])
        .failed(4, &["found the end of the file"]);
    put(&bytes[..filesystem]);
    subject
        .verify(&[])
        .failed(4, &["expected a verity superblock"]);
    put(&bytes[filesystem..]);
    subject.verify(&[]).failed(4, &["expected a"]);
    put(b"");
    subject
        .verify(&[])
        .failed(4, &["expected a filesystem with a hash tree behind it"]);
}

/// Nothing in a root hash says how many blocks it is of: a tree over less is a tree, too.
#[test]
fn a_tree_over_a_part_of_the_filesystem_proves_nothing() {
    let mut subject = Subject::new(&[]);
    let blocks = subject.blocks();
    let file = File::options()
        .read(true)
        .write(true)
        .open(subject.image())
        .unwrap();
    let part = subject.press.root().join("part");
    fs::copy(subject.image(), &part).unwrap();
    let part_file = File::options().read(true).write(true).open(&part).unwrap();
    part_file.set_len((blocks - 1) * 4096).unwrap();
    let root = append(&part, &part_file, blocks - 1, &Salt::default());
    let area = fs::read(&part)
        .unwrap()
        .split_off((blocks as usize - 1) * 4096);
    file.write_all_at(&area, blocks * 4096).unwrap();
    subject.root = root.to_string();
    let words = ["of the whole filesystem", &(blocks * 4096).to_string()];
    subject.verify(&[]).failed(4, &words);
}
