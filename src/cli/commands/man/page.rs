//! A command's manual page, in the macros of man(7).

use clap::{Arg, ArgAction, Command};

use crate::cli::manual::{environment, examples, exit_status, files, see_also};

/// When what the pages tell was written last, which their footers show.
const DATE: &str = "2026-11-27";

/// Lines of text in a page's source are no longer, in bytes.
const LINE_BYTES: usize = 72;

/// The page's name, without its section.
pub fn name(path: &str) -> String {
    match path.is_empty() {
        true => "layerpress".to_owned(),
        false => format!("layerpress-{}", path.replace(' ', "-")),
    }
}

/// The page of a command, by the words behind the program's name.
pub fn page(program: &Command, command: &Command, path: &str) -> String {
    let mut page = Page(String::new());
    let title = name(path);
    let version = program.get_version().unwrap_or_default();
    page.macro_line(&format!(
        "TH {} 1 {DATE} \"layerpress {version}\" layerpress",
        escaped(&title.to_uppercase())
    ));
    page.section("NAME");
    let about = command.get_about().map(ToString::to_string);
    let about = about.unwrap_or_default();
    let brief = about.split([';', ':']).next().unwrap_or_default();
    page.text(&format!("{title} - {brief}"));
    page.section("SYNOPSIS");
    synopsis(&mut page, command);
    page.section("DESCRIPTION");
    let long = command.get_long_about().map(ToString::to_string);
    page.text(&sentence(&long.unwrap_or(about)));
    for name in command.get_positionals() {
        page.tagged(&bold(&name.to_string()), &told(name));
    }
    if command.has_subcommands() {
        page.section("COMMANDS");
        for below in command.get_subcommands() {
            let about = below.get_about().map(ToString::to_string);
            let page_name = format!("{}-{}", title, below.get_name());
            page.tagged(
                &reference(&page_name, "1"),
                &sentence(&about.unwrap_or_default()),
            );
        }
    }
    page.section("OPTIONS");
    options(&mut page, command);
    page.section("EXAMPLES");
    for (number, example) in examples(path).iter().enumerate() {
        if number > 0 {
            page.macro_line("PP");
        }
        page.text(&format!("{}:", capitalised(example.says)));
        page.verbatim(example.command);
    }
    for (heading, known) in [
        ("ENVIRONMENT", environment(command)),
        ("FILES", files(command)),
    ] {
        if !known.is_empty() {
            page.section(heading);
        }
        for one in known {
            page.tagged(&bold(one.name), one.says);
        }
    }
    page.section("EXIT STATUS");
    for (codes, says) in exit_status(command) {
        match codes.is_empty() {
            true => page.paragraph(&sentence(&says)),
            false => page.tagged(&bold(&codes), &sentence(&capitalised(&says))),
        }
    }
    page.section("SEE ALSO");
    let others = see_also(path);
    let last = others.len().saturating_sub(1);
    for (number, (name, section)) in others.iter().enumerate() {
        let comma = if number == last { "" } else { " ," };
        page.macro_line(&format!("BR {} ({section}){comma}", escaped(name)));
    }
    page.0
}

fn synopsis(page: &mut Page, command: &Command) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:");
    for (number, line) in usage
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .enumerate()
    {
        if number > 0 {
            page.macro_line("br");
        }
        page.text(line);
    }
}

/// Options by their headings, in the order of the help.
fn options(page: &mut Page, command: &Command) {
    let options: Vec<_> = command
        .get_arguments()
        .filter(|one| !one.is_positional() && !one.is_hide_set())
        .collect();
    let mut headings = vec![None];
    for option in &options {
        let heading = option.get_help_heading();
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        if let Some(heading) = heading {
            page.macro_line(&format!("SS \"{}\"", escaped(heading)));
        }
        for option in options
            .iter()
            .filter(|one| one.get_help_heading() == heading)
        {
            page.tagged(&spelled(option), &told(option));
        }
    }
}

