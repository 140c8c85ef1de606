//! What nobody has stated a diff ID of must at least be the same all the time that it is read.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::layers::stored::read_failed;

/// A file as it was when reading it began.
#[derive(Debug)]
pub(in crate::layers) struct Unchanged {
    file: Arc<File>,
    state: State,
    /// What it is called; the image itself where it has no name here.
    name: Option<String>,
}

/// Length, and seconds and nanoseconds of the last change of its content.
type State = (u64, i64, i64);

impl Unchanged {
    /// Remembers a file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be asked.
    pub(in crate::layers) fn since_now(file: &Arc<File>) -> Result<Self> {
        Ok(Self {
            file: Arc::clone(file),
            state: state(file).map_err(read_failed)?,
            name: None,
        })
    }

    /// The same of a file that is not the image.
    pub(in crate::layers) fn named(file: &Arc<File>, name: &str) -> Result<Self> {
        Ok(Self {
            name: Some(name.to_owned()),
            ..Self::since_now(file)?
        })
    }

    /// # Errors
    /// [`Error::Io`] naming the file, or the image, where it has changed.
    pub(super) fn check(&self, image: &str) -> Result<()> {
        if state(&self.file).map_err(read_failed)? == self.state {
            return Ok(());
        }
        let changed = io::Error::other("changed while it was read");
        let name = self.name.as_deref().unwrap_or(image);
        Err(Error::io(format!("cannot read {name}"), changed))
    }
}

fn state(file: &File) -> io::Result<State> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}
