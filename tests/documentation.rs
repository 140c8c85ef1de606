//! Completion scripts and manual pages are what shells and man take without complaint.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::oracles;
use support::run::LAYERPRESS;
use support::session::layerpress;

#[test]
fn shells_parse_their_completion_scripts() {
    let directory = tempfile::tempdir().unwrap();
    for (shell, check) in [
        ("bash", &["bash", "-n"][..]),
        ("zsh", &["zsh", "-n"]),
        ("fish", &["fish", "--no-execute"]),
        ("elvish", &[]),
        ("powershell", &[]),
    ] {
        let script = layerpress(["completions", shell]).ended_with(0).stdout;
        for word in ["layerpress", "inspect", "no-trunc"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        let path = directory.path().join(shell);
        fs::write(&path, script).unwrap();
        let [program, option] = check else { continue };
        if oracles::program(program).is_some() {
            let output = oracles::run(program, [OsStr::new(option), path.as_os_str()]);
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{shell}: {output:?}"
            );
        }
    }
    layerpress(["completions", "tcsh"]).ended_with(2);
}

#[test]
fn bash_completes_subcommands_and_options() {
    // It is longer than an argument may be.
    let script = tempfile::NamedTempFile::new().unwrap();
    fs::write(&script, layerpress(["completions", "bash"]).stdout).unwrap();
    let complete = |words: &str, index: usize| {
        let line = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD={index}; \
             _layerpress layerpress \"${{COMP_WORDS[{index}]}}\" \"${{COMP_WORDS[{index}-1]}}\"; \
             echo \"${{COMPREPLY[@]}}\"",
            script.path().display()
        );
        let output = Command::new("bash").args(["-c", &line]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(complete("layerpress insp", 1).trim(), "inspect");
    assert_eq!(complete("layerpress diff --sta", 2).trim(), "--stat");
    // The kinds, after the option that takes one.
    let kinds = complete("layerpress build --fs ''", 3);
    assert_eq!(kinds.trim(), "ext3 ext4 ext2");
    assert_eq!(complete("layerpress plan --fs ext4", 3).trim(), "ext4");
}

/// It had one cut short in its place.
#[test]
fn a_page_that_finds_no_room_is_not_there_and_those_before_it_are_whole() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    layerpress([OsStr::new("man"), at("all").as_os_str()]).ended_with(0);
    let script = format!("ulimit -f 8; exec {LAYERPRESS} man cut");
    let mut command = Command::new("bash");
    let output = command
        .args(["-c", &script])
        .current_dir(&directory)
        .output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("cannot write the manual page cut/"), "{said}");
    let mut pages = 0;
    for entry in std::fs::read_dir(at("cut")).unwrap() {
        let name = entry.unwrap().file_name();
        let read = |place: &str| std::fs::read(at(place).join(&name)).unwrap();
        assert!(read("cut") == read("all"), "{name:?}");
        pages += 1;
    }
    assert!((1..20).contains(&pages), "{pages}");
}

#[test]
fn there_is_a_page_for_each_subcommand_and_man_and_groff_have_nothing_to_say() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("new/man1");
    layerpress([OsStr::new("man"), pages.as_os_str()]).ended_with(0);
    let subcommands = |arguments: &[&str]| {
        let help = layerpress(arguments).stdout;
        let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        // What a command does may take another line.
        let lines = lines.take_while(|line| !line.is_empty());
        let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let names = names.filter_map(|line| line.split_whitespace().next());
        let names = names.filter(|name| *name != "help").map(str::to_owned);
        names.collect::<Vec<_>>()
    };
    let commands = subcommands(&["--help"]);
    assert!(commands.iter().any(|name| name == "verify"), "{commands:?}");
    let mut expected: Vec<_> = commands
        .iter()
        .map(|name| format!("layerpress-{name}.1"))
        .collect();
    for name in &commands {
        let below = subcommands(&[name, "--help"]);
        expected.extend(
            below
                .iter()
                .map(|below| format!("layerpress-{name}-{below}.1")),
        );
    }
    assert!(
        expected.contains(&"layerpress-cache-prune.1".to_owned()),
        "{expected:?}"
    );
    expected.push("layerpress.1".to_owned());
    expected.sort();
    let mut found: Vec<_> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, expected);
    for page in &found {
        let path = pages.join(page);
        let text = fs::read_to_string(&path).unwrap();
        let source = format!("layerpress {}", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&source), "{page}");
        let headings: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix(".SH "))
            .collect();
        let expected = [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXAMPLES",
            "ENVIRONMENT",
            "FILES",
            "EXIT STATUS",
            "SEE ALSO",
        ];
        let without_commands = headings.iter().filter(|heading| **heading != "COMMANDS");
        assert!(without_commands.eq(&expected), "{page}: {headings:?}");
        for (program, options) in [
            ("groff", &["-man", "-Tutf8", "-ww", "-z"][..]),
            ("man", &["--warnings", "-l"]),
            ("mandoc", &["-T", "lint", "-W", "style"]),
        ] {
            if oracles::program(program).is_none() {
                continue;
            }
            let arguments = options.iter().map(OsStr::new).chain([path.as_os_str()]);
            let output = oracles::run(program, arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success() && said.is_empty(),
                "{program} {page}: {said}"
            );
        }
    }
    // The checker would notice.
    if oracles::program("groff").is_some() {
        let path = pages.join("broken.1");
        fs::write(&path, ".TH broken 1\n.UNKNOWN\n").unwrap();
        let options = ["-man", "-Tutf8", "-ww", "-z"].map(OsStr::new);
        let output = oracles::run("groff", options.into_iter().chain([path.as_os_str()]));
        assert!(!output.stderr.is_empty());
    }
    layerpress(["man", "/dev/null/man"]).ended_with(3);
}

