//! What a list may look like, and what is refused before anything is begun.

use std::fs;
use std::os::unix::fs::symlink;

use super::rig::{Rig, errors, lines, states};

#[test]
fn one_bad_reference_fails_alone_and_its_code_is_the_whole_ones() {
    let rig = Rig::new();
    rig.list(|image, line| match image {
        2 => format!(
            "oci:{}/nowhere\t{}",
            rig.press.root().display(),
            rig.output(2).display()
        ),
        _ => line,
    });
    let ended = rig.build(&["--progress=none", "--json"]);
    assert_eq!(ended.code(), 3, "{}", ended.stderr);
    assert_eq!(errors(&ended.stderr), 1, "{}", ended.stderr);
    // Which image it is about is told as in notes and of tasks.
    assert!(ended.stderr.contains("error: 2.img: "), "{}", ended.stderr);
    let found = lines(&ended.stdout);
    assert_eq!(found.len(), 6);
    for (index, line) in found {
        let is_bad = index == 3;
        assert_eq!(line["state"], if is_bad { "failed" } else { "built" });
        assert_eq!(line["exit_code"], if is_bad { 3 } else { 0 });
        assert_eq!(line["error"].is_null(), !is_bad);
        assert!(!line["error"].to_string().contains("2.img"), "{line}");
        assert_eq!(line["image_id"].is_null(), is_bad);
        assert_eq!(rig.output(index as usize - 1).exists(), !is_bad);
    }
    // The table has them in the list's order.
    let ended = rig.build(&["--progress=none", "--force"]);
    let table: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(table.len(), 7, "{}", ended.stdout);
    assert!(table[0].starts_with("image ") && table[0].ends_with("time"));
    for (image, row) in table[1..].iter().enumerate() {
        assert!(row.contains(&format!("/{image}.img ")), "{row}");
        assert_eq!(row.contains(" failed (3) "), image == 2, "{row}");
    }
}

#[test]
fn failures_of_several_kinds_end_as_what_they_have_in_common() {
    let rig = Rig::new();
    let junk = rig.press.input("junk.tar");
    fs::write(&junk, "junk").unwrap();
    rig.list(|image, line| match image {
        0 => line + "\t--size 1M",
        1 => format!("{}\t{}", junk.display(), rig.output(1).display()),
        _ => line,
    });
    let ended = rig.build(&["--progress=none", "--json", "--shard", "0/6"]);
    assert_eq!(ended.code(), 7, "{}", ended.stderr);
    let ended = rig.build(&["--progress=none", "--json"]);
    assert_eq!(ended.code(), 4, "{}", ended.stderr);
    let failed = states(&ended.stdout)
        .into_iter()
        .filter(|(_, state)| state == "failed");
    assert_eq!(failed.count(), 2);
}

#[test]
fn lines_end_as_on_any_system_and_a_lines_own_options_count_for_it_alone() {
    let rig = Rig::new();
    let text = rig.list(|image, line| match image {
        1 => line + "\t--fs ext2 --label 'of two' --sha256\r",
        2 => "# no image\r".to_owned(),
        3 => "\r".to_owned(),
        _ => line + "\r",
    });
    assert!(fs::read_to_string(&text).unwrap().contains("\r\n"));
    let ended = rig.build(&["--progress=none", "--json", "--fs=ext4", "--size=fit"]);
    assert_eq!(states(ended.succeeded()).len(), 4);
    let label = |image: usize| {
        let bytes = fs::read(rig.output(image)).unwrap();
        let features = u32::from_le_bytes(bytes[1024 + 0x60..][..4].try_into().unwrap());
        // Extents: ext4's.
        (bytes[1024 + 120..][..6].to_vec(), features & 0x40 != 0)
    };
    assert_eq!(label(1), (b"of two".to_vec(), false));
    assert_eq!(label(0), (vec![0; 6], true));
    let beside = |image: usize| rig.press.root().join(format!("out/{image}.img.sha256"));
    assert!(beside(1).exists() && !beside(0).exists());
}

