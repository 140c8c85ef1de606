//! Completion scripts and manual pages are what shells and man take without complaint.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use support::oracles;
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
    let script = layerpress(["completions", "bash"]).stdout;
    let complete = |words: &str, index: usize| {
        let line = format!(
            "COMP_WORDS=({words}); COMP_CWORD={index}; \
             _layerpress layerpress \"${{COMP_WORDS[{index}]}}\" \"${{COMP_WORDS[{index}-1]}}\"; \
             echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash")
            .args(["-c", &format!("{script}\n{line}")])
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(complete("layerpress insp", 1).trim(), "inspect");
    assert_eq!(complete("layerpress diff --st", 2).trim(), "--stat");
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
        for (program, options) in [
            ("groff", &["-man", "-Tutf8", "-ww", "-z"][..]),
            ("man", &["--warnings", "-l"]),
            ("mandoc", &["-T", "lint", "-W", "error"]),
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

const README: &str = include_str!("../README.md");

/// Twelve options stood nowhere in it: who reads the README could not know that `mount --trust` is
/// there.
#[test]
fn the_readme_names_every_option() {
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
    assert_eq!(unnamed(&all, README), Vec::<String>::new());
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
fn the_readme_says_what_every_dependency_is_for() {
    let mut names = dependencies(include_str!("../Cargo.toml"));
    assert!(
        names.contains(&"clap") && names.contains(&"seccompiler"),
        "{names:?}"
    );
    let table = README.split("| dependency | for |").nth(1).unwrap();
    let words: BTreeSet<_> = table
        .split(|letter: char| !letter.is_ascii_alphanumeric() && !"-_".contains(letter))
        .collect();
    names.retain(|name| !words.contains(name));
    assert_eq!(names, Vec::<&str>::new());
}
