//! What the parser says of a command line that it does not understand, in words of this program: what
//! is meant here, in place of how to pass it as something that nobody meant.

mod values;

use std::borrow::Cow;
use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use crate::error::{escape_line, shell_word};

/// What another program would take, and what stands for it here: the commands (none for any), what is
/// typed, and what is meant.
const MEANT: &[(&[&str], &[&str], &str)] = &[
    (
        &["build"],
        &["-f"],
        "an output that is there is replaced without it; --recipe FILE reads a recipe, --no-clobber keeps what is there",
    ),
    (
        &["pull", "export"],
        &["-f", "--force"],
        "an output that is there is replaced without it; --no-clobber keeps what is there",
    ),
    (
        &["push"],
        &["-f", "--force"],
        "--replace takes a tag even from what is no filesystem",
    ),
    (&["extract"], &["-f"], "--force replaces what is there"),
    (
        &["umount"],
        &["-f", "--force", "-l"],
        "--lazy takes a mount out of sight that is in use",
    ),
    (
        &[],
        &["-t"],
        "the kind of filesystem is --fs ext3, --fs ext4 or --fs ext2 of build and plan; a name with its tag is a part of IMAGE, as in debian:13",
    ),
    (
        &["mount"],
        &["-o"],
        "mounts are read-only; --suid and --dev are the options there are",
    ),
    (
        &["mount"],
        &["-r", "--read-only"],
        "mounts are read-only as they are",
    ),
    (
        &["mount"],
        &["--rw", "-w"],
        "mounts are read-only: a filesystem is changed by building it anew, or by `mount -o loop` as root",
    ),
    (
        &["build"],
        &["--rw"],
        "what is built is an ordinary filesystem, which can be mounted for writing",
    ),
    (
        &["verify"],
        &["--like"],
        "what is verified does not depend on it: a filesystem built --like another holds the same tree, so leave it out",
    ),
    (
        &["diff"],
        &["--like"],
        "what is compared does not depend on it; --blocks compares two versions block by block",
    ),
    (
        &["export"],
        &["--offset"],
        "a filesystem inside a larger file is looked into by ls, cat, stat and extract; to export it, take it out first: dd if=DISK of=FS.img iflag=skip_bytes skip=BYTES",
    ),
    (
        &["build"],
        &["--tag"],
        "the tag is a part of IMAGE, as in debian:13",
    ),
    (&[], &["-p"], "the platform is --platform OS/ARCH"),
    (
        &["build"],
        &["--no-verify"],
        "--tls-verify=false takes any certificate; what is built is verified with --verify alone",
    ),
    (
        &[],
        &[
            "--tls-no-verify",
            "--no-tls-verify",
            "--no-verify",
            "--insecure-skip-tls-verify",
            "--skip-tls-verify",
        ],
        "--tls-verify=false takes any certificate",
    ),
    (
        &[],
        &["--insecure"],
        "--tls-verify=false takes any certificate, --plain-http speaks no TLS",
    ),
    (
        &[],
        &["--username", "-u"],
        "credentials are --creds-stdin, --creds-file FILE, or those of docker login and podman login",
    ),
    (
        &["build", "pull", "export", "extract"],
        &[
            "--dest",
            "--destination",
            "--out",
            "--outfile",
            "--output-file",
        ],
        "where the result goes is said by -o",
    ),
    (
        &[],
        &["--threads", "--parallel", "--concurrency", "-j"],
        "how many work side by side is --jobs N",
    ),
    (&[], &["-s"], "the size is --size 900M of build and plan"),
];

/// What other programs call the kind of filesystem, or take in the place of `--fs`.
const KIND: [&str; 7] = [
    "-t",
    "--type",
    "--format",
    "--filesystem",
    "--fstype",
    "--fs-type",
    "--file-system",
];

/// The kinds there are.
const KINDS: [&str; 3] = ["ext3", "ext4", "ext2"];

