//! What is compared of an image.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};

use super::image::SourceDateArgument;
use crate::listing::Field;

/// What is compared.
#[derive(Debug, Args)]
pub struct ComparisonArguments {
    /// Do not compare these, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FIELDS")]
    ignore: Vec<IgnoredField>,
    #[command(flatten)]
    pub made: SourceDateArgument,
}

impl ComparisonArguments {
    /// The fields that are not compared.
    pub fn ignored(&self) -> BTreeSet<Field> {
        self.ignore.iter().map(|field| field.field()).collect()
    }
}

/// A field that need not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IgnoredField {
    /// Permission, setuid, setgid and sticky bits
    Mode,
    /// User and group
    Owner,
    /// Modification times
    Mtime,
    /// Sizes of files and symbolic links
    Size,
    /// Contents of files, targets of symbolic links, numbers of devices
    Content,
    /// Which names are hard links of each other
    Links,
    /// Extended attributes
    Xattrs,
}

impl IgnoredField {
    /// The field of a listing's line.
    fn field(self) -> Field {
        match self {
            Self::Mode => Field::Mode,
            Self::Owner => Field::Owner,
            Self::Mtime => Field::Mtime,
            Self::Size => Field::Size,
            Self::Content => Field::Body,
            Self::Links => Field::Links,
            Self::Xattrs => Field::Xattrs,
        }
    }
}
