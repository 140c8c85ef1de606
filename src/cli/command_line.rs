//! All that can be typed, and how it ends.

use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::commands::{
    build, cache, cat, completions, diff, export, extract, inspect, layers, ls, man, mount,
    packages, plan, pull, push, stat, tags, umount, verify,
};
use super::defaults::Defaults;
use super::misunderstood::reworded;
use super::tell::{self, Voice};
use super::{progress, signals};
use crate::cli::arguments::OutputArguments;
use crate::cli::manual::help::with_manual;
use crate::error::{Error, Result};

/// Press a container image's layers into one mountable ext filesystem image: no root, no daemon,
/// no loop device.
#[derive(Debug, Parser)]
#[command(name = "layerpress", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an ext3, ext4 or ext2 filesystem image of a container image
    Build(Box<build::BuildArguments>),
    /// Show the filesystem that build would make: sizes, blocks by use, inodes
    Plan(plan::PlanArguments),
    /// Tell what a container image or a filesystem image is, and what it was made from
    Inspect(inspect::InspectArguments),
    /// Hold a filesystem image against a container image, every entry and attribute, or against a root
    /// hash of dm-verity, every block
    Verify(verify::VerifyArguments),
    /// List what differs between two filesystem images, container images or one of each
    Diff(diff::DiffArguments),
    /// Write a filesystem image back as a container image: all of it as one layer, or what differs from
    /// another image as one more
    #[command(override_usage = export::USAGE)]
    Export(Box<export::ExportArguments>),
    /// List the packages that are installed in a container image or a filesystem image
    Packages(packages::PackagesArguments),
    /// List or prune the cache of blobs that were fetched
    Cache(cache::CacheArguments),
    /// List the tags of a repository in a registry
    Tags(tags::TagsArguments),
    /// Fetch a filesystem image from a registry that layerpress push put there
    Pull(Box<pull::PullArguments>),
    /// Push a filesystem image into a registry, in segments of which only those that are not there are
    /// sent
    Push(Box<push::PushArguments>),
    /// Print a shell's completion script
    Completions(completions::CompletionsArguments),
    /// Write the manual pages into a directory
    Man(man::ManArguments),
    /// Mount a filesystem image, for reading only; or list what is mounted (needs root)
    #[command(override_usage = mount::USAGE, after_help = mount::exit_codes())]
    Mount(mount::MountArguments),
    /// Undo a mount and free its loop device (needs root)
    Umount(umount::UmountArguments),
    /// Tell what each layer of a container image adds, changes and hides, and what of it no one sees
    /// any more
    Layers(layers::LayersArguments),
    /// List names in a filesystem image or a container image
    Ls(ls::LsArguments),
    /// Write files of a filesystem image or a container image to standard output
    Cat(cat::CatArguments),
    /// Tell everything about names in a filesystem image or a container image
    Stat(stat::StatArguments),
    /// Take files and trees out of a filesystem image or a container image, into files, directories or
    /// tars
    #[command(override_usage = extract::USAGE)]
    Extract(extract::ExtractArguments),
}

/// Parses the command line, runs what it says and gives the exit code.
pub fn run() -> ExitCode {
    ExitCode::from(match typed() {
        Ok(arguments) => {
            let voice = Voice::of(&arguments.output);
            match with_defaults(arguments) {
                Ok((arguments, defaults)) => {
                    let voice = Voice::of(&arguments.output);
                    ended(&arguments, &defaults, voice)
                        .unwrap_or_else(|error| failed(voice, &error))
                }
                Err(error) => wrong_defaults(voice, &error),
            }
        }
        Err(answer) => answered(&answer),
    })
}

/// The whole command line's form, with what its manual tells of each command.
pub fn command() -> clap::Command {
    with_manual(Arguments::command())
}

fn typed() -> Result<Arguments, clap::Error> {
    parsed(command()).map(|(arguments, _)| arguments)
}

