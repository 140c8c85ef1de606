//! Many images in one run: what is told of each, and of all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::items::{Lines, with_manifest};
use super::outputs::ShownOutput;
use super::{BuildArguments, Proofs, list};
use crate::cli::arguments::OutputArguments;
use crate::cli::progress;
use crate::cli::shown::files::ShownFile;
use crate::cli::shown::room::{ShownRoom, ShownSizeRule};
use crate::cli::shown::schemas;
use crate::cli::shown::table::columns;
use crate::cli::shown::text::{printable, rfc3339};
use crate::cli::tell::{self, Voice};
use crate::error::{Error, Result};
use crate::pipeline::{self, Batch, BatchItem, BatchWatch, Outcome};
use crate::units::ByteSize;

/// Options that are one image's: their files would be all images'.
const ONE_IMAGES: [&str; 5] = [
    "output",
    "manifest",
    "packages",
    "config_out",
    "verity_file",
];

/// Builds a list's images; the exit code.
pub fn run(
    list: &Path,
    arguments: &BuildArguments,
    output: &OutputArguments,
    program: clap::Command,
) -> Result<u8> {
    refuse_what_is_for_one(list, arguments)?;
    let lines = list::read(list)?;
    let mut parser = Lines::new(program, arguments)?;
    let items = lines.iter().map(|line| parser.item(line));
    let mut items: Vec<_> = items.collect::<Result<_>>()?;
    for item in &mut items {
        item.output.spared.push(list.to_owned());
    }
    build(items, arguments, output)
}

/// Builds images and tells of all; the exit code.
pub fn build(
    items: Vec<BatchItem>,
    arguments: &BuildArguments,
    output: &OutputArguments,
) -> Result<u8> {
    let items = items.into_iter().map(with_manifest);
    let batch = Batch {
        items: items.collect::<Result<_>>()?,
        shard: arguments.batch.shard,
        jobs: arguments.reading.jobs,
        force: arguments.batch.force,
        check_outputs: arguments.batch.check_outputs,
    };
    let reporter = progress::reporter(output);
    let told = Told {
        items: &batch.items,
        voice: Voice::of(output),
        is_json: arguments.json,
        begun: Mutex::default(),
        rows: Mutex::default(),
        unprinted: Mutex::default(),
    };
    pipeline::batch(&batch, &told, &*reporter)?;
    drop(reporter);
    if let Some(error) = lock(&told.unprinted).take() {
        return Err(error);
    }
    let mut rows = std::mem::take(&mut *lock(&told.rows));
    rows.sort_by_key(|row| row.index);
    let code = pipeline::exit_code(rows.iter().map(|row| row.exit_code));
    if !arguments.json && !output.quiet {
        tell::print(&table(&rows))?;
    }
    Ok(code)
}

/// What one image has, a list's lines have each.
fn refuse_what_is_for_one(list: &Path, arguments: &BuildArguments) -> Result<()> {
    let refused = |what: &str| {
        Err(Error::usage(format!(
            "expected the images in --list alone, found {what} beside it"
        )))
    };
    if arguments.image.is_some() {
        return refused("an image");
    }
    let one_images = ONE_IMAGES.iter().find(|id| arguments.recipe.typed.has(id));
    if let Some(id) = one_images {
        return refused(&format!("--{}", id.replace('_', "-")));
    }
    if arguments.recipe_output.print_recipe {
        return Err(Error::usage(
            "--print-recipe: expected one image or a recipe, found --list",
        ));
    }
    if list == Path::new("-") && arguments.reading.registry.creds_stdin {
        return Err(Error::usage(
            "standard input: expected one thing of it, found the list and --creds-stdin (--creds-file FILE reads credentials from elsewhere)",
        ));
    }
    Ok(())
}

/// What became of an image. The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct Row {
    /// Its place in the whole list, counted from 1.
    index: u64,
    reference: String,
    output: String,
    state: &'static str,
    exit_code: u8,
    error: Option<String>,
    /// Its full name where it was found.
    image_name: Option<String>,
    image_id: Option<String>,
    manifest_digest: Option<String>,
    platform: Option<String>,
    /// RFC 3339.
    created: Option<String>,
    sha256: Option<String>,
    /// Of one that was built.
    size_rule: Option<ShownSizeRule>,
    filesystem_bytes: Option<u64>,
    /// For an ordinary user, as df tells it.
    available_bytes: Option<u64>,
    /// What to do where nothing is available.
    available_note: Option<String>,
    /// The proofs that ran for one that was built.
    proofs: Option<Proofs>,
    /// Every file that was written.
    files: Vec<ShownFile>,
    warnings: Vec<String>,
    seconds: f64,
}