#[test]
fn a_list_that_is_none_ends_in_one_error_with_its_line_before_anything_is_begun() {
    let rig = Rig::new();
    let root = rig.press.root().display().to_string();
    let refused = |change: &dyn Fn(usize, String) -> String, words: &[&str]| {
        rig.list(change);
        let ended = rig.build(&["--json"]);
        ended.failed(5, words);
        assert_eq!(errors(&ended.stderr), 1, "{}", ended.stderr);
        assert!(ended.stdout.is_empty() && rig.press.left().is_empty());
    };
    let third =
        |with: &'static str| move |image, line| if image == 2 { with.to_owned() } else { line };
    refused(&third("a\0b\tc"), &["list:3: ", "found a zero byte"]);
    refused(&third("no tab"), &["list:3: ", "found no tab"]);
    refused(&third("a\tb\tc\td"), &["list:3: ", "found 3 tabs"]);
    refused(&third("-\tx.img"), &["list:3: ", "standard input"]);
    refused(&third("a\tb\t--label 'x"), &["list:3: ", "quotation"]);
    refused(&third("a\tb\t--no-such"), &["list:3: ", "--no-such"]);
    refused(&third("a\tb\t--fs ext7"), &["list:3: ", "ext7"]);
    for option in [
        "--jobs 2",
        "--json",
        "--shard 0/1",
        "--list x",
        "--quiet",
        "--creds-stdin",
    ] {
        let name = option.split(' ').next().unwrap();
        refused(
            &|image, line| match image {
                2 => format!("{line}\t{option}"),
                _ => line,
            },
            &["list:3: ", &format!("found {name}, which is for all")],
        );
    }
    refused(
        &|_, _| "#".to_owned(),
        &["expected an image a line, found none"],
    );
    // Outputs that meet: the same, by another way, in case alone, with what stands beside another.
    fs::create_dir(rig.press.root().join("out/d")).unwrap();
    symlink(rig.press.root().join("out"), rig.press.root().join("link")).unwrap();
    for (with, options) in [
        ("out/0.img", ""),
        ("link/0.img", ""),
        ("out/d/../0.img", ""),
        ("out/0.IMG", ""),
        ("out/0.img.sha256", "\t--sha256"),
        ("out/1.img.ROOTHASH", ""),
    ] {
        let change = |image, line: String| match image {
            0 => line + options,
            1 => line + "\t--verity",
            2 => format!("a\t{root}/{with}"),
            _ => line,
        };
        rig.list(change);
        let ended = rig.build(&["--json"]);
        ended.failed(5, &["expected outputs that do not meet", "of image 3"]);
    }
    fs::remove_dir(rig.press.root().join("out/d")).unwrap();
    assert!(rig.press.left().is_empty());
}

#[test]
fn no_output_takes_the_place_of_the_list_or_of_what_another_image_is_read_from() {
    let rig = Rig::new();
    let at = |name: &str| rig.press.root().join(name);
    fs::write(at("put"), "precious").unwrap();
    let index = rig.press.input("image1").join("index.json");
    for name in [&at("list"), &at("put"), &index] {
        rig.list(|image, line| match image {
            0 => format!("{line}\t--add {}:/put", at("put").display()),
            2 => {
                let (image, _) = line.split_once('\t').unwrap();
                format!("{image}\t{}", name.display())
            }
            _ => line,
        });
        let before = fs::read(name).unwrap();
        let ended = rig.build(&["--json"]);
        let words = ["expected outputs other than what is read", "of image 3"];
        ended.failed(5, &words);
        assert!(ended.stdout.is_empty() && rig.press.left().is_empty());
        assert_eq!(fs::read(name).unwrap(), before);
    }
    // The only line's own.
    let line = format!("{}\t{}\n", rig.references[0], at("list").display());
    fs::write(at("list"), &line).unwrap();
    let ended = rig.build(&["-q"]);
    ended.failed(5, &["expected an output other than the list"]);
    assert_eq!(fs::read_to_string(at("list")).unwrap(), line);
    // Nothing is built that is only to be printed.
    rig.plain_list();
    rig.build(&["--print-recipe"])
        .failed(2, &["--print-recipe", "found --list"]);
    assert!(rig.press.left().is_empty());
}

