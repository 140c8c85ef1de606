//! What is compared of an image.

use std::collections::BTreeSet;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::image::FileFlagsArgument;
use super::numbers::seconds_since_1970;
use crate::listing::Field;

/// The heading in the help of what is compared.
pub const COMPARISON: &str = "Comparison";

/// What is compared.
#[derive(Debug, Args)]
#[command(next_help_heading = COMPARISON)]
pub struct ComparisonArguments {
    /// Do not compare these, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FIELDS")]
    ignore: Vec<Field>,
    #[command(flatten)]
    pub flags: FileFlagsArgument,
    /// Seconds since 1970: the time of directories which no layer of an image describes [default: when the image was
    /// created]
    #[arg(
        long,
        env = "SOURCE_DATE_EPOCH",
        value_name = "SECONDS",
        value_parser = seconds_since_1970,
        allow_negative_numbers = true
    )]
    pub source_date_epoch: Option<i64>,
}

impl ComparisonArguments {
    /// The fields that are not compared.
    pub fn ignored(&self) -> BTreeSet<Field> {
        self.ignore.iter().copied().collect()
    }
}

impl ValueEnum for Field {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Mode,
            Self::Owner,
            Self::Mtime,
            Self::Size,
            Self::Body,
            Self::Links,
            Self::Xattrs,
            Self::Flags,
        ]
    }

    /// A type and a count of names cannot be left out.
    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Kind | Self::LinkCount => return None,
            Self::Mode => ("mode", "Permission, setuid, setgid and sticky bits"),
            Self::Owner => ("owner", "User and group"),
            Self::Mtime => ("mtime", "Modification times"),
            Self::Size => ("size", "Sizes of files and symbolic links"),
            Self::Body => (
                "content",
                "Contents of files, targets of symbolic links, numbers of devices",
            ),
            Self::Links => ("links", "Which names are hard links of each other"),
            Self::Xattrs => ("xattrs", "Extended attributes"),
            Self::Flags => ("flags", "File flags, as chattr sets them"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}