/// Tells of each image as it ends.
struct Told<'a> {
    items: &'a [BatchItem],
    voice: Voice,
    is_json: bool,
    begun: Mutex<BTreeMap<usize, Instant>>,
    rows: Mutex<Vec<Row>>,
    /// Why a line found no room.
    unprinted: Mutex<Option<Error>>,
}

impl BatchWatch for Told<'_> {
    fn begins(&self, index: usize) {
        lock(&self.begun).insert(index, Instant::now());
    }

    fn ended(&self, index: usize, outcome: &Outcome) {
        let begun = lock(&self.begun).remove(&index);
        let BatchItem {
            image,
            filesystem,
            output,
            ..
        } = &self.items[index];
        let digest = |digest: Option<&crate::oci::Digest>| digest.map(ToString::to_string);
        let mut row = Row {
            index: index as u64 + 1,
            reference: image.reference.to_string(),
            output: output.path.display().to_string(),
            state: "failed",
            exit_code: 0,
            error: None,
            image_name: None,
            image_id: None,
            manifest_digest: None,
            platform: None,
            created: None,
            sha256: None,
            size_rule: None,
            filesystem_bytes: None,
            available_bytes: None,
            available_note: None,
            proofs: None,
            files: Vec::new(),
            warnings: Vec::new(),
            seconds: begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64()),
        };
        match outcome {
            Outcome::Built(built) => {
                row.state = "built";
                row.reference.clone_from(&built.image.reference);
                let made = ShownOutput::of(built);
                (row.output, row.sha256) = (made.path, made.sha256);
                row.image_id = digest(built.image.config_digest.as_ref());
                row.manifest_digest = digest(built.image.manifest_digest.as_ref());
                row.image_name = built.image.full_name();
                row.platform = built.image.platform.as_ref().map(ToString::to_string);
                row.created = built.image.created.map(rfc3339);
                let room = ShownRoom::of_plan(&built.plan);
                row.size_rule = Some(ShownSizeRule::of(filesystem.size, &built.plan));
                row.filesystem_bytes = Some(room.filesystem_bytes());
                row.available_bytes = Some(room.available_bytes());
                row.available_note = room.available_note().map(str::to_owned);
                row.proofs = Some(Proofs::of(&output.finish));
                row.files = ShownFile::all(&built.filesystem.files);
                row.warnings = built.warnings.lines().collect();
            }
            Outcome::UpToDate(found) => {
                row.state = "up_to_date";
                row.output = found.path.display().to_string();
                row.image_id.clone_from(&found.image_id);
                row.manifest_digest.clone_from(&found.manifest_digest);
                row.sha256.clone_from(&found.sha256);
                row.image_name.clone_from(&found.image_name);
                row.platform.clone_from(&found.platform);
                row.created.clone_from(&found.created);
                row.filesystem_bytes = Some(found.filesystem_bytes);
                row.available_bytes = Some(found.available_bytes);
            }
            Outcome::Failed(failure) => {
                let (error, name) = (failure.to_string(), self.items[index].name());
                row.exit_code = failure.exit_code();
                row.error = Some(tell::shortened(&error));
                // As all that is told of it before; the row has the name in a key of its own.
                let told = format!("{name}: {error}");
                self.voice.error(&told, row.exit_code.into());
            }
        }
        if self.is_json {
            // What is built is built nevertheless.
            if let Err(error) = tell::printed(|page| page.json_line(schemas::BATCH, &row)) {
                lock(&self.unprinted).get_or_insert(error);
            }
        }
        lock(&self.rows).push(row);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn table(rows: &[Row]) -> String {
    let head = ["image", "output", "state", "size", "available", "time"].map(str::to_owned);
    let size =
        |bytes: Option<u64>| bytes.map_or_else(String::new, |bytes| ByteSize(bytes).to_string());
    let row = |row: &Row| {
        let state = match row.exit_code {
            0 => row.state.replace('_', " "),
            code => format!("failed ({code})"),
        };
        let time = format!("{:.2} s", row.seconds);
        [
            printable(&row.reference),
            printable(&row.output),
            state,
            size(row.filesystem_bytes),
            size(row.available_bytes),
            time,
        ]
    };
    columns([head].into_iter().chain(rows.iter().map(row)).collect())
}
