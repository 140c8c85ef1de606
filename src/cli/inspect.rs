//! `layerpress inspect`.

mod filesystem;
mod history;
mod image;

use std::path::Path;

use clap::Args;

pub use history::short;

use super::args::{LimitArguments, OutputArguments, ReadingArguments};
use super::{options, print, print_json, progress};
use crate::error::Error;
use crate::inspect::{Filesystem, is_filesystem};
use crate::layers::{self, LayerSummary, ReadOptions};
use crate::pipeline::ImageRequest;
use crate::progress::Reporter;
use crate::source::{self, OpenOptions, Place, Surveyed};
use crate::warnings::Warnings;

/// What is typed.
#[derive(Debug, Args)]
pub struct InspectArguments {
    /// A container image as build takes it, or an ext2, ext3 or ext4 filesystem image
    #[arg(value_name = "IMAGE|IMG")]
    pub name: std::ffi::OsString,
    /// Read and verify the layers, too: uncompressed sizes and numbers of entries
    #[arg(long)]
    pub layers: bool,
    /// Show digests and commands in full
    #[arg(long)]
    pub no_trunc: bool,
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub reading: ReadingArguments,
    #[command(flatten)]
    pub limits: LimitArguments,
}

/// Tells what it is.
pub fn run(arguments: &InspectArguments, output: &OutputArguments) -> anyhow::Result<()> {
    let path = Path::new(&arguments.name);
    if is_filesystem(path) {
        let shown = filesystem::ShownFilesystem::of(path, &Filesystem::read(path)?);
        return if arguments.json {
            print_json(&shown)
        } else {
            print(&shown.text())
        };
    }
    let reporter = progress::reporter(output);
    let request = options::image(
        &arguments.name,
        &arguments.reading,
        &arguments.limits,
        std::env::temp_dir(),
    )?;
    let shown = inspect_image(arguments, request, &*reporter)?;
    for warning in &shown.warnings {
        reporter.warn(warning);
    }
    drop(reporter);
    if arguments.json {
        print_json(&shown)
    } else {
        print(&shown.text(arguments.no_trunc))
    }
}

fn inspect_image(
    arguments: &InspectArguments,
    request: ImageRequest,
    reporter: &dyn Reporter,
) -> crate::Result<image::ShownImage> {
    let open_options = OpenOptions {
        platform: request.platform,
        work_dir: request.work_dir.clone(),
        limits: request.limits.clone(),
        registry: request.registry,
        daemon: request.daemon,
        held_against: None,
    };
    let Surveyed {
        offers,
        is_narrowed,
        chosen,
    } = source::survey(&Place::of(&request.reference)?, &open_options, reporter)?;
    let image = match chosen {
        Ok(image) => image,
        // Which there are is what was asked.
        Err(error @ Error::Unsupported { .. }) if !is_narrowed && offers.len() > 1 => {
            reporter.note(&error.to_string());
            let reference = request.reference.to_string();
            return Ok(image::ShownImage::of_several(reference, &offers));
        }
        Err(error) => return Err(error),
    };
    let mut warnings: Warnings = image.warnings.clone();
    let summaries: Option<Vec<LayerSummary>> = if arguments.layers {
        let read_options = ReadOptions {
            work_dir: request.work_dir,
            limits: request.limits,
            jobs: request.jobs,
        };
        let layers = layers::read(&image, &read_options, reporter)?;
        layers.verifying.finish()?;
        warnings.merge(layers.warnings);
        let changesets = layers.changesets.into_iter();
        Some(changesets.map(|changeset| changeset.layer).collect())
    } else {
        None
    };
    let warnings = warnings.lines().collect();
    image::ShownImage::of(&image, summaries.as_deref(), &offers, warnings)
}
