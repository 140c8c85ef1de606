//! `layerpress man`.

mod page;

use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use rustix::fs::CWD;

use crate::error::{Error, Result};
use crate::partial_file::PartialFile;
use crate::pinned::MadeDirectory;

/// What is typed.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// Where the pages go: layerpress.1 and one for each subcommand; made if absent
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// Writes the pages, made from the parser itself.
pub fn run(arguments: &ManArguments, command: Command) -> Result<()> {
    let directory = &arguments.directory;
    let made = make(directory)?;
    // Of `help` there is nothing to say.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    for (path, one) in pages(&command, "") {
        let name = page::name(&path);
        let file = directory.join(format!("{name}.1"));
        write(&file, &page::page(&command, one, &path))?;
    }
    for directory in made.iter().rev() {
        let done = directory.finish();
        done.map_err(|error| Error::path("finish the directory", &arguments.directory, error))?;
    }
    Ok(())
}

/// Writes a page that is there when all of it is.
fn write(file: &Path, page: &str) -> Result<()> {
    let partial = PartialFile::create(file)?;
    let written = partial.file().write_all_at(page.as_bytes(), 0);
    written.map_err(|error| Error::path("write the manual page", file, error))?;
    partial.persist()
}

/// Makes a directory and those that lead to it, where they are absent.
fn make(directory: &Path) -> Result<Vec<MadeDirectory>> {
    let places = directory.ancestors();
    let missing = places.take_while(|place| !place.as_os_str().is_empty() && !place.is_dir());
    let missing: Vec<_> = missing.collect();
    let mut made = Vec::new();
    for place in missing.into_iter().rev() {
        match MadeDirectory::at(CWD, place, 0o777) {
            Ok(directory) => made.push(directory),
            // Another process may be faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && place.is_dir() => {}
            Err(error) => return Err(Error::path("create the directory", place, error)),
        }
    }
    Ok(made)
}

/// A command and all below it, each with the words behind `layerpress`.
fn pages<'a>(command: &'a Command, path: &str) -> Vec<(String, &'a Command)> {
    let below = command.get_subcommands().flat_map(|below| {
        let path = format!("{path} {}", below.get_name());
        pages(below, path.trim_start())
    });
    std::iter::once((path.to_owned(), command))
        .chain(below)
        .collect()
}
