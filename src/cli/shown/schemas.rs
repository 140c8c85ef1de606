//! Which document is which: the `schema` of each, whose JSON Schema is in `fixtures/schemas`.
//!
//! A key that goes or changes its meaning makes a new version.

/// Of `build`.
pub const BUILD: &str = "layerpress.build.v1";
/// Of each line of `build` with several images.
pub const BATCH: &str = "layerpress.batch.v1";
/// Of `plan`.
pub const PLAN: &str = "layerpress.plan.v1";
/// Of `inspect`, whatever it was given.
pub const INSPECT: &str = "layerpress.inspect.v1";
/// Of `verify`.
pub const VERIFY: &str = "layerpress.verify.v1";
/// Of `diff`.
pub const DIFF: &str = "layerpress.diff.v1";
/// Of `diff --blocks`.
pub const DIFF_BLOCKS: &str = "layerpress.diff-blocks.v1";
/// Of `diff --packages`.
pub const DIFF_PACKAGES: &str = "layerpress.diff-packages.v1";
/// Of `export`.
pub const EXPORT: &str = "layerpress.export.v1";
/// Of `layers`.
pub const LAYERS: &str = "layerpress.layers.v1";
/// Of each line of `ls`.
pub const LS: &str = "layerpress.ls.v1";
/// Of each line of `stat`.
pub const STAT: &str = "layerpress.stat.v1";
/// Of `pull`.
pub const PULL: &str = "layerpress.pull.v1";
/// Of `tags`.
pub const TAGS: &str = "layerpress.tags.v1";
/// Of `cache ls`.
pub const CACHE_LS: &str = "layerpress.cache-ls.v1";
/// Of `cache prune`.
pub const CACHE_PRUNE: &str = "layerpress.cache-prune.v1";
/// Of `mount`.
pub const MOUNT: &str = "layerpress.mount.v1";
/// Of `mount --list`.
pub const MOUNT_LIST: &str = "layerpress.mount-list.v1";
/// Of each line of `--progress json`, an error's among them.
pub const EVENT: &str = "layerpress.event.v1";
/// Of `push`.
pub const PUSH: &str = "layerpress.push.v1";
/// Of `packages`.
pub const PACKAGES: &str = "layerpress.packages.v1";
