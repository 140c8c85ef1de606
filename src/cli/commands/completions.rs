//! `layerpress completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::arguments::Arguments;
use crate::cli::tell::print_as_it_is;

/// What is typed.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script, made from the parser itself.
pub fn run(arguments: &CompletionsArguments) -> anyhow::Result<()> {
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    Ok(print_as_it_is(&String::from_utf8_lossy(&script))?)
}
