//! `layerpress tags`.

use clap::Args;
use serde::Serialize;

use crate::cli::arguments::OutputArguments;
use crate::cli::arguments::registry::{self, RegistryArguments};
use crate::cli::shown::text::printable;
use crate::cli::{print, print_json, progress};
use crate::error::{Error, Result, escape_path};
use crate::oci::RegistryReference;
use crate::source::{self, Reference};

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

/// The repository that is meant, by the rule of all bare names: what may be a path is none.
fn repository(text: &str) -> Result<RegistryReference> {
    let expected = |found: &str| {
        Error::unsupported(format!(
            "expected a repository of a registry, docker://[HOST[:PORT]/]NAME, {found}"
        ))
    };
    let reference: Reference = text.parse()?;
    let shown = reference.to_string();
    let shown = escape_path(shown.as_bytes());
    if let Some(repository) = reference
        .in_registry()
        .map_err(|error| error.in_image(&reference.to_string()))?
    {
        return Ok(repository);
    }
    Err(match reference.path() {
        Some(path) if path.exists() => expected(&format!(
            "found the file {shown}: layerpress inspect lists the images in it"
        )),
        _ => expected(&format!("found {shown}")),
    })
}
