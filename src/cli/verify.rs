//! `layerpress verify`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::args::{LimitArguments, OutputArguments, ReadingArguments, ReferenceArgument};
use super::diff::IgnoredField;
use super::text::counted;
use super::{differences, options, print, print_json, progress, view};
use crate::ext::{self, Finding, Reader, Unread, VerifyReport};
use crate::inspect::Filesystem;
use crate::listing::{Difference, Field, Kind};
use crate::oci::ChainId;
use crate::ondisk::features::INCOMPAT_RECOVER;
use crate::pipeline::{self, Flattened};

/// What is typed.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// The filesystem image: ext2, ext3 or ext4, made by whichever tool
    #[arg(value_name = "IMG")]
    pub filesystem: PathBuf,
    #[command(flatten)]
    pub reference: ReferenceArgument,
    /// Do not compare these, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FIELDS")]
    pub ignore: Vec<IgnoredField>,
    /// As it was given to build: the time of directories which no layer describes, in seconds
    /// since 1970 [default: when the image was created]
    #[arg(
        long,
        env = "SOURCE_DATE_EPOCH",
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    pub source_date_epoch: Option<i64>,
    /// Instead of the debugfs found in PATH and the sbin directories
    #[arg(long, value_name = "PATH")]
    pub debugfs: Option<PathBuf>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub reading: ReadingArguments,
    #[command(flatten)]
    pub limits: LimitArguments,
}

/// Compares and tells the differences; whether there are none.
pub fn run(arguments: &VerifyArguments, output: &OutputArguments) -> anyhow::Result<bool> {
    let reporter = progress::reporter(output);
    let debugfs = options::debugfs(arguments.debugfs.as_deref())?;
    // Whether there is one, before the layers are read.
    let read = Filesystem::read(&arguments.filesystem)?;
    let needs_recovery = read.features.incompat & INCOMPAT_RECOVER != 0;
    let made_from = read.chain_id;
    let mut image = options::image(
        &arguments.reference.image,
        &arguments.reading,
        &arguments.limits,
        std::env::temp_dir(),
    )?;
    image.held_against = Some(arguments.filesystem.clone());
    let flattened = pipeline::flattened(&image, arguments.source_date_epoch, &*reporter)?;
    let Flattened { tree, contents, .. } = &flattened;
    let mut report = ext::verify(&arguments.filesystem, tree, contents, &debugfs, &*reporter)?;
    leave_out(&mut report, &arguments.ignore);
    for warning in flattened.warnings.lines() {
        reporter.warn(&warning);
    }
    if needs_recovery {
        reporter.warn(&view::unrecovered(&arguments.filesystem, "compared"));
    }
    for unread in &report.unread {
        reporter.note(&unread.to_string());
    }
    let chain_id = flattened.image.chain_id();
    if let Some(other) = made_from
        .as_ref()
        .filter(|made_from| **made_from != chain_id)
    {
        reporter.note(&format!(
            "the filesystem was made from an image with the chain ID {other}, this image's is {chain_id}"
        ));
    }
    drop(reporter);
    let is_equal = report.findings.is_empty();
    let filesystem = arguments.filesystem.display().to_string();
    let mut outcome = Outcome::of(
        (filesystem, made_from),
        (flattened.image.reference.clone(), chain_id),
        &report,
    );
    outcome.needs_recovery = needs_recovery;
    outcome.equal &= !needs_recovery;
    if arguments.json {
        print_json(&outcome)?;
    } else if !(is_equal && output.quiet) {
        print(&outcome.text(&report))?;
    }
    if is_equal && needs_recovery {
        return Err(view::not_proven_equal(&arguments.filesystem).into());
    }
    Ok(is_equal)
}

fn leave_out(report: &mut VerifyReport, ignored: &[IgnoredField]) {
    let ignored: BTreeSet<_> = ignored.iter().map(|field| field.field()).collect();
    report.findings.retain_mut(|finding| {
        // What is not known to be in a directory is more than content.
        let expected = finding.difference.expected.as_ref();
        let is_unlisted = finding.readers.is_empty()
            && expected.is_some_and(|line| line.kind == Some(Kind::Directory));
        let fields = &mut finding.difference.fields;
        let had_any = !fields.is_empty();
        fields.retain(|field| !ignored.contains(field) || is_unlisted && *field == Field::Body);
        !had_any || !fields.is_empty()
    });
}

