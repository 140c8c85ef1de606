//! `layerpress completions`.

mod images;
mod values;

use std::io::{ErrorKind, Write};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::cli::tell::{cannot_write, content};
use crate::error::Result;

/// What is typed.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script, made from the parser itself.
pub fn run(arguments: &CompletionsArguments, command: Command) -> Result<()> {
    let script = images::script(arguments.shell, command);
    match content().write_all(script.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(cannot_write),
    }
}
