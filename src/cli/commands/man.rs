//! `layerpress man`.

mod page;

use std::path::PathBuf;

use clap::{Args, Command};

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
    for (path, one) in pages(&command, "") {
        let name = page::name(&path);
        let file = directory.join(format!("{name}.1"));
        std::fs::write(&file, page::page(&command, one, &path))
            .map_err(|error| Error::path("write the manual page", &file, error))?;
    }
    Ok(())
}

/// A command and all below it, each with the words behind `layerpress`.
fn pages<'a>(command: &'a Command, path: &str) -> Vec<(String, &'a Command)> {
    let below = command.get_subcommands().flat_map(|below| {
        let path = format!("{path} {}", below.get_name());
        pages(below, path.trim_start())
    });
    std::iter::once((path.to_owned(), command))
        .chain(below)
        .collect()
}
