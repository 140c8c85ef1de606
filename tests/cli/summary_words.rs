//! The same facts in the same words, whichever command tells them: which image it was, how large the
//! filesystem is by which rule, who may still write how much, what was written.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::support::run::Press;
use super::support::terminal::on_terminal;
use super::{Ended, build, dumped_number, json as parsed, layer_tar, number, plan, press};

const MIB: u64 = 1 << 20;

/// What a command prints of an image of the press as JSON.
fn told(press: &Press, words: &[&str]) -> Value {
    let root = press.root().to_str().unwrap();
    let words = words.iter().map(|word| word.replace("{}", root));
    let words: Vec<_> = words.collect();
    let mut command = press.command(&words[0]);
    command
        .args(&words[1..])
        .args(["--json", "--progress=none"]);
    parsed(press.run(&mut command).succeeded())
}

/// A directory with one file of so many bytes, as a root filesystem.
fn root_of(press: &Press, bytes: usize) -> String {
    let root = press.input("root");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("file"), vec![7; bytes]).unwrap();
    format!("rootfs:{}", root.display())
}

#[test]
fn a_size_tells_its_rule_with_the_numbers_that_it_comes_from() {
    let press = press();
    let root = root_of(&press, 20 * MIB as usize);
    for (option, kind, text, asked) in [
        // Of 21 MiB by du: the file and the directories.
        ("--size=200%", "percent", "200 % of 21 MiB", Some(42 * MIB)),
        (
            "--size=50%",
            "percent",
            "raised from 50 % of 21 MiB",
            Some(10 * MIB),
        ),
        (
            "--size=fit",
            "fit",
            "--size fit: the smallest that holds it",
            None,
        ),
        (
            "--size=+3M",
            "available",
            "--size +3M: the smallest with so much available",
            None,
        ),
        ("--size=70M", "exact", "--size 70M", Some(70 * MIB)),
        (
            "--size=73400321",
            "exact",
            "--size 73400321",
            Some(70 * MIB + 4096),
        ),
    ] {
        let output = press.output();
        let run = |words: &[&str]| {
            let mut command = press.command(words[0]);
            command
                .args([&root, option, "--progress=none"])
                .args(&words[1..]);
            press.run(&mut command)
        };
        let output = output.to_str().unwrap();
        let built = run(&["build", "-o", output]);
        let row = format!(" ({text})\n");
        assert!(built.succeeded().contains(&row), "{}", built.stdout);
        let planned = run(&["plan"]);
        assert!(planned.succeeded().contains(&row), "{}", planned.stdout);
        let built = parsed(run(&["build", "-o", output, "--json"]).succeeded());
        let planned = parsed(run(&["plan", "--json"]).succeeded());
        assert_eq!(built["size_rule"], planned["size_rule"]);
        let rule = &built["size_rule"];
        assert_eq!((&rule["kind"], &rule["text"]), (&json!(kind), &json!(text)));
        assert_eq!(rule["asked_bytes"], json!(asked), "{option}");
        let usage = (kind == "percent").then_some(21 * MIB);
        assert_eq!(rule["usage_bytes"], json!(usage));
        let available = (kind == "available").then_some(3 * MIB);
        assert_eq!(rule["asked_available_bytes"], json!(available));
        assert!(number(&built, "/available_bytes") >= available.unwrap_or(0));
    }
}

#[test]
fn shares_add_up_to_the_filesystem_and_are_what_dumpe2fs_counts() {
    for options in [
        &["--fs=ext2", "--size=fit"][..],
        &["--fs=ext3", "--size=30M"],
        &["--fs=ext4", "--size=30M"],
        &["--fs=ext4", "--size=107%"],
    ] {
        let press = press();
        let built = build(&press, &[options, &["--json", "-q"]].concat());
        let built = parsed(built.succeeded());
        let planned = plan(&press, &[options, &["--json", "-q"]].concat());
        let planned = parsed(planned.succeeded());
        let inspected = told(&press, &["inspect", "{}/out/fs.img"]);
        let verified = told(&press, &["verify", "{}/out/fs.img", "{}/in/save.tar"]);
        let keys = [
            "used_bytes",
            "available_bytes",
            "for_root_bytes",
            "kept_by_kernel_bytes",
        ];
        for told in [&built, &planned, &inspected, &verified] {
            let shares = keys.map(|key| number(told, &format!("/{key}")));
            let sum: u64 = shares.iter().sum();
            assert_eq!(
                sum,
                number(told, "/filesystem_bytes"),
                "{options:?} {told:#}"
            );
            for key in keys {
                assert_eq!(told[key], built[key], "{options:?} {key}");
            }
        }
        let dumped = |field: &str| dumped_number(&press, field) * 4096;
        let used = dumped("Block count") - dumped("Free blocks");
        assert_eq!(number(&built, "/used_bytes"), used, "{options:?}");
        let kept = number(&built, "/kept_by_kernel_bytes");
        assert_eq!(kept > 0, options[0] == "--fs=ext4", "{options:?}");
    }
}

