//! `layerpress build`.

mod items;
mod list;
mod many;
mod outputs;
mod recipe;
mod verity;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Instant;

use clap::Args;
use outputs::{OutputFormArguments, ShownCompressed, ShownOutput};
use serde::Serialize;
use verity::ShownVerity;

use crate::cli::arguments::{
    BatchArguments, DocumentArguments, EditArguments, FilesystemArguments, NO_HEADING,
    OutputArguments, ReadingArguments, RecipeArguments, RecipeOutputArguments, ToolArguments,
    VerityArguments, directory_of,
};
use crate::cli::progress;
use crate::cli::shown::edits::ShownEdits;
use crate::cli::shown::files::{self, ShownFile};
use crate::cli::shown::like::ShownLike;
use crate::cli::shown::origin::ShownOrigin;
use crate::cli::shown::room::{self, ShownRoom, ShownSizeRule};
use crate::cli::shown::schemas;
use crate::cli::shown::table::digest_columns;
use crate::cli::shown::text::counted;
use crate::cli::tell::{self, print_as};
use crate::error::{Error, Result};
use crate::pipeline::{
    self, BatchItem, Built, FilesystemRequest, FinishOptions, ImageRequest, OutputRequest,
    SizePolicy, uuid_text,
};
use crate::units::{BLOCK_SIZE, ByteSize};

/// What is typed.
#[derive(Debug, Args)]
pub struct BuildArguments {
    // The first, to see what was typed.
    #[command(flatten)]
    pub recipe: RecipeArguments,
    #[command(flatten)]
    pub recipe_output: RecipeOutputArguments,
    /// docker-archive:PATH[:NAME], docker-daemon:NAME|ID, oci:DIRECTORY[:TAG|@DIGEST],
    /// oci-archive:PATH[:TAG], rootfs:PATH (a flat tar or a directory tree), - for standard
    /// input, or a path to any of these; docker://[HOST/]NAME[:TAG][@DIGEST] for a registry, or
    /// that name alone
    #[arg(help_heading = NO_HEADING, required_unless_present_any = ["list", "recipe"])]
    pub image: Option<OsString>,
    #[command(flatten)]
    pub form: OutputFormArguments,
    /// Do not run e2fsck on the result
    #[arg(long, help_heading = "Proofs")]
    pub no_fsck: bool,
    /// Read the result back with our own and two independent readers and compare every entry with
    /// the image
    #[arg(long, help_heading = "Proofs")]
    pub verify: bool,
    /// Wait until the result is on the disk before it gets its name
    #[arg(long, help_heading = "Proofs")]
    pub sync: bool,
    /// Print the summary as JSON
    #[arg(long, help_heading = NO_HEADING)]
    pub json: bool,
    #[command(flatten)]
    pub documents: DocumentArguments,
    #[command(flatten)]
    pub filesystem: FilesystemArguments,
    #[command(flatten)]
    pub edits: EditArguments,
    #[command(flatten)]
    pub verity: VerityArguments,
    #[command(flatten)]
    pub batch: BatchArguments,
    #[command(flatten)]
    pub tools: ToolArguments,
    #[command(flatten)]
    pub reading: ReadingArguments,
}

/// Builds and tells what was built; the exit code.
///
/// `program` is the whole command line's form, for the options of a list's lines.
pub fn run(
    arguments: &BuildArguments,
    output: &OutputArguments,
    program: impl FnOnce() -> clap::Command,
) -> Result<u8> {
    if let Some(list) = &arguments.batch.list {
        return many::run(list, arguments, output, program());
    }
    let loaded = arguments.recipe.load_all()?;
    let reporter = progress::reporter(output);
    if arguments.recipe_output.print_recipe {
        return recipe::print(&loaded, arguments, &*reporter).map(|()| 0);
    }
    let of_many = ["shard", "force", "check_outputs"];
    let of_many = of_many
        .into_iter()
        .find(|id| arguments.recipe.typed.has(id));
    if loaded.is_empty() {
        if let Some(id) = of_many {
            if id == "force" {
                return Err(Error::usage(
                    "--force: expected --list or --recipe beside it, of which it builds also what is up to date, found one image (an output that is there is replaced without it; --no-clobber keeps it)",
                ));
            }
            return Err(Error::usage(format!(
                "--{}: expected --list or --recipe beside it, found one image",
                id.replace('_', "-")
            )));
        }
        drop(reporter);
        return one(arguments, output, requests(arguments)?).map(|()| 0);
    }
    let is_one = loaded.len() == 1 && of_many.is_none();
    let items = recipe::items(&loaded, arguments, &*reporter)?;
    drop(reporter);
    match <[_; 1]>::try_from(items) {
        Ok([item]) if is_one => {
            let BatchItem {
                image,
                filesystem,
                output: request,
                ..
            } = item;
            one(arguments, output, (image, filesystem, request)).map(|()| 0)
        }
        Ok(items) => many::build(items.into(), arguments, output),
        Err(items) => many::build(items, arguments, output),
    }
}