fn parsed(mut form: clap::Command) -> Result<(Arguments, ArgMatches), clap::Error> {
    let typed: Vec<_> = std::env::args_os().collect();
    let parsed = form.try_get_matches_from_mut(&typed);
    let parsed = parsed.and_then(|matches| {
        let arguments = Arguments::from_arg_matches(&matches);
        let arguments = arguments.map_err(|error| error.format(&mut form))?;
        Ok((arguments, matches))
    });
    parsed.map_err(|error| reworded(error, &form, &typed))
}

/// The same as it was typed, with the defaults of whoever runs it for what was not.
fn with_defaults(typed: Arguments) -> Result<(Arguments, Defaults)> {
    // They tell of the program alone, also where its defaults are wrong.
    if matches!(typed.command, Command::Completions(_) | Command::Man(_)) {
        return Ok((typed, Defaults::default()));
    }
    let form = command();
    let defaults = Defaults::read(&form)?;
    let (arguments, matches) = match defaults.is_empty() {
        true => (typed, ArgMatches::default()),
        false => parsed(defaults.put_into(form)).map_err(|error| {
            Error::Mismatch(format!("cannot put defaults into what was typed: {error}"))
        })?,
    };
    let reporter = progress::reporter(&arguments.output);
    defaults.tell(&matches, arguments.output.verbose, &*reporter);
    Ok((arguments, defaults))
}

/// What stands in the place of something typed is wrong as that would be.
fn wrong_defaults(voice: Voice, error: &Error) -> u8 {
    let code = match error {
        Error::Unsupported { .. } => 2,
        other => other.exit_code(),
    };
    voice.error(&error.to_string(), code.into());
    code
}

/// Errors of all kinds meet here; those of the library say which exit code is theirs.
fn ended(arguments: &Arguments, defaults: &Defaults, voice: Voice) -> anyhow::Result<u8> {
    signals::handle(voice).context("cannot handle signals")?;
    Ok(arguments.command.run(&arguments.output, defaults)?)
}

/// Help that was asked for and found no room is a failure.
fn answered(answer: &clap::Error) -> u8 {
    match tell::answer(answer) {
        Ok(()) => u8::try_from(answer.exit_code()).unwrap_or(2),
        Err(error) => failed(Voice::Words, &error.into()),
    }
}

fn failed(voice: Voice, error: &anyhow::Error) -> u8 {
    let (text, code) = match error.downcast_ref::<Error>() {
        // Its text has its source in it.
        Some(error) => (error.to_string(), error.exit_code()),
        None => (format!("{error:#}"), 3),
    };
    if error.downcast_ref::<Error>().is_some_and(is_of_the_image) {
        signals::wait_where_a_pipe_has_ended();
    }
    voice.error(&text, code.into());
    code
}

fn is_of_the_image(error: &Error) -> bool {
    matches!(error, Error::BadImage { .. })
}

