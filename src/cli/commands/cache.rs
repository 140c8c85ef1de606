//! `layerpress cache`.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cache::{Cache, CachedBlob, Contents, PruneOptions, Pruned};
use crate::cli::arguments::{CacheDirectory, OutputArguments};
use crate::cli::progress;
use crate::cli::shown::schemas;
use crate::cli::shown::table::columns;
use crate::cli::shown::text::{counted, date, short};
use crate::cli::tell::print_as;
use crate::error::{Result, escape_path};
use crate::progress::Reporter;
use crate::units::{ByteSize, Timestamp};

/// What is typed.
#[derive(Debug, Args)]
pub struct CacheArguments {
    #[command(subcommand)]
    command: CacheCommand,
    #[command(flatten)]
    directory: CacheDirectory,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// List the blobs in the cache, the last used first
    Ls(LsArguments),
    /// Remove blobs from the cache, the least recently used first: all of them unless an option
    /// says which may stay
    Prune(PruneArguments),
}

#[derive(Debug, Args)]
struct LsArguments {
    /// Show digests in full
    #[arg(long)]
    no_trunc: bool,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct PruneArguments {
    /// Keep the last used blobs that together are at most so large, as in 10G
    #[arg(long, value_name = "SIZE", conflicts_with = "older_than")]
    keep: Option<ByteSize>,
    /// Remove what was not used for so long: seconds, minutes, hours, days or weeks, as in 90s,
    /// 1h30m or 30d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    older_than: Option<Duration>,
    /// Print what was removed as JSON
    #[arg(long)]
    json: bool,
}

/// Lists or prunes.
pub fn run(arguments: &CacheArguments, output: &OutputArguments) -> Result<()> {
    let path = arguments.directory.path()?;
    let cache = Cache::open_existing(&path)?;
    let reporter = progress::reporter(output);
    match &arguments.command {
        CacheCommand::Ls(arguments) => {
            let contents =
                cache.map_or_else(|| Ok(Contents::default()), |cache| cache.contents())?;
            warn_of_foreign(&contents, &*reporter);
            drop(reporter);
            let shown = ShownContents::of(&path, contents);
            print_as(arguments.json, schemas::CACHE_LS, &shown, || {
                shown.table(arguments.no_trunc)
            })
        }
        CacheCommand::Prune(arguments) => {
            let options = PruneOptions {
                keep_bytes: arguments.keep.map(|ByteSize(bytes)| bytes),
                used_since: arguments.older_than.map(ago),
            };
            let pruned =
                cache.map_or_else(|| Ok(Pruned::default()), |cache| cache.prune(options))?;
            warn_of_foreign(&pruned.left, &*reporter);
            drop(reporter);
            let shown = ShownPrune::of(&path, pruned);
            if output.quiet && !arguments.json {
                return Ok(());
            }
            print_as(arguments.json, schemas::CACHE_PRUNE, &shown, || {
                shown.text()
            })
        }
    }
}

/// What is not ours stays, and that is told.
fn warn_of_foreign(contents: &Contents, reporter: &dyn Reporter) {
    for path in &contents.foreign {
        let path = escape_path(path.as_os_str().as_encoded_bytes());
        reporter.warn(&format!("{path} is no blob of the cache and is left alone"));
    }
}

/// When it was so long before now.
fn ago(age: Duration) -> Timestamp {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Timestamp {
        seconds: seconds(now).saturating_sub(seconds(age)),
        nanoseconds: now.subsec_nanos(),
    }
}

/// Reads `--older-than`: whole numbers, each with its unit.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || {
        format!(
            "'{text}' is not a duration: expected whole numbers with the unit s, m, h, d or w each, as in 1h30m or 30d"
        )
    };
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit_on) = rest.split_at(digits);
        let mut letters = unit_on.chars();
        let unit_seconds: u64 = match letters.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            _ => return Err(expected()),
        };
        let number: u64 = number.parse().map_err(|_| expected())?;
        let seconds = number.checked_mul(unit_seconds);
        total = seconds
            .and_then(|seconds| total.checked_add(seconds))
            .ok_or_else(|| format!("'{text}' is more seconds than 64 bits count"))?;
        rest = letters.as_str();
    }
    if text.is_empty() {
        return Err(expected());
    }
    Ok(Duration::from_secs(total))
}

