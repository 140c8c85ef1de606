//! `layerpress cat`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use crate::cli::arguments::{LookArguments, OutputArguments, path_inside};
use crate::cli::progress;
use crate::cli::tell::{Outcome, cannot_write, content};
use crate::error::{Error, Result};
use crate::listing::Kind;
use crate::look::{Lookups, expand};
use crate::pipeline;
use crate::view::Follow;

/// What is typed after `cat`.
#[derive(Debug, Args)]
pub struct CatArguments {
    /// A filesystem image, or a container image as build takes it
    #[arg(value_name = "IMG|IMAGE")]
    image: OsString,
    /// Regular files in it, or patterns as a shell has them (in quotes, '/etc/*.conf'); links are
    /// followed inside the image
    #[arg(value_name = "PATH", required = true, value_parser = path_inside())]
    paths: Vec<OsString>,
    #[command(flatten)]
    look: LookArguments,
}

/// Writes the files' contents to standard output, one after the other.
pub fn run(arguments: &CatArguments, output: &OutputArguments) -> Result<()> {
    let request = arguments.look.request(&arguments.image, None)?;
    let interior = pipeline::look(&request, &*progress::looking(output))?;
    let mut outcome = Outcome::of(output);
    let mut lookups = Lookups::of(interior.inside());
    let mut paths = Vec::with_capacity(arguments.paths.len());
    for typed in &arguments.paths {
        match expand(&mut lookups, typed.as_bytes()) {
            Ok(expansion) => paths.extend(expansion.into_paths()),
            Err(error) => outcome.take(Err(error)),
        }
    }
    for path in &paths {
        match copy(&mut lookups, path, &interior.name()) {
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
fn copy(lookups: &mut Lookups<'_>, path: &[u8], image: &str) -> Result<(), Stopped> {
    let mut stdout = content();
    let found = lookups
        .find(path, Follow::Always)
        .map_err(Stopped::Unread)?;
    // As it is typed: from the image's root on.
    let place = [b"/", &*found.path].concat();
    let unread = |error: Error| Stopped::Unread(error.in_entry(&place).in_image(image));
    if found.node.kind == Kind::Directory {
        return Err(unread(Error::unsupported(
            "expected a regular file, found a directory (`layerpress ls` lists it, `layerpress extract` takes it out; paths begin at the image's root)",
        )));
    }
    let mut reader = lookups.inside().content(&found.node).map_err(unread)?;
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
