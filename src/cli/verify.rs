//! `layerpress verify`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::args::{LimitArguments, OutputArguments, ReadingArguments, ReferenceArgument};
use super::diff::IgnoredField;
use super::text::counted;
use super::{differences, options, print, print_json, progress};
use crate::inspect::Filesystem;
use crate::listing::Difference;
use crate::oci::ChainId;
use crate::pipeline::{self, Flattened};
use crate::readback::{self, Finding, Reader, VerifyReport};

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
    let made_from = Filesystem::read(&arguments.filesystem)?.chain_id;
    let mut image = options::image(
        &arguments.reference.image,
        &arguments.reading,
        &arguments.limits,
        std::env::temp_dir(),
    )?;
    image.held_against = Some(arguments.filesystem.clone());
    let flattened = pipeline::flattened(&image, arguments.source_date_epoch, &*reporter)?;
    let Flattened { tree, contents, .. } = &flattened;
    let mut report = readback::verify(&arguments.filesystem, tree, contents, &debugfs, &*reporter)?;
    leave_out(&mut report, &arguments.ignore);
    for warning in flattened.warnings.lines() {
        reporter.warn(&warning);
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
    let outcome = Outcome::of(
        (filesystem, made_from),
        (flattened.image.reference.clone(), chain_id),
        &report,
    );
    if arguments.json {
        print_json(&outcome)?;
    } else if !(is_equal && output.quiet) {
        print(&outcome.text(&report))?;
    }
    Ok(is_equal)
}

fn leave_out(report: &mut VerifyReport, ignored: &[IgnoredField]) {
    let ignored: BTreeSet<_> = ignored.iter().map(|field| field.field()).collect();
    report.findings.retain_mut(|finding| {
        let fields = &mut finding.difference.fields;
        let had_any = !fields.is_empty();
        fields.retain(|field| !ignored.contains(field));
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
    differences: Vec<FoundDifference>,
    unproven: Vec<Unproven>,
}

#[derive(Debug, Serialize)]
struct FoundDifference {
    path: String,
    difference: &'static str,
    seen_by: &'static str,
    fields: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Value>,
}

/// An entry whose extended attributes no reader shows.
#[derive(Debug, Serialize)]
struct Unproven {
    path: String,
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
            unproven: report
                .unproven
                .iter()
                .map(|problem| Unproven {
                    path: differences::path(&problem.path),
                    why: problem.why.clone(),
                })
                .collect(),
            differences,
        }
    }

    fn text(&self, report: &VerifyReport) -> String {
        let mut text = String::new();
        for unproven in &self.unproven {
            text.push_str(&format!("{}: {}\n", unproven.path, unproven.why));
        }
        let entries = counted(self.entries, "entry", "entries");
        if self.equal {
            text.push_str(&format!(
                "equal: {entries}, read by debugfs and ext4-view\n"
            ));
            return text;
        }
        text.push_str(&format!("--- {}\n+++ {}\n", self.image, self.filesystem));
        for finding in &report.findings {
            text.push_str(&finding_text(finding));
        }
        text.push_str(&format!(
            "different: {} missing, {} extra, {} changed of {entries}\n",
            self.missing, self.extra, self.changed
        ));
        text
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
            seen_by: match finding.reader {
                Reader::Debugfs => "debugfs",
                Reader::Ext4View => "ext4-view",
                Reader::Both => "both",
                Reader::Neither => "neither",
            },
            fields: differences::fields_json(difference, ["image", "filesystem"]),
            entry,
        }
    }
}

fn kind(finding: &Finding) -> &'static str {
    let Difference {
        expected, found, ..
    } = &finding.difference;
    match (finding.reader, expected, found) {
        (Reader::Neither, ..) => "unreadable",
        (_, Some(_), None) => "missing",
        (_, None, _) => "extra",
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
        "unreadable" => format!("{path}: {names} unreadable by both readers\n"),
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