/// The outcome. The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct Outcome {
    filesystem: String,
    /// Of the image that layerpress made it from.
    filesystem_chain_id: Option<String>,
    image: String,
    image_chain_id: String,
    equal: bool,
    entries: u64,
    missing: u64,
    extra: u64,
    changed: u64,
    unreadable: u64,
    /// Whether its journal holds changes that were not compared.
    needs_recovery: bool,
    differences: Vec<FoundDifference>,
    unread: Vec<UnreadByOne>,
}

#[derive(Debug, Serialize)]
struct FoundDifference {
    path: String,
    difference: &'static str,
    seen_by: Vec<&'static str>,
    fields: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Value>,
}

/// What one reader could not read, and others could or not.
#[derive(Debug, Serialize)]
struct UnreadByOne {
    reader: &'static str,
    entries: u64,
    first: String,
    why: String,
}

impl Outcome {
    fn of(
        (filesystem, made_from): (String, Option<ChainId>),
        (image, chain_id): (String, ChainId),
        report: &VerifyReport,
    ) -> Self {
        let differences: Vec<_> = report.findings.iter().map(FoundDifference::of).collect();
        let count = |kind| {
            let paths = differences.iter().filter(|found| found.difference == kind);
            // A name may be found wanting by each reader in its own way.
            paths
                .map(|found| &found.path)
                .collect::<BTreeSet<_>>()
                .len() as u64
        };
        Self {
            filesystem,
            filesystem_chain_id: made_from.map(|made_from| made_from.to_string()),
            image,
            image_chain_id: chain_id.to_string(),
            equal: report.findings.is_empty(),
            entries: report.names,
            missing: count("missing"),
            extra: count("extra"),
            changed: count("changed"),
            unreadable: count("unreadable"),
            needs_recovery: false,
            unread: report.unread.iter().map(UnreadByOne::of).collect(),
            differences,
        }
    }

    fn text(&self, report: &VerifyReport) -> String {
        let entries = counted(self.entries, "entry", "entries");
        if report.findings.is_empty() {
            let equal = if self.equal {
                "equal"
            } else {
                "equal as it stands"
            };
            let readers = Reader::names(&report.readers);
            return format!("{equal}: {entries}, read by {readers}\n");
        }
        let mut text = format!("--- {}\n+++ {}\n", self.image, self.filesystem);
        for finding in &report.findings {
            text.push_str(&finding_text(finding));
        }
        let unreadable = match self.unreadable {
            0 => String::new(),
            unreadable => format!(", {unreadable} unreadable"),
        };
        text.push_str(&format!(
            "different: {} missing, {} extra, {} changed{unreadable} of {entries}\n",
            self.missing, self.extra, self.changed
        ));
        text
    }
}

impl UnreadByOne {
    fn of(unread: &Unread) -> Self {
        Self {
            reader: unread.reader.name(),
            entries: unread.names,
            first: differences::path(&unread.first.path),
            why: unread.first.why.clone(),
        }
    }
}

impl FoundDifference {
    fn of(finding: &Finding) -> Self {
        let difference = &finding.difference;
        let entry = match (&difference.expected, &difference.found) {
            (Some(line), None) | (None, Some(line)) => Some(differences::entry_json(line)),
            _ => None,
        };
        Self {
            path: differences::path(difference.path()),
            difference: kind(finding),
            seen_by: finding.readers.iter().map(|reader| reader.name()).collect(),
            fields: differences::fields_json(difference, ["image", "filesystem"]),
            entry,
        }
    }
}

fn kind(finding: &Finding) -> &'static str {
    let Difference {
        expected, found, ..
    } = &finding.difference;
    match (expected, found) {
        _ if finding.readers.is_empty() => "unreadable",
        (Some(_), None) => "missing",
        (None, _) => "extra",
        _ => "changed",
    }
}

/// The path with what is wrong, then what the image says after `- ` and what the filesystem shows
/// after `+ `.
fn finding_text(finding: &Finding) -> String {
    let difference = &finding.difference;
    let path = differences::path(difference.path());
    let names = differences::field_names(difference)
        .join(", ")
        .replace('_', " ");
    let title = match kind(finding) {
        "unreadable" => format!("{path}: {names} unreadable by every reader\n"),
        "changed" => format!("{path}: {names}\n"),
        kind => format!("{path}: {kind}\n"),
    };
    let lines = match (&difference.expected, &difference.found) {
        (Some(line), None) => format!("- {}\n", differences::entry(line)),
        (None, Some(line)) => format!("+ {}\n", differences::entry(line)),
        _ => differences::field_values(difference)
            .into_iter()
            .map(|(name, image, filesystem)| format!("- {name} {image}\n+ {name} {filesystem}\n"))
            .collect(),
    };
    format!("{title}{lines}")
}
