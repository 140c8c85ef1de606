//! What an image says for the names of files.

use std::path::PathBuf;

use crate::error::Result;
use crate::finish::{ImageWords, OutputName};
use crate::oci::{Digest, Platform, repository_and_tag};
use crate::source::Image;

/// Fills a file's name; as long as the words are not known, one that needs none.
pub(super) fn fill(path: &mut PathBuf, words: Option<&ImageWords>) -> Result<()> {
    let name = OutputName::parse(path)?;
    match words {
        Some(words) => *path = name.fill(words)?,
        None if name.is_whole() => *path = name.fill(&ImageWords::default())?,
        None => {}
    }
    Ok(())
}

/// What the image says for names of outputs, and of what they are laid out like.
pub(super) fn words(image: &Image) -> ImageWords {
    let digits = |digest: &Digest| digest.digest().to_owned();
    let (name, tag) = repository_and_tag(&image.names);
    let arch = image.platform.as_ref().map(Platform::architecture);
    ImageWords {
        id: image.config_digest.as_ref().map(digits),
        digest: image.manifest_digest.as_ref().map(digits),
        tag: tag.map(str::to_owned),
        name: name.map(str::to_owned),
        arch: arch.map(str::to_owned),
    }
}
