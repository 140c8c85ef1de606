//! What can have a default: how it is called in a file and in the environment.

use clap::Command;

use crate::toml_text::nearest;

/// In which form a file says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A whole number.
    Number,
    /// A word.
    Word,
    /// A place of this machine, from its root on: the same file is read in every directory.
    Path,
}

/// Every key of the file, which is the long name of its option. Only what changes neither bytes nor
/// checks is one of them.
pub(super) const KEYS: [(&str, Form); 7] = [
    ("cache-dir", Form::Path),
    ("work-dir", Form::Path),
    ("jobs", Form::Number),
    ("progress", Form::Word),
    ("timeout", Form::Number),
    ("retry", Form::Number),
    ("ca-cert", Form::Path),
];

/// What variables begin with.
pub(super) const PREFIX: &str = "LAYERPRESS_";

/// The identifier of its option.
pub(super) fn id(key: &str) -> String {
    key.replace('-', "_")
}

/// Its variable.
pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", id(key).to_uppercase())
}

/// Whether an option of this name means the key in a command: how long umount tries is nothing of
/// registries.
pub(super) fn is_default_of(key: &str, command: &str) -> bool {
    (command, key) != ("umount", "timeout")
}

/// The long names of all options of a command and of those below it.
pub(super) fn options_of(form: &Command) -> Vec<String> {
    let own = form.get_opts().filter_map(|option| option.get_long());
    let below = form.get_subcommands().flat_map(options_of);
    own.map(str::to_owned).chain(below).collect()
}

/// What is said of a key that is none; `name` is what keys are called where it stands.
pub(super) fn unknown(key: &str, options: &[String], name: impl Fn(&str) -> String) -> String {
    let keys = KEYS.map(|(key, _)| key);
    if let Some(nearest) = nearest(key, &keys) {
        return format!("the nearest is {}", name(nearest));
    }
    if options.iter().any(|option| option == key) {
        return format!("--{key} has no default but the program's own: it is typed, each time");
    }
    format!("expected one of {}", keys.map(name).join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::command_line::command;
    use crate::recipe_file;

    /// Each option of a key's name in a command and below it, with the command.
    fn named<'a>(key: &str, form: &'a Command) -> Vec<(&'a str, &'a clap::Arg)> {
        let own = form
            .get_opts()
            .filter(|option| option.get_long() == Some(key));
        let own = own.map(|option| (form.get_name(), option));
        let below = form.get_subcommands().flat_map(|below| named(key, below));
        own.chain(below).collect()
    }

    #[test]
    fn a_key_is_an_option_of_one_meaning_and_no_recipe_holds_it() {
        let form = command();
        let of_recipes: BTreeSet<_> = recipe_file::keys()
            .into_iter()
            .map(|(_, key)| key)
            .collect();
        assert!(of_recipes.contains("platform"));
        for (key, _) in KEYS {
            assert!(!of_recipes.contains(key), "{key}");
            let options = named(key, &form);
            let taken = options
                .iter()
                .filter(|(command, _)| is_default_of(key, command));
            let types: BTreeSet<_> = taken
                .map(|(_, option)| {
                    assert_eq!(option.get_id().as_str(), id(key));
                    format!("{:?}", option.get_value_parser().type_id())
                })
                .collect();
            assert_eq!(types.len(), 1, "{key}: {options:?}");
        }
        // What is looked for is found.
        assert_eq!(
            named("timeout", &form)
                .iter()
                .filter(|(name, _)| *name == "umount")
                .count(),
            1
        );
    }
}
