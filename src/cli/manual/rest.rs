//! Exit codes one by one, and which other pages are worth a look.

use clap::Command;

/// The codes that a command ends with and what each means, as its help tells them; what is told of
/// several has no code before it.
pub fn exit_status(command: &Command) -> Vec<(String, String)> {
    let help = command.get_after_long_help().map(ToString::to_string);
    let help = help.unwrap_or_default();
    let lines = help
        .lines()
        .skip_while(|line| *line != "Exit codes:")
        .skip(1);
    let mut rows: Vec<(String, String)> = Vec::new();
    for line in lines {
        let is_row = line.starts_with("  ") && !line.starts_with("   ");
        let split = line.trim_start().split_once("  ").filter(|_| is_row);
        match (split, rows.last_mut()) {
            (Some((codes, says)), _) => rows.push((codes.to_owned(), says.trim().to_owned())),
            (None, Some((codes, says))) if line.starts_with(' ') || codes.is_empty() => {
                says.push(' ');
                says.push_str(line.trim());
            }
            _ => rows.push((String::new(), line.trim().to_owned())),
        }
    }
    rows
}

/// Other pages and their sections, in order.
pub fn see_also(path: &str) -> Vec<(String, u8)> {
    let own = |names: &[&str]| {
        let names = names.iter().map(|name| (format!("layerpress-{name}"), 1));
        names.collect::<Vec<_>>()
    };
    let mut pages = match path {
        "" => own(&["build", "inspect", "ls", "mount", "verify"]),
        "build" => own(&["diff", "inspect", "mount", "plan", "verify"]),
        "plan" => own(&["build", "diff"]),
        "inspect" => own(&["layers", "ls", "verify"]),
        "verify" => own(&["build", "diff"]),
        "diff" => own(&["layers", "packages", "verify"]),
        "export" => own(&["build", "push"]),
        "packages" => own(&["diff", "inspect"]),
        "cache" => own(&["cache-ls", "cache-prune"]),
        "cache ls" => own(&["cache", "cache-prune"]),
        "cache prune" => own(&["cache", "cache-ls"]),
        "tags" => own(&["build", "inspect"]),
        "pull" => own(&["push", "verify"]),
        "push" => own(&["build", "pull"]),
        "mount" => own(&["umount", "verify"]),
        "umount" => own(&["mount"]),
        "layers" => own(&["diff", "inspect", "ls"]),
        "ls" | "cat" | "stat" | "extract" => {
            let all = ["cat", "extract", "ls", "stat"];
            own(&all.map(|name| if name == path { "inspect" } else { name }))
        }
        _ => Vec::new(),
    };
    if !path.is_empty() {
        pages.push(("layerpress".to_owned(), 1));
    }
    let foreign: &[(&str, u8)] = match path {
        "" | "build" | "plan" => &[("ext4", 5), ("mke2fs", 8)],
        "verify" => &[("e2fsck", 8), ("veritysetup", 8)],
        "mount" | "umount" => &[("losetup", 8), ("mount", 8)],
        "export" | "push" | "pull" | "tags" => &[("skopeo", 1)],
        "extract" => &[("tar", 1)],
        _ => &[],
    };
    pages.extend(
        foreign
            .iter()
            .map(|(name, section)| ((*name).to_owned(), *section)),
    );
    pages.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    pages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    #[test]
    fn every_code_is_told_by_itself_and_what_is_behind_them_in_a_paragraph_of_its_own() {
        let command = command();
        let rows = exit_status(&command);
        assert_eq!(rows.len(), 11, "{rows:#?}");
        assert_eq!(rows[0].0, "0");
        assert!(
            rows[3].1.contains("machine (full disk, no permission)"),
            "{rows:#?}"
        );
        let mount = exit_status(command.find_subcommand("mount").unwrap());
        let (codes, says) = mount.last().unwrap();
        assert!(
            codes.is_empty() && says.starts_with("With --exec: "),
            "{mount:#?}"
        );
        assert!(says.ends_with("unmounted afterwards"), "{mount:#?}");
        assert_eq!(mount.len(), 12, "{mount:#?}");
    }

    #[test]
    fn every_page_of_ours_that_another_names_is_there() {
        let mut command = command();
        command.build();
        let is_there = |name: &str| {
            let words = name.split('-').skip(1);
            let mut at = Some(&command);
            for word in words {
                at = at.and_then(|command| command.find_subcommand(word));
            }
            at.is_some()
        };
        for below in command.get_subcommands() {
            let ours = see_also(below.get_name()).into_iter().map(|(name, _)| name);
            for name in ours.filter(|name| name.starts_with("layerpress")) {
                assert!(is_there(&name), "{name}");
            }
        }
        assert!(!is_there("layerpress-nothing"));
    }
}
