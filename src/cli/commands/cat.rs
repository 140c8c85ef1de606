//! `layerpress cat`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;

use crate::cli::arguments::OutputArguments;
use crate::cli::progress;
use crate::cli::tell::{Outcome, cannot_write, content};
use crate::error::Result;
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
            Ok(read) => outcome.take(read),
            // Whoever read it has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            // The next one would fare no better.
            Err(error) => return Err(cannot_write(error)),
        }
    }
    outcome.finish()
}

/// Copies one file: how reading it went, or that it cannot be written.
fn copy(view: &View, lookups: &mut Lookups<'_>, path: &[u8]) -> io::Result<Result<()>> {
    let mut stdout = content();
    let opened = lookups.find(path, Follow::Always).and_then(|found| {
        let reader = view.content(&found.node);
        Ok((
            reader.map_err(|error| error.in_entry(&found.path))?,
            found.path,
        ))
    });
    let (mut reader, path) = match opened {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error)),
    };
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
                return Ok(Err(error.in_entry(&path)));
            }
        }
    }
    zeros(&mut stdout, size_bytes - position)?;
    stdout.flush()?;
    Ok(Ok(()))
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
