//! `layerpress build`.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::args::{BuildArguments, OutputArguments};
use super::table::{counted, thousands, two_columns};
use super::text::printable;
use super::{options, print, print_json, progress};
use crate::error::Error;
use crate::ext::uuid_text;
use crate::pipeline::{self, Built};
use crate::units::{BLOCK_SIZE, ByteSize};

/// Builds and tells what was built.
pub fn run(arguments: &BuildArguments, output: &OutputArguments) -> anyhow::Result<()> {
    let started = Instant::now();
    refuse_standard_output(&arguments.output)?;
    let reporter = progress::reporter(output);
    let work_dir = options::directory_of(&arguments.output);
    let image = options::image(
        &arguments.reference.image,
        &arguments.reading,
        &arguments.limits,
        work_dir,
    )?;
    let built = pipeline::build(
        &image,
        &options::filesystem(&arguments.filesystem),
        &options::output(arguments),
        &*reporter,
    )?;
    for warning in built.planned.warnings.lines() {
        reporter.warn(&warning);
    }
    let summary = Summary::of(&built, started.elapsed().as_secs_f64());
    // The next lines belong to standard output alone.
    drop(reporter);
    if arguments.json {
        print_json(&summary)
    } else if output.quiet {
        Ok(())
    } else {
        print(&summary.table())
    }
}

/// A filesystem is written here and there, and named only when it is proven: no stream can be that.
fn refuse_standard_output(output: &Path) -> crate::Result<()> {
    if output == Path::new("-") {
        return Err(Error::unsupported(
            "build cannot write to standard output: -o FILE names a file (./- one that is called so)",
        ));
    }
    Ok(())
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
    journal_bytes: u64,
    uuid: String,
    label: String,
    sha256: Option<String>,
    size_note: Option<String>,
    warnings: Vec<String>,
    seconds: f64,
}

impl Summary {
    fn of(built: &Built, seconds: f64) -> Self {
        let planned = &built.planned;
        let plan = &planned.plan;
        let geometry = &plan.sized.geometry;
        let blocks = |count: u32| u64::from(count) * BLOCK_SIZE;
        Self {
            image: planned.image.reference.clone(),
            manifest_digest: planned
                .image
                .manifest_digest
                .as_ref()
                .map(ToString::to_string),
            config_digest: planned
                .image
                .config_digest
                .as_ref()
                .map(ToString::to_string),
            chain_id: planned.image.chain_id().to_string(),
            platform: planned.image.platform.to_string(),
            layers: planned.image.layers.len(),
            entries: planned.tree.name_count(),
            content_bytes: plan.demand.content_bytes,
            output: built.filesystem.path.display().to_string(),
            output_bytes: built.filesystem.file_bytes,
            output_host_bytes: built.filesystem.host_bytes,
            filesystem_type: plan.profile.kind.to_string(),
            filesystem_bytes: geometry.size_bytes(),
            free_bytes: plan.free_blocks_after() * BLOCK_SIZE,
            reserved_bytes: blocks(geometry.reserved_blocks),
            inodes: geometry.inodes(),
            free_inodes: plan.free_inodes_after(),
            journal_bytes: blocks(geometry.journal_blocks),
            uuid: uuid_text(plan.identity.uuid),
            label: plan.identity.label.clone(),
            sha256: built
                .filesystem
                .sha256
                .as_ref()
                .map(|sha256| sha256.digest().to_owned()),
            size_note: plan.sized.note.clone(),
            warnings: planned.warnings.lines().collect(),
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
                    counted(self.layers, "layer")
                ),
            ),
            (
                &self.filesystem_type,
                format!(
                    "{}, {} free, journal {}\n{} of {} inodes free",
                    ByteSize(self.filesystem_bytes),
                    ByteSize(self.free_bytes),
                    ByteSize(self.journal_bytes),
                    thousands(u64::from(self.free_inodes)),
                    thousands(u64::from(self.inodes)),
                ),
            ),
            ("UUID", self.uuid.clone()),
        ]);
        if !self.label.is_empty() {
            rows.push(("label", self.label.clone()));
        }
        rows.extend([(
            "output",
            format!(
                "{} ({} on disk)",
                self.output,
                ByteSize(self.output_host_bytes)
            ),
        )]);
        rows.extend(
            self.sha256
                .as_ref()
                .map(|sha256| ("sha256", sha256.clone())),
        );
        rows.push(("time", format!("{:.2} s", self.seconds)));
        two_columns(&rows)
    }
}
