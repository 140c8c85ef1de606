//! `docs/reference/commands`: a page for each command, made from the parser.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use clap::{Arg, ArgAction, Command};

use super::papers::root;

const PLACE: &str = "docs/reference/commands";

/// What each page is to be, by its file's name.
fn pages() -> BTreeMap<String, String> {
    let mut command = layerpress::cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = BTreeMap::new();
    collect(&command, "layerpress", &mut pages);
    pages
}

fn collect(command: &Command, full: &str, pages: &mut BTreeMap<String, String>) {
    pages.insert(file_of(full), page(command, full));
    for below in shown(command) {
        let full = format!("{full} {}", below.get_name());
        collect(below, &full, pages);
    }
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
}

/// `layerpress cache ls` is in `cache-ls.md`.
fn file_of(full: &str) -> String {
    let name = full.strip_prefix("layerpress ").unwrap_or(full);
    format!("{}.md", name.replace(' ', "-"))
}

fn page(command: &Command, full: &str) -> String {
    let mut page = format!("# {full}\n\n");
    let about = command.get_long_about().or(command.get_about());
    if let Some(about) = about {
        let _ = write!(
            page,
            "{}.\n\n",
            prose(&about.to_string()).trim_end_matches('.')
        );
    }
    let usage = command.clone().render_usage().to_string();
    let _ = write!(page, "```text\n{}\n```\n\n", usage.trim_end());
    let below: Vec<_> = shown(command).collect();
    if !below.is_empty() {
        page += "| command | |\n|---|---|\n";
        for below in below {
            let name = format!("{full} {}", below.get_name());
            let about = below
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            let file = file_of(&name);
            let _ = writeln!(page, "| [`{name}`]({file}) | {} |", prose(&about));
        }
        page.push('\n');
    }
    for (heading, arguments) in groups(command) {
        let _ = write!(page, "## {heading}\n\n");
        for argument in arguments {
            page += &item(argument);
        }
        page.push('\n');
    }
    let after = command.get_after_long_help().or(command.get_after_help());
    page += &sections(&after.map(ToString::to_string).unwrap_or_default());
    page.push_str(
        "---\n\nMade from the program's own parser by `UPDATE=1 cargo test --test documented`.\n",
    );
    page
}

/// Arguments below their headings, names first.
fn groups(command: &Command) -> Vec<(String, Vec<&Arg>)> {
    let mut groups: Vec<(String, Vec<&Arg>)> = Vec::new();
    let arguments = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set());
    for argument in arguments {
        let usual = if argument.is_positional() {
            "Arguments"
        } else {
            "Options"
        };
        let heading = argument.get_help_heading().unwrap_or(usual).to_owned();
        match groups.iter_mut().find(|(name, _)| *name == heading) {
            Some((_, group)) => group.push(argument),
            None => groups.push((heading, vec![argument])),
        }
    }
    groups.sort_by_key(|(name, _)| name != "Arguments");
    groups
}

fn item(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help());
    let help = prose(&help.map(ToString::to_string).unwrap_or_default());
    let mut item = format!("- `{}`", spelled(argument));
    if !help.is_empty() {
        let _ = write!(item, " — {}", help.replace('\n', "\n  "));
    }
    let mut notes = Vec::new();
    let is_repeated = matches!(argument.get_action(), ArgAction::Append);
    if is_repeated && !argument.is_positional() && !help.contains("be repeated") {
        notes.push("may be repeated".to_owned());
    }
    if argument.get_action().takes_values() {
        let defaults = argument.get_default_values().iter();
        let defaults: Vec<_> = defaults
            .map(|value| format!("`{}`", value.display()))
            .collect();
        if !defaults.is_empty() {
            notes.push(format!("default: {}", defaults.join(" ")));
        }
    }
    if let Some(variable) = argument.get_env() {
        notes.push(format!("environment: `{}`", variable.display()));
    }
    if !notes.is_empty() {
        let _ = write!(item, " ({})", notes.join("; "));
    }
    item.push('\n');
    let values = argument.get_possible_values();
    for value in values.iter().filter(|value| !value.is_hide_set()) {
        if !argument.get_action().takes_values() || argument.is_hide_possible_values_set() {
            continue;
        }
        let _ = write!(item, "  - `{}`", value.get_name());
        if let Some(help) = value.get_help() {
            let _ = write!(item, " — {}", prose(&help.to_string()));
        }
        item.push('\n');
    }
    item
}