/// The error with what is meant here.
pub fn reworded(error: clap::Error, command: &Command, typed: &[OsString]) -> clap::Error {
    let (path, below) = called(command, typed);
    match error.kind() {
        ErrorKind::UnknownArgument | ErrorKind::InvalidValue => {
            match values::of_negative(command, below, typed) {
                Some((error, joined)) => reworded_once(error, command, &joined),
                None => reworded_once(error, command, typed),
            }
        }
        ErrorKind::InvalidUtf8 => values::of_bytes(error, command, below, typed),
        // Its -h is an option, as that of GNU's.
        ErrorKind::MissingRequiredArgument
            if path == "ls" && typed.iter().skip(1).eq(["ls", "-h"]) =>
        {
            help(below)
        }
        _ => reworded_once(error, command, typed),
    }
}

/// A command's short help, as the parser gives it where it is asked for.
fn help(command: &Command) -> clap::Error {
    let text = command.clone().render_help();
    let asked = Command::new("help").override_help(text);
    let answer = asked.try_get_matches_from(["help", "-h"]);
    answer
        .err()
        .unwrap_or_else(|| clap::Error::new(ErrorKind::DisplayHelp))
}

/// The same for words that are what they seem to be.
fn reworded_once(error: clap::Error, command: &Command, typed: &[OsString]) -> clap::Error {
    fit_to_be_shown(meant(error, command, typed), command)
}

/// The error with nothing in it that acts on a terminal: what was typed may be names of files that others
/// chose, as a shell puts them in the place of `*`.
fn fit_to_be_shown(mut error: clap::Error, command: &Command) -> clap::Error {
    let fit = |text: &String| escape_line(text).into_owned();
    let values = error.context().filter_map(|(kind, value)| {
        let value = match value {
            ContextValue::String(text) => ContextValue::String(fit(text)),
            ContextValue::Strings(texts) => ContextValue::Strings(texts.iter().map(fit).collect()),
            _ => return None,
        };
        Some((kind, value))
    });
    for (kind, value) in values.collect::<Vec<_>>() {
        error.insert(kind, value);
    }
    let why = std::error::Error::source(&error).map(ToString::to_string);
    let is_fit = |why: &String| matches!(escape_line(why), Cow::Borrowed(_));
    let parts = (
        error.get(ContextKind::InvalidValue),
        error.get(ContextKind::InvalidArg),
    );
    match (why.filter(|why| !is_fit(why)), parts) {
        (Some(why), (Some(value), Some(argument))) => {
            let why = escape_line(&why);
            let text = format!("invalid value '{value}' for '{argument}': {why}\n");
            clap::Error::raw(error.kind(), text).with_cmd(command)
        }
        _ => error,
    }
}

fn meant(mut error: clap::Error, command: &Command, typed: &[OsString]) -> clap::Error {
    let (path, command) = called(command, typed);
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
                return error;
            };
            let tip = tip(&path, command, &argument.clone(), typed);
            // The parser's own says how to pass an option as a name; what is written nearly so stays.
            error.remove(ContextKind::Suggested);
            if let Some(tip) = tip {
                let tips = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
                error.insert(ContextKind::Suggested, tips);
                // What is spelled alike is something else.
                error.remove(ContextKind::SuggestedArg);
            }
            error
        }
        ErrorKind::ArgumentConflict if is_twice(&error, "--output") => {
            let tip = "-o names the output; a filesystem has no options as mount -o has".to_owned();
            error.insert(
                ContextKind::Suggested,
                ContextValue::StyledStrs(vec![StyledStr::from(tip)]),
            );
            error
        }
        ErrorKind::ValueValidation => of_environment(error, command, typed),
        _ => error,
    }
}

/// The command that is called, and the words that call it.
fn called<'a>(command: &'a Command, typed: &[OsString]) -> (String, &'a Command) {
    let mut at = command;
    let mut path = String::new();
    for word in typed.iter().skip(1) {
        let below = word.to_str().and_then(|word| at.find_subcommand(word));
        if let Some(below) = below {
            at = below;
            path = format!("{path} {}", below.get_name())
                .trim_start()
                .to_owned();
        }
    }
    (path, at)
}