/// A cached blob, told. The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct ShownBlob {
    digest: String,
    kind: String,
    size_bytes: u64,
    last_used: String,
}

impl ShownBlob {
    fn of(blob: &CachedBlob) -> Self {
        Self {
            digest: blob.digest.to_string(),
            kind: blob.kind.to_string(),
            size_bytes: blob.size_bytes,
            last_used: date(blob.last_used.seconds),
        }
    }
}

fn blobs(count: usize) -> String {
    counted(count as u64, "blob", "blobs")
}

/// A cache, told.
#[derive(Debug, Serialize)]
struct ShownContents {
    path: String,
    blobs: Vec<ShownBlob>,
    total_bytes: u64,
}

impl ShownContents {
    fn of(path: &Path, mut contents: Contents) -> Self {
        contents.blobs.sort_by(CachedBlob::by_last_use);
        Self {
            path: escape_path(path.as_os_str().as_encoded_bytes()),
            total_bytes: contents.total_bytes(),
            blobs: contents.blobs.iter().rev().map(ShownBlob::of).collect(),
        }
    }

    fn table(&self, in_full: bool) -> String {
        let rows = self.blobs.iter().map(|blob| {
            let digest = if in_full {
                &blob.digest
            } else {
                short(&blob.digest)
            };
            let size = ByteSize(blob.size_bytes).to_string();
            [
                digest.to_owned(),
                blob.kind.clone(),
                size,
                blob.last_used.clone(),
            ]
        });
        let header = ["DIGEST", "KIND", "SIZE", "LAST USED"].map(str::to_owned);
        let table = if self.blobs.is_empty() {
            String::new()
        } else {
            columns(std::iter::once(header).chain(rows).collect())
        };
        let total = ByteSize(self.total_bytes);
        let count = blobs(self.blobs.len());
        format!("{table}{count}, {total} in {}\n", self.path)
    }
}

/// What a prune did, told.
#[derive(Debug, Serialize)]
struct ShownPrune {
    path: String,
    removed: Vec<ShownBlob>,
    stale_files: usize,
    freed_bytes: u64,
    left_blobs: usize,
    left_bytes: u64,
}

impl ShownPrune {
    fn of(path: &Path, pruned: Pruned) -> Self {
        Self {
            path: escape_path(path.as_os_str().as_encoded_bytes()),
            removed: pruned.removed.iter().map(ShownBlob::of).collect(),
            stale_files: pruned.stale_files,
            freed_bytes: pruned.freed_bytes(),
            left_blobs: pruned.left.blobs.len(),
            left_bytes: pruned.left.total_bytes(),
        }
    }

    fn text(&self) -> String {
        let mut removed = blobs(self.removed.len());
        if self.stale_files > 0 {
            removed += &format!(
                " and {}",
                counted(self.stale_files as u64, "stale file", "stale files")
            );
        }
        format!(
            "{removed} removed, {} freed; {}, {} left in {}\n",
            ByteSize(self.freed_bytes),
            blobs(self.left_blobs),
            ByteSize(self.left_bytes),
            self.path
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units_and_refused_without() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("1h30m", 5400),
            ("30d", 2_592_000),
            ("2w", 1_209_600),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for wrong in [
            "",
            "30",
            "d",
            "1y",
            "-1d",
            "1.5h",
            "1h 30m",
            "1hö",
            "99999999999999999w",
            "99999999999999999999s",
        ] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_longest_time_ago_is_before_everything() {
        assert!(ago(Duration::from_secs(u64::MAX)).seconds < 0);
        assert!(ago(Duration::ZERO).seconds > 1_700_000_000);
    }
}
