//! `layerpress diff`.

mod blocks;
mod packages;
mod shown;

use std::ffi::OsString;
use std::path::Path;

use clap::Args;

use crate::cli::arguments::{
    COMPARISON, ComparisonArguments, EditArguments, NO_HEADING, OutputArguments, ReadingArguments,
    RecipeArguments, whole,
};
use crate::cli::progress;
use crate::cli::shown::schemas;
use crate::cli::tell::print_as;
use crate::error::{Error, Result};
use crate::pipeline::{self, CompareRequest, Subject};

/// What is typed.
#[derive(Debug, Args)]
pub struct DiffArguments {
    // The first, to see what was typed.
    #[command(flatten)]
    pub recipe: RecipeArguments,
    /// The earlier one: an ext filesystem image, or a container image as build takes it
    #[arg(value_name = "A", help_heading = NO_HEADING)]
    pub before: OsString,
    /// The later one; with --recipe it is the recipe's image, and not to be named
    #[arg(
        value_name = "B",
        help_heading = NO_HEADING,
        required_unless_present = "recipe",
        conflicts_with = "recipe"
    )]
    pub after: Option<OsString>,
    /// Sum up by directory instead of listing every entry
    #[arg(long, help_heading = COMPARISON, group = "summed")]
    pub stat: bool,
    /// How many components below the root --stat and --blocks tell directories apart
    #[arg(
        long,
        value_name = "N",
        help_heading = COMPARISON,
        default_value_t = 2,
        value_parser = whole::<usize>,
        requires = "summed"
    )]
    pub depth: usize,
    #[command(flatten)]
    pub comparison: ComparisonArguments,
    /// Compare the packages that are installed instead: which came, went or changed their version
    #[arg(long, help_heading = COMPARISON, conflicts_with_all = ["summed", "ignore"])]
    pub packages: bool,
    /// Compare two files byte by byte instead, at the same offsets: which blocks an update in place moves, by
    /// what they are part of and by directory
    #[arg(
        long,
        help_heading = COMPARISON,
        group = "summed",
        conflicts_with_all = ["ignore", "recipe"]
    )]
    pub blocks: bool,
    /// Not needed any more, and only taken for scripts that give it
    #[arg(long, value_name = "PATH", hide = true)]
    pub debugfs: Option<OsString>,
    /// Print the changes as JSON
    #[arg(long, help_heading = NO_HEADING)]
    pub json: bool,
    #[command(flatten)]
    pub edits: EditArguments,
    #[command(flatten)]
    pub reading: ReadingArguments,
}

/// Compares and tells the changes; whether both are equal.
pub fn run(arguments: &DiffArguments, output: &OutputArguments) -> Result<bool> {
    let reporter = progress::looking(output);
    if let (true, Some(after)) = (arguments.blocks, &arguments.after) {
        let (before, after) = (Path::new(&arguments.before), Path::new(after));
        let differences = pipeline::compare_blocks(before, after, &*reporter)?;
        let shown = blocks::ShownBlocks::of(&differences, arguments.depth);
        shown.warnings().for_each(|warning| reporter.warn(warning));
        drop(reporter);
        print_as(arguments.json, schemas::DIFF_BLOCKS, &shown, || {
            shown.text()
        })?;
        return Ok(differences.is_equal());
    }
    let recipe = arguments.recipe.load_one()?;
    let said = recipe.as_ref().map(|(recipe, _)| recipe);
    let before = &arguments.before;
    let after = &arguments.recipe.name(arguments.after.as_ref(), said)?;
    // Should one lie in a directory that is read, it is no part of the other.
    let asked = |mut subject: Subject, other: &OsString| {
        if let Subject::Image(request) = &mut subject {
            request.open.held_against = Some(other.into());
            request.open.file_flags = arguments.comparison.flags.file_flags;
            request.edits = arguments.edits.edits();
        }
        subject
    };
    let subject = |name: &OsString, other: &OsString| -> Result<Subject> {
        Ok(asked(arguments.reading.subject(name)?, other))
    };
    let image = |name: &OsString, other: &OsString| -> Result<Subject> {
        let image = arguments.reading.image(name)?;
        Ok(asked(Subject::Image(Box::new(image)), other))
    };
    let (before, mut after) = match recipe.is_some() {
        // What is at the recipe's own place is looked for from there.
        true => (subject(before, after)?, image(after, before)?),
        false => (subject(before, after)?, subject(after, before)?),
    };
    let is_image = |subject: &Subject| matches!(subject, Subject::Image(_));
    if !is_image(&before) && !is_image(&after) && !arguments.edits.edits().is_empty() {
        return Err(Error::unsupported(
            "edits change what a container image shows, and both are filesystems: expected a container image as A or B",
        ));
    }
    let mut made_seconds = arguments.comparison.source_date_epoch;
    let mut max_names = arguments.reading.limits.max_entries;
    if let (Some(recipe), Subject::Image(request)) = (recipe, &mut after) {
        made_seconds = arguments
            .recipe
            .ask(recipe, request, made_seconds, &*reporter)?;
        max_names = request.open.limits.max_entries;
    }
    if arguments.packages {
        let comparison = pipeline::compare_packages(&before, &after, &*reporter)?;
        for warning in comparison.sides.iter().flat_map(|side| &side.warnings) {
            reporter.warn(warning);
        }
        drop(reporter);
        let shown = packages::ShownPackages::of(&comparison);
        print_as(arguments.json, schemas::DIFF_PACKAGES, &shown, || {
            shown.text()
        })?;
        return comparison.is_equal();
    }
    let request = CompareRequest {
        ignored: arguments.comparison.ignored(),
        made_seconds,
        max_names,
        ..CompareRequest::new(before, after)
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
