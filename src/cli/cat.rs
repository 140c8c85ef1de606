//! `layerpress cat`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;

use super::view::{Outcome, open};
use crate::view::{Follow, View};

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
pub fn run(arguments: &CatArguments) -> anyhow::Result<()> {
    let view = open(&arguments.image)?;
    let mut outcome = Outcome::default();
    for path in &arguments.paths {
        match copy(&view, path.as_bytes()) {
            // Whoever read it has seen enough.
            Err(error) if is_broken_pipe(&error) => return Ok(()),
            copied => outcome.take(copied),
        }
    }
    outcome.finish()
}

fn copy(view: &View, path: &[u8]) -> crate::Result<()> {
    let found = view.lookup(path, Follow::Always)?;
    let in_entry = |error: crate::Error| error.in_entry(&found.path);
    let mut reader = view.content(&found.node).map_err(in_entry)?;
    let size_bytes = reader.size_bytes();
    let mut stdout = io::stdout().lock();
    let cannot_write = |error| crate::Error::io("cannot write to standard output", error);
    let mut position = 0;
    while let Some((offset_bytes, data)) = reader.next_data().map_err(in_entry)? {
        zeros(&mut stdout, offset_bytes - position).map_err(cannot_write)?;
        stdout.write_all(data).map_err(cannot_write)?;
        position = offset_bytes + data.len() as u64;
    }
    zeros(&mut stdout, size_bytes - position)
        .and_then(|()| stdout.flush())
        .map_err(cannot_write)
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

fn is_broken_pipe(error: &crate::Error) -> bool {
    matches!(error, crate::Error::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
}
