//! `layerpress plan`.

use std::ffi::OsString;

use clap::Args;
use serde::Serialize;

use crate::cli::arguments::{
    EditArguments, FilesystemArguments, NO_HEADING, OutputArguments, ReadingArguments,
    RecipeArguments,
};
use crate::cli::progress;
use crate::cli::shown::edits::ShownEdits;
use crate::cli::shown::like::ShownLike;
use crate::cli::shown::origin::ShownOrigin;
use crate::cli::shown::room::{ShownRoom, ShownSizeRule};
use crate::cli::shown::schemas;
use crate::cli::shown::table::{digest_columns, two_columns};
use crate::cli::shown::text::{counted, journal, thousands};
use crate::cli::tell::{print_as, terminal_columns};
use crate::error::Result;
use crate::pipeline::{
    self, BlocksByUse, FilesystemRequest, Flattened, Planned, Shape, SizePolicy, uuid_text,
};
use crate::recipe_file::ImageRecipe;
use crate::units::{BLOCK_SIZE, ByteSize};

/// What is typed.
#[derive(Debug, Args)]
pub struct PlanArguments {
    // The first, to see what was typed.
    #[command(flatten)]
    pub recipe: RecipeArguments,
    /// docker-archive:PATH[:NAME], docker-daemon:NAME|ID, oci:DIRECTORY[:TAG|@DIGEST],
    /// oci-archive:PATH[:TAG], rootfs:PATH (a flat tar or a directory tree), - for standard
    /// input, or a path to any of these; docker://[HOST/]NAME[:TAG][@DIGEST] for a registry, or
    /// that name alone
    #[arg(help_heading = NO_HEADING, required_unless_present = "recipe")]
    pub image: Option<OsString>,
    /// Print the plan as JSON
    #[arg(long, help_heading = NO_HEADING)]
    pub json: bool,
    #[command(flatten)]
    pub filesystem: FilesystemArguments,
    #[command(flatten)]
    pub edits: EditArguments,
    #[command(flatten)]
    pub reading: ReadingArguments,
}

/// Plans and tells the plan.
pub fn run(arguments: &PlanArguments, output: &OutputArguments) -> Result<()> {
    let reporter = progress::reporter(output);
    let recipe = arguments.recipe.load_one()?;
    let said = recipe.as_ref().map(|(recipe, _)| recipe);
    let name = arguments.recipe.name(arguments.image.as_ref(), said)?;
    let image = arguments.reading.image(&name)?;
    let mut image = image
        .with_file_flags(arguments.filesystem.flags.file_flags)
        .with_edits(arguments.edits.edits());
    let mut filesystem = arguments.filesystem.request();
    if let Some((mut recipe, reach)) = recipe {
        let typed = ImageRecipe::of(&image, &filesystem, None);
        let put = &arguments.recipe;
        put.put_typed(&mut recipe, typed, &*reporter);
        put.put_into(&recipe, &reach, &mut image)?;
        filesystem = put.filesystem(&recipe, &reach);
    }
    let planned = pipeline::plan(&image, &filesystem, &*reporter)?;
    for warning in planned.flattened.warnings.lines() {
        reporter.warn(&warning);
    }
    drop(reporter);
    let shown = ShownPlan::of(&planned, &filesystem);
    print_as(arguments.json, schemas::PLAN, &shown, || {
        shown.table(terminal_columns())
    })
}

/// A plan in numbers. The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct ShownPlan {
    #[serde(flatten)]
    origin: ShownOrigin,
    chain_id: String,
    #[serde(flatten)]
    edits: ShownEdits,
    uuid: String,
    layer_count: usize,
    entries: u64,
    content_bytes: u64,
    disk_usage_bytes: u64,
    filesystem_type: String,
    /// 0 where there is none.
    journal_bytes: u64,
    size_policy: String,
    size_rule: ShownSizeRule,
    output_bytes: u64,
    #[serde(flatten)]
    room: ShownRoom,
    size_note: Option<String>,
    /// What a hash tree of dm-verity takes besides.
    verity_bytes: u64,
    filesystem_blocks: u32,
    block_bytes: u64,
    blocks: BlocksByUse,
    inodes: Inodes,
    sizes: Vec<SizeByPolicy>,
    like: Option<ShownLike>,
    /// Where a build that is like none would be better.
    advice: Option<String>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Inodes {
    total: u32,
    used: u32,
    free: u32,
}

#[derive(Debug, Serialize)]
struct SizeByPolicy {
    policy: String,
    output_bytes: Option<u64>,
    available_bytes: Option<u64>,
    note: Option<String>,
}

