//! What is written is what `veritysetup format` writes, byte for byte, and `veritysetup verify` takes.

use std::ffi::OsStr;
use std::fs::{self, File};

use layerpress::verity::Salt;

use super::support::run::{LAYERPRESS, output_of};
use super::{UUID_TEXT, append, data, model, oracles};

/// Around the numbers at which a tree gets another block or level.
const COUNTS: [u64; 7] = [1, 2, 127, 128, 129, 16_384, 16_385];

/// Salts of several lengths: the default, none, the longest. Much data has one of them.
fn salts(blocks: u64) -> Vec<Salt> {
    let long: Vec<u8> = (0..=255).collect();
    let mut salts = vec![
        Salt::default(),
        Salt::new(&[]).unwrap(),
        Salt::new(b"\x01salt\xff").unwrap(),
        Salt::new(&long).unwrap(),
    ];
    if blocks > 1000 {
        salts.truncate(1);
    }
    salts
}

fn veritysetup<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    String::from_utf8(oracles::succeed("veritysetup", arguments)).unwrap()
}

/// The root hash that veritysetup tells.
fn told_root(text: &str) -> String {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Root hash:"));
    line.unwrap_or_else(|| panic!("no root hash: {text}"))
        .trim()
        .to_owned()
}

/// The options by which veritysetup makes the same.
fn options(blocks: u64, salt: &Salt) -> Vec<String> {
    let salt = match salt.bytes() {
        [] => "-".to_owned(),
        _ => salt.to_string(),
    };
    [
        "--uuid",
        UUID_TEXT,
        "--salt",
        &salt,
        "--data-blocks",
        &blocks.to_string(),
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn veritysetup_makes_the_same_bytes_behind_the_data_and_takes_ours() {
    if !oracles::installed(&["veritysetup"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|name| directory.path().join(name));
    for blocks in COUNTS {
        for salt in salts(blocks) {
            data(&theirs, blocks);
            let file = data(&ours, blocks);
            let root = append(&ours, &file, blocks, &salt).to_string();
            let offset = format!("--hash-offset={}", blocks * 4096);
            let mut format = options(blocks, &salt);
            let path = theirs.to_str().unwrap();
            format.extend(["format", path, path, &offset].map(str::to_owned));
            assert_eq!(root, told_root(&veritysetup(&format)), "{blocks} {salt}");
            assert!(
                fs::read(&ours).unwrap() == fs::read(&theirs).unwrap(),
                "{blocks} blocks, salt {salt}: other bytes"
            );
            let path = ours.to_str().unwrap();
            veritysetup(["verify", path, path, &root, &offset]);
        }
    }
}

#[test]
fn a_file_of_its_own_is_the_same_as_well() {
    if !oracles::installed(&["veritysetup"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for blocks in COUNTS {
        let salt = Salt::default();
        let file = data(&at("data"), blocks);
        append(&at("data"), &file, blocks, &salt);
        // What is appended does not depend on where it is.
        let area = fs::read(at("data"))
            .unwrap()
            .split_off(blocks as usize * 4096);
        file.set_len(blocks * 4096).unwrap();
        fs::write(at("ours"), &area).unwrap();
        let mut format = options(blocks, &salt);
        let [data, theirs, ours] =
            ["data", "theirs", "ours"].map(|name| at(name).to_str().unwrap().to_owned());
        format.extend(["format".to_owned(), data.clone(), theirs]);
        let root = told_root(&veritysetup(&format));
        assert!(area == fs::read(at("theirs")).unwrap(), "{blocks} blocks");
        veritysetup(["verify", &data, &ours, &root]);
    }
}

/// Without veritysetup, too: another reading of the format, and hashes that veritysetup 2.6.1 told.
#[test]
fn another_reading_of_the_format_gives_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    for blocks in [1, 2, 127, 128, 129, 300, 16_385] {
        for salt in salts(blocks) {
            let file = data(&path, blocks);
            let root = append(&path, &file, blocks, &salt);
            let mut bytes = fs::read(&path).unwrap();
            let area = bytes.split_off(blocks as usize * 4096);
            let (expected, expected_root) = model(&bytes, salt.bytes());
            assert_eq!(root.to_string(), expected_root);
            assert!(area == expected, "{blocks} blocks, salt {salt}");
        }
    }
    for (blocks, golden) in GOLDEN {
        let file = data(&path, blocks);
        let root = append(&path, &file, blocks, &Salt::default());
        assert_eq!(root.to_string(), golden, "{blocks}");
    }
}

/// Root hashes over [`data`] with 32 zero bytes as salt.
const GOLDEN: [(u64, &str); 3] = [
    (
        1,
        "2e534ef0107d592d1706ac38ad58596b85ef3375d360a6d669f974792df5cb5a",
    ),
    (
        129,
        "6c24ab8ebfc9f342fc48e59f707538f91d03d4a1a3fabc0306f5688ce4950c16",
    ),
    (
        16_385,
        "47c976ea11fd25e1f52cb6eb4f599174e4fe59b09948ad38bbbf7b3c0b8ec40a",
    ),
];

#[test]
fn holes_are_not_hashed_one_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sparse");
    let blocks = (8_u64 << 30) / 4096;
    File::create(&path).unwrap().set_len(blocks * 4096).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let root = append(&path, &file, blocks, &Salt::default());
    assert_eq!(root.to_string(), ZEROS_OF_8_GIB);
    // By the processor's time, which other tests have no part in.
    let timed = "TIMEFORMAT='%U'; time \"$0\" verify \"$1\" --roothash \"$2\" --progress none";
    let mut command = std::process::Command::new("bash");
    command.args(["-c", timed, LAYERPRESS]).arg(&path);
    let output = output_of(command.arg(root.to_string()));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "sound: 2,097,152 data blocks, 16,513 hash blocks\n",
        "{told}"
    );
    let seconds: f64 = told.lines().last().unwrap().trim().parse().unwrap();
    // 8 GiB take 4 s and more.
    assert!(seconds < 2.0, "{seconds} s");
}

/// By a model for which each level repeats one digest.
const ZEROS_OF_8_GIB: &str = "73a90673754888c84e9123319ecb09c1633d6436212b998a7d8afe33fa831f10";
