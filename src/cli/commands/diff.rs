//! `layerpress diff`.

mod shown;

use std::ffi::OsString;

use clap::Args;

use crate::cli::arguments::{
    ComparisonArguments, EditArguments, OutputArguments, ReadingArguments,
};
use crate::cli::progress;
use crate::cli::shown::schemas;
use crate::cli::tell::print_as;
use crate::error::Result;
use crate::pipeline::{self, CompareRequest, Subject};

/// What is typed.
#[derive(Debug, Args)]
pub struct DiffArguments {
    /// The earlier one: an ext filesystem image, or a container image as build takes it
    #[arg(value_name = "A")]
    pub before: OsString,
    /// The later one
    #[arg(value_name = "B")]
    pub after: OsString,
    /// Sum up by directory instead of listing every entry
    #[arg(long)]
    pub stat: bool,
    /// How many components below the root --stat tells directories apart
    #[arg(long, value_name = "N", default_value_t = 2, requires = "stat")]
    pub depth: usize,
    #[command(flatten)]
    pub comparison: ComparisonArguments,
    /// Not needed any more, and only taken for scripts that give it
    #[arg(long, value_name = "PATH", hide = true)]
    pub debugfs: Option<OsString>,
    /// Print the changes as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub reading: ReadingArguments,
    #[command(flatten)]
    pub edits: EditArguments,
}

/// Compares and tells the changes; whether both are equal.
pub fn run(arguments: &DiffArguments, output: &OutputArguments) -> Result<bool> {
    let reporter = progress::reporter(output);
    let (before, after) = (&arguments.before, &arguments.after);
    // Should one lie in a directory that is read, it is no part of the other.
    let subject = |name: &OsString, other: &OsString| {
        let mut subject = arguments.reading.subject(name)?;
        if let Subject::Image(request) = &mut subject {
            request.open.held_against = Some(other.into());
            request.open.file_flags = arguments.comparison.flags.file_flags;
            request.edits = arguments.edits.edits();
        }
        Ok(subject)
    };
    let request = CompareRequest {
        ignored: arguments.comparison.ignored(),
        made_seconds: arguments.comparison.source_date_epoch,
        max_names: arguments.reading.limits.max_entries,
        ..CompareRequest::new(subject(before, after)?, subject(after, before)?)
    };
    let comparison = pipeline::compare(&request, &*reporter)?;
    for side in &comparison.sides {
        for warning in &side.warnings {
            reporter.warn(warning);
        }
    }
    drop(reporter);
    let shown = shown::Changes {
        comparison: &comparison,
        depth: arguments.stat.then_some(arguments.depth),
    };
    print_as(arguments.json, schemas::DIFF, &shown.json(), || {
        shown.text()
    })?;
    // What differs is told before what could not be read.
    comparison.is_equal()
}
