//! The commands, as the program itself lists them.

use crate::support::run::{layerpress, output_of};

/// All commands, with those below others, that take an option: `cache ls` is one.
pub fn commands_with(option: &str) -> Vec<String> {
    let mut found = Vec::new();
    look(&[], option, &mut found);
    found
}

fn look(words: &[String], option: &str, found: &mut Vec<String>) {
    let help = output_of(layerpress().args(words).arg("--help"));
    let help = String::from_utf8(help.stdout).unwrap();
    let is_it = |line: &str| {
        let named = line.trim_start().strip_prefix(option);
        named.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let takes = help.lines().any(is_it);
    let below: Vec<_> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // What goes on is further in.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect();
    if below.is_empty() {
        if takes {
            found.push(words.join(" "));
        }
        return;
    }
    for name in below {
        look(&[words, &[name]].concat(), option, found);
    }
}
