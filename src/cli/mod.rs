//! The command line: what is typed, what is meant, what is shown.
//!
//! The only room that prints and that reads the environment and the clock.

mod args;
mod attributes;
mod build;
mod cat;
mod extract;
mod ls;
mod names;
mod options;
mod plan;
mod progress;
mod rows;
mod signals;
mod stat;
mod table;
mod view;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};

/// Parses the command line, runs what it says and gives the exit code.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(error) = signals::handle() {
        eprintln!("error: cannot handle signals: {error}");
        return ExitCode::from(3);
    }
    let ran = match arguments.command {
        Command::Build(build) => build::run(&build, &arguments.output),
        Command::Plan(plan) => plan::run(&plan, &arguments.output),
        Command::Ls(ls) => ls::run(&ls),
        Command::Cat(cat) => cat::run(&cat),
        Command::Stat(stat) => stat::run(&stat),
        Command::Extract(extract) => extract::run(&extract, &arguments.output),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let code = error
                .downcast_ref::<crate::Error>()
                .map_or(3, crate::Error::exit_code);
            ExitCode::from(code)
        }
    }
}

/// Writes to standard output; that nobody reads it any more is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => {
            other.map_err(|error| crate::Error::io("cannot write to standard output", error).into())
        }
    }
}
