//! The bytes of built images, written down: whatever is changed inside, the same image and the same
//! options go on giving what `images.txt` says, whatever the e2fsprogs of the machine.
//!
//! Bytes that are meant to change are written anew, by root, with `LAYERPRESS_GOLDEN=write cargo test
//! --locked --test golden every_image`, which is refused where `CI` is set. The table's own change
//! then shows which images became others; the commit says why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod inputs;
#[cfg(feature = "network")]
mod servers;
mod sources;
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use layerpress::oci::DigestHasher;
use support::run;
use table::Table;

/// The options that every input is built with.
const EVERYWHERE: [&str; 4] = ["", "--size fit --journal 4M", "--fs ext4", "--fs ext2"];

/// Those that small inputs are built with besides: two groups of blocks.
const OF_SMALL_ONES: [&str; 1] = ["--size 140M"];

/// Those that large inputs are built with besides: of small ones the journal makes one size.
const OF_LARGE_ONES: [&str; 3] = ["--size fit", "--size 120%", "--size 190M"];

/// Those that the image of layers is built with besides.
const OF_THE_IMAGE: [&str; 26] = [
    "--size fit",
    "--size 100%",
    "--size 3000%",
    "--size +64M",
    "--size 200M",
    "--size 300M",
    "--journal 4M",
    "--journal 16M",
    "--journal 64M",
    "--free-inodes 5000",
    "--size 64M --free-inodes 70000",
    "--size fit --journal 8M --free-inodes 100",
    "--label sixteen-bytes-ab",
    "--uuid 01234567-89ab-4def-8123-456789abcdef",
    "--hash-seed 01234567-89ab-4def-8123-456789abcdef",
    "--source-date-epoch 0",
    "--source-date-epoch 1234567890",
    "--source-date-epoch -5",
    "--source-date-epoch 4294967296",
    "--size 300M --journal 20M --label both --source-date-epoch 1700000000",
    "--fs ext4 --size 300M --source-date-epoch 1234567890",
    "--fs ext4 --size 3G --free-inodes 5000",
    "--fs ext4 --size fit --journal none",
    "--fs ext4 --uuid 01234567-89ab-4def-8123-456789abcdef",
    "--fs ext2 --size +64M",
    "--verity --fs ext4",
];

/// The row of an input built with options.
fn row(input: &str, options: &str) -> String {
    format!("{input} {options}").trim_end().to_owned()
}

/// The program with nothing of this machine's environment but where programs are.
fn layerpress() -> Command {
    let mut command = run::layerpress();
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap());
    command
}

/// The SHA-256 of what a build of `image` gives, as `prepare` has it called, in hexadecimal.
fn built(image: &OsStr, options: &str, prepare: impl FnOnce(&mut Command)) -> String {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("image.img");
    let mut command = layerpress();
    command.args(["build", "--no-fsck", "--platform", "linux/amd64"]);
    command.args(options.split_whitespace());
    command.arg("-o").arg(&output).arg(image);
    prepare(&mut command);
    let ended = run::output_of(&mut command);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{command:?}: {said}");
    sha256(&output)
}

fn sha256(path: &Path) -> String {
    let mut hasher = DigestHasher::sha256();
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).unwrap() {
            0 => break,
            length => hasher.update(&buffer[..length]),
        }
    }
    hasher.finish().to_string()["sha256:".len()..].to_owned()
}

#[test]
fn every_image_has_the_bytes_that_are_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let inputs = inputs::write(directory.path());
    let mut cases = Vec::new();
    for (name, reference) in &inputs {
        cases.extend(EVERYWHERE.map(|options| (name, reference, options)));
        let more = match &name[..] {
            inputs::IMAGE => &OF_THE_IMAGE[..],
            name if name.ends_with("-mebibytes") => &OF_LARGE_ONES,
            _ => &OF_SMALL_ONES,
        };
        let more = more.iter().copied();
        cases.extend(more.map(|options| (name, reference, options)));
    }
    let made = Mutex::new(BTreeMap::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, reference, options)) =
                    cases.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let sha256 = built(reference, options, |_| ());
                    made.lock().unwrap().insert(row(name, options), sha256);
                }
            });
        }
    });
    let made = made.into_inner().unwrap();
    assert_eq!(made.len(), cases.len(), "two cases have one name");
    let mut unmade = BTreeSet::new();
    if !inputs.contains_key(inputs::DIRECTORY) {
        let options = EVERYWHERE.into_iter().chain(OF_SMALL_ONES);
        unmade.extend(options.map(|options| row(inputs::DIRECTORY, options)));
    }
    if table::is_to_be_written() {
        assert!(unmade.is_empty(), "only root makes the rows {unmade:?}");
        Table(made).write();
        return;
    }
    let wrong = Table::read().differences(&made, &unmade);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Sizes and journals of one input may come to the same; were the sum of something else than the
/// images, inputs would agree.
#[test]
fn inputs_have_bytes_of_their_own() {
    let mut inputs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (row, sha256) in Table::read().0 {
        let input = row.split(' ').next().unwrap().to_owned();
        inputs.entry(sha256).or_default().insert(input);
    }
    assert!(
        inputs.values().all(|inputs| inputs.len() == 1),
        "{inputs:#?}"
    );
    assert!(inputs.len() > 50, "{} sums", inputs.len());
}