fn is_twice(error: &clap::Error, option: &str) -> bool {
    let is = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.contains(option),
        _ => false,
    };
    is(ContextKind::InvalidArg) && is(ContextKind::PriorArg)
}

/// What is meant by an argument that the command does not have.
fn tip(path: &str, command: &Command, argument: &str, typed: &[OsString]) -> Option<String> {
    let option = argument.split('=').next().unwrap_or(argument);
    if matches!(path, "build" | "plan")
        && let Some(kind) = kind(option, typed)
    {
        return Some(format!("the kind of filesystem is --fs {kind}"));
    }
    let rows = MEANT.iter().filter(|row| row.1.contains(&option));
    let of_this = rows.clone().find(|row| row.0.contains(&path));
    let of_any = || rows.clone().find(|row| row.0.is_empty());
    if let Some((_, _, meant)) = of_this.or_else(of_any) {
        return Some((*meant).to_owned());
    }
    if option.starts_with('-') {
        return values::tip_for_negative(command, typed, argument);
    }
    if let Some(tip) = values::tip_for_equals(command, typed, argument) {
        return Some(tip);
    }
    let names = command.get_positionals().map(|name| format!("{name}"));
    let names: Vec<_> = names.collect();
    let has_output =
        command.get_arguments().any(|one| one.get_id() == "output") && !values::has_output(typed);
    Some(match (has_output, names.is_empty()) {
        (true, _) => format!(
            "where the result goes is said by -o: -o {}",
            shell_word(argument)
        ),
        (false, true) => format!("{path} takes no names"),
        (false, false) => format!("{path} takes {} and no more", names.join(" and ")),
    })
}

/// The kind of filesystem that is meant by what another program calls it; `KIND` without one.
fn kind(option: &str, typed: &[OsString]) -> Option<&'static str> {
    let is_kind = |text: &str| KINDS.into_iter().find(|kind| *kind == text);
    if let Some(kind) = option.strip_prefix("--").and_then(is_kind) {
        return Some(kind);
    }
    if !KIND.contains(&option) {
        return None;
    }
    let words = || typed.iter().filter_map(|word| word.to_str());
    let behind = words().find_map(|word| word.strip_prefix(option)?.strip_prefix('='));
    let next = || words().skip_while(|word| *word != option).nth(1);
    let kind = behind.or_else(next).and_then(is_kind);
    // The kernel's word for it is told with all of them.
    kind.or((option != "-t").then_some("ext3, --fs ext4 or --fs ext2"))
}

/// An error's first paragraph in one line, without what follows it for people at a terminal.
pub fn in_a_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.split("\n\n").next().unwrap_or_default();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let text = lines.join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

