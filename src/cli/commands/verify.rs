//! `layerpress verify`.

mod root_hash;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::cli::arguments::{
    ComparisonArguments, EditArguments, NO_HEADING, OutputArguments, ReadingArguments,
    RecipeArguments, RootHashArguments, TOOLS,
};
use crate::cli::progress;
use crate::cli::shown::origin::ShownOrigin;
use crate::cli::shown::room::ShownRoom;
use crate::cli::shown::table::digest_columns;
use crate::cli::shown::text::counted;
use crate::cli::shown::{differences, schemas};
use crate::cli::tell::{print, print_as, terminal_columns};
use crate::error::{Error, Result, escape_path};
use crate::listing::Difference;
use crate::pinned::Reach;
use crate::pipeline::{
    self, Finding, Reader, Unread, Verified, VerifyRequest, is_filesystem, uuid_text,
};
use crate::progress::Reporter;
use crate::recipe_file::ImageRecipe;
use root_hash::ShownProof;

/// What is typed.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    // The first, to see what was typed.
    #[command(flatten)]
    pub recipe: RecipeArguments,
    /// The filesystem image: ext2, ext3 or ext4, made by whichever tool
    #[arg(value_name = "IMG", help_heading = NO_HEADING)]
    pub filesystem: PathBuf,
    /// The container image, named as for build; with --roothash it may be left out
    #[arg(value_name = "IMAGE", help_heading = NO_HEADING, required_unless_present_any = ["roothash", "recipe"])]
    pub image: Option<OsString>,
    #[command(flatten)]
    pub comparison: ComparisonArguments,
    /// Instead of the debugfs found in PATH and the sbin directories
    #[arg(long, value_name = "PATH", help_heading = TOOLS)]
    pub debugfs: Option<PathBuf>,
    /// Print the outcome as JSON
    #[arg(long, help_heading = NO_HEADING)]
    pub json: bool,
    #[command(flatten)]
    pub root_hash: RootHashArguments,
    #[command(flatten)]
    pub edits: EditArguments,
    #[command(flatten)]
    pub reading: ReadingArguments,
}

/// The exit code where bytes are not what was hashed.
const DAMAGED: u8 = 8;

/// Holds the filesystem against what is given, tells what is wrong, and gives the exit code: the
/// root hash's before the image's.
pub fn run(arguments: &VerifyArguments, output: &OutputArguments) -> Result<u8> {
    if arguments.image.is_none() && !arguments.edits.edits().is_empty() {
        return Err(Error::unsupported(
            "edits change what a container image shows, and none is given: expected IMAGE behind the filesystem",
        ));
    }
    refuse_filesystem(arguments)?;
    let reporter = progress::reporter(output);
    let request = arguments.root_hash.request(&arguments.filesystem);
    let held = request
        .map(|request| pipeline::hold_against_root_hash(&request, &*reporter))
        .transpose()?;
    let is_damaged = held.as_ref().is_some_and(|held| !held.proof.is_sound());
    let proof = held.as_ref().map(ShownProof::of);
    let recipe = arguments.recipe.load_one()?;
    let is_compared = arguments.image.is_some() || recipe.is_some();
    let compared = is_compared.then(|| compare(arguments, recipe, &*reporter));
    drop(reporter);
    // Whatever becomes of the comparison: damage may be why it failed.
    let is_told = !arguments.json && (is_damaged || !output.quiet);
    if let Some(proof) = proof.as_ref().filter(|_| is_told) {
        print(&proof.text())?;
    }
    let is_equal = match compared {
        Some(Ok(verified)) => {
            let outcome = Outcome::of(&verified, proof);
            if arguments.json || !(verified.report.findings.is_empty() && output.quiet) {
                print_as(arguments.json, schemas::VERIFY, &outcome, || {
                    outcome.text(&verified, terminal_columns())
                })?;
            }
            verified.is_equal()?
        }
        not_compared => {
            if let Some(verity) = proof.filter(|_| arguments.json) {
                let path = arguments.filesystem.display().to_string();
                let kind = "root_hash";
                let shown = ProofAlone { kind, path, verity };
                print_as(true, schemas::VERIFY, &shown, String::new)?;
            }
            not_compared.transpose()?;
            true
        }
    };
    Ok(match (is_damaged, is_equal) {
        (true, _) => DAMAGED,
        // As of `diff` and `cmp`.
        (false, is_equal) => u8::from(!is_equal),
    })
}

/// Two filesystems are what `diff` compares, and of two names the filesystem's comes first.
///
/// # Errors
/// [`Error::BadImage`] where what is to be the image is a filesystem.
fn refuse_filesystem(arguments: &VerifyArguments) -> Result<()> {
    let first = &arguments.filesystem;
    let Some(second) = arguments.image.as_ref().map(Path::new) else {
        return Ok(());
    };
    // Of what is not there something else is to be told.
    if !is_filesystem(second) || !first.exists() {
        return Ok(());
    }
    let shown = |path: &Path| escape_path(path.as_os_str().as_bytes());
    let (first, second, is_swapped) = (shown(first), shown(second), !is_filesystem(first));
    Err(Error::bad_image(match is_swapped {
        false => format!(
            "{second}: expected a container image behind the filesystem {first}, found a filesystem, too (`layerpress diff {first} {second}` compares the two)"
        ),
        true => format!(
            "{second}: expected a container image behind the filesystem, found a filesystem (`layerpress verify {second} {first}` holds it against {first})"
        ),
    }))
}