/// Every long option that a command's help lists.
fn options_of(command: &str) -> BTreeSet<String> {
    let help = layerpress([command, "--help"]).stdout;
    let options = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let rest = line.split_once("--").filter(|(before, _)| {
            before.is_empty() || (before.len() == 4 && before.starts_with('-'))
        })?;
        let end = rest
            .1
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
        Some(format!("--{}", &rest.1[..end.unwrap_or(rest.1.len())]))
    });
    options.collect()
}

/// Options that no text names. An option counts where its name ends.
fn unnamed(options: &BTreeSet<String>, text: &str) -> Vec<String> {
    let is_named = |option: &&String| {
        let mut found = text.match_indices(option.as_str());
        found.any(|(at, _)| {
            let next = text[at + option.len()..].chars().next();
            next.is_none_or(|letter| !letter.is_ascii_alphanumeric() && letter != '-')
        })
    };
    options
        .iter()
        .filter(|option| !is_named(option))
        .cloned()
        .collect()
}

/// What was written by hand for who uses layerpress: the README and all below docs/, but the pages that
/// are made from the parser.
fn papers_of_users() -> Vec<PathBuf> {
    let mut papers = vec![PathBuf::from("README.md")];
    let mut directories = vec![PathBuf::from("docs")];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).unwrap();
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with("reference/commands") {
                directories.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                papers.push(path);
            }
        }
    }
    papers
}

/// Twelve options stood nowhere in the README: who read it could not know that `mount --trust` is
/// there.
#[test]
fn the_papers_name_every_option() {
    let papers = papers_of_users();
    assert!(papers.len() > 20, "{papers:?}");
    let texts = papers
        .iter()
        .map(|paper| fs::read_to_string(paper).unwrap());
    let papers: String = texts.collect();
    let help = layerpress(["--help"]).stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    let commands = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let commands = commands.filter_map(|line| line.split_whitespace().next());
    let mut all = BTreeSet::new();
    for command in commands.filter(|command| *command != "help") {
        all.extend(options_of(command));
    }
    for expected in ["--sync", "--verify", "--max-bytes", "--help"] {
        assert!(all.contains(expected), "{all:?}");
    }
    all.remove("--help");
    assert_eq!(unnamed(&all, &papers), Vec::<String>::new());
    // The checker must find what is missing, also behind a longer name.
    let only = BTreeSet::from(["--max".to_owned(), "--max-bytes".to_owned()]);
    assert_eq!(unnamed(&only, "`--max-bytes N`"), ["--max"]);
}

/// What a manifest names, as a hand writes it and as cargo does for a package: there each dependency
/// has a table of its own.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut within = false;
    for line in manifest.lines().filter(|line| !line.is_empty()) {
        if let Some(table) = line.strip_prefix('[') {
            within = false;
            match table.rsplit_once("dependencies") {
                Some((before, _)) if before.ends_with("dev-") => {}
                Some((_, "]")) => within = true,
                Some((_, own)) => names.push(own.trim_matches(&['.', ']'][..])),
                None => {}
            }
        } else if within && let Some((name, _)) = line.split_once(" = ") {
            names.push(name);
        }
    }
    names
}

