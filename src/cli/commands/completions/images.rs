//! Completion of images, which clap knows nothing of: its own script for all else, and behind it a
//! function that completes transports, and paths behind those that name a place on this machine.

use clap::{Arg, Command, ValueHint};
use clap_complete::Shell;

use super::values::{named_for_zsh, offered, takes_value, with_values_in_one_word};

/// Behind these stands a path.
const PLACES: [&str; 4] = ["docker-archive:", "oci:", "oci-archive:", "rootfs:"];

/// Behind these stands a name that only a daemon or a network knows.
const ELSEWHERE: [&str; 2] = ["docker://", "docker-daemon:"];

/// The hint that marks an image until the script is written; nothing else here has it.
const MARK: ValueHint = ValueHint::Url;

/// The hint that marks what is in a registry alone.
const REGISTRY_MARK: ValueHint = ValueHint::EmailAddress;

/// What clap writes for these into zsh's script.
const MARK_OF_ZSH: &str = ":_urls'";
const REGISTRY_MARK_OF_ZSH: &str = ":_email_addresses'";

/// What clap writes into bash's script for a file: a name with a space in it would be two.
const FILES_OF_BASH: &str = "COMPREPLY=($(compgen -f \"${cur}\"))";

/// What clap writes there for the word before: behind an equals sign that is the sign.
const PREVIOUS_OF_BASH: &str = "    prev=\"$3\"\n";

/// What clap writes there for words, and what keeps files away where none of them fits.
const WORDS_OF_BASH: &str = "COMPREPLY=($(compgen -W ";
const WORDS_ALONE: &str = "_layerpress_without_files\n                    ";

/// The script for a shell.
pub fn script(shell: Shell, command: Command) -> String {
    let mut command = marked(command);
    if shell == Shell::Zsh {
        command = with_names_for_zsh(command);
    }
    command.build();
    let found = Found::of(&command);
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => {
            let places = PLACES.map(|place| format!("{place}*")).join(" | ");
            script = script.replace(FILES_OF_BASH, "_layerpress_files \"${cur}\"");
            let previous = format!("{PREVIOUS_OF_BASH}    _layerpress_behind_equals\n");
            script = script.replacen(PREVIOUS_OF_BASH, &previous, 1);
            script = script.replace(WORDS_OF_BASH, &format!("{WORDS_ALONE}{WORDS_OF_BASH}"));
            script.push_str(&found.put_into(include_str!("images.bash"), &places));
        }
        Shell::Fish => {
            let places = PLACES.map(|place| format!("'{place}*'")).join(" ");
            script.push_str(&found.put_into(include_str!("images.fish"), &places));
        }
        Shell::Zsh => {
            script = script.replace(MARK_OF_ZSH, ":_layerpress_image'");
            script = script.replace(REGISTRY_MARK_OF_ZSH, ":_layerpress_registry'");
            script = with_values_in_one_word(script, &command);
            let images = found.put_into(include_str!("images.zsh"), &PLACES.join("|"));
            // Before what calls the first function.
            let start = script.find('\n').unwrap_or(script.len());
            script.insert_str(start, &images);
        }
        _ => {}
    }
    script
}

/// The parser with a mark at each image, directories told from files, and words from both.
fn marked(command: Command) -> Command {
    let path = command.get_name().to_owned();
    let command = command.mut_args(|argument| {
        let names = argument.get_value_names().unwrap_or_default();
        let is_directory =
            takes_value(&argument) && matches!(names, [name] if *name == "DIRECTORY");
        match (is_image(&path, &argument), is_directory) {
            (true, _) => argument.value_hint(MARK),
            _ if is_in_registry(&argument) => argument.value_hint(REGISTRY_MARK),
            (false, true) => argument.value_hint(ValueHint::DirPath),
            (false, false) => offered(argument, &path),
        }
    });
    command.mut_subcommands(marked)
}

fn with_names_for_zsh(command: Command) -> Command {
    let command = command.mut_args(named_for_zsh);
    command.mut_subcommands(with_names_for_zsh)
}

fn is_image(path: &str, argument: &Arg) -> bool {
    let names = argument.get_value_names().unwrap_or_default();
    let is_called_so = names.iter().any(|name| name.contains("IMAGE"));
    match argument.get_id().as_str() {
        "before" | "after" | "subject" | "base" => true,
        "image" | "name" => is_called_so || names.is_empty(),
        "output" => path == "export",
        _ => false,
    }
}

/// Whether a name is one that only a registry has: no path is meant.
fn is_in_registry(argument: &Arg) -> bool {
    argument.is_positional() && matches!(argument.get_id().as_str(), "reference" | "repository")
}

/// Where images are named.
struct Found {
    /// Commands of which a name is an image.
    commands: Vec<String>,
    /// Commands of which all names are in a registry.
    registry_commands: Vec<String>,
    /// Commands of which the last name is, behind those of files.
    last_registry_commands: Vec<String>,
    /// A command with an option whose value is one.
    options: Vec<String>,
    /// All options that take a value from the next word.
    valued: Vec<String>,
}

