//! What the commands that look into an image share.

use std::path::Path;

use crate::cli::tell;
use crate::error::Error;
use crate::view::View;

/// Opens an image and says what its reader should know.
pub fn open(image: &Path) -> crate::Result<View> {
    let view = View::open(image)?;
    if view.needs_recovery() {
        tell::remark("warning", &unrecovered(image, "shown"));
    }
    Ok(view)
}

/// What the reader of an image should know whose journal holds changes that are not `done`: shown,
/// compared.
pub fn unrecovered(image: &Path, done: &str) -> String {
    format!(
        "{}: not cleanly unmounted; changes that are only in its journal are not {done}",
        image.display()
    )
}

/// Why what was read of such an image is not called equal to anything.
pub fn not_proven_equal(image: &Path) -> Error {
    Error::bad_image(format!(
        "equal as it stands, but its journal holds changes that are not in their places yet and were not compared (`e2fsck -fp {}` writes them there)",
        image.display()
    ))
    .in_image(&image.display().to_string())
}

/// How several things went of which one that fails does not stop the others: each failure is told
/// as it comes, and the last is the whole command's.
#[derive(Debug, Default)]
pub struct Outcome {
    last: Option<crate::Error>,
}

impl Outcome {
    /// Takes a result in.
    pub fn take(&mut self, result: crate::Result<()>) {
        if let Err(error) = result
            && let Some(before) = self.last.replace(error)
        {
            tell::failure(&before.to_string());
        }
    }

    /// The whole.
    pub fn finish(self) -> anyhow::Result<()> {
        match self.last {
            None => Ok(()),
            Some(error) => Err(error.into()),
        }
    }
}