impl ShownPlan {
    fn of(planned: &Planned, asked: &FilesystemRequest) -> Self {
        let Planned {
            flattened,
            plan,
            names,
            earlier,
        } = planned;
        let Flattened { image, tree, .. } = flattened;
        let policy = asked.size;
        let like = ShownLike::of(earlier.as_ref(), plan.likeness.as_ref());
        let sized = &plan.sized;
        let total_inodes = sized.geometry.inodes();
        let mut policies = vec![SizePolicy::default(), SizePolicy::Fit];
        policies.push(SizePolicy::FitPlus(ByteSize(64 << 20)));
        if !policies.contains(&policy) {
            policies.push(policy);
        }
        Self {
            origin: ShownOrigin::of(image),
            chain_id: names.chain_id.to_string(),
            edits: ShownEdits::of(names, flattened.left_out),
            uuid: uuid_text(names.identity.uuid),
            layer_count: image.layers.len(),
            entries: tree.name_count(),
            content_bytes: plan.demand.content_bytes,
            disk_usage_bytes: plan.demand.disk_usage_bytes,
            filesystem_type: plan.profile.kind.to_string(),
            journal_bytes: u64::from(sized.geometry.journal_blocks) * BLOCK_SIZE,
            size_policy: policy.to_string(),
            size_rule: ShownSizeRule::of(policy, plan),
            output_bytes: sized.file_bytes,
            room: ShownRoom::of_plan(plan),
            size_note: sized.note.clone(),
            verity_bytes: Shape::of(sized.geometry.blocks.into()).area_bytes(),
            filesystem_blocks: sized.geometry.blocks,
            block_bytes: BLOCK_SIZE,
            blocks: plan.blocks_by_use(),
            inodes: Inodes {
                total: total_inodes,
                used: total_inodes - plan.free_inodes_after(),
                free: plan.free_inodes_after(),
            },
            sizes: policies
                .into_iter()
                .map(|policy| by_policy(planned, policy))
                .collect(),
            advice: like.as_ref().and_then(ShownLike::advice),
            like,
            warnings: flattened.warnings.lines().collect(),
        }
    }

    fn table(&self, terminal: Option<usize>) -> String {
        let size = |blocks: u64| ByteSize(blocks * BLOCK_SIZE).to_string();
        let by_use = |name: &'static str, blocks: u64| {
            (
                name,
                format!("{:>12} blocks  {}", thousands(blocks), size(blocks)),
            )
        };
        let blocks = &self.blocks;
        // Digests end within the page.
        let origin = digest_columns(&self.origin.rows(), terminal);
        let mut rows = vec![(
            "content",
            format!(
                "{} entries, {} from {}\n{} by du",
                thousands(self.entries),
                ByteSize(self.content_bytes),
                counted(self.layer_count as u64, "layer", "layers"),
                ByteSize(self.disk_usage_bytes)
            ),
        )];
        let left_out = self.edits.left_out();
        rows.extend(left_out.map(|left_out| ("left out", left_out)));
        rows.extend([
            (
                "type",
                format!("{}, {}", self.filesystem_type, journal(self.journal_bytes)),
            ),
            (
                "size",
                format!(
                    "{} ({})",
                    ByteSize(self.output_bytes),
                    self.size_rule.text()
                ),
            ),
            ("", self.room.shares()),
        ]);
        rows.extend(self.size_note.clone().map(|note| ("", note)));
        let note = self.room.available_note();
        rows.extend(note.map(|note| ("", note.to_owned())));
        rows.extend([
            by_use("  data", blocks.data),
            by_use("  block maps", blocks.indirect),
            by_use("  directories", blocks.directory),
            by_use("  symlinks", blocks.symlink),
            by_use("  xattrs", blocks.xattr),
            by_use("  inode tables", blocks.inode_tables),
            by_use("  bitmaps", blocks.bitmaps),
            by_use("  descriptors", blocks.superblocks_and_descriptors),
            by_use("  room to grow", blocks.reserved_for_growing),
            by_use("  journal", blocks.journal),
            by_use("  the system's own", blocks.system),
            by_use("  free", blocks.free),
            by_use("    available", self.room.available_bytes() / BLOCK_SIZE),
            by_use("    for root only", self.room.for_root_bytes() / BLOCK_SIZE),
            (
                "inodes",
                format!(
                    "{}, {} free",
                    thousands(u64::from(self.inodes.total)),
                    thousands(u64::from(self.inodes.free))
                ),
            ),
        ]);
        let sizes: Vec<_> = self
            .sizes
            .iter()
            .map(|size| match (size.output_bytes, size.available_bytes) {
                (Some(bytes), Some(available)) => {
                    let size_text = ByteSize(bytes).to_string();
                    let available = ByteSize(available);
                    format!("{:8} {size_text:>12}, {available} available", size.policy)
                }
                _ => format!(
                    "{:8} {}",
                    size.policy,
                    size.note.as_deref().unwrap_or_default()
                ),
            })
            .collect();
        rows.push(("sizes by rule", sizes.join("\n")));
        let verity = ByteSize(self.verity_bytes);
        rows.push(("verity", format!("{verity} more with a hash tree")));
        rows.extend(self.like.as_ref().map(ShownLike::row));
        let advice = self.advice.as_ref();
        rows.extend(advice.map(|advice| ("advice", advice.clone())));
        format!("{origin}{}", two_columns(&rows, terminal))
    }
}

fn by_policy(planned: &Planned, policy: SizePolicy) -> SizeByPolicy {
    let plan = &planned.plan;
    let (output_bytes, available_bytes, note) = match plan.sized_by(policy) {
        Ok(sized) => {
            let available = sized.available_blocks_after(&plan.profile, &plan.demand);
            let available_bytes = available * BLOCK_SIZE;
            (Some(sized.file_bytes), Some(available_bytes), sized.note)
        }
        Err(error) => (None, None, Some(error.to_string())),
    };
    SizeByPolicy {
        policy: policy.to_string(),
        output_bytes,
        available_bytes,
        note,
    }
}