/// Bug: one image's output took the place of a file in a directory that another was made of or put in.
/// A new name is refused alike: whether it is read there would depend on which of both is made first.
#[test]
fn no_output_lies_in_a_directory_that_another_image_reads() {
    let rig = Rig::new();
    let at = |name: &str| rig.press.root().join(name);
    let tree = at("in/tree");
    fs::create_dir_all(tree.join("below")).unwrap();
    fs::write(tree.join("below/f"), "precious").unwrap();
    symlink(&tree, at("in/way")).unwrap();
    let reading = |image: usize, line: String, with: &str| match (image, with) {
        (0 | 3, "rootfs:") => {
            let (_, output) = line.split_once('\t').unwrap();
            format!("rootfs:{}\t{output}", tree.display())
        }
        (0 | 3, "path") => {
            let (_, output) = line.split_once('\t').unwrap();
            format!("{}\t{output}", tree.display())
        }
        (0 | 3, "--add") => format!("{line}\t--add {}:/opt", tree.display()),
        (0 | 3, option) => format!("{line}\t{option} {}", tree.display()),
        _ => line,
    };
    for with in ["rootfs:", "path", "--overlay", "--add"] {
        for (output, options) in [
            ("in/tree/below/f", ""),
            ("in/way/below/f", ""),
            ("in/tree/new", ""),
            ("out/2.img", "\t--manifest TREE/below/f"),
        ] {
            let options = options.replace("TREE", tree.to_str().unwrap());
            rig.list(|image, line| match image {
                2 => {
                    let (image, _) = line.split_once('\t').unwrap();
                    format!("{image}\t{}{options}", at(output).display())
                }
                _ => reading(image, line, with),
            });
            let ended = rig.build(&["--json"]);
            let words = ["expected outputs other than what is read", "of image 3"];
            ended.failed(5, &[&words[..], &["which image 1 needs"]].concat());
            assert!(ended.stdout.is_empty() && rig.press.left().is_empty());
            assert_eq!(fs::read(tree.join("below/f")).unwrap(), b"precious");
        }
    }
    // Its own is left out of it, but read by the other.
    let own = tree.join("own.img");
    rig.list(|image, line| match image {
        0 => {
            let (image, _) = line.split_once('\t').unwrap();
            let line = format!("{image}\t{}", own.display());
            reading(0, line, "--overlay")
        }
        _ => reading(image, line, "--overlay"),
    });
    rig.build(&["--json"])
        .failed(5, &["own.img of image 1, which image 4 needs"]);
    // A layout's directory is no tree: of it only what it consists of is read.
    rig.list(|image, line| match image {
        0 | 1 => line,
        2 => {
            let (image, _) = line.split_once('\t').unwrap();
            format!("{image}\t{}", at("in/image0/new.img").display())
        }
        _ => String::new(),
    });
    rig.build(&["-q"]).succeeded();
}

#[test]
fn one_image_and_a_list_are_not_asked_for_at_once_nor_two_things_of_standard_input() {
    let rig = Rig::new();
    rig.plain_list();
    rig.build(&["image"])
        .failed(2, &["found an image beside it"]);
    rig.build(&["-o", "x"])
        .failed(2, &["found --output beside it"]);
    let mut command = rig.press.command("build");
    let ended = rig
        .press
        .run(command.args(["--list", "-", "--creds-stdin"]));
    ended.failed(2, &["the list and --creds-stdin"]);
    for (options, expected) in [
        (&["--shard=0/2"][..], "required"),
        (&["--list", "l", "--shard=2/2"], "from 0/N to N-1/N"),
    ] {
        let mut command = rig.press.command("build");
        let ended = rig.press.run(command.args(options));
        assert_eq!(ended.code(), 2);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
}

#[test]
fn shards_part_the_whole_list_exactly() {
    let rig = Rig::new();
    rig.plain_list();
    for count in [1, 2, 4, 7] {
        let mut all = Vec::new();
        for index in 0..count {
            let ended = rig.build(&[
                "--json",
                "--force",
                "--progress=none",
                &format!("--shard={index}/{count}"),
            ]);
            let found: Vec<_> = states(ended.succeeded())
                .into_iter()
                .map(|(at, _)| at)
                .collect();
            assert!(
                found.iter().all(|at| (at - 1) % count == index),
                "{found:?}"
            );
            all.extend(found);
        }
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 4, 5, 6]);
    }
}