#[test]
fn a_root_filesystem_has_no_platform_unless_somebody_says_one() {
    let press = press();
    let root = root_of(&press, 1);
    let out = press.output();
    let run = |words: &[&str]| {
        let mut command = press.command(words[0]);
        press.run(command.arg(&root).args(&words[1..]).arg("--progress=none"))
    };
    let build = ["build", "-o", out.to_str().unwrap()];
    for command in [&build[..], &["plan"], &["inspect"]] {
        let text = run(command);
        assert!(!text.succeeded().contains("linux/"), "{}", text.stdout);
        let document = parsed(run(&[command, &["--json"]].concat()).succeeded());
        assert_eq!(document["platform"], Value::Null, "{command:?}");
        assert_eq!(document["image_name"], Value::Null, "{command:?}");
        let said = [command, &["--platform=linux/arm64", "--json"]].concat();
        assert_eq!(parsed(run(&said).succeeded())["platform"], "linux/arm64");
    }
    let named = format!("{}/{{arch}}.img", press.root().display());
    run(&["build", "-o", &named]).failed(5, &["{arch}", "architecture", "--platform"]);
    run(&["build", "-o", &named, "--platform=arm64"]).succeeded();
    assert!(press.root().join("arm64.img").exists());
}

#[test]
fn an_image_is_told_by_its_full_name_its_id_and_when_it_was_made() {
    let press = press();
    let built = build(&press, &["-q", "--json"]);
    let built = parsed(built.succeeded());
    assert_eq!(built["image_name"], "docker.io/library/test:1");
    let created = built["created"].as_str().unwrap();
    let id = built["image_id"].as_str().unwrap();
    let path = press.image();
    let rows = format!(
        "image    {} (linux/amd64)\nname     docker.io/library/test:1\nimage ID {id}\ncreated  {created}\n",
        path.display()
    );
    let (image, img) = (path.to_str().unwrap(), press.output());
    let img = img.to_str().unwrap();
    for words in [
        &["build", image, "-o", img][..],
        &["plan", image],
        &["inspect", image],
        &["verify", img, image],
    ] {
        let ended = press.run(press.command(words[0]).args(&words[1..]));
        let squeezed = squeeze(ended.succeeded());
        assert!(squeezed.contains(&squeeze(&rows)), "{words:?} {squeezed}");
        let document = told(&press, words);
        for key in [
            "reference",
            "image_name",
            "image_id",
            "manifest_digest",
            "platform",
            "created",
        ] {
            assert_eq!(document[key], built[key], "{words:?} {key}");
        }
    }
}

