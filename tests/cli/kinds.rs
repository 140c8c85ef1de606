//! `--fs` and `--journal none`, each held against what dumpe2fs finds in the output.

use std::fs;

use super::support::archive::layer_tar;
use super::support::oracles::e2fsck_clean;
use super::support::run::Press;
use super::{build, dumped, dumped_number, json, number, plan, press};

const MIB: u64 = 1 << 20;

/// What is typed, what it is called, and the journal's size.
const KINDS: [(&[&str], &str, u64); 6] = [
    (&[], "ext3", 4 * MIB),
    (&["--fs=ext3"], "ext3", 4 * MIB),
    (&["--fs=ext4"], "ext4", 4 * MIB),
    (
        &["--fs=ext4", "--journal=8M", "--size=40M"],
        "ext4",
        8 * MIB,
    ),
    (&["--fs=ext4", "--journal=none"], "ext4", 0),
    (&["--fs=ext2"], "ext2", 0),
];

#[test]
fn each_kind_is_made_planned_and_told_as_it_is_asked_for() {
    let press = press();
    for (options, kind, journal) in KINDS {
        let ended = plan(&press, &[options, &["--json", "-q"]].concat());
        let planned = json(ended.succeeded());
        let ended = build(&press, &[options, &["--json", "-q"]].concat());
        let built = json(ended.succeeded());
        e2fsck_clean(&press.output());
        for told in [&planned, &built] {
            assert_eq!(told["filesystem_type"], kind, "{options:?}");
            assert_eq!(number(told, "/journal_bytes"), journal, "{options:?}");
        }
        assert_eq!(planned["output_bytes"], built["output_bytes"]);
        assert_eq!(
            number(&planned, "/blocks/free"),
            dumped_number(&press, "Free blocks"),
            "{options:?}"
        );
        let features = dumped(&press, "Filesystem features");
        let has = |name: &str| features.split(' ').any(|feature| feature == name);
        assert_eq!(has("has_journal"), journal > 0, "{options:?} {features}");
        assert_eq!(has("extent"), kind == "ext4", "{options:?} {features}");
        // For people.
        let journal = match journal {
            0 => "no journal".to_owned(),
            bytes => format!("journal {} MiB", bytes / MIB),
        };
        let table = build(&press, options).succeeded().to_owned();
        assert!(table.lines().any(|line| line.starts_with(kind)), "{table}");
        let line = table.lines().find(|line| line.contains(" inodes free, "));
        assert!(line.unwrap().contains(&journal), "{options:?} {table}");
        let table = plan(&press, options).succeeded().to_owned();
        let line = table.lines().find(|line| line.starts_with("type "));
        let expected = format!(" {kind}, {journal}");
        assert!(line.unwrap().ends_with(&expected), "{options:?} {table}");
    }
}

/// One of each size policy goes below what a journal needs, where there is none.
#[test]
fn every_size_policy_knows_that_there_is_no_journal() {
    let press = press();
    for kind in [&["--fs=ext2"][..], &["--fs=ext4", "--journal=none"]] {
        for (size, bytes) in [
            ("--size=fit", 0..MIB),
            ("--size=107%", MIB..MIB + 1),
            ("--size=+1M", MIB..3 * MIB),
            ("--size=4M", 4 * MIB..4 * MIB + 1),
        ] {
            let options = [kind, &[size, "--json", "-q"]].concat();
            let built = json(build(&press, &options).succeeded());
            e2fsck_clean(&press.output());
            let file = fs::metadata(press.output()).unwrap().len();
            assert_eq!(number(&built, "/output_bytes"), file, "{options:?}");
            assert!(bytes.contains(&file), "{options:?} {file}");
        }
        let options = [kind, &["--size=100K"]].concat();
        build(&press, &options).failed(7, &["100 KiB", "mke2fs makes no ext"]);
        // What does not fit is told without a journal that is not there.
        let options = [kind, &["--size=256K", "--free-inodes=600"]].concat();
        let ended = build(&press, &options);
        ended.failed(7, &["given 262144 bytes", " needed"]);
        assert!(!ended.stderr.contains("journal"), "{}", ended.stderr);
    }
}

/// The kernel keeps blocks of an ext4 from everybody, so that it can always cut an extent.
#[test]
fn room_that_is_asked_for_is_an_ordinary_users_whatever_the_kind() {
    let press = press();
    for kind in ["ext2", "ext3", "ext4"] {
        for mebibytes in [8, 300] {
            let size = format!("--size=+{mebibytes}M");
            let planned = plan(&press, &["--fs", kind, &size, "--json"]);
            let planned = json(planned.succeeded());
            let available = number(&planned, "/available_bytes");
            let wanted = mebibytes * MIB..mebibytes * MIB + MIB / 2;
            assert!(wanted.contains(&available), "{kind} {size}: {available}");
        }
    }
}

/// A press with an input that is no image: who reads it ends with 4.
fn without_an_image() -> Press {
    let press = press();
    fs::write(press.image(), b"no image").unwrap();
    press
}

