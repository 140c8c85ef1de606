//! What the commands that look into an image share.

use std::path::Path;

use super::tell::{self, Voice};
use crate::view::View;

/// Opens an image and says what its reader should know.
pub fn open(image: &Path) -> crate::Result<View> {
    let view = View::open(image)?;
    if view.needs_recovery() {
        tell::line(&format!(
            "warning: {}: not cleanly unmounted; changes that are only in its journal are not shown",
            image.display()
        ));
    }
    Ok(view)
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
            Voice::Words.error(&before.to_string(), before.exit_code().into());
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
