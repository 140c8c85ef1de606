//! `layerpress tags`.

use clap::Args;
use serde::Serialize;

use super::args::OutputArguments;
use super::registry::{self, RegistryArguments};
use super::text::printable;
use super::{print, print_json, progress};
use crate::source::{self, Place};

/// What is typed.
#[derive(Debug, Args)]
pub struct TagsArguments {
    /// docker://[HOST[:PORT]/]NAME
    #[arg(value_name = "REPOSITORY")]
    pub repository: String,
    /// Print the list as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// The list. The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct ShownTags {
    repository: String,
    tags: Vec<String>,
}

/// Lists the tags, one a line.
pub fn run(arguments: &TagsArguments, output: &OutputArguments) -> anyhow::Result<()> {
    let reporter = progress::reporter(output);
    // By the rule of all bare names: what may be a path is none of a repository.
    let place = Place::of(&arguments.repository.parse()?)?;
    let options = registry::options(&arguments.registry, None)?;
    let found = source::tags(&place, &options, &*reporter)?;
    drop(reporter);
    if arguments.json {
        return print_json(&ShownTags {
            repository: found.repository,
            tags: found.tags,
        });
    }
    let lines = found.tags.iter().map(|tag| format!("{}\n", printable(tag)));
    print(&lines.collect::<String>())
}
