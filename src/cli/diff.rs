//! `layerpress diff`.
//!
//! Filesystems are read through our own view alone, which reads whatever an ext filesystem can
//! hold as the kernel does.

mod shown;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Args, ValueEnum};

use super::args::{LimitArguments, OutputArguments, ReadingArguments};
use super::{options, print, print_json, progress, view};
use crate::compare::{changes, leave_out_lost_found};
use crate::error::{Error, escape_path};
use crate::ext::{Ext, leave_out_note};
use crate::filesystem::{Filesystem, expected_listing};
use crate::inspect;
use crate::listing::{Field, Listing};
use crate::pipeline;
use crate::progress::{Reporter, Unit};
use crate::view::View;

/// Problems that an error shows.
const SHOWN_PROBLEMS: usize = 5;

/// Progress is told in pieces of at least this many bytes.
const REPORTED_BYTES: u64 = 1 << 20;

/// What is typed.
#[derive(Debug, Args)]
pub struct DiffArguments {
    /// The earlier one: an ext filesystem image, or a container image as build takes it
    #[arg(value_name = "A")]
    pub before: OsString,
    /// The later one
    #[arg(value_name = "B")]
    pub after: OsString,
    /// Sum up by directory instead of listing every entry
    #[arg(long)]
    pub stat: bool,
    /// How many components below the root --stat tells directories apart
    #[arg(long, value_name = "N", default_value_t = 2, requires = "stat")]
    pub depth: usize,
    /// Do not compare these, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FIELDS")]
    pub ignore: Vec<IgnoredField>,
    /// The time of directories which no layer of a container image describes, in seconds since
    /// 1970 [default: when the image was created]
    #[arg(
        long,
        env = "SOURCE_DATE_EPOCH",
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    pub source_date_epoch: Option<i64>,
    /// Not needed any more, and only taken for scripts that give it
    #[arg(long, value_name = "PATH", hide = true)]
    pub debugfs: Option<OsString>,
    /// Print the changes as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub reading: ReadingArguments,
    #[command(flatten)]
    pub limits: LimitArguments,
}

/// A field that need not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IgnoredField {
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
    pub fn field(self) -> Field {
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

/// Compares and tells the changes; whether both are equal.
pub fn run(arguments: &DiffArguments, output: &OutputArguments) -> anyhow::Result<bool> {
    let reporter = progress::reporter(output);
    let mut before = read(&arguments.before, &arguments.after, arguments, &*reporter)?;
    let mut after = read(&arguments.after, &arguments.before, arguments, &*reporter)?;
    leave_out_lost_found(&mut before.listing, &mut after.listing);
    let ignored: BTreeSet<_> = arguments.ignore.iter().map(|field| field.field()).collect();
    let changes = changes(&before.listing, &after.listing, &ignored);
    for warning in before.warnings.iter().chain(&after.warnings) {
        reporter.warn(warning);
    }
    drop(reporter);
    let sides = [&before, &after];
    let depth = arguments.stat.then_some(arguments.depth);
    let shown = shown::Changes {
        before: &before.name,
        after: &after.name,
        changes: &changes,
        unreadable: sides.map(|side| &*side.unreadable),
        needs_recovery: sides.map(|side| side.needs_recovery),
        depth,
    };
    if arguments.json {
        print_json(&shown.json())?;
    } else {
        print(&shown.text())?;
    }
    for side in sides {
        side.check()?;
    }
    if let Some(side) = sides.iter().find(|side| side.needs_recovery)
        && changes.is_empty()
    {
        return Err(view::not_proven_equal(Path::new(&side.name)).into());
    }
    Ok(changes.is_empty())
}

/// One side.
struct Side {
    name: String,
    listing: Listing,
    warnings: Vec<String>,
    /// What is unknown of it, and so equals everything.
    unreadable: Vec<Unreadable>,
    /// Whether its journal holds changes that were not compared.
    needs_recovery: bool,
}

/// A name that cannot be read as a whole.
struct Unreadable {
    path: String,
    why: String,
}

impl Side {
    /// Refuses to call equal what could not be read; what differs has been told before.
    fn check(&self) -> crate::Result<()> {
        if self.unreadable.is_empty() {
            return Ok(());
        }
        let shown = self.unreadable.iter().take(SHOWN_PROBLEMS);
        let shown: Vec<_> = shown
            .map(|Unreadable { path, why }| format!("{path}: unreadable: {why}"))
            .collect();
        let more = match self.unreadable.len().saturating_sub(SHOWN_PROBLEMS) {
            0 => String::new(),
            more => format!("\nand {more} more"),
        };
        Err(Error::bad_image(format!(
            "{}: not compared as a whole, parts are unreadable:\n{}{more}",
            self.name,
            shown.join("\n")
        )))
    }
}

/// Reads one side; the other is no part of it, should it lie in a directory that is read.
fn read(
    name: &OsStr,
    other: &OsStr,
    arguments: &DiffArguments,
    reporter: &dyn Reporter,
) -> crate::Result<Side> {
    let path = Path::new(name);
    if inspect::is_filesystem(path) {
        read_filesystem(path, arguments, reporter)
    } else {
        read_image(name, other, arguments, reporter)
    }
}

fn read_filesystem(
    path: &Path,
    arguments: &DiffArguments,
    reporter: &dyn Reporter,
) -> crate::Result<Side> {
    inspect::Filesystem::read(path)?;
    let view = View::open(path)?;
    let meter = reporter.begin("read the filesystem", Unit::Bytes, None);
    let mut unreported = 0;
    let mut whole =
        view.listing_of_at_most(arguments.limits.max_entries, &mut |_, size_bytes| {
            unreported += size_bytes.min(view.blocks().saturating_mul(view.block_bytes()));
            if unreported >= REPORTED_BYTES {
                meter.add(std::mem::take(&mut unreported));
            }
            true
        })?;
    meter.add(unreported);
    meter.finish("read");
    leave_out_note(&mut whole.listing);
    let name = path.display().to_string();
    let unreadable = whole.problems.iter().map(|problem| {
        let why = problem.error.to_string();
        let why = why.strip_prefix(&format!("{name}: ")).unwrap_or(&why);
        Unreadable {
            path: format!("/{}", escape_path(&problem.path)),
            why: why.to_owned(),
        }
    });
    let needs_recovery = view.needs_recovery();
    let warning = needs_recovery.then(|| view::unrecovered(path, "compared"));
    Ok(Side {
        listing: whole.listing,
        warnings: warning.into_iter().collect(),
        unreadable: unreadable.collect(),
        needs_recovery,
        name,
    })
}

fn read_image(
    name: &OsStr,
    other: &OsStr,
    arguments: &DiffArguments,
    reporter: &dyn Reporter,
) -> crate::Result<Side> {
    let mut request = options::image(
        name,
        &arguments.reading,
        &arguments.limits,
        std::env::temp_dir(),
    )?;
    request.held_against = Some(other.into());
    let flattened = pipeline::flattened(&request, arguments.source_date_epoch, reporter)?;
    let listing = expected_listing(
        Ext::normalise,
        &flattened.tree,
        &flattened.contents,
        reporter,
    )?;
    Ok(Side {
        name: flattened.image.reference.clone(),
        listing,
        warnings: flattened.warnings.lines().collect(),
        unreadable: Vec::new(),
        needs_recovery: false,
    })
}
