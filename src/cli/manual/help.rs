//! What stands below the help of each command.

use clap::{Arg, Command};

use super::brief::{brief_words, is_brief};
use super::examples::{Example, examples};
use crate::cli::arguments::EXIT_CODES;

/// Lines of help are no longer where nothing says how wide a terminal is.
pub const COLUMNS: usize = 80;

/// The parser with each command's examples and exit codes below its help.
pub fn with_manual(command: Command) -> Command {
    dressed(command, "")
}

fn dressed(command: Command, path: &str) -> Command {
    let examples = text(&examples(path));
    // A command may have codes of its own.
    let codes = match command.get_after_help() {
        Some(codes) => codes.to_string(),
        None => EXIT_CODES.to_owned(),
    };
    let command = command.mut_args(|option| briefly(option, path));
    command
        .after_help(examples.clone())
        .after_long_help(format!("{examples}\n{codes}"))
        .mut_subcommands(|below| {
            let path = format!("{path} {}", below.get_name());
            dressed(below, path.trim_start())
        })
}

/// The option as `-h` shows it, if it does.
fn briefly(option: Arg, path: &str) -> Arg {
    let id = option.get_id().to_string();
    if option.is_positional() || is_brief(path, &id, option.get_help_heading()) {
        let long = option.get_help().cloned();
        return match (brief_words(path, &id), long) {
            (Some(words), Some(long)) => option.help(words).long_help(long),
            _ => option,
        };
    }
    option.hide_short_help(true)
}

/// Examples as help shows them: what comes of each stands behind it, in one column as far as all
/// lines are none longer than [`COLUMNS`].
fn text(examples: &[Example]) -> String {
    let aligned = examples
        .iter()
        .map(|one| COLUMNS.saturating_sub("    # ".len() + one.says.len()));
    let longest = examples.iter().map(|one| one.command.len()).max();
    let width = aligned.chain(longest).min().unwrap_or(0);
    let line = |one: &Example| format!("  {:width$}  # {}", one.command, one.says);
    let lines: Vec<_> = examples.iter().map(line).collect();
    format!("Examples:\n{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    fn below(command: &Command, found: &mut Vec<(String, String)>) {
        let short = command.clone().render_help().to_string();
        let long = command.clone().render_long_help().to_string();
        found.push((short, long));
        // Of `help` there is nothing to say.
        let commands = command.get_subcommands();
        let commands = commands.filter(|command| command.get_name() != "help");
        commands.for_each(|command| below(command, found));
    }

    #[test]
    fn every_help_has_examples_that_fit_and_the_long_one_has_the_exit_codes() {
        let mut helps = Vec::new();
        let mut command = command();
        command.build();
        below(&command, &mut helps);
        assert!(helps.len() > 20, "{}", helps.len());
        for (short, long) in helps {
            for help in [&short, &long] {
                let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
                let examples: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
                let fits = |line: &&str| line.contains("  # ") && line.len() <= COLUMNS;
                let usage = help.lines().find(|line| line.starts_with("Usage:"));
                assert!(usage.unwrap().len() <= COLUMNS, "{usage:?}");
                assert!(examples.len() >= 2 && examples.iter().all(fits), "{help}");
            }
            assert!(long.contains("Exit codes:\n  0  "), "{long}");
            assert!(!short.contains("Exit codes:"), "{short}");
        }
    }

    #[test]
    fn words_behind_examples_stand_in_one_column_as_far_as_they_fit() {
        let one = |command, says| Example { command, says };
        let examples = [one("a", "1"), one("a b", "2")];
        assert_eq!(text(&examples), "Examples:\n  a    # 1\n  a b  # 2\n");
        let long = "x".repeat(60);
        let examples = [
            one("a", "twenty letters of it"),
            one(long.as_str().to_owned().leak(), "2"),
        ];
        let text = text(&examples);
        assert_eq!(text.lines().nth(1).unwrap().len(), 80);
        assert_eq!(text.lines().nth(2).unwrap().len(), 67);
    }
}
