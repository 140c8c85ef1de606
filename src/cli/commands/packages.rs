//! `layerpress packages`.

use std::ffi::OsString;

use clap::Args;
use serde::Serialize;

use crate::cli::arguments::{OutputArguments, ReadingArguments};
use crate::cli::progress;
use crate::cli::shown::schemas;
use crate::cli::shown::table::columns;
use crate::cli::shown::text::{counted, printable};
use crate::cli::tell::print_as;
use crate::error::Result;
use crate::pipeline::{self, Installed, Package};

/// What is typed after `packages`.
#[derive(Debug, Args)]
pub struct PackagesArguments {
    /// An ext filesystem image, or a container image as build takes it
    #[arg(value_name = "IMG")]
    pub subject: OsString,
    /// Print the packages as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub reading: ReadingArguments,
}

/// Lists the installed packages.
pub fn run(arguments: &PackagesArguments, output: &OutputArguments) -> Result<()> {
    let reporter = progress::looking(output);
    let subject = arguments.reading.subject(&arguments.subject)?;
    let installed = pipeline::packages(&subject, &*reporter)?;
    for warning in &installed.warnings {
        reporter.warn(warning);
    }
    drop(reporter);
    let shown = Shown::of(&installed);
    print_as(arguments.json, schemas::PACKAGES, &shown, || shown.text())
}

/// The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    reference: &'a str,
    databases: Vec<ShownDatabase<'a>>,
    packages: &'a [Package],
    warnings: &'a [String],
}

#[derive(Debug, Serialize)]
struct ShownDatabase<'a> {
    format: &'a str,
    path: String,
    packages: u64,
}

impl<'a> Shown<'a> {
    fn of(installed: &'a Installed) -> Self {
        let databases = installed.packages.databases.iter();
        let databases = databases.map(|database| ShownDatabase {
            format: database.format,
            path: format!("/{}", database.path),
            packages: database.packages,
        });
        Self {
            reference: &installed.name,
            databases: databases.collect(),
            packages: &installed.packages.packages,
            warnings: &installed.warnings,
        }
    }

    /// A line for each package, and how many there are.
    fn text(&self) -> String {
        let row = |package: &Package| {
            [&package.name, &package.version, &package.arch].map(|field| printable(field))
        };
        let mut text = columns(self.packages.iter().map(row).collect());
        let from = self.databases.iter();
        let from: Vec<_> = from
            .map(|database| format!("{} ({})", database.format, printable(&database.path)))
            .collect();
        let from = match from.is_empty() {
            true => String::new(),
            false => format!(", from {}", from.join(" and ")),
        };
        let count = counted(self.packages.len() as u64, "package", "packages");
        text.push_str(&format!("{count}{from}\n"));
        text
    }
}
