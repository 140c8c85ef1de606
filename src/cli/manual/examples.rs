//! Each command's examples.

/// A line that can be typed, and what comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// As typed into a shell.
    pub command: &'static str,
    /// A few words, without a full stop.
    pub says: &'static str,
}

/// Two to five lines for each command: the usual first. A command line and its words fit into 80
/// columns together; what is named is never said to be there.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "",
        &[
            (
                "layerpress build debian:13 -o debian.img",
                "from Docker Hub, as ext3",
            ),
            (
                "layerpress ls -l debian.img /etc",
                "look into it, without a mount",
            ),
            (
                "layerpress verify debian.img debian:13",
                "hold every entry against it",
            ),
        ],
    ),
    (
        "build",
        &[
            (
                "layerpress build debian:13 -o debian.img",
                "from Docker Hub, as ext3",
            ),
            (
                "docker save app | layerpress build - -o app.img",
                "from a pipe",
            ),
            (
                "layerpress build docker-daemon:app:1 -o app.img --size +64M",
                "with room",
            ),
            (
                "layerpress build oci:layout:1.0 -o root.img --fs ext4 --verity",
                "hashed",
            ),
            (
                "layerpress build --recipe app.toml",
                "all it takes from a file",
            ),
        ],
    ),
    (
        "plan",
        &[
            ("layerpress plan debian:13", "sizes by every rule"),
            (
                "layerpress plan save.tar --fs ext4 --size fit",
                "the smallest ext4",
            ),
            (
                "layerpress plan app:2 --like app-1.img",
                "what an update would move",
            ),
        ],
    ),
    (
        "inspect",
        &[
            (
                "layerpress inspect debian.img",
                "what a filesystem says of itself",
            ),
            (
                "layerpress inspect debian:13 --json",
                "an image, for a program",
            ),
            ("layerpress inspect save.tar", "an archive's image"),
        ],
    ),
    (
        "verify",
        &[
            (
                "layerpress verify debian.img debian:13",
                "every entry and attribute",
            ),
            (
                "layerpress verify app.img --recipe app.toml",
                "against what a recipe asks for",
            ),
            (
                "layerpress verify a.img --roothash \"$(cat a.img.roothash)\"",
                "every block",
            ),
        ],
    ),
    (
        "diff",
        &[
            ("layerpress diff debian:12 debian:13 --stat", "by directory"),
            ("layerpress diff old.img new.img --packages", "by package"),
            (
                "layerpress diff old.img new.img --blocks",
                "what an update in place moves",
            ),
        ],
    ),
    (
        "export",
        &[
            (
                "layerpress export disk.img --platform linux/amd64 -o oci:layout:1.0",
                "whole",
            ),
            (
                "layerpress export a.img --base docker://debian:13 -o oci:layout:2",
                "changes",
            ),
            (
                "layerpress export a.img --base b:1 -o docker-archive:-:a | docker load",
                "load",
            ),
        ],
    ),
    (
        "packages",
        &[
            ("layerpress packages debian:13", "of an image"),
            (
                "layerpress packages debian.img --json",
                "of a filesystem, for a program",
            ),
        ],
    ),
    (
        "cache",
        &[
            ("layerpress cache ls", "the last used first"),
            (
                "layerpress cache prune --older-than 30d",
                "what was not used for a month",
            ),
        ],
    ),
    (
        "cache ls",
        &[
            ("layerpress cache ls", "the last used first"),
            ("layerpress cache ls --no-trunc", "with whole digests"),
        ],
    ),
    (
        "cache prune",
        &[
            ("layerpress cache prune --keep 10G", "the last used stay"),
            (
                "layerpress cache prune --older-than 30d",
                "what was not used for a month",
            ),
        ],
    ),
    (
        "tags",
        &[
            ("layerpress tags debian", "of Docker Hub"),
            (
                "layerpress tags docker://ghcr.io/org/app --creds-file login",
                "with a name",
            ),
        ],
    ),
    (
        "pull",
        &[
            (
                "layerpress pull docker://registry.example/app:2 -o app.img",
                "all of it",
            ),
            (
                "layerpress pull docker://registry.example/app:2 -o b.img --like a.img",
                "news",
            ),
        ],
    ),
    (
        "push",
        &[
            (
                "layerpress push app.img docker://registry.example/app:2",
                "under a tag",
            ),
            (
                "layerpress push a.img docker://localhost:5000/app --creds-stdin <login",
                "safe",
            ),
        ],
    ),
    (
        "completions",
        &[
            (". <(layerpress completions bash)", "bash, until it ends"),
            (
                "layerpress completions zsh >~/.zfunc/_layerpress",
                "zsh, where fpath has that",
            ),
            (
                "layerpress completions fish | source",
                "fish, until it ends",
            ),
        ],
    ),
    (
        "man",
        &[
            (
                "layerpress man ~/.local/share/man/man1",
                "where man finds them",
            ),
            (
                "layerpress man pages && man -l pages/layerpress-build.1",
                "read one",
            ),
        ],
    ),
    (
        "mount",
        &[
            ("layerpress mount app.img /mnt/app", "until umount"),
            (
                "layerpress mount app.img /mnt/app --exec ls /mnt/app",
                "for one command",
            ),
            ("layerpress mount --list", "what is mounted"),
        ],
    ),
    (
        "umount",
        &[
            ("layerpress umount /mnt/app", "one mount"),
            ("layerpress umount app.img", "all mounts of an image"),
        ],
    ),
    (
        "layers",
        &[
            (
                "layerpress layers debian:13",
                "what each adds, changes and hides",
            ),
            (
                "layerpress layers save.tar --max-wasted 5%",
                "fail where more is wasted",
            ),
        ],
    ),
    (
        "ls",
        &[
            ("layerpress ls -l debian.img /etc", "of a filesystem"),
            (
                "layerpress ls debian:13 '/etc/*.conf'",
                "of an image, by a pattern",
            ),
        ],
    ),
    (
        "cat",
        &[
            ("layerpress cat debian:13 /etc/os-release", "of an image"),
            (
                "layerpress cat debian.img '/etc/*.conf'",
                "of a filesystem, by a pattern",
            ),
        ],
    ),
    (
        "stat",
        &[
            ("layerpress stat debian.img /etc/passwd", "of a filesystem"),
            (
                "layerpress stat debian:13 /etc/passwd",
                "of an image, with its layer",
            ),
        ],
    ),
    (
        "extract",
        &[
            (
                "layerpress extract debian.img /etc/passwd -o passwd",
                "one file",
            ),
            ("layerpress extract debian:13 -o rootfs/", "all of it"),
            (
                "layerpress extract debian.img /etc -o - | tar -t",
                "a tar, into a pipe",
            ),
        ],
    ),
];

