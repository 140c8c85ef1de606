//! What can be learned without a manual.

use super::support::run::{Ended, Press};

fn run(arguments: &[&str]) -> Ended {
    let press = Press::new();
    let mut command = crate::support::run::without_defaults(crate::support::run::LAYERPRESS);
    command.args(arguments).env("COLUMNS", "80");
    press.run(&mut command)
}

const EXIT_CODES: [&str; 8] = [
    "  0  ", "  2  ", "  3  ", "  4  ", "  5  ", "  6  ", "  7  ", "  8  ",
];

#[test]
fn every_help_has_the_exit_codes_and_a_line_for_each_signal() {
    for arguments in [&["--help"][..], &["build", "--help"], &["plan", "--help"]] {
        let ended = run(arguments);
        let help = ended.succeeded();
        for code in EXIT_CODES {
            assert!(help.contains(code), "{arguments:?}: no {code}");
        }
        assert!(help.contains("129, 130, 131, 143"), "{arguments:?}");
        let codes = help.lines().skip_while(|line| *line != "Exit codes:");
        assert!(codes.into_iter().all(|line| line.len() <= 80), "{help}");
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn the_help_of_both_commands_has_every_limit() {
    // The names that the library gives them.
    let limits = format!("{:?}", layerpress::limits::Limits::default());
    let names: Vec<_> = limits
        .split([' ', '{', '}', ','])
        .filter_map(|word| word.strip_suffix(':'))
        .collect();
    assert!(names.len() >= 9, "{limits}");
    for command in ["build", "plan"] {
        let ended = run(&[command, "--help"]);
        let help = ended.succeeded();
        for name in &names {
            // How many, or a size in bytes as --size takes it.
            let flag = format!("--{} <", name.replace('_', "-"));
            let forms = ["N>", "SIZE>"].map(|form| format!("{flag}{form}"));
            let is_told = forms.iter().any(|form| help.contains(form));
            assert!(is_told, "{command}: no {flag}");
        }
    }
}

#[test]
fn options_stand_under_the_headings_they_belong_to() {
    let ended = run(&["build", "--help"]);
    let help = ended.succeeded();
    let at = |text: &str| {
        help.find(text)
            .unwrap_or_else(|| panic!("no {text:?}:\n{help}"))
    };
    for (heading, option, next) in [
        ("Arguments:", "  [IMAGE]", "Options:"),
        ("Options:", "--json", "\nRecipe:"),
        ("\nRecipe:", "--print-recipe", "\nOutput:"),
        ("\nOutput:", "-o, --output <FILE|->", "\nProofs:"),
        ("\nOutput:", "--sha256", "\nProofs:"),
        ("\nProofs:", "--verify\n", "\nDocuments"),
        ("\nDocuments", "--manifest", "\nFilesystem:"),
        ("\nFilesystem:", "--fs", "\nEdits"),
        ("\nFilesystem:", "--size", "\nEdits"),
        ("\nEdits", "--include", "\ndm-verity:"),
        ("\ndm-verity:", "--verity\n", "\nMany at once:"),
        ("\nMany at once:", "--list", "\nPrograms of e2fsprogs"),
        ("\nPrograms of e2fsprogs", "--mke2fs", "\nImage:"),
        ("\nImage:", "--platform", "\nRegistries:"),
        ("\nRegistries:", "--creds", "\nLimits"),
        ("\nLimits", "--max-entries", "\nExamples:"),
        ("\nExamples:", "# from Docker Hub", "\nExit codes:"),
    ] {
        let places = [at(heading), at(option), at(next)];
        assert!(
            places.is_sorted(),
            "{option} is not under {heading}:\n{help}"
        );
    }
}

/// `verify` and `diff` make no filesystem, and said that it was the time of one.
#[test]
fn the_time_of_a_filesystem_is_told_where_one_is_made() {
    for (command, is_made) in [
        ("build", true),
        ("plan", true),
        ("verify", false),
        ("diff", false),
    ] {
        let ended = run(&[command, "--help"]);
        let help = ended.succeeded();
        let words = help.split("--source-date-epoch").nth(1).unwrap();
        let words: Vec<_> = words
            .split("[default")
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let words = words.join(" ");
        assert!(words.contains("directories which no layer"), "{words}");
        assert_eq!(
            words.contains("the filesystem"),
            is_made,
            "{command}: {words}"
        );
    }
}

#[test]
fn without_arguments_the_help_is_shown_and_called_wrong() {
    let ended = run(&[]);
    assert_eq!(ended.code(), 2);
    assert!(
        ended.stderr.contains("Usage: layerpress"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("build"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn the_version_is_the_packages() {
    let version = run(&["--version"]);
    assert_eq!(
        version.succeeded(),
        concat!("layerpress ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn misspelt_commands_and_options_are_answered_with_the_right_ones() {
    for (arguments, tip) in [
        (&["biuld"][..], "build"),
        (&["build", "--sise=1"], "--size"),
        (&["build", "--max-entires=1"], "--max-entries"),
        (&["build", "--progress=jsn", "x", "-ox"], "json"),
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code(), 2, "{arguments:?}");
        assert!(
            ended.stderr.contains(tip),
            "{arguments:?}: {}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains("tip: "),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
}

/// The parser's own words were how to pass it as something that nobody meant.
#[test]
fn what_other_programs_take_is_answered_with_what_is_meant_here() {
    let zeros = "0".repeat(8);
    for (arguments, meant) in [
        (&["build", "a", "-o", "b", "-f"][..], "--no-clobber"),
        (&["build", "a", "-o", "b", "-t", "ext4"], "--fs ext4"),
        (
            &["build", "a", "-o", "b", "-o", "rw"],
            "-o names the output",
        ),
        (&["build", "a", "b.img"], "-o b.img"),
        (&["plan", "a", "b"], "plan takes"),
        (
            &["verify", "a", "b", "--like", "c"],
            "does not depend on it",
        ),
        (&["export", "a", "--offset", "5"], "take it out first"),
        (&["mount", "a", "b", "-o", "rw"], "read-only"),
        (&["build", "a", "-o", "b", "--jobs", "0"], "from 1 on"),
        (&["build", "a", "-o", "b", "--size", "1.5G"], "1536M"),
        (
            &["build", "a", "-o", "b", "--max-entries", "1.5"],
            "expected a whole number",
        ),
        (
            &["push", "a", "docker://x/y", "--segment-size", "128M"],
            "found 128M",
        ),
        (
            &["pull", "docker://x/y", "-o", "b", "--max-bytes", "30X"],
            "is not a size",
        ),
        (&["build", "a", "-o", "b", "--uuid", &zeros], "uuidgen"),
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code(), 2, "{arguments:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(meant),
            "{arguments:?}: {}",
            ended.stderr
        );
        for word in ["as a value", "invalid digit", "non-zero type"] {
            assert!(
                !ended.stderr.contains(word),
                "{arguments:?}: {}",
                ended.stderr
            );
        }
    }
}

#[test]
fn a_variable_is_named_where_the_value_comes_from_it() {
    let press = Press::new();
    let words = ["build", "a", "-o", "b"];
    let mut command = std::process::Command::new(super::support::run::LAYERPRESS);
    let ended = press.run(command.args(words).env("SOURCE_DATE_EPOCH", "x"));
    assert_eq!(ended.code(), 2);
    assert!(
        ended.stderr.contains("variable SOURCE_DATE_EPOCH"),
        "{}",
        ended.stderr
    );
    let mut command = std::process::Command::new(super::support::run::LAYERPRESS);
    let command = command.args(words).args(["--source-date-epoch", "now"]);
    let ended = press.run(command.env("SOURCE_DATE_EPOCH", "1"));
    assert_eq!(ended.code(), 2);
    assert!(!ended.stderr.contains("variable"), "{}", ended.stderr);
}