type Requests = (ImageRequest, FilesystemRequest, OutputRequest);

fn one(
    arguments: &BuildArguments,
    output: &OutputArguments,
    (image, filesystem, request): Requests,
) -> Result<()> {
    let started = Instant::now();
    let reporter = progress::reporter(output);
    let built = pipeline::build(&image, &filesystem, &request, &*reporter)?;
    for warning in built.warnings.lines() {
        reporter.warn(&warning);
    }
    let seconds = started.elapsed().as_secs_f64();
    let summary = Summary::of(&built, filesystem.size, &request.finish, seconds);
    if room::has_outgrown(&built.plan)
        && let Some(note) = summary.room.available_note()
    {
        reporter.note(note);
    }
    // The next lines belong to standard output alone.
    drop(reporter);
    if output.quiet && !arguments.json {
        return Ok(());
    }
    if request.stream.is_some() {
        tell::line(&summary.table(tell::terminal_columns_for_errors()));
        return Ok(());
    }
    print_as(arguments.json, schemas::BUILD, &summary, || {
        summary.table(tell::terminal_columns())
    })
}

/// What the arguments for one image ask for.
fn requests(arguments: &BuildArguments) -> Result<Requests> {
    let missing = |what: &str| Error::usage(format!("expected {what}, found none"));
    let name = arguments.image.as_ref();
    let name = name.ok_or_else(|| missing("an image"))?;
    let output = arguments.form.output.as_ref();
    let output = output.ok_or_else(|| missing("an output (-o FILE)"))?;
    typed_requests(arguments, name, output)
}

/// The same for an image and an output that need not be typed.
fn typed_requests(arguments: &BuildArguments, name: &OsStr, output: &Path) -> Result<Requests> {
    let form = &arguments.form;
    let image = arguments
        .reading
        .image_beside(name, || directory_of(output))?;
    let image = image
        .with_file_flags(arguments.filesystem.flags.file_flags)
        .with_edits(arguments.edits.edits());
    let filesystem = arguments.filesystem.request();
    let proofs = FinishOptions {
        fsck: !arguments.no_fsck,
        verify: arguments.verify,
        verity: arguments.verity.options()?,
        sync: arguments.sync,
        ..FinishOptions::default()
    };
    let request = outputs::request(output, arguments.json, &image.open.work_dir)?
        .with_tools(arguments.tools.paths())
        .with_finish(form.forms(proofs, image.jobs));
    let beside = arguments.documents.beside(&image, &filesystem, &request)?;
    let request = request.with_beside(beside);
    Ok((image, filesystem, request))
}

/// What was built, in numbers. The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct Summary {
    #[serde(flatten)]
    origin: ShownOrigin,
    chain_id: String,
    #[serde(flatten)]
    edits: ShownEdits,
    layer_count: usize,
    entries: u64,
    content_bytes: u64,
    output: String,
    output_bytes: u64,
    output_host_bytes: u64,
    filesystem_type: String,
    size_rule: ShownSizeRule,
    disk_usage_bytes: u64,
    #[serde(flatten)]
    room: ShownRoom,
    /// What is available by its older name.
    free_bytes: u64,
    inodes: u32,
    free_inodes: u32,
    /// 0 where there is none.
    journal_bytes: u64,
    uuid: String,
    label: String,
    sha256: Option<String>,
    compressed: Option<ShownCompressed>,
    /// Every file that was written.
    files: Vec<ShownFile>,
    verity: Option<ShownVerity>,
    size_note: Option<String>,
    like: Option<ShownLike>,
    proofs: Proofs,
    versions: Versions,
    warnings: Vec<String>,
    seconds: f64,
}

/// The proofs that ran, which found nothing.
#[derive(Debug, Serialize)]
struct Proofs {
    /// `e2fsck -fn`.
    e2fsck: bool,
    /// Everything was read back by three readers and held against the image.
    verify: bool,
    /// A hash tree of dm-verity was made of what was proven.
    verity: bool,
}

/// Of what took part.
#[derive(Debug, Serialize)]
struct Versions {
    layerpress: &'static str,
    e2fsprogs: String,
}

