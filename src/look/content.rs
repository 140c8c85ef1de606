//! A regular file's content as it is read.

use super::image;
use crate::error::Result;
use crate::view;

/// Reads a content: its data, holes left out.
#[derive(Debug)]
pub enum ContentReader<'a> {
    /// From a filesystem's blocks.
    Filesystem(view::ContentReader<'a>),
    /// From a layer's tar.
    Image(image::ContentReader<'a>),
}

impl ContentReader<'_> {
    /// How long the content is.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Filesystem(reader) => reader.size_bytes(),
            Self::Image(reader) => reader.size_bytes(),
        }
    }

    /// The next data with its offset, ascending; `None` after the last. All between is zeros.
    ///
    /// # Errors
    /// [`crate::Error::BadImage`] where it is damaged, [`crate::Error::Io`] when reading fails.
    pub fn next_data(&mut self) -> Result<Option<(u64, &[u8])>> {
        match self {
            Self::Filesystem(reader) => reader.next_data(),
            Self::Image(reader) => reader.next_data(),
        }
    }
}