/// The examples of a command, by the words behind `layerpress` (`""` for that itself, `"cache prune"`);
/// none where there is no such command.
pub fn examples(path: &str) -> Vec<Example> {
    let rows = EXAMPLES.iter().find(|(name, _)| *name == path);
    let rows = rows.map_or(&[][..], |(_, rows)| rows);
    let examples = rows.iter();
    examples
        .map(|&(command, says)| Example { command, says })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    /// The words behind `layerpress` of every command.
    fn paths(command: &clap::Command, path: &str) -> Vec<String> {
        let below = command.get_subcommands().flat_map(|below| {
            let path = format!("{path} {}", below.get_name());
            paths(below, path.trim_start())
        });
        std::iter::once(path.to_owned()).chain(below).collect()
    }

    /// What a shell makes of the parts of a line that call this program.
    fn calls(line: &str) -> Vec<Vec<String>> {
        let line = line.replace("$(cat a.img.roothash)", &"0".repeat(64));
        let parts = line
            .split(['|', '(', ')'])
            .flat_map(|part| part.split("&&"));
        let parts = parts.map(|part| shlex::split(part).unwrap());
        let calls = parts.map(|words| {
            let words = words.into_iter();
            words.filter(|word| !word.starts_with(['<', '>'])).collect()
        });
        calls
            .filter(|words: &Vec<String>| words.first().is_some_and(|word| word == "layerpress"))
            .collect()
    }

    #[test]
    fn every_command_has_two_to_five_examples_and_no_other_has() {
        let mut expected = paths(&command(), "");
        assert!(expected.contains(&"cache prune".to_owned()), "{expected:?}");
        let mut found: Vec<_> = EXAMPLES.iter().map(|(path, _)| path.to_string()).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
        for (path, rows) in EXAMPLES {
            assert!((2..=5).contains(&rows.len()), "{path}: {}", rows.len());
            assert!(rows.iter().all(|(_, says)| !says.is_empty()), "{path}");
        }
        assert_eq!(examples("no such"), []);
    }

    #[test]
    fn every_example_is_taken_by_the_parser_and_is_of_its_command() {
        for (path, rows) in EXAMPLES {
            for (line, _) in *rows {
                let calls = calls(line);
                assert_eq!(calls.len(), 1, "{line}");
                for words in calls {
                    let said = words.join(" ");
                    assert!(
                        said.starts_with(format!("layerpress {path}").trim()),
                        "{said}"
                    );
                    let taken = command().try_get_matches_from(words);
                    assert!(taken.is_ok(), "{line}: {}", taken.unwrap_err());
                }
            }
        }
        // What is wrong is not taken.
        let wrong = &calls("true && layerpress build a --no-such | cat")[0];
        assert!(command().try_get_matches_from(wrong).is_err());
    }
}
