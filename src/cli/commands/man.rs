//! `layerpress man`.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man;

use crate::error::{Error, Result};

/// What is typed.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// Where the pages go: layerpress.1 and one for each subcommand; made if absent
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// Writes the pages, made from the parser itself.
pub fn run(arguments: &ManArguments, command: Command) -> Result<()> {
    let directory = &arguments.directory;
    std::fs::create_dir_all(directory)
        .map_err(|error| Error::path("create the directory", directory, error))?;
    // Of `help` there is nothing to say.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let source = format!(
        "{} {}",
        command.get_name(),
        command.get_version().unwrap_or_default()
    );
    for page in pages(&command) {
        Man::new(page.clone())
            .source(source.trim_end())
            .manual("layerpress")
            .generate_to(directory)
            .map_err(|error| Error::path("write a manual page into", directory, error))?;
    }
    Ok(())
}

/// A command and all below it.
fn pages(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().flat_map(pages);
    std::iter::once(command).chain(below).collect()
}