/// The table had neither libc nor what ureq brings for certificates.
#[test]
fn the_papers_say_what_every_dependency_is_for() {
    let mut names = dependencies(include_str!("../Cargo.toml"));
    assert!(
        names.contains(&"clap") && names.contains(&"seccompiler"),
        "{names:?}"
    );
    let paper = include_str!("../CONTRIBUTING.md");
    let table = paper.split("| dependency | for |").nth(1).unwrap();
    let words: BTreeSet<_> = table
        .split(|letter: char| !letter.is_ascii_alphanumeric() && !"-_".contains(letter))
        .collect();
    names.retain(|name| !words.contains(name));
    assert_eq!(names, Vec::<&str>::new());
}

/// The papers of who changes layerpress.
const PAPERS: [&str; 5] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "fixtures/INDEX.md",
];

/// What a paper names that is to be found here: words in backquotes that begin with a folder of
/// ours, or end as a paper does.
fn paths_in(text: &str) -> BTreeSet<&str> {
    let folders = [
        "src/",
        "tests/",
        "scripts/",
        "fixtures/",
        "examples/",
        "fuzz/",
        ".ci/",
    ];
    let quoted = text.split("```").step_by(2);
    let quoted = quoted.flat_map(|prose| prose.split('`').skip(1).step_by(2));
    let words = quoted.filter_map(|quoted| quoted.split_whitespace().next());
    words
        .filter(|word| {
            folders.iter().any(|folder| word.starts_with(folder))
                || word.ends_with(".md")
                || word.starts_with("LICENSE")
        })
        .collect()
}

/// Of paths with a star in them only the folder is looked for; fuzz/ is a package of its own, that
/// the library's package lacks.
fn is_here(path: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_package = root.join("Cargo.toml.orig").exists();
    let path = match path.split_once('*') {
        Some((before, _)) => before.rsplit_once('/').unwrap().0,
        None => path,
    };
    root.join(path).exists() || is_package && path.starts_with("fuzz/")
}

#[test]
fn every_path_that_the_papers_name_is_there() {
    let mut missing = Vec::new();
    let mut named = 0;
    let papers = PAPERS.map(PathBuf::from).into_iter();
    for paper in papers.chain(papers_of_users()) {
        let text = fs::read_to_string(&paper).unwrap();
        let paper = paper.display();
        let paths = paths_in(&text);
        named += paths.len();
        let paths = paths.into_iter().filter(|path| !is_here(path));
        missing.extend(paths.map(|path| format!("{paper}: {path}")));
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(named > 60, "{named}");
    // The checker must find what is missing, and only that.
    let text = "`src/lib.rs` and `scripts/check --quick`\n```\n`src/a`\n```\n`src/nowhere.rs` `fixtures/none/*.txt` `b`";
    let missing = paths_in(text).into_iter().filter(|path| !is_here(path));
    assert_eq!(
        missing.collect::<Vec<_>>(),
        ["fixtures/none/*.txt", "src/nowhere.rs"]
    );
}

/// The rooms of the stair in `ARCHITECTURE.md`: what stands behind a step's name, without what is
/// said of a room.
fn stair(text: &str) -> BTreeSet<&str> {
    let stair = text.split("```").nth(1).unwrap();
    let lines = stair.lines().filter_map(|line| line.split_once("  "));
    let rooms = lines.flat_map(|(_, rooms)| {
        let parts = rooms.split('(').enumerate();
        parts.flat_map(|(number, part)| {
            let part = match number {
                0 => part,
                _ => part.split_once(')').unwrap().1,
            };
            let part = part.split(':').next().unwrap();
            part.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        })
    });
    rooms.filter(|room| !room.is_empty()).collect()
}

#[test]
fn the_stair_in_the_papers_has_every_room_and_no_other() {
    let text = fs::read_to_string("ARCHITECTURE.md").unwrap();
    let mut rooms = BTreeSet::new();
    for entry in fs::read_dir("src").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".rs").unwrap_or(&name);
        if !["lib", "main"].contains(&name) {
            rooms.insert(name.to_owned());
        }
    }
    let rooms: BTreeSet<_> = rooms.iter().map(String::as_str).collect();
    let stair = stair(&text);
    let missing: Vec<_> = rooms.difference(&stair).collect();
    let gone: Vec<_> = stair.difference(&rooms).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "not in the stair: {missing:?}, not in src: {gone:?}"
    );
}
