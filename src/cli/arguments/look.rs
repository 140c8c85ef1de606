//! What is looked into, and how.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::edits::EditArguments;
use super::image::{FileFlagsArgument, ReadingArguments};
use super::output::NO_HEADING;
use crate::error::{Error, Result};
use crate::pipeline::{LookRequest, Subject};
use crate::units::ByteSize;

/// Reads a path inside what is looked into, before that is: it may have to be fetched.
pub fn path_inside() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|path: OsString| match path.is_empty() {
        true => Err("expected a path, found an empty one"),
        false => Ok(path),
    })
}

/// How what is looked into is read.
#[derive(Debug, Args)]
pub struct LookArguments {
    /// Where in its file a filesystem begins: a partition of a disk's image, as fdisk -l tells it,
    /// times 512
    #[arg(long, value_name = "BYTES", help_heading = NO_HEADING)]
    pub offset: Option<ByteSize>,
    #[command(flatten)]
    pub edits: EditArguments,
    #[command(flatten)]
    pub reading: ReadingArguments,
}

impl LookArguments {
    /// The filesystem of this name, or else the image.
    ///
    /// # Errors
    /// As [`ReadingArguments::subject`], and for edits of a filesystem.
    pub fn request(&self, name: &OsStr, flags: Option<&FileFlagsArgument>) -> Result<LookRequest> {
        let subject = match self.offset {
            Some(_) => Subject::Filesystem(Path::new(name).to_owned()),
            None => self.reading.subject(name)?,
        };
        let edits = self.edits.edits();
        let subject = match subject {
            Subject::Image(mut image) => {
                image.open.file_flags = flags.is_none_or(|flags| flags.file_flags);
                image.edits = edits;
                Subject::Image(image)
            }
            Subject::Filesystem(_) if !edits.is_empty() => {
                return Err(Error::unsupported(
                    "edits change what a container image shows, and this is a filesystem: expected a container image",
                ));
            }
            filesystem => filesystem,
        };
        let offset = self.offset.map_or(0, |offset| offset.0);
        Ok(LookRequest::new(subject).with_offset_bytes(offset))
    }
}
