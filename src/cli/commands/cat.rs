//! `layerpress cat`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;

use crate::cli::arguments::OutputArguments;
use crate::cli::progress;
use crate::cli::tell::{Outcome, cannot_write, content};
use crate::error::{Error, Result};
use crate::pipeline;
use crate::view::{Follow, Lookups, View};

/// What is typed after `cat`.
#[derive(Debug, Args)]
pub struct CatArguments {
    /// The filesystem image
    #[arg(value_name = "IMG")]
    image: PathBuf,
    /// Regular files in it; links are followed inside the image
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<OsString>,
}

/// Writes the files' contents to standard output, one after the other.
pub fn run(arguments: &CatArguments, output: &OutputArguments) -> Result<()> {
    let view = pipeline::open(&arguments.image, &*progress::reporter(output))?;
    let mut outcome = Outcome::of(output);
    let mut lookups = view.lookups();
    for path in &arguments.paths {
        match copy(&view, &mut lookups, path.as_bytes()) {
            Ok(()) => {}
            Err(Stopped::Unread(error)) => outcome.take(Err(error)),
            // Whoever read it has seen enough.
            Err(Stopped::Unwritten(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(());
            }
            // The next one would fare no better.
            Err(Stopped::Unwritten(error)) => return Err(cannot_write(error)),
        }
    }
    outcome.finish()
}

/// Why a file is not on standard output.
enum Stopped {
    /// It cannot be read; the next one may be.
    Unread(Error),
    /// Nothing can be written.
    Unwritten(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Unwritten(error)
    }
}

/// Copies one file.
fn copy(view: &View, lookups: &mut Lookups<'_>, path: &[u8]) -> Result<(), Stopped> {
    let mut stdout = content();
    let found = lookups
        .find(path, Follow::Always)
        .map_err(Stopped::Unread)?;
    let unread = |error: Error| Stopped::Unread(error.in_entry(&found.path));
    let mut reader = view.content(&found.node).map_err(unread)?;
    let size_bytes = reader.size_bytes();
    let mut position = 0;
    loop {
        match reader.next_data() {
            Ok(Some((offset_bytes, data))) => {
                zeros(&mut stdout, offset_bytes - position)?;
                stdout.write_all(data)?;
                position = offset_bytes + data.len() as u64;
            }
            Ok(None) => break,
            Err(error) => {
                stdout.flush()?;
                return Err(unread(error));
            }
        }
    }
    zeros(&mut stdout, size_bytes - position)?;
    stdout.flush()?;
    Ok(())
}

fn zeros(output: &mut impl Write, mut left: u64) -> io::Result<()> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    while left > 0 {
        let length = left.min(ZEROS.len() as u64);
        // At most 64 KiB.
        output.write_all(&ZEROS[..length as usize])?;
        left -= length;
    }
    Ok(())
}
