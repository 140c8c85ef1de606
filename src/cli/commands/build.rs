//! `layerpress build`.

mod outputs;
mod verity;

use std::time::Instant;

use clap::Args;
use outputs::{OutputFormArguments, ShownCompressed, ShownOutput};
use serde::Serialize;
use verity::ShownVerity;

use crate::cli::arguments::{
    FilesystemArguments, OutputArguments, ReadingArguments, ReferenceArgument, ToolArguments,
    VerityArguments,
};
use crate::cli::progress;
use crate::cli::shown::table::two_columns;
use crate::cli::shown::text::{counted, journal, printable, thousands};
use crate::cli::tell::{self, print_as};
use crate::error::Result;
use crate::pipeline::{self, Built, FinishOptions, uuid_text};
use crate::units::{BLOCK_SIZE, ByteSize};

/// What is typed.
#[derive(Debug, Args)]
pub struct BuildArguments {
    #[command(flatten)]
    pub reference: ReferenceArgument,
    #[command(flatten)]
    pub form: OutputFormArguments,
    /// Do not run e2fsck on the result
    #[arg(long)]
    pub no_fsck: bool,
    /// Read the result back with our own and two independent readers and compare every entry with
    /// the image
    #[arg(long)]
    pub verify: bool,
    /// Wait until the result is on the disk before it gets its name
    #[arg(long)]
    pub sync: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub reading: ReadingArguments,
    #[command(flatten)]
    pub filesystem: FilesystemArguments,
    #[command(flatten)]
    pub verity: VerityArguments,
    #[command(flatten)]
    pub tools: ToolArguments,
}

/// Builds and tells what was built.
pub fn run(arguments: &BuildArguments, output: &OutputArguments) -> Result<()> {
    let started = Instant::now();
    let reporter = progress::reporter(output);
    let name = &arguments.reference.image;
    let form = &arguments.form;
    let image = arguments.reading.image_beside(name, || form.directory())?;
    let image = image.with_file_flags(arguments.filesystem.flags.file_flags);
    let filesystem = arguments.filesystem.request();
    let proofs = FinishOptions {
        fsck: !arguments.no_fsck,
        verify: arguments.verify,
        verity: arguments.verity.options(),
        sync: arguments.sync,
        ..FinishOptions::default()
    };
    let request = form
        .request(arguments.json, &image.open.work_dir)?
        .with_tools(arguments.tools.paths())
        .with_finish(form.forms(proofs, image.jobs));
    let built = pipeline::build(&image, &filesystem, &request, &*reporter)?;
    for warning in built.warnings.lines() {
        reporter.warn(&warning);
    }
    let summary = Summary::of(&built, started.elapsed().as_secs_f64());
    // The next lines belong to standard output alone.
    drop(reporter);
    if output.quiet && !arguments.json {
        return Ok(());
    }
    if form.is_stream() {
        tell::line(&summary.table());
        return Ok(());
    }
    print_as(arguments.json, &summary, || summary.table())
}

/// What was built, in numbers. The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct Summary {
    image: String,
    manifest_digest: Option<String>,
    config_digest: Option<String>,
    chain_id: String,
    platform: String,
    layers: usize,
    entries: u64,
    content_bytes: u64,
    output: String,
    output_bytes: u64,
    output_host_bytes: u64,
    filesystem_type: String,
    filesystem_bytes: u64,
    free_bytes: u64,
    reserved_bytes: u64,
    inodes: u32,
    free_inodes: u32,
    /// 0 where there is none.
    journal_bytes: u64,
    uuid: String,
    label: String,
    sha256: Option<String>,
    compressed: Option<ShownCompressed>,
    verity: Option<ShownVerity>,
    size_note: Option<String>,
    warnings: Vec<String>,
    seconds: f64,
}

impl Summary {
    fn of(built: &Built, seconds: f64) -> Self {
        let Built { image, plan, .. } = built;
        let geometry = &plan.sized.geometry;
        let output = ShownOutput::of(built);
        let blocks = |count: u32| u64::from(count) * BLOCK_SIZE;
        Self {
            image: image.reference.clone(),
            manifest_digest: image.manifest_digest.as_ref().map(ToString::to_string),
            config_digest: image.config_digest.as_ref().map(ToString::to_string),
            chain_id: built.names.chain_id.to_string(),
            platform: image.platform.to_string(),
            layers: image.layers.len(),
            entries: built.tree.name_count(),
            content_bytes: plan.demand.content_bytes,
            output: output.path,
            output_bytes: output.bytes,
            output_host_bytes: output.host_bytes,
            filesystem_type: plan.profile.kind.to_string(),
            filesystem_bytes: geometry.size_bytes(),
            free_bytes: plan.free_blocks_after() * BLOCK_SIZE,
            reserved_bytes: blocks(geometry.reserved_blocks),
            inodes: geometry.inodes(),
            free_inodes: plan.free_inodes_after(),
            journal_bytes: blocks(geometry.journal_blocks),
            uuid: uuid_text(built.names.identity.uuid),
            label: plan.birth.label.clone(),
            sha256: output.sha256,
            compressed: ShownCompressed::of(built),
            verity: built.filesystem.verity.as_ref().map(|verity| {
                let output = &built.filesystem.path;
                ShownVerity::of(verity, output, &plan.profile.kind.to_string())
            }),
            size_note: plan.sized.note.clone(),
            warnings: built.warnings.lines().collect(),
            seconds,
        }
    }

    fn table(&self) -> String {
        let digest = self
            .manifest_digest
            .as_ref()
            .or(self.config_digest.as_ref());
        // At most seven letters before them let a digest end with the 80th column.
        let image = printable(&format!("{} ({})", self.image, self.platform));
        let mut rows = vec![("image", image)];
        rows.extend(digest.map(|digest| ("digest", digest.clone())));
        rows.extend([
            (
                "content",
                format!(
                    "{} entries, {} from {}",
                    thousands(self.entries),
                    ByteSize(self.content_bytes),
                    counted(self.layers as u64, "layer", "layers")
                ),
            ),
            (
                &self.filesystem_type,
                format!(
                    "{}, {} free, {}\n{} of {} inodes free",
                    ByteSize(self.filesystem_bytes),
                    ByteSize(self.free_bytes),
                    journal(self.journal_bytes),
                    thousands(u64::from(self.free_inodes)),
                    thousands(u64::from(self.inodes)),
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
                    "{} ({}{} on disk)",
                    self.output,
                    // Told where it is not the filesystem's length.
                    match self.verity {
                        Some(_) => format!("{}, ", ByteSize(self.output_bytes)),
                        None => String::new(),
                    },
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
        if let Some(verity) = &self.verity {
            rows.extend(verity.rows());
        }
        rows.push(("time", format!("{:.2} s", self.seconds)));
        two_columns(&rows)
    }
}
