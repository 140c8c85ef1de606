//! What a list's line asks for: what is typed for all, and its own options behind that.

use std::ffi::{OsStr, OsString};

use clap::FromArgMatches;
use clap::parser::ValueSource;

use super::list::Line;
use super::{BuildArguments, requests};
use crate::cli::misunderstood::in_a_line;
use crate::error::{Error, Result};
use crate::pipeline::{BatchItem, Beside, Credentials, ManifestDocument};

/// What is for all images or for none.
const FOR_ALL: [&str; 15] = [
    "recipe",
    "set",
    "allow_outside",
    "output_dir",
    "print_recipe",
    "list",
    "shard",
    "jobs",
    "json",
    "check_outputs",
    "force",
    "creds_stdin",
    "progress",
    "quiet",
    "verbose",
];

/// Reads lines as the command line is read.
pub struct Lines {
    /// The whole command line's form.
    program: clap::Command,
    /// The same, where what is typed later counts.
    overriding: clap::Command,
    /// What is typed for all, the program's name first.
    typed: Vec<OsString>,
    /// Of standard input, which can be read once.
    credentials: Option<Credentials>,
}

impl Lines {
    /// # Errors
    /// Where standard input is to be read and cannot.
    pub fn new(program: clap::Command, all: &BuildArguments) -> Result<Self> {
        let mut typed: Vec<_> = std::env::args_os().collect();
        // Nothing was typed behind it.
        if typed.last().is_some_and(|last| last == "--") {
            typed.pop();
        }
        let registry = &all.reading.registry;
        let credentials = match registry.creds_stdin {
            true => Some(registry.options(all.reading.jobs)?.credentials),
            false => None,
        };
        Ok(Self {
            overriding: program
                .clone()
                .mut_subcommand("build", |build| build.args_override_self(true)),
            program,
            typed,
            credentials,
        })
    }

    /// What a line asks for.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the line's place.
    pub fn item(&mut self, line: &Line) -> Result<BatchItem> {
        let refused = |why: &str| Error::unsupported(format!("{}: {why}", line.place));
        let alone = [OsString::from("layerpress"), "build".into()];
        let own = parse(&mut self.program, &alone, line).map_err(|why| refused(&why))?;
        let is_typed = |id: &str| own.value_source(id) == Some(ValueSource::CommandLine);
        if let Some(id) = FOR_ALL.into_iter().find(|id| is_typed(id)) {
            return Err(refused(&format!(
                "expected options of one image, found --{}, which is for all",
                id.replace('_', "-")
            )));
        }
        let with_all =
            parse(&mut self.overriding, &self.typed, line).map_err(|why| refused(&why))?;
        let mut arguments = BuildArguments::from_arg_matches(&with_all)
            .map_err(|error| refused(&in_a_line(&error)))?;
        if self.credentials.is_some() {
            arguments.reading.registry.creds_stdin = false;
        }
        let requested = requests(&arguments).map_err(|error| match error {
            // It is the list that is wrong, and not what was typed.
            Error::Usage(why) => refused(&why),
            other => other,
        });
        let (mut image, filesystem, output) = requested?;
        if output.stream.is_some() {
            return Err(refused(
                "expected a file for each image, found standard output",
            ));
        }
        if let Some(credentials) = &self.credentials {
            image.open.registry.credentials = credentials.clone();
        }
        Ok(BatchItem {
            image,
            filesystem,
            output,
        })
    }
}

/// The same with a manifest beside the output, `OUTPUT.manifest.json` unless another was asked for: what
/// is up to date is told from it.
///
/// # Errors
/// Where what is asked for cannot be told.
pub fn with_manifest(mut item: BatchItem) -> Result<BatchItem> {
    let BatchItem {
        image,
        filesystem,
        output,
        ..
    } = &mut item;
    let mut documents = output.beside.iter();
    if !documents.any(|beside| beside.document.tells_of_files()) {
        let manifest = ManifestDocument::new(image, filesystem, output)?;
        let mut path = output.path.clone().into_os_string();
        path.push(".manifest.json");
        output.beside.push(Beside::new(path, manifest));
    }
    Ok(item)
}

/// The arguments of `build`, a line's behind those `before`.
fn parse(
    program: &mut clap::Command,
    before: &[OsString],
    line: &Line,
) -> Result<clap::ArgMatches, String> {
    let output = [OsStr::new("--output"), line.output.as_os_str()];
    let image = [OsStr::new("--"), &line.reference];
    let words = before.iter().chain(&line.options).map(OsString::as_os_str);
    // The same one for all lines: to make it takes more than to read a line.
    let matches = program
        .try_get_matches_from_mut(words.chain(output).chain(image))
        .map_err(|error| in_a_line(&error))?;
    let build = matches.subcommand_matches("build").cloned();
    build.ok_or_else(|| "expected options of build".to_owned())
}