impl Command {
    /// Runs it; the exit code where it did what it was to.
    fn run(&self, output: &OutputArguments, defaults: &Defaults) -> Result<u8> {
        // That of a command that has but one good end.
        let done = |()| 0;
        // As of `diff` and `cmp`.
        let equal_or_not = |are_equal: bool| u8::from(!are_equal);
        match self {
            Self::Build(build) => {
                let form = || defaults.put_into(command());
                build::run(build, output, form)
            }
            Self::Plan(plan) => plan::run(plan, output).map(done),
            Self::Inspect(inspect) => inspect::run(inspect, output).map(done),
            Self::Verify(verify) => verify::run(verify, output),
            Self::Diff(diff) => diff::run(diff, output).map(equal_or_not),
            Self::Export(export) => export::run(export, output).map(done),
            Self::Packages(packages) => packages::run(packages, output).map(done),
            Self::Cache(cache) => cache::run(cache, output).map(done),
            Self::Tags(tags) => tags::run(tags, output).map(done),
            Self::Pull(pull) => pull::run(pull, output).map(done),
            Self::Push(push) => push::run(push, output).map(done),
            Self::Completions(completions) => completions::run(completions, command()).map(done),
            Self::Man(man) => man::run(man, command()).map(done),
            Self::Mount(mount) => mount::run(mount, output),
            Self::Umount(umount) => umount::run(umount, output).map(done),
            Self::Layers(layers) => layers::run(layers, output).map(equal_or_not),
            Self::Ls(ls) => ls::run(ls, output).map(done),
            Self::Cat(cat) => cat::run(cat, output).map(done),
            Self::Stat(stat) => stat::run(stat, output).map(done),
            Self::Extract(extract) => extract::run(extract, output),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Args;

    use super::*;
    use crate::cli::arguments::{
        BatchArguments, DocumentArguments, EditArguments, FilesystemArguments, ReadingArguments,
        RecipeArguments, RecipeOutputArguments, RootHashArguments, ToolArguments, VerityArguments,
    };

    /// Options of a command and of those below it whose value may be left out, and that take it from
    /// the next word nevertheless.
    fn greedy(command: &clap::Command) -> Vec<String> {
        let options = command.get_opts();
        let found = options.filter(|option| {
            let values = option.get_num_args().unwrap_or_default();
            values.takes_values() && values.min_values() == 0 && !option.is_require_equals_set()
        });
        let of_this = found.map(|option| format!("{}: {option}", command.get_name()));
        let below = command.get_subcommands().flat_map(greedy);
        of_this.chain(below).collect()
    }

    /// Below which heading each option and name of a command and of those below it stands.
    fn headings(command: &clap::Command) -> Vec<(String, String)> {
        let named = |argument: &clap::Arg| {
            let heading = argument.get_help_heading().unwrap_or_default();
            (heading.to_owned(), argument.get_id().to_string())
        };
        let own = command.get_arguments().map(named);
        own.chain(command.get_subcommands().flat_map(headings))
            .collect()
    }

    /// All that stood behind a group in a command was told below its heading: the image below
    /// "Recipe", and `verify --roothash`'s neighbours below "Edits".
    #[test]
    fn below_a_heading_stands_what_is_of_its_group_alone() {
        let group = |augment: fn(clap::Command) -> clap::Command| {
            headings(&augment(clap::Command::new("")))
        };
        let groups = [
            group(RecipeArguments::augment_args),
            group(RecipeOutputArguments::augment_args),
            group(EditArguments::augment_args),
            group(FilesystemArguments::augment_args),
            group(ToolArguments::augment_args),
            group(ReadingArguments::augment_args),
            group(VerityArguments::augment_args),
            group(RootHashArguments::augment_args),
            group(DocumentArguments::augment_args),
            group(BatchArguments::augment_args),
        ]
        .concat();
        let names: BTreeSet<_> = groups.iter().map(|(heading, _)| heading).collect();
        assert!(
            names.len() >= 9 && !names.contains(&String::new()),
            "{names:?}"
        );
        let strangers = |command: &clap::Command| -> Vec<(String, String)> {
            let all = headings(command);
            assert!(!all.is_empty());
            let below_one = |(heading, _): &&(_, _)| names.contains(heading);
            let found = all.iter().filter(below_one);
            found.filter(|row| !groups.contains(row)).cloned().collect()
        };
        assert_eq!(strangers(&command()), vec![]);
        // What is looked for is found.
        let wrong =
            RecipeArguments::augment_args(clap::Command::new("above")).arg(clap::Arg::new("image"));
        let expected = ("Recipe".to_owned(), "image".to_owned());
        assert_eq!(strangers(&wrong), vec![expected]);
    }

    /// One would take the name of an image behind it for its value.
    #[test]
    fn no_option_takes_a_value_that_may_be_left_out_but_with_an_equals_sign() {
        let mut command = command();
        command.build();
        let options: usize = command
            .get_subcommands()
            .map(|below| below.get_opts().count())
            .sum();
        assert!(options > 100, "{options}");
        assert_eq!(greedy(&command), [""; 0]);
        // What is looked for is found.
        let wrong = |equals| {
            let option = clap::Arg::new("verity").long("verity").num_args(0..=1);
            let below = clap::Command::new("below").arg(option.require_equals(equals));
            let mut command = clap::Command::new("above").subcommand(below);
            command.build();
            greedy(&command).len()
        };
        assert_eq!([wrong(false), wrong(true)], [1, 0]);
    }
}
