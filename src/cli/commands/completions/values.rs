//! What a shell offers for an option's value, and how the value is named to it.

use clap::builder::{PossibleValuesParser, Resettable};
use clap::{Arg, ArgAction, Command, ValueHint};

/// Platforms that images are made for; any other can be typed.
const PLATFORMS: &[&str] = &[
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/386",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
];

/// The argument with what is offered for it: words where it takes some, and files only where its value
/// is one. `path` is the command that it belongs to.
pub(super) fn offered(argument: Arg, path: &str) -> Arg {
    if !takes_value(&argument) {
        return argument;
    }
    let words = words(path, argument.get_id().as_str());
    if !words.is_empty() {
        // The default need not be one of them, and nothing is parsed by this.
        let argument = argument.default_value(Resettable::Reset);
        return argument.value_parser(PossibleValuesParser::new(words));
    }
    match argument.get_value_hint() {
        _ if has_words(&argument) => argument,
        _ if argument.get_id() == "exec" => argument.value_hint(ValueHint::CommandName),
        // A path has one by its type.
        ValueHint::Unknown => argument.value_hint(ValueHint::Other),
        _ => argument,
    }
}

/// Whether there is a value; a flag has its own name for one.
pub(super) fn takes_value(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)
}

/// Whether the parser itself tells the words that there are.
fn has_words(argument: &Arg) -> bool {
    argument.get_value_parser().possible_values().is_some()
}

/// The words that an option takes besides numbers and the like, which the parser does not tell.
fn words(path: &str, id: &str) -> &'static [&'static str] {
    match (path, id) {
        (_, "platform") => PLATFORMS,
        (_, "journal") => &["auto", "none"],
        ("build" | "plan", "size") => &["fit"],
        ("export", "compress") => &["gzip", "zstd", "none"],
        ("push", "compress") => &["zstd"],
        (_, "compress") => &["gzip", "zstd"],
        _ => &[],
    }
}

/// The argument with names of its values that zsh takes for text: a colon would end them, and what
/// follows it be run. Brackets mean nothing there, and a backslash before one would be shown.
pub(super) fn named_for_zsh(argument: Arg) -> Arg {
    let names = argument.get_value_names().unwrap_or_default();
    if !takes_value(&argument) || !names.iter().any(|name| name.contains(':')) {
        return argument;
    }
    let escaped: Vec<_> = names.iter().map(|name| name.replace(':', "\\:")).collect();
    argument.value_names(escaped)
}

/// zsh's script in which options take a value from behind an equals sign alone where the parser does.
pub(super) fn with_values_in_one_word(mut script: String, command: &Command) -> String {
    for option in command.get_subcommands().flat_map(Command::get_opts) {
        if let Some(long) = option.get_long().filter(|_| option.is_require_equals_set()) {
            script = script.replace(&format!("--{long}=["), &format!("--{long}=-["));
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::command;
    use crate::cli::misunderstood::in_a_line;

    fn options(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
        command.get_subcommands().flat_map(|below| {
            below
                .get_opts()
                .map(move |option| (below.get_name(), option))
        })
    }

    #[test]
    fn the_parser_takes_every_word_that_is_offered() {
        let mut form = command();
        form.build();
        let mut seen = 0;
        for (path, option) in options(&form) {
            for word in words(path, option.get_id().as_str()) {
                let value = format!("--{}={word}", option.get_long().unwrap());
                let typed = ["layerpress", path, &value, "a", "docker://b"].map(OsString::from);
                if let Err(error) = form.clone().try_get_matches_from(typed) {
                    let said = in_a_line(&error);
                    assert!(!said.contains("invalid value"), "{path}: {said}");
                }
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn files_are_offered_for_options_alone_whose_value_is_one() {
        let mut form = command().mut_subcommands(|below| {
            let path = below.get_name().to_owned();
            below.mut_args(|argument| offered(argument, &path))
        });
        form.build();
        let of = |path: &str, long: &str| {
            let option =
                options(&form).find(|(of, option)| *of == path && option.get_long() == Some(long));
            let option = option.unwrap().1;
            match has_words(option) {
                true => None,
                false => Some(option.get_value_hint()),
            }
        };
        for (path, long) in [
            ("build", "creds"),
            ("build", "free-inodes"),
            ("build", "include"),
            ("build", "owner"),
            ("layers", "max-wasted"),
            ("export", "label"),
        ] {
            assert_eq!(of(path, long), Some(ValueHint::Other), "{path} --{long}");
        }
        // A word that is finished has a space behind it.
        for long in ["size", "platform", "journal", "compress", "fs", "progress"] {
            assert_eq!(of("build", long), None, "--{long}");
        }
        for (path, long) in [
            ("build", "output"),
            ("build", "add"),
            ("build", "overlay"),
            ("build", "like"),
            ("build", "mke2fs"),
            ("push", "manifest"),
        ] {
            assert_eq!(of(path, long), Some(ValueHint::AnyPath), "{path} --{long}");
        }
    }
}
