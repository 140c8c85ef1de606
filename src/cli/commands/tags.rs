//! `layerpress tags`.

use clap::Args;

use crate::cli::arguments::{OutputArguments, RegistryArguments};
use crate::cli::progress;
use crate::cli::shown::schemas;
use crate::cli::shown::text::printable;
use crate::cli::tell::print_as;
use crate::error::Result;
use crate::pipeline;

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

/// Lists the tags, one a line.
pub fn run(arguments: &TagsArguments, output: &OutputArguments) -> Result<()> {
    let reporter = progress::reporter(output);
    let options = arguments.registry.options(None)?;
    let found = pipeline::tags(&arguments.repository, &options, &*reporter)?;
    drop(reporter);
    let lines = || found.tags.iter().map(|tag| format!("{}\n", printable(tag)));
    print_as(arguments.json, schemas::TAGS, &found, || lines().collect())
}