/// Compares with the image, and tells what was noticed on the way.
fn compare(
    arguments: &VerifyArguments,
    recipe: Option<(ImageRecipe, Reach)>,
    reporter: &dyn Reporter,
) -> Result<Verified> {
    let said = recipe.as_ref().map(|(recipe, _)| recipe);
    let name = arguments.recipe.name(arguments.image.as_ref(), said)?;
    let image = arguments.reading.image(&name)?;
    let mut image = image
        .with_file_flags(arguments.comparison.flags.file_flags)
        .with_edits(arguments.edits.edits());
    let mut made_seconds = arguments.comparison.source_date_epoch;
    if let Some(recipe) = recipe {
        made_seconds = arguments
            .recipe
            .ask(recipe, &mut image, made_seconds, reporter)?;
    }
    let request = VerifyRequest {
        ignored: arguments.comparison.ignored(),
        made_seconds,
        debugfs: arguments.debugfs.clone(),
        search_path: std::env::var_os("PATH"),
        ..VerifyRequest::new(&arguments.filesystem, image)
    };
    let verified = pipeline::verify(&request, reporter)?;
    for warning in &verified.warnings {
        reporter.warn(warning);
    }
    for unread in &verified.report.unread {
        reporter.note(&unread.to_string());
    }
    if let Some(note) = other_origin(&verified) {
        reporter.note(&note);
    }
    Ok(verified)
}

/// What the filesystem says that it was made from, where that is something else.
fn other_origin(verified: &Verified) -> Option<String> {
    let made_from = verified
        .made_from
        .as_ref()
        .map(|id| ("chain ID", id.to_string()));
    let made_by = verified
        .made_by
        .as_ref()
        .map(|digest| ("recipe digest", digest.to_string()));
    let (what, told) = made_by.or(made_from)?;
    let (expected_what, expected) = match verified.edits_digest {
        Some(_) => ("recipe digest", verified.recipe_digest.to_string()),
        None => ("chain ID", verified.chain_id.to_string()),
    };
    (told != expected).then(|| match what == expected_what {
        true => format!(
            "the filesystem was made from an image with the {what} {told}, this image's is {expected}"
        ),
        false if what == "chain ID" => format!(
            "the filesystem was made from an image with the {what} {told} and without edits, this one's edits make the {expected_what} {expected}"
        ),
        false => format!(
            "the filesystem was made with edits, by the {what} {told}, this image without has the {expected_what} {expected}"
        ),
    })
}

/// What was held against a root hash alone. The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct ProofAlone {
    kind: &'static str,
    path: String,
    verity: ShownProof,
}

/// The outcome. The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct Outcome {
    kind: &'static str,
    path: String,
    /// Of the image that layerpress made it from.
    filesystem_chain_id: Option<String>,
    /// Of layers and edits together, where it was made with edits.
    filesystem_recipe_digest: Option<String>,
    #[serde(flatten)]
    origin: ShownOrigin,
    filesystem_type: &'static str,
    uuid: String,
    #[serde(flatten)]
    room: ShownRoom,
    /// Of the image it was held against.
    chain_id: String,
    /// Of what edits did to that.
    edits_digest: Option<String>,
    /// Of both together.
    recipe_digest: String,
    equal: bool,
    /// Who read the filesystem, each independent of the others.
    readers: Vec<&'static str>,
    /// Of the image.
    entries: u64,
    missing: u64,
    extra: u64,
    changed: u64,
    unreadable: u64,
    /// Whether its journal holds changes that were not compared.
    needs_recovery: bool,
    /// What was noticed of both on the way.
    warnings: Vec<String>,
    differences: Vec<FoundDifference>,
    unread: Vec<UnreadByOne>,
    /// What was held against a root hash besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    verity: Option<ShownProof>,
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
    fn of(verified: &Verified, verity: Option<ShownProof>) -> Self {
        let report = &verified.report;
        let differences: Vec<_> = report.findings.iter().map(FoundDifference::of).collect();
        let edits = verified.edits_digest.as_ref();
        let count = |kind| {
            let paths = differences.iter().filter(|found| found.difference == kind);
            // A name may be found wanting by each reader in its own way.
            paths
                .map(|found| &found.path)
                .collect::<BTreeSet<_>>()
                .len() as u64
        };
        Self {
            kind: "image",
            path: verified.filesystem.display().to_string(),
            filesystem_chain_id: verified.made_from.as_ref().map(ToString::to_string),
            filesystem_recipe_digest: verified.made_by.as_ref().map(ToString::to_string),
            origin: ShownOrigin::of(&verified.image),
            filesystem_type: verified.read.superblock.features.filesystem_type().name(),
            uuid: uuid_text(verified.read.superblock.uuid),
            room: ShownRoom::of_filesystem(&verified.read),
            chain_id: verified.chain_id.to_string(),
            edits_digest: edits.map(ToString::to_string),
            recipe_digest: verified.recipe_digest.to_string(),
            equal: report.findings.is_empty() && !verified.needs_recovery,
            readers: report.readers.iter().map(|reader| reader.name()).collect(),
            entries: report.names,
            missing: count("missing"),
            extra: count("extra"),
            changed: count("changed"),
            unreadable: count("unreadable"),
            needs_recovery: verified.needs_recovery,
            unread: report.unread.iter().map(UnreadByOne::of).collect(),
            warnings: verified.warnings.clone(),
            differences,
            verity,
        }
    }

    fn text(&self, verified: &Verified, terminal: Option<usize>) -> String {
        let report = &verified.report;
        let entries = counted(self.entries, "entry", "entries");
        if report.findings.is_empty() {
            let equal = if self.equal {
                "equal"
            } else {
                "equal as it stands"
            };
            let readers = Reader::names(&report.readers);
            let origin = digest_columns(&self.origin.rows(), terminal);
            return format!("{equal}: {entries}, read by {readers}\n{origin}");
        }
        let mut text = format!("--- {}\n+++ {}\n", verified.image.reference, self.path);
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