/// Each run of spaces as one.
fn squeeze(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn where_nothing_is_available_the_way_out_is_told_and_is_one() {
    let press = press();
    let root = root_of(&press, 20 * MIB as usize);
    let run = |words: &[&str]| -> Ended {
        let mut command = press.command("build");
        command.args([&root, "-o"]).arg(press.output()).args(words);
        press.run(&mut command)
    };
    let way_out = "--size +64M leaves 64 MiB available; mounted read-only it needs none";
    let full = run(&["--size=fit"]);
    let is_told = full.succeeded().lines().any(|line| line.trim() == way_out);
    assert!(is_told, "{}", full.stdout);
    let full = parsed(run(&["--size=fit", "--json"]).succeeded());
    assert_eq!(number(&full, "/available_bytes"), 0);
    assert_eq!(full["available_note"], way_out);
    let inspected = told(&press, &["inspect", "{}/out/fs.img"]);
    assert_eq!(inspected["available_note"], format!("build {way_out}"));
    // The size of one that has none.
    let like = format!("--like={}", press.output().display());
    let kept = parsed(run(&["--json", &like]).succeeded());
    assert_eq!(kept["size_rule"]["kind"], "like");
    assert_eq!(kept["size_rule"]["text"], "that of --like");
    let note = kept["available_note"].as_str().unwrap();
    assert!(
        note.contains("--like keeps the size; --size +64M beside it"),
        "{note}"
    );
    let given = parsed(run(&["--json", &like, "--size=+64M"]).succeeded());
    assert!(number(&given, "/available_bytes") >= 64 * MIB);
    assert_eq!(given["available_note"], Value::Null);
    // One that outgrew it has none again.
    run(&["--size=fit", "-q"]).succeeded();
    root_of(&press, 30 * MIB as usize);
    let outgrown = run(&[&like, "--json"]);
    let document = parsed(outgrown.succeeded());
    assert_eq!(document["like"]["layout"], "fresh");
    assert_eq!(number(&document, "/available_bytes"), 0);
    let note = document["available_note"].as_str().unwrap();
    assert!(
        note.contains("--size +64M leaves 64 MiB for it, which --like keeps"),
        "{note}"
    );
    assert!(
        outgrown.stderr.contains(&format!("note: {note}")),
        "{}",
        outgrown.stderr
    );
}

#[test]
fn every_file_that_was_written_is_told_with_its_length() {
    let press = press();
    let out = press.root().join("out");
    let beside = |name: &str| out.join(name).display().to_string();
    let options = [
        "--sha256".to_owned(),
        "--compress=zstd".to_owned(),
        format!("--verity-file={}", beside("tree")),
        format!("--manifest={}", beside("manifest")),
    ];
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let ended = build(&press, &options);
    let table = ended.succeeded();
    let document = build(&press, &[&options[..], &["--json"]].concat());
    let document = parsed(document.succeeded());
    let files = document["files"].as_array().unwrap();
    let mut told: Vec<_> = files
        .iter()
        .map(|file| {
            let path = Path::new(file["path"].as_str().unwrap());
            assert!(table.contains(path.to_str().unwrap()), "{table}");
            let length = fs::metadata(path).unwrap().len();
            assert_eq!(file["size_bytes"], length, "{path:?}");
            format!("out/{}", path.file_name().unwrap().to_str().unwrap())
        })
        .collect();
    assert_eq!(files[0]["path"], press.output().to_str().unwrap());
    told.sort();
    assert_eq!(told, press.left());
    assert!(
        table.contains("beside ") && told.len() >= 6,
        "{told:?} {table}"
    );
    // One without any beside it has no such row.
    assert!(!build(&press, &[]).succeeded().contains("beside "));
}

#[test]
fn a_list_tells_of_each_image_what_a_build_tells_of_it() {
    let press = press();
    let out = press.root().join("out/a.img");
    let list = press.input("list");
    fs::write(
        &list,
        format!("{}\t{}\n", press.image().display(), out.display()),
    )
    .unwrap();
    let list = format!("--list={}", list.display());
    let row = told(&press, &["build", &list, "--verify"]);
    let built = build(&press, &["--json", "-q", "--verify"]);
    let built = parsed(built.succeeded());
    for key in [
        "image_name",
        "platform",
        "created",
        "size_rule",
        "filesystem_bytes",
        "available_bytes",
        "available_note",
        "proofs",
    ] {
        assert_eq!(row[key], built[key], "{key}");
    }
    assert_eq!(row["files"][0]["path"], out.to_str().unwrap());
    assert_eq!(row["files"].as_array().unwrap().len(), 2, "{row:#}");
    let again = told(&press, &["build", &list, "--verify"]);
    assert_eq!(again["state"], "up_to_date");
    for key in [
        "image_name",
        "platform",
        "created",
        "filesystem_bytes",
        "available_bytes",
    ] {
        assert_eq!(again[key], row[key], "{key}");
    }
    assert_eq!(again["files"], json!([]));
}

#[test]
fn lines_break_between_words_to_the_width_of_a_terminal_and_never_for_a_program() {
    let text = b"text".repeat(5 << 20);
    let press = Press::with_layers([layer_tar(&[("text", &text)])]);
    let (image, output) = (press.image(), press.output());
    let words = [
        "build",
        image.to_str().unwrap(),
        "-o",
        output.to_str().unwrap(),
        "--size=fit",
        "--verity",
    ];
    let whole = press.run(press.command(words[0]).args(&words[1..]));
    let whole = whole.succeeded().to_owned();
    let note = "--size +64M leaves 64 MiB available; mounted read-only it needs none";
    assert!(whole.contains(note), "{whole}");
    for columns in [40, 80, 120] {
        let Some(shown) = on_terminal(columns, words) else {
            return;
        };
        for line in shown.lines() {
            let is_long = line.split(' ').any(|word| word.len() + 12 > columns);
            let is_copied = ["open ", "table ", "kernel "]
                .iter()
                .any(|key| line.starts_with(key));
            assert!(
                line.chars().count() <= columns || is_long || is_copied,
                "{columns}: {line:?}\n{shown}"
            );
        }
        // The same words, and what a shell takes in one piece.
        assert_eq!(shown.contains(note), columns > 79, "{shown}");
        for key in ["open", "table", "kernel", "root hash"] {
            let find = |text: &str| {
                text.lines()
                    .find(|line| line.starts_with(key))
                    .map(str::to_owned)
            };
            assert_eq!(find(&shown), find(&whole), "{columns}");
        }
        let words = |text: &str| -> Vec<String> {
            let words = text.split_whitespace().take_while(|word| *word != "time");
            words.map(str::to_owned).collect()
        };
        assert_eq!(words(&shown), words(&whole));
    }
}
