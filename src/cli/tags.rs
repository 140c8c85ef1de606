//! `layerpress tags`.

use clap::Args;
use serde::Serialize;

use super::args::OutputArguments;
use super::registry::{self, RegistryArguments};
use super::text::printable;
use super::{print, print_json, progress};
use crate::error::{Error, Result};
use crate::oci::RegistryReference;
use crate::source;

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
    let repository = repository(&arguments.repository)?;
    let options = registry::options(&arguments.registry, None)?;
    let found = source::tags(&repository, &options, &*reporter)?;
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

fn repository(text: &str) -> Result<RegistryReference> {
    let name = text.strip_prefix("docker://").unwrap_or(text);
    if name.contains("://") {
        return Err(Error::unsupported(format!(
            "{text}: expected docker://[HOST[:PORT]/]NAME"
        )));
    }
    name.parse()
}
