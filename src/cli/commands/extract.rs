//! `layerpress extract`.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::arguments::{FileFlagsArgument, LookArguments, OutputArguments, path_inside};
use crate::cli::tell::{self, Voice};
use crate::cli::{hold, progress};
use crate::error::{Error, Result, escape_path};
use crate::pipeline::{self, ExtractRequest, Extracted, Target};

/// How it is typed: with all that an output can be it is longer than a terminal's line.
pub const USAGE: &str = "layerpress extract [OPTIONS] --output <OUTPUT> <IMG|IMAGE> [PATH]...";

/// What is typed after `extract`.
#[derive(Debug, Args)]
pub struct ExtractArguments {
    /// A filesystem image, or a container image as build takes it
    #[arg(value_name = "IMG|IMAGE")]
    image: OsString,
    /// What to take out of it, or patterns as a shell has them (in quotes, '/etc/*.conf'): of a single
    /// directory all that is in it, of anything else, and of several, those by their own names
    #[arg(value_name = "PATH", default_value = "/", value_parser = path_inside())]
    paths: Vec<OsString>,
    /// Where it goes: a tar when the name ends in .tar, .tar.gz, .tgz, .tar.zst or .tzst; a file where
    /// PATH is one name that is no directory; a directory else, and always with a slash behind it or
    /// where there is one; or - for a tar on standard output
    #[arg(short, long, value_name = "FILE|DIR/|FILE.tar|-")]
    output: PathBuf,
    /// Replace a file that is there; write into a directory that has something in it, and replace what
    /// has the same name
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    flags: FileFlagsArgument,
    #[command(flatten)]
    look: LookArguments,
}

/// Takes trees out of an image.
pub fn run(arguments: &ExtractArguments, output: &OutputArguments) -> Result<u8> {
    let path = &arguments.output;
    let is_streamed = path == Path::new("-");
    if is_streamed && tell::has_terminal() {
        return Err(Error::unsupported(
            "a tar is nothing for a terminal: -o FILE.tar writes it to a file",
        ));
    }
    let reporter = progress::looking(output);
    let flags = &arguments.flags;
    let look = arguments.look.request(&arguments.image, Some(flags))?;
    let paths = arguments.paths.iter().cloned();
    let mut request = ExtractRequest::of(look)
        .with_paths(paths.map(OsString::into_vec).collect::<Vec<_>>())
        .with_file_flags(flags.file_flags);
    request.jobs = arguments.look.reading.jobs.unwrap_or(request.jobs);
    let interior = pipeline::look(&request.look, &*reporter)?;
    let extract = |target| pipeline::extract_from(&interior, &request, target, &*reporter);
    // A signal ends it between two pieces, so that what was made can be taken away.
    let mut held = None;
    let extracted = if is_streamed {
        match extract(Target::Writer(&mut tell::content())) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(0);
            }
            extracted => extracted?,
        }
    } else {
        held = Some(hold::hold());
        extract(Target::Named {
            path,
            replaces: arguments.force,
            is_cancelled: &|| hold::received().is_some(),
        })?
    };
    let signal = hold::received();
    drop(held);
    match extracted {
        Extracted::Whole(warnings) => {
            for warning in warnings.lines() {
                reporter.warn(&warning);
            }
            Ok(0)
        }
        Extracted::Cancelled { is_undone } => {
            drop(reporter);
            let left = if is_undone {
                "nothing is left behind".to_owned()
            } else {
                let path = escape_path(path.as_os_str().as_bytes());
                format!("what was extracted until then is in {path}")
            };
            let code = 128 + signal.unwrap_or_default();
            Voice::of(output).error(&format!("interrupted; {left}"), code);
            Ok(u8::try_from(code).unwrap_or(u8::MAX))
        }
    }
}