impl Proofs {
    fn of(finish: &FinishOptions) -> Self {
        Self {
            e2fsck: finish.fsck,
            verify: finish.verify,
            verity: finish.verity.is_some(),
        }
    }
}

impl Summary {
    fn of(built: &Built, asked: SizePolicy, finish: &FinishOptions, seconds: f64) -> Self {
        let Built { image, plan, .. } = built;
        let geometry = &plan.sized.geometry;
        let output = ShownOutput::of(built);
        Self {
            origin: ShownOrigin::of(image),
            chain_id: built.names.chain_id.to_string(),
            edits: ShownEdits::of(&built.names, built.left_out),
            layer_count: image.layers.len(),
            entries: built.tree.name_count(),
            content_bytes: plan.demand.content_bytes,
            output: output.path,
            output_bytes: output.bytes,
            output_host_bytes: output.host_bytes,
            filesystem_type: plan.profile.kind.to_string(),
            size_rule: ShownSizeRule::of(asked, plan),
            disk_usage_bytes: plan.demand.disk_usage_bytes,
            room: ShownRoom::of_plan(plan),
            free_bytes: plan.available_blocks_after() * BLOCK_SIZE,
            inodes: geometry.inodes(),
            free_inodes: plan.free_inodes_after(),
            journal_bytes: u64::from(geometry.journal_blocks) * BLOCK_SIZE,
            uuid: uuid_text(built.names.identity.uuid),
            label: plan.birth.label.clone(),
            sha256: output.sha256,
            compressed: ShownCompressed::of(built),
            files: ShownFile::all(&built.filesystem.files),
            verity: built.filesystem.verity.as_ref().map(|verity| {
                let output = &built.filesystem.path;
                ShownVerity::of(verity, output, &plan.profile.kind.to_string())
            }),
            size_note: plan.sized.note.clone(),
            like: ShownLike::of(built.earlier.as_ref(), plan.likeness.as_ref()),
            proofs: Proofs::of(finish),
            versions: Versions {
                layerpress: env!("CARGO_PKG_VERSION"),
                e2fsprogs: built.e2fsprogs_version.clone(),
            },
            warnings: built.warnings.lines().collect(),
            seconds,
        }
    }

    fn table(&self, terminal: Option<usize>) -> String {
        let mut rows = self.origin.rows();
        rows.extend([(
            "content",
            format!(
                "{}, {} from {}",
                counted(self.entries, "entry", "entries"),
                ByteSize(self.content_bytes),
                counted(self.layer_count as u64, "layer", "layers")
            ),
        )]);
        rows.extend(self.edits.row());
        rows.extend([
            (
                &*self.filesystem_type,
                self.room.lines(
                    &self.size_rule,
                    (self.free_inodes, self.inodes),
                    self.journal_bytes,
                ),
            ),
            ("UUID", self.uuid.clone()),
        ]);
        if !self.label.is_empty() {
            rows.push(("label", self.label.clone()));
        }
        // One that is compressed in its own place is told there.
        let compressed = self.compressed.as_ref();
        if compressed.is_none_or(|compressed| compressed.path != self.output) {
            rows.push((
                "output",
                format!(
                    "{} ({}, {} on disk)",
                    self.output,
                    ByteSize(self.output_bytes),
                    ByteSize(self.output_host_bytes)
                ),
            ));
            rows.extend(
                self.sha256
                    .as_ref()
                    .map(|sha256| ("sha256", sha256.clone())),
            );
        }
        rows.extend(compressed.map(ShownCompressed::row));
        let compressed = compressed.map_or("", |compressed| &*compressed.path);
        rows.extend(files::beside(&self.files, &[&self.output, compressed]));
        if let Some(verity) = &self.verity {
            rows.extend(verity.rows());
        }
        rows.extend(self.like.as_ref().map(ShownLike::row));
        rows.push(("proven", self.proven()));
        rows.push(("time", format!("{:.2} s", self.seconds)));
        digest_columns(&rows, terminal)
    }

    /// By what it was proven, and who made it.
    fn proven(&self) -> String {
        let Proofs {
            e2fsck,
            verify,
            verity,
        } = self.proofs;
        let ran: Vec<_> = [(e2fsck, "e2fsck"), (verify, "verify"), (verity, "verity")]
            .into_iter()
            .filter_map(|(ran, name)| ran.then_some(name))
            .collect();
        let ran = match &ran[..] {
            [] => "by nothing".to_owned(),
            ran => ran.join(", "),
        };
        let Versions {
            layerpress,
            e2fsprogs,
        } = &self.versions;
        format!("{ran} (layerpress {layerpress}, e2fsprogs {e2fsprogs})")
    }
}