impl Found {
    fn of(command: &Command) -> Self {
        let mut found = Self {
            commands: Vec::new(),
            registry_commands: Vec::new(),
            last_registry_commands: Vec::new(),
            options: Vec::new(),
            valued: Vec::new(),
        };
        for below in command.get_subcommands() {
            let name = below.get_name();
            let is_in_registry = |name: &&Arg| name.get_value_hint() == REGISTRY_MARK;
            match below.get_positionals().filter(is_in_registry).count() {
                0 => {}
                all if all == below.get_positionals().count() => {
                    found.registry_commands.push(name.to_owned());
                }
                _ => found.last_registry_commands.push(name.to_owned()),
            }
            for argument in below.get_arguments() {
                let is_image = argument.get_value_hint() == MARK;
                if argument.is_positional() {
                    if is_image && !found.commands.contains(&name.to_owned()) {
                        found.commands.push(name.to_owned());
                    }
                    continue;
                }
                let takes_next = takes_value(argument) && !argument.is_require_equals_set();
                let long = argument.get_long().map(|long| format!("--{long}"));
                let short = argument.get_short().map(|short| format!("-{short}"));
                for option in long.into_iter().chain(short).filter(|_| takes_next) {
                    if is_image {
                        found.options.push(format!("'{name} {option}'"));
                    }
                    if !found.valued.contains(&option) {
                        found.valued.push(option);
                    }
                }
            }
        }
        found
    }

    /// The text with what it names in place of the words between `@`; `places` is a shell's pattern of
    /// what begins with a transport that a path stands behind.
    fn put_into(&self, text: &str, places: &str) -> String {
        let all = ELSEWHERE.iter().chain(&PLACES).copied();
        text.replace("@PLACES@", places)
            .replace("@TRANSPORTS@", &all.collect::<Vec<_>>().join(" "))
            .replace("@REGISTRY_COMMANDS@", &self.registry_commands.join(" "))
            .replace(
                "@LAST_REGISTRY_COMMANDS@",
                &self.last_registry_commands.join(" "),
            )
            .replace("@COMMANDS@", &self.commands.join(" "))
            .replace("@OPTIONS@", &self.options.join(" | "))
            .replace("@VALUED@", &self.valued.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    #[test]
    fn every_place_where_an_image_is_named_completes_one() {
        let mut command = marked(command());
        command.build();
        let found = Found::of(&command);
        for name in [
            "build", "plan", "inspect", "verify", "diff", "packages", "layers", "ls", "cat",
        ] {
            assert!(
                found.commands.contains(&name.to_owned()),
                "{name}: {:?}",
                found.commands
            );
        }
        for name in ["mount", "push", "umount", "man"] {
            assert!(!found.commands.contains(&name.to_owned()), "{name}");
        }
        assert_eq!(
            found.options,
            ["'export --base'", "'export --output'", "'export -o'"]
        );
        assert_eq!(found.registry_commands, ["tags", "pull"]);
        assert_eq!(found.last_registry_commands, ["push"]);
        assert!(found.valued.contains(&"--fs".to_owned()));
        assert!(!found.valued.contains(&"--verify".to_owned()));
    }

    #[test]
    fn nothing_is_left_to_be_filled_in() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell, command());
            assert!(script.contains("oci-archive:"), "{shell}");
            for word in [
                "@PLACES@",
                "@COMMANDS@",
                "@REGISTRY_COMMANDS@",
                "@LAST_REGISTRY_COMMANDS@",
                REGISTRY_MARK_OF_ZSH,
                "@TRANSPORTS@",
                "@OPTIONS@",
                "@VALUED@",
                MARK_OF_ZSH,
                "$(compgen -f",
            ] {
                assert!(!script.contains(word), "{shell}: {word}");
            }
        }
    }

    /// What is typed behind an option is named in zsh's script by the text from the end of its help to
    /// the next colon; what follows is run.
    #[test]
    fn no_name_of_a_value_ends_early_in_the_script_of_zsh() {
        let script = script(Shell::Zsh, command());
        let mut form = command();
        form.build();
        let mut seen = 0;
        for option in form.get_subcommands().flat_map(Command::get_opts) {
            let (Some(long), Some([name])) = (option.get_long(), option.get_value_names()) else {
                continue;
            };
            let sign = if option.is_require_equals_set() {
                "=-["
            } else {
                "=["
            };
            let lines = script.lines().filter(|line| {
                let words = line.split_once(&format!("--{long}{sign}"));
                words.is_some_and(|(before, _)| !before.contains('['))
            });
            let named = format!("]:{}:", name.replace(':', "\\:"));
            let lines: Vec<_> = lines.collect();
            let is_named = |line: &&str| line.replace("]::", "]:").contains(&named);
            assert!(lines.iter().any(is_named), "{named}: {lines:?}");
            seen += usize::from(name.contains(':'));
        }
        assert!(seen > 10, "{seen}");
    }

    #[test]
    fn bash_completes_behind_an_equals_sign_and_offers_no_file_where_words_are_meant() {
        let script = script(Shell::Bash, command());
        assert_eq!(script.matches("_layerpress_behind_equals\n").count(), 1);
        let words = script.matches(WORDS_OF_BASH).count();
        assert!(words > 20, "{words}");
        assert_eq!(script.matches(WORDS_ALONE).count(), words);
    }
}
