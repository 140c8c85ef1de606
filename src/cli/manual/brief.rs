//! What `-h` shows: of commands with many options the ten that matter, each in a line.

/// Which options, by their identifiers, in place of all but those of edits, registries and limits.
const BRIEF: &[(&str, &[&str])] = &[
    (
        "build",
        &[
            "output", "size", "fs", "label", "verify", "verity", "sha256", "platform", "recipe",
            "json",
        ],
    ),
    (
        "plan",
        &[
            "size",
            "fs",
            "journal",
            "free_inodes",
            "like",
            "platform",
            "recipe",
            "json",
        ],
    ),
    (
        "verify",
        &["ignore", "roothash", "recipe", "platform", "jobs", "json"],
    ),
    (
        "diff",
        &[
            "stat", "depth", "packages", "blocks", "ignore", "recipe", "platform", "json",
        ],
    ),
    (
        "export",
        &[
            "base",
            "output",
            "platform",
            "compress",
            "no_clobber",
            "label",
            "created_by",
            "json",
        ],
    ),
    (
        "ls",
        &[
            "long",
            "human_readable",
            "all",
            "directory",
            "recursive",
            "by_time",
            "layer",
            "offset",
            "platform",
            "json",
        ],
    ),
    (
        "pull",
        &[
            "output",
            "like",
            "no_clobber",
            "sha256",
            "manifest",
            "platform",
            "jobs",
            "creds_file",
            "json",
        ],
    ),
    (
        "push",
        &[
            "compress",
            "segment_size",
            "manifest",
            "platform",
            "mount_from",
            "replace",
            "jobs",
            "creds_file",
            "json",
        ],
    ),
];

/// Shorter words for options whose help is long.
const WORDS: &[(&str, &str, &str)] = &[
    (
        "build",
        "image",
        "A container image: a path, docker://NAME or the name alone, docker-daemon:NAME, oci:DIR[:TAG], - (--help has all)",
    ),
    ("plan", "image", "A container image, as build takes it"),
    (
        "build",
        "output",
        "Where the filesystem image goes; - is standard output",
    ),
    ("pull", "output", "Where the filesystem image goes"),
    (
        "export",
        "output",
        "Where the image goes; - is a docker archive on standard output",
    ),
    (
        "build",
        "size",
        "How large: 107 % of what du counts, fit, +64M (so much free), 900M",
    ),
    (
        "plan",
        "size",
        "How large: 107 % of what du counts, fit, +64M (so much free), 900M",
    ),
    ("", "journal", "The journal's size: auto, 16M or none"),
    ("", "like", "Lay it out like an earlier filesystem image"),
    (
        "pull",
        "like",
        "Take what is the same from this earlier image",
    ),
    (
        "",
        "recipe",
        "Take all that determines the result from a recipe (TOML)",
    ),
    ("build", "sha256", "Hash the result and write FILE.sha256"),
    ("pull", "sha256", "Write FILE.sha256, too"),
    (
        "build",
        "verify",
        "Read the result back and compare every entry with the image",
    ),
    (
        "build",
        "verity",
        "Append a hash tree of dm-verity and write OUTPUT.roothash",
    ),
    (
        "",
        "platform",
        "Choose from an image for several platforms, as in linux/arm64",
    ),
    (
        "export",
        "base",
        "The image it was made of: one more layer has what differs",
    ),
    (
        "push",
        "segment_size",
        "The length of a segment, such as 1M",
    ),
    ("push", "manifest", "The manifest of its build"),
    ("", "jobs", "How much is done side by side"),
];

/// Whether `-h` shows an option.
pub fn is_brief(path: &str, id: &str, heading: Option<&str>) -> bool {
    if ["help", "version"].contains(&id) {
        return true;
    }
    // Those of all commands.
    if ["progress", "quiet", "verbose"].contains(&id) {
        return false;
    }
    match BRIEF.iter().find(|(name, _)| *name == path) {
        Some((_, ids)) => ids.contains(&id),
        None => heading.is_none() || id == "platform",
    }
}

/// An option's shorter words.
pub fn brief_words(path: &str, id: &str) -> Option<&'static str> {
    let rows = WORDS.iter();
    let of = |command| rows.clone().find(|row| row.0 == command && row.1 == id);
    of(path).or_else(|| of("")).map(|row| row.2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    #[test]
    fn h_shows_ten_options_at_most_and_help_shows_all() {
        let mut command = command();
        command.build();
        for below in command.get_subcommands() {
            let path = below.get_name();
            let options = |help: String| {
                let lines = help.lines().map(str::trim_start).map(str::to_owned);
                let options = lines.filter(|line| line.starts_with('-'));
                options
                    .filter(|line| !line.starts_with("- "))
                    .collect::<Vec<_>>()
            };
            let short = options(below.clone().render_help().to_string());
            let long = options(below.clone().render_long_help().to_string());
            let of_help = short.iter().filter(|line| line.contains("--help")).count();
            assert!(path == "help" || of_help == 1, "{path}");
            assert!(short.len() - of_help <= 10, "{path}: {short:#?}");
            let all = below
                .get_arguments()
                .filter(|one| !one.is_positional() && !one.is_hide_set());
            assert!(long.len() >= all.count(), "{path}: {long:#?}");
        }
    }

    #[test]
    fn what_is_named_here_is_there() {
        let mut command = command();
        command.build();
        let has = |path: &str, id: &str| {
            let below = command.find_subcommand(path).unwrap();
            below.get_arguments().any(|one| one.get_id() == id)
        };
        for (path, ids) in BRIEF {
            for id in *ids {
                assert!(has(path, id), "{path} {id}");
            }
        }
        for (path, id, _) in WORDS.iter().filter(|row| !row.0.is_empty()) {
            assert!(has(path, id), "{path} {id}");
        }
    }

    #[test]
    fn registries_and_limits_stand_last() {
        let command = command();
        let mut seen = 0;
        for below in command.get_subcommands() {
            let mut headings: Vec<_> = below
                .get_arguments()
                .filter_map(|one| one.get_help_heading())
                .collect();
            let mut first = Vec::new();
            headings.retain(|heading| {
                !first.contains(heading) && {
                    first.push(*heading);
                    true
                }
            });
            let last = headings
                .iter()
                .rev()
                .take_while(|heading| heading.starts_with("Limits") || **heading == "Registries");
            let late = headings
                .iter()
                .filter(|heading| heading.starts_with("Limits") || **heading == "Registries");
            assert_eq!(
                last.count(),
                late.clone().count(),
                "{}: {headings:?}",
                below.get_name()
            );
            seen += late.count();
        }
        assert!(seen > 10, "{seen}");
    }
}