/// A value that nobody typed is told as the variable's that it comes from.
fn of_environment(error: clap::Error, command: &Command, typed: &[OsString]) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let (shown, value) = (
        text(ContextKind::InvalidArg),
        text(ContextKind::InvalidValue),
    );
    let is_typed = |option: &Arg| {
        let long = option.get_long().map(|long| format!("--{long}"));
        typed.iter().filter_map(|word| word.to_str()).any(|word| {
            long.as_deref().is_some_and(|long| {
                word.strip_prefix(long)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            })
        })
    };
    let option = command.get_arguments().find(|option| {
        option.to_string() == shown && option.get_env().is_some() && !is_typed(option)
    });
    let Some(option) = option else {
        return error;
    };
    let why = std::error::Error::source(&error).map(ToString::to_string);
    values::of_variable(option, &value, why.as_deref()).with_cmd(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command_line::command;
    use crate::error::is_unprintable;

    /// What is said of these words, as a terminal gets it.
    pub(super) fn said(words: &[&str]) -> Option<String> {
        said_of(words.iter().map(OsString::from).collect())
    }

    pub(super) fn said_of(words: Vec<OsString>) -> Option<String> {
        let mut form = command();
        let words = [&["layerpress".into()], &words[..]].concat();
        let error = form.try_get_matches_from_mut(&words).err()?;
        Some(reworded(error, &form, &words).render().ansi().to_string())
    }

    /// The same with this value for each option of each command in turn.
    fn said_of_all(value: &str) -> Vec<(String, String)> {
        let mut form = command();
        form.build();
        let mut all = Vec::new();
        for below in form.get_subcommands() {
            for option in below.get_opts() {
                let option = format!("--{}={value}", option.get_long().unwrap());
                if let Some(said) = said(&[below.get_name(), &option, "a", "b"]) {
                    all.push((format!("{} {option:?}", below.get_name()), said));
                }
            }
        }
        assert!(all.len() > 100, "{}", all.len());
        all
    }

    #[test]
    fn nothing_that_was_typed_acts_on_the_terminal_that_shows_what_is_wrong_with_it() {
        let hostile = "x\u{1b}]0;evil\u{7}\u{202e}\ny";
        let mut all = said_of_all(hostile);
        for words in [
            &[hostile][..],
            &["diff", "a", "b", hostile],
            &["build", "a", hostile],
            &["cache", hostile],
            &["man", "a", hostile],
            &["build", "a", &format!("--{hostile}")],
            &["build", "a", &format!("-{hostile}")],
            &["ls", "a", &format!("--color={hostile}")],
        ] {
            all.push((format!("{words:?}"), said(words).unwrap()));
        }
        for (typed, said) in all {
            // The parser's own colours are the only ones.
            let acts =
                |letter: char| letter != '\n' && letter != '\u{1b}' && is_unprintable(letter);
            assert!(!said.contains(acts), "{typed}: {said:?}");
            assert!(!said.contains("\u{1b}]"), "{typed}: {said:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_number_is_said_in_words_of_this_program() {
        for value in ["x", "-1", "1.5", "99999999999999999999999"] {
            for (typed, said) in said_of_all(value) {
                for words in ["invalid digit", "is not in", "number too", "out of range"] {
                    assert!(!said.contains(words), "{typed}: {said}");
                }
            }
        }
    }

    #[test]
    fn a_name_in_a_tip_is_one_word_for_a_shell() {
        let said = said(&["build", "a", "b;c"]).unwrap();
        assert!(said.contains("-o 'b;c'"), "{said}");
    }

    #[test]
    fn what_other_programs_take_is_answered_with_what_stands_for_it_here() {
        for (words, expected) in [
            (&["build", "a", "--format", "ext4"][..], "--fs ext4"),
            (&["build", "a", "--format=ext2"], "--fs ext2"),
            (&["build", "a", "--ext4"], "--fs ext4"),
            (&["plan", "a", "--type", "ext4"], "--fs ext4"),
            (&["build", "a", "-t", "ext4"], "--fs ext4"),
            (
                &["build", "a", "--filesystem", "ext4", "-o", "x"],
                "--fs ext4",
            ),
            (&["build", "a", "--filesystem"], "--fs ext4 or"),
            (&["build", "a", "--dest", "x"], "said by -o"),
            (&["extract", "a", "--dest=x"], "said by -o"),
            (&["build", "a", "--threads", "4"], "--jobs N"),
            (
                &["pull", "a", "--no-verify", "-o", "x"],
                "--tls-verify=false",
            ),
            (&["build", "a", "--no-verify"], "--tls-verify=false"),
            (&["tags", "--insecure", "a"], "--tls-verify=false"),
        ] {
            let said = said(words).unwrap();
            assert!(said.contains(expected), "{words:?}: {said}");
            assert!(!said.contains("similar"), "{words:?}: {said}");
        }
        // What is only misspelled is told what it is like.
        assert!(
            said(&["build", "a", "--platfrom=b"])
                .unwrap()
                .contains("similar")
        );
    }

    #[test]
    fn help_of_ls_is_shown_for_its_h_where_no_image_is() {
        let said = |words: &[&str]| said(words).unwrap();
        let help = said(&["ls", "-h"]);
        assert!(
            help.contains("Usage:") && help.contains("--recursive"),
            "{help}"
        );
        assert!(
            !help.contains("error:") && !help.contains("--max-entries"),
            "{help}"
        );
        assert!(said(&["ls", "-l"]).contains("error:"));
    }
}