/// How it is typed.
fn spelled(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default();
    let values: Vec<_> = values.iter().map(|name| format!("<{name}>")).collect();
    let takes = argument.get_action().takes_values();
    let value = if takes {
        values.join(" ")
    } else {
        String::new()
    };
    let mut names = Vec::new();
    names.extend(argument.get_short().map(|short| format!("-{short}")));
    names.extend(argument.get_long().map(|long| format!("--{long}")));
    if names.is_empty() {
        return value;
    }
    let is_optional = argument
        .get_num_args()
        .is_some_and(|count| count.min_values() == 0);
    let joined = names.join(", ");
    match (takes, argument.is_require_equals_set(), is_optional) {
        (false, ..) => joined,
        (true, true, true) => format!("{joined}[={value}]"),
        (true, true, false) => format!("{joined}={value}"),
        (true, false, _) => format!("{joined} {value}"),
    }
}

/// What stands below a help: lines that end with a colon begin a section, examples are commands.
fn sections(text: &str) -> String {
    let mut page = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_title = line.ends_with(':') && !line.starts_with(' ');
        if !is_title {
            let _ = writeln!(page, "{}", prose(line));
            continue;
        }
        let title = line.trim_end_matches(':');
        let mut body = Vec::new();
        while let Some(next) = lines.next_if(|next| next.is_empty() || next.starts_with(' ')) {
            body.push(next);
        }
        while body.last().is_some_and(|line| line.is_empty()) {
            body.pop();
        }
        let body = body
            .iter()
            .map(|line| line.strip_prefix("  ").unwrap_or(line));
        let body = body.collect::<Vec<_>>().join("\n");
        let _ = write!(page, "## {title}\n\n");
        page += if title == "Examples" {
            "<!-- not run: of the help; tests/documented holds each line against the parser -->\n```sh\n"
        } else {
            "```text\n"
        };
        let _ = write!(page, "{body}\n```\n\n");
    }
    if page.trim().is_empty() {
        return String::new();
    }
    format!("{}\n\n", page.trim())
}

/// Words that Markdown takes for nothing else.
fn prose(text: &str) -> String {
    let mut escaped = String::new();
    let mut is_code = false;
    for letter in text.chars() {
        is_code ^= letter == '`';
        if !is_code && "\\*<>".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[test]
fn the_reference_is_what_the_parser_says() {
    let place = root().join(PLACE);
    let pages = pages();
    assert!(pages.len() > 20 && pages.contains_key("cache-prune.md"));
    if std::env::var_os("UPDATE").is_some() {
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).unwrap();
        for (name, page) in &pages {
            fs::write(place.join(name), page).unwrap();
        }
    }
    let names = fs::read_dir(&place).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeMap<_, _> = names
        .map(|name| (name.clone(), fs::read_to_string(place.join(name)).unwrap()))
        .collect();
    assert_eq!(
        stale(&pages, &found),
        [""; 0],
        "UPDATE=1 cargo test --test documented renews them"
    );
    // What is looked for is found.
    let mut old = found;
    let page = old.get_mut("build.md").unwrap();
    *page = page.replace("--verify", "--prove");
    old.insert("gone.md".to_owned(), String::new());
    old.remove("ls.md");
    assert_eq!(stale(&pages, &old), ["build.md", "gone.md", "ls.md"]);
}

/// Pages that are not as they are to be, or that are none or too many.
fn stale<'a>(
    expected: &'a BTreeMap<String, String>,
    found: &'a BTreeMap<String, String>,
) -> Vec<&'a str> {
    let mut names: Vec<_> = expected.keys().chain(found.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| expected.get(*name) != found.get(*name));
    names.into_iter().map(String::as_str).collect()
}

#[test]
fn a_page_tells_how_each_option_is_typed_and_all_that_is_known_of_it() {
    let page = &pages()["build.md"];
    for line in [
        "# layerpress build\n",
        "```text\nUsage: layerpress build",
        "\n- `-o, --output <FILE|->` — ",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    let option = Arg::new("kind").long("kind").short('k').value_name("KIND");
    let option = option
        .value_parser(["a", "b"])
        .default_value("a")
        .help("Which *one*");
    let option = option.action(ArgAction::Append);
    let expected = "- `-k, --kind <KIND>` — Which \\*one\\* (may be repeated; default: `a`)\n  - `a`\n  - `b`\n";
    let mut command = Command::new("x").arg(option);
    command.build();
    assert_eq!(item(command.get_arguments().next().unwrap()), expected);
    let after = "Examples:\n  layerpress ls a  # b\n\nExit codes:\n  0  done\nMore";
    let expected = "## Examples\n\n<!-- not run: of the help; tests/documented holds each line against the parser -->\n\
        ```sh\nlayerpress ls a  # b\n```\n\n## Exit codes\n\n```text\n0  done\n```\n\nMore\n\n";
    assert_eq!(sections(after), expected);
}
