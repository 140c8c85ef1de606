//! `layerpress inspect`.

mod artifact;
mod filesystem;
mod image;
mod start;
mod verity;

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use clap::Args;

use crate::cli::arguments::{OutputArguments, ReadingArguments};
use crate::cli::progress;
use crate::cli::shown::schemas;
use crate::cli::tell::{print_as, terminal_columns};
use crate::error::Result;
use crate::pipeline::{self, Inspected};

/// All that a daemon has.
const DAEMON: &str = "docker-daemon:";

/// What is typed.
#[derive(Debug, Args)]
pub struct InspectArguments {
    /// A container image as build takes it, an ext2, ext3 or ext4 filesystem image, one that push put
    /// into a registry, or the file that a hash tree of dm-verity is in; where it has several images,
    /// these are listed, as are all of a daemon by docker-daemon: alone
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
    /// Where a filesystem's start configuration is, as build's --config-file had it [default:
    /// /etc/image.json, if there is one]
    #[arg(long, value_name = "PATH")]
    pub config_file: Option<std::ffi::OsString>,
    #[command(flatten)]
    pub reading: ReadingArguments,
}

/// Tells what it is.
pub fn run(arguments: &InspectArguments, output: &OutputArguments) -> Result<()> {
    let path = Path::new(&arguments.name);
    if let Some(found) = pipeline::verity_file(path)? {
        let shown = verity::ShownVerity::of(path, Ok(&found));
        return print_as(arguments.json, schemas::INSPECT, &shown, || {
            shown.text(terminal_columns())
        });
    }
    let reporter = progress::looking(output);
    let inspected = if arguments.name == DAEMON {
        pipeline::inspect_daemon(&arguments.reading.daemon(), &*reporter)?
    } else {
        let subject = arguments.reading.subject(&arguments.name)?;
        pipeline::inspect(&subject, arguments.layers, &*reporter)?
    };
    let shown = match inspected {
        Inspected::Filesystem(inspected) => {
            let path = Path::new(&arguments.name);
            let start = arguments.config_file.as_ref().map(|start| start.as_bytes());
            let start = pipeline::start_in(path, start)?;
            let shown = filesystem::ShownFilesystem::of(path, &inspected, start);
            for warning in &shown.warnings {
                reporter.warn(warning);
            }
            drop(reporter);
            return print_as(arguments.json, schemas::INSPECT, &shown, || {
                shown.text(terminal_columns())
            });
        }
        Inspected::Artifact(inspected) => {
            drop(reporter);
            let shown = artifact::ShownArtifact::of(&inspected);
            return print_as(arguments.json, schemas::INSPECT, &shown, || {
                shown.text(terminal_columns())
            });
        }
        Inspected::Image(inspected) => image::ShownImage::of(&inspected),
        Inspected::Several {
            reference,
            offers,
            why,
        } => {
            if let Some(why) = why {
                reporter.note(&why.to_string());
            }
            image::ShownImage::of_several(reference, &offers)
        }
    };
    for warning in &shown.warnings {
        reporter.warn(warning);
    }
    drop(reporter);
    print_as(arguments.json, schemas::INSPECT, &shown, || {
        shown.text(arguments.no_trunc, terminal_columns())
    })
}
