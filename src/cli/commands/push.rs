//! `layerpress push`.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use crate::cli::arguments::{Bytes, NO_HEADING, OutputArguments, RegistryArguments, how_many};
use crate::cli::progress;
use crate::cli::shown::schemas;
use crate::cli::shown::table::digest_columns;
use crate::cli::shown::text::{counted, printable};
use crate::cli::tell::{print_as, terminal_columns};
use crate::error::{Error, Result};
use crate::oci::Platform;
use crate::pipeline::{self, Encoding, PushRequest, PushShare, PushTally, Pushed, Reference};
use crate::units::ByteSize;

/// What is typed.
#[derive(Debug, Args)]
pub struct PushArguments {
    /// An ext filesystem image; a hash tree behind it is pushed with it
    #[arg(value_name = "IMG")]
    pub image: PathBuf,
    /// docker://[HOST[:PORT]/]NAME[:TAG]: where it goes
    #[arg(value_name = "REFERENCE")]
    pub reference: OsString,
    /// The length of a segment, such as 1M: a multiple of 4K, 64M at most. Smaller ones are sent again
    /// less, larger ones are fewer and compress better; whoever pulls a later version gains where all
    /// versions have the same
    #[arg(long, value_name = "SIZE", default_value = "4M", value_parser = parse_size)]
    pub segment_size: ByteSize,
    /// How segments are compressed, from zstd:1 to zstd:22; another level makes other segments
    #[arg(long, value_name = "zstd:LEVEL", default_value = "zstd:3")]
    pub compress: Encoding,
    /// The manifest of its build, which is pushed as the configuration [default: IMG.manifest.json where
    /// that is its own, or else what the filesystem says of itself]
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Put it into an index under the tag, beside the filesystems for other platforms that are there.
    /// Pushes of one user on one host wait for each other; those of several hosts look whether theirs
    /// is still there, and are best done one after another
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<Platform>,
    /// Take over from this repository of the same registry what it has
    #[arg(long, value_name = "NAME")]
    pub mount_from: Option<String>,
    /// Take the tag even from what is no filesystem, or from an index of several
    #[arg(long)]
    pub replace: bool,
    /// Segments to compress and send side by side [default: one for each processor, 4 at least]
    #[arg(long, value_name = "N", value_parser = how_many)]
    pub jobs: Option<NonZeroUsize>,
    /// Print the summary as JSON
    #[arg(long, help_heading = NO_HEADING)]
    pub json: bool,
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// As `--size` takes it; what is wrong is told in the words that were typed.
fn parse_size(text: &str) -> std::result::Result<ByteSize, String> {
    let Bytes(bytes) = text.parse()?;
    let size = ByteSize(bytes);
    match PushRequest::is_segment_length(size) {
        true => Ok(size),
        false => Err(format!(
            "expected a multiple of 4K from 4K to 64M, found {text}"
        )),
    }
}

/// Pushes and tells what was there.
pub fn run(arguments: &PushArguments, output: &OutputArguments) -> Result<()> {
    let started = Instant::now();
    let reporter = progress::reporter(output);
    let pushed = pipeline::push(&request(arguments)?, &*reporter)?;
    for warning in &pushed.warnings {
        reporter.warn(warning);
    }
    // The next lines belong to standard output alone.
    drop(reporter);
    if output.quiet && !arguments.json {
        return Ok(());
    }
    let summary = Summary::of(&pushed, arguments, started.elapsed().as_secs_f64());
    print_as(arguments.json, schemas::PUSH, &summary, || {
        summary.table(terminal_columns())
    })
}

fn request(arguments: &PushArguments) -> Result<PushRequest> {
    let reference = Reference::parse(&arguments.reference)?;
    let request = PushRequest::new(&arguments.image, reference);
    let no_level = || Error::Mismatch("zstd has no usual level".to_owned());
    let mut request = request.ok_or_else(no_level)?;
    request.registry = arguments.registry.options(arguments.jobs)?;
    request.segment_bytes = arguments.segment_size;
    request.encoding = arguments.compress;
    request.manifest = arguments.manifest.clone();
    request.platform = arguments.platform.clone();
    request.mount_from = arguments.mount_from.clone();
    request.replace = arguments.replace;
    request.locks = arguments.registry.cache.path().ok();
    request.jobs = arguments.jobs.unwrap_or(request.jobs);
    Ok(request)
}

/// The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    reference: &'a str,
    manifest_digest: String,
    /// Of the index that it was put into.
    index_digest: Option<String>,
    config_digest: String,
    /// The image that it was built of, where the repository has that.
    subject_digest: Option<String>,
    platform: Option<String>,
    sha256: &'a str,
    size_bytes: u64,
    segment_bytes: u64,
    segments: u64,
    /// What no segment tells of.
    zero_bytes: u64,
    /// Of all segments.
    stored_bytes: u64,
    #[serde(flatten)]
    tally: PushTally,
    /// Whether the tag meant something else before.
    is_new: bool,
    /// Whether an index under the image's own tag tells of it.
    has_referrers_tag: bool,
    /// What the filesystem's superblock says.
    state: &'static str,
    /// Whether its journal holds what has yet to be written to its place.
    needs_recovery: bool,
    warnings: &'a [String],
    seconds: f64,
}

