//! What the parser says of a command line that it does not understand, in words of this program: what
//! is meant here, in place of how to pass it as something that nobody meant.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

/// What another program would take, and what stands for it here: the commands (none for any), what is
/// typed, and what is meant.
const MEANT: &[(&[&str], &[&str], &str)] = &[
    (
        &["build"],
        &["-f"],
        "an output that is there is replaced without it; --recipe FILE reads a recipe, --no-clobber keeps what is there",
    ),
    (
        &["pull", "export"],
        &["-f", "--force"],
        "an output that is there is replaced without it; --no-clobber keeps what is there",
    ),
    (
        &["push"],
        &["-f", "--force"],
        "--replace takes a tag even from what is no filesystem",
    ),
    (&["extract"], &["-f"], "--force replaces what is there"),
    (
        &["umount"],
        &["-f", "--force", "-l"],
        "--lazy takes a mount out of sight that is in use",
    ),
    (
        &[],
        &["-t"],
        "the kind of filesystem is --fs ext3, --fs ext4 or --fs ext2 of build and plan; a name with its tag is a part of IMAGE, as in debian:13",
    ),
    (
        &["mount"],
        &["-o"],
        "mounts are read-only; --suid and --dev are the options there are",
    ),
    (
        &["mount"],
        &["-r", "--read-only"],
        "mounts are read-only as they are",
    ),
    (
        &["mount"],
        &["--rw", "-w"],
        "mounts are read-only: a filesystem is changed by building it anew, or by `mount -o loop` as root",
    ),
    (
        &["build"],
        &["--rw"],
        "what is built is an ordinary filesystem, which can be mounted for writing",
    ),
    (
        &["verify"],
        &["--like"],
        "what is verified does not depend on it: a filesystem built --like another holds the same tree, so leave it out",
    ),
    (
        &["diff"],
        &["--like"],
        "what is compared does not depend on it; --blocks compares two versions block by block",
    ),
    (
        &["export"],
        &["--offset"],
        "a filesystem inside a larger file is looked into by ls, cat, stat and extract; to export it, take it out first: dd if=DISK of=FS.img iflag=skip_bytes skip=BYTES",
    ),
    (
        &["build"],
        &["--tag"],
        "the tag is a part of IMAGE, as in debian:13",
    ),
    (&[], &["-p"], "the platform is --platform OS/ARCH"),
    (
        &[],
        &["--tls-no-verify"],
        "--tls-verify=false takes any certificate",
    ),
    (
        &[],
        &["--insecure"],
        "--tls-verify=false takes any certificate, --plain-http speaks no TLS",
    ),
    (
        &[],
        &["--username", "-u"],
        "credentials are --creds-stdin, --creds-file FILE, or those of docker login and podman login",
    ),
    (&[], &["-s"], "the size is --size 900M of build and plan"),
];

/// The error with what is meant here.
pub fn reworded(mut error: clap::Error, command: &Command, typed: &[OsString]) -> clap::Error {
    let (path, command) = called(command, typed);
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
                return error;
            };
            let tip = tip(&path, command, &argument.clone());
            // The parser's own says how to pass an option as a name; what is written nearly so stays.
            error.remove(ContextKind::Suggested);
            if let Some(tip) = tip {
                let tips = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
                error.insert(ContextKind::Suggested, tips);
            }
            error
        }
        ErrorKind::ArgumentConflict if is_twice(&error, "--output") => {
            let tip = "-o names the output; a filesystem has no options as mount -o has".to_owned();
            error.insert(
                ContextKind::Suggested,
                ContextValue::StyledStrs(vec![StyledStr::from(tip)]),
            );
            error
        }
        ErrorKind::ValueValidation => of_environment(error, command, typed),
        _ => error,
    }
}

/// The command that is called, and the words that call it.
fn called<'a>(command: &'a Command, typed: &[OsString]) -> (String, &'a Command) {
    let mut at = command;
    let mut path = String::new();
    for word in typed.iter().skip(1) {
        let below = word.to_str().and_then(|word| at.find_subcommand(word));
        if let Some(below) = below {
            at = below;
            path = format!("{path} {}", below.get_name())
                .trim_start()
                .to_owned();
        }
    }
    (path, at)
}

fn is_twice(error: &clap::Error, option: &str) -> bool {
    let is = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.contains(option),
        _ => false,
    };
    is(ContextKind::InvalidArg) && is(ContextKind::PriorArg)
}

/// What is meant by an argument that the command does not have.
fn tip(path: &str, command: &Command, argument: &str) -> Option<String> {
    let option = argument.split('=').next().unwrap_or(argument);
    let rows = MEANT.iter().filter(|row| row.1.contains(&option));
    let of_this = rows.clone().find(|row| row.0.contains(&path));
    let of_any = || rows.clone().find(|row| row.0.is_empty());
    if let Some((_, _, meant)) = of_this.or_else(of_any) {
        return Some((*meant).to_owned());
    }
    if option.starts_with('-') {
        return None;
    }
    let names = command.get_positionals().map(|name| format!("{name}"));
    let names: Vec<_> = names.collect();
    let has_output = command.get_arguments().any(|one| one.get_id() == "output");
    Some(match (has_output, names.is_empty()) {
        (true, _) => format!("where the result goes is said by -o: -o {argument}"),
        (false, true) => format!("{path} takes no names"),
        (false, false) => format!("{path} takes {} and no more", names.join(" and ")),
    })
}

/// An error's first paragraph in one line, without what follows it for people at a terminal.
pub fn in_a_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.split("\n\n").next().unwrap_or_default();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let text = lines.join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

/// A value that nobody typed is told as the variable's that it comes from.
fn of_environment(error: clap::Error, command: &Command, typed: &[OsString]) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let (shown, value) = (
        text(ContextKind::InvalidArg),
        text(ContextKind::InvalidValue),
    );
    let is_typed = |option: &Arg| {
        let long = option.get_long().map(|long| format!("--{long}"));
        typed.iter().filter_map(|word| word.to_str()).any(|word| {
            long.as_deref().is_some_and(|long| {
                word.strip_prefix(long)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            })
        })
    };
    let option = command.get_arguments().find(|option| {
        option.to_string() == shown && option.get_env().is_some() && !is_typed(option)
    });
    let Some(variable) = option.and_then(Arg::get_env) else {
        return error;
    };
    let variable = variable.to_string_lossy();
    let why = std::error::Error::source(&error).map(|why| format!(": {why}"));
    let text = format!(
        "invalid value '{value}' in the environment variable {variable} (it stands for '{shown}'){}\n",
        why.unwrap_or_default()
    );
    clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
}