/// `-o, --output <FILE>`.
fn spelled(option: &Arg) -> String {
    let short = option.get_short().map(|short| bold(&format!("-{short}")));
    let long = option.get_long().map(|long| bold(&format!("--{long}")));
    let names: Vec<_> = short.into_iter().chain(long).collect();
    let mut text = names.join(", ");
    if matches!(option.get_action(), ArgAction::Set | ArgAction::Append) {
        let names = option.get_value_names().unwrap_or_default();
        let value = names
            .iter()
            .map(|name| name.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        let is_free = option
            .get_num_args()
            .is_some_and(|number| number.min_values() == 0);
        text.push_str(&match (is_free, option.is_require_equals_set()) {
            (true, _) => format!("[=\\fI{}\\fR]", escaped(&value)),
            (false, true) => format!("=\\fI{}\\fR", escaped(&value)),
            (false, false) => format!(" \\fI{}\\fR", escaped(&value)),
        });
    }
    text
}

/// What an argument does, with its values and what it is without being given.
fn told(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let mut text = sentence(&help.map(ToString::to_string).unwrap_or_default());
    let values: Vec<_> = argument
        .get_possible_values()
        .into_iter()
        .filter(|_| !argument.is_hide_possible_values_set() && takes_values(argument))
        .collect();
    if !values.is_empty() {
        let values = values.iter().map(|value| match value.get_help() {
            Some(help) => format!("{} ({help})", value.get_name()),
            None => value.get_name().to_owned(),
        });
        text.push_str(&format!(
            " One of: {}.",
            values.collect::<Vec<_>>().join("; ")
        ));
    }
    let usual = argument.get_default_values().iter();
    let usual: Vec<_> = usual.map(|value| value.to_string_lossy()).collect();
    if takes_values(argument) && !argument.is_hide_default_value_set() && !usual.is_empty() {
        text.push_str(&format!(" Without it: {}.", usual.join(", ")));
    }
    text
}

fn takes_values(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)
}

/// With a full stop, but behind one or a bracket.
fn sentence(text: &str) -> String {
    match text.ends_with(['.', ']', ':']) || text.is_empty() {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

fn reference(name: &str, section: &str) -> String {
    format!("{}({section})", bold(name))
}

/// A text in which nothing is a macro, an escape or typography: a hyphen of an option is a minus, to
/// be found and copied.
fn escaped(text: &str) -> String {
    let words: Vec<_> = text
        .split(' ')
        .map(|word| {
            let start = word.trim_start_matches(['(', '[', '<', '\'', '"', '{', '|']);
            let is_typed = start.starts_with('-') || word.contains(['/', '=', ':', '.']);
            let mut escaped = String::new();
            for letter in word.chars() {
                match letter {
                    '\\' => escaped.push_str("\\(rs"),
                    '-' if is_typed => escaped.push_str("\\-"),
                    '\'' => escaped.push_str("\\(aq"),
                    '"' => escaped.push_str("\\(dq"),
                    '`' => escaped.push_str("\\(ga"),
                    '^' => escaped.push_str("\\(ha"),
                    '~' => escaped.push_str("\\(ti"),
                    other => escaped.push(other),
                }
            }
            escaped
        })
        .collect();
    words.join(" ")
}

/// A page's source.
struct Page(String);

impl Page {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn macro_line(&mut self, line: &str) {
        self.line(&format!(".{line}"));
    }

    fn section(&mut self, heading: &str) {
        self.macro_line(&format!("SH {heading}"));
    }

    /// Words, in lines of the source that begin with no macro.
    fn words(&mut self, escaped: &str) {
        let mut line = String::new();
        for word in escaped.split_whitespace() {
            if !line.is_empty() && line.len() + word.len() >= LINE_BYTES {
                self.text_line(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.text_line(&line);
    }

    fn text_line(&mut self, line: &str) {
        let guard = if line.starts_with(['.', '\'']) {
            "\\&"
        } else {
            ""
        };
        self.line(&format!("{guard}{line}"));
    }

    fn text(&mut self, text: &str) {
        for (number, paragraph) in text.split("\n\n").enumerate() {
            if number > 0 {
                self.macro_line("PP");
            }
            self.words(&escaped(paragraph));
        }
    }

    fn paragraph(&mut self, text: &str) {
        self.macro_line("PP");
        self.text(text);
    }

    fn tagged(&mut self, tag: &str, text: &str) {
        self.macro_line("TP");
        self.text_line(tag);
        self.text(text);
    }

    /// What is typed, as it is.
    fn verbatim(&mut self, line: &str) {
        self.macro_line("PP");
        self.macro_line("RS 4");
        self.macro_line("nf");
        let line = escaped(line).replace("\\-", "-").replace('-', "\\-");
        self.text_line(&format!("\\fB{line}\\fR"));
        self.macro_line("fi");
        self.macro_line("RE");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_a_macro_or_an_escape() {
        let mut page = Page(String::new());
        page.text(".B a\\fB 'x' --long-option well-known");
        assert_eq!(
            page.0,
            "\\&.B a\\(rsfB \\(aqx\\(aq \\-\\-long\\-option well-known\n"
        );
    }
}