#[test]
fn what_a_kind_cannot_be_is_refused_before_the_image_is_read_and_says_what_is_meant() {
    let press = without_an_image();
    for (options, code, words) in [
        (&["--fs=ext3", "--journal=none"][..], 5, &["--fs ext2"][..]),
        (&["--journal=none"], 5, &["--fs ext2"]),
        (&["--fs=ext2", "--journal=8M"], 5, &["--fs ext3"]),
        (
            &["--size=4M"],
            7,
            &["below 8 MiB", "--fs ext2", "--fs ext4 --journal none"],
        ),
        (
            &["--fs=ext4", "--size=4M"],
            7,
            &["below 8 MiB", "--fs ext4 --journal none"],
        ),
        (&["--fs=ext2", "--size=219K"], 7, &["220 KiB"]),
        (&["--fs=ext5"], 2, &["ext3, ext4, ext2"]),
        (&["--fs="], 2, &["ext3, ext4, ext2"]),
        (&["--journal=nothing"], 2, &["auto, or none"]),
        (&["--journal=1500K"], 2, &["neither auto nor none"]),
        (&["--fs=ext2", "--journal=none"], 4, &["save.tar"]),
        (&["--fs=ext2", "--journal=auto"], 4, &["save.tar"]),
    ] {
        for ended in [build(&press, options), plan(&press, options)] {
            if code != 2 {
                ended.failed(code, words);
                continue;
            }
            // The parser's own words take several lines.
            assert_eq!(ended.code(), code, "{options:?}");
            for word in words {
                assert!(ended.stderr.contains(word), "no {word}: {}", ended.stderr);
            }
        }
        assert!(press.left().is_empty(), "{options:?} {:?}", press.left());
    }
    // Neither a program that is not there nor an output comes before.
    let options = ["--journal=none", "--mke2fs=/nowhere"];
    build(&press, &options).failed(5, &["--fs ext2"]);
}

/// The reference's table of a root of 10 MiB in 160 files, by its last column.
#[test]
fn the_reference_says_what_each_kind_takes() {
    let content = vec![b'x'; 64 << 10];
    let names: Vec<_> = (0..160)
        .map(|file| format!("{}/{file}", file % 10))
        .collect();
    let files: Vec<_> = names.iter().map(|name| (&**name, &*content)).collect();
    let press = Press::with_layers([layer_tar(&files)]);
    let reference = include_str!("../../docs/reference/filesystem.md");
    for options in [
        "--fs ext3",
        "--fs ext4",
        "--fs ext4 --journal none",
        "--fs ext2",
    ] {
        let words: Vec<_> = options.split(' ').collect();
        let asked = [&words[..], &["--size=fit", "--json", "-q"]].concat();
        let planned = json(plan(&press, &asked).succeeded());
        let mebibytes = number(&planned, "/output_bytes") as f64 / MIB as f64;
        let row = reference
            .lines()
            .find(|line| line.starts_with(&format!("| `{options}` |")));
        let row = row.unwrap_or_else(|| panic!("no row of {options}"));
        let expected = format!("| {mebibytes:.1} |");
        assert!(row.ends_with(&expected), "{expected}: {row}");
    }
}

#[test]
fn every_command_sees_the_same_in_every_kind() {
    let press = press();
    let run = |words: &[&str]| {
        let mut command = press.command(words[0]);
        command.args(&words[1..]).arg("--progress=none");
        press.run(&mut command)
    };
    let image = press.image();
    let image = image.to_str().unwrap();
    let (first, later) = (press.input("first.img"), press.output());
    let (first, later) = (first.to_str().unwrap(), later.to_str().unwrap());
    let seen = || {
        let tar = press.input("all.tar");
        let _ = fs::remove_file(&tar);
        run(&["extract", later, "/", "-o", tar.to_str().unwrap()]).succeeded();
        let list = run(&["ls", "-lR", later]).succeeded().to_owned();
        (list, fs::read(tar).unwrap())
    };
    let mut of_first = None;
    for (options, kind, _) in KINDS {
        build(&press, options).succeeded();
        assert_eq!(
            json(run(&["inspect", "--json", later]).succeeded())["filesystem_type"],
            kind
        );
        run(&["verify", later, image]).succeeded();
        match &of_first {
            None => {
                fs::copy(later, first).unwrap();
                of_first = Some(seen());
            }
            Some(of_first) => {
                run(&["diff", first, later]).succeeded();
                assert!(*of_first == seen(), "{options:?}");
            }
        }
    }
    // What is compared can differ.
    fs::write(
        press.image(),
        super::support::archive::TestImage::new([layer_tar(&[("a", b"b")])])
            .classic_archive(&[])
            .tar(),
    )
    .unwrap();
    build(&press, &["--fs=ext4"]).succeeded();
    assert_eq!(run(&["diff", first, later]).code(), 1);
    assert!(of_first != Some(seen()));
}