impl<'a> Summary<'a> {
    fn of(pushed: &'a Pushed, arguments: &PushArguments, seconds: f64) -> Self {
        let artifact = &pushed.artifact;
        let subject = artifact.subject.as_ref();
        Self {
            reference: &pushed.reference,
            manifest_digest: pushed.manifest_digest.to_string(),
            index_digest: pushed.index_digest.as_ref().map(ToString::to_string),
            config_digest: artifact.config.digest.to_string(),
            subject_digest: subject.map(|subject| subject.digest.to_string()),
            platform: artifact.platform.as_ref().map(ToString::to_string),
            sha256: artifact.sha256.digest(),
            size_bytes: artifact.size_bytes,
            segment_bytes: arguments.segment_size.0,
            segments: artifact.segments.len() as u64,
            zero_bytes: artifact.size_bytes - artifact.plain_bytes(),
            stored_bytes: artifact.stored_bytes(),
            tally: pushed.tally,
            is_new: pushed.is_new,
            has_referrers_tag: pushed.has_referrers_tag,
            state: pushed.state,
            needs_recovery: pushed.needs_recovery,
            warnings: &pushed.warnings,
            seconds,
        }
    }

    fn table(&self, terminal: Option<usize>) -> String {
        let share = |share: PushShare| {
            let blobs = counted(share.blobs, "blob", "blobs");
            format!("{blobs}, {}", ByteSize(share.blob_bytes))
        };
        let mut rows = vec![
            ("pushed", share(self.tally.pushed)),
            ("there", share(self.tally.already_there)),
        ];
        if self.tally.mounted.blobs > 0 {
            rows.push(("mounted", share(self.tally.mounted)));
        }
        let new = if self.is_new { "" } else { ", as it was" };
        rows.push((
            "file",
            format!(
                "{} in {} of {}, {} compressed, {} zeros",
                ByteSize(self.size_bytes),
                counted(self.segments, "segment", "segments"),
                ByteSize(self.segment_bytes),
                ByteSize(self.stored_bytes),
                ByteSize(self.zero_bytes),
            ),
        ));
        rows.push(("sha256", self.sha256.to_owned()));
        if let Some(subject) = &self.subject_digest {
            let how = if self.has_referrers_tag {
                "\nby its referrers tag"
            } else {
                ""
            };
            rows.push(("image", format!("{subject}{how}")));
        }
        if let Some(platform) = &self.platform {
            rows.push(("for", printable(platform)));
        }
        if let Some(index) = &self.index_digest {
            rows.push(("index", index.clone()));
        }
        rows.push(("manifest", self.manifest_digest.clone()));
        rows.push(("time", format!("{:.2} s", self.seconds)));
        let name = printable(self.reference);
        format!("{name}{new}\n{}", digest_columns(&rows, terminal))
    }
}
