//! The command line: what is typed, what is meant, what is shown.
//!
//! The only room that prints and that reads the environment and the clock.

// The doc comments there are help texts, with brackets of their own.
#[allow(rustdoc::broken_intra_doc_links)]
mod arguments;
// As with arguments: brackets of their own.
#[allow(rustdoc::broken_intra_doc_links)]
mod commands;
mod hold;
mod opened;
mod progress;
mod shown;
mod signals;
mod tell;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use commands::*;
use tell::Voice;

/// Parses the command line, runs what it says and gives the exit code.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => return answered(&answer),
    };
    let voice = Voice::of(&arguments.output);
    let failed = |text: &str, code: u8| {
        voice.error(text, code.into());
        ExitCode::from(code)
    };
    if let Err(error) = signals::handle(voice) {
        return failed(&format!("cannot handle signals: {error}"), 3);
    }
    let ran = match arguments.command {
        Command::Build(build) => build::run(&build, &arguments.output).map(done),
        Command::Plan(plan) => plan::run(&plan, &arguments.output).map(done),
        Command::Inspect(inspect) => inspect::run(&inspect, &arguments.output).map(done),
        Command::Verify(verify) => verify::run(&verify, &arguments.output).map(equal_or_not),
        Command::Diff(diff) => diff::run(&diff, &arguments.output).map(equal_or_not),
        Command::Cache(cache) => cache::run(&cache, &arguments.output).map(done),
        Command::Tags(tags) => tags::run(&tags, &arguments.output).map(done),
        Command::Completions(completions) => completions::run(&completions).map(done),
        Command::Man(man) => man::run(&man).map(done),
        Command::Mount(mount) => mount::run(&mount, &arguments.output),
        Command::Umount(umount) => umount::run(&umount, &arguments.output).map(done),
        Command::Ls(ls) => ls::run(&ls).map(done),
        Command::Cat(cat) => cat::run(&cat).map(done),
        Command::Stat(stat) => stat::run(&stat).map(done),
        Command::Extract(extract) => extract::run(&extract, &arguments.output),
    };
    match ran {
        Ok(code) => code,
        Err(error) => match error.downcast::<crate::Error>() {
            // Its text has its source in it.
            Ok(error) => failed(&error.to_string(), error.exit_code()),
            Err(error) => failed(&format!("{error:#}"), 3),
        },
    }
}

/// Gives help, the version or what is wrong with the command line; help that was asked for and found
/// no room is a failure.
fn answered(answer: &clap::Error) -> ExitCode {
    match answer.print() {
        Err(error) if !answer.use_stderr() && error.kind() != io::ErrorKind::BrokenPipe => {
            let error = crate::Error::io("cannot write to standard output", error);
            tell::failure(&error.to_string());
            ExitCode::from(error.exit_code())
        }
        _ => ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2)),
    }
}

/// The exit code of a command that has but one good end.
fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

/// The exit code of a comparison, as of `diff` and `cmp`.
fn equal_or_not(are_equal: bool) -> ExitCode {
    ExitCode::from(u8::from(!are_equal))
}

/// Prints a value as JSON.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let text = tell::json_text(&serde_json::to_string_pretty(value)?);
    Ok(tell::print_as_it_is(&format!("{text}\n"))?)
}

/// Prints a text for people.
fn print(text: &str) -> anyhow::Result<()> {
    Ok(tell::print(text)?)
}
