//! `layerpress pull`.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use crate::cli::arguments::{
    Bytes, NO_HEADING, OutputArguments, RegistryArguments, Sha256Form, directory_of, how_many,
};
use crate::cli::progress;
use crate::cli::shown::files::{self, ShownFile};
use crate::cli::shown::schemas;
use crate::cli::shown::table::digest_columns;
use crate::cli::shown::text::{counted, printable};
use crate::cli::tell::{print_as, terminal_columns};
use crate::error::{Error, Result};
use crate::oci::Platform;
use crate::pipeline::{
    self, ImageRequest, Limits, OpenOptions, PullRequest, PullShare, PullTally, Pulled, Reference,
};
use crate::units::ByteSize;

/// What is typed.
#[derive(Debug, Args)]
pub struct PullArguments {
    /// docker://[HOST[:PORT]/]NAME[:TAG][@DIGEST]: a filesystem that layerpress push put there
    #[arg(value_name = "REFERENCE")]
    pub reference: OsString,
    /// Where the filesystem image goes; a regular file there is replaced. In the last component of
    /// this and of --manifest, {digest} is the manifest digest, {id} the configuration's, {tag}, {name}
    /// and {arch} as for build; {{ and }} are braces
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Take what is the same from this earlier image, whatever it is, and fetch the rest alone; it may be
    /// the file that is replaced
    #[arg(long, value_name = "OLD.img")]
    pub like: Option<PathBuf>,
    /// Replace no file: one that is there is an error before anything is fetched
    #[arg(long)]
    pub no_clobber: bool,
    /// Write the SHA-256 to FILE.sha256, too, as sha256sum --check reads it; or with =raw its 64 digits
    /// and nothing else
    #[arg(
        long,
        value_name = "FORM",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "line"
    )]
    pub sha256: Option<Sha256Form>,
    /// Write the build's manifest that was pushed with it to FILE
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Wait until the result is on the disk before it gets its name
    #[arg(long)]
    pub sync: bool,
    /// Choose from filesystems for several platforms, as in linux/arm64 [default: this machine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<Platform>,
    /// Segments to fetch side by side, each of them in memory [default: 3]; and threads that read the
    /// earlier image [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = how_many)]
    pub jobs: Option<NonZeroUsize>,
    /// Where segments are kept that the cache does not take, each for a moment and without a name
    /// [default: beside the output]
    #[arg(long, value_name = "DIRECTORY")]
    pub work_dir: Option<PathBuf>,
    /// Refuse a filesystem of more bytes, which are all read once however few there are to fetch
    #[arg(
        long,
        value_name = "SIZE",
        default_value_t = Limits::default().max_bytes.into()
    )]
    pub max_bytes: Bytes,
    /// Print the summary as JSON
    #[arg(long, help_heading = NO_HEADING)]
    pub json: bool,
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// Fetches a filesystem and tells where it came from.
pub fn run(arguments: &PullArguments, output: &OutputArguments) -> Result<()> {
    let started = Instant::now();
    if arguments.output == *"-" {
        return Err(Error::usage(
            "-o -: expected a file, of which what is zeros stays a hole, found standard output (./- names a file that is called so)",
        ));
    }
    let reporter = progress::reporter(output);
    let pulled = pipeline::pull(&image(arguments)?, &request(arguments), &*reporter)?;
    let summary = Summary::of(&pulled, started.elapsed().as_secs_f64());
    // The next lines belong to standard output alone.
    drop(reporter);
    if output.quiet && !arguments.json {
        return Ok(());
    }
    print_as(arguments.json, schemas::PULL, &summary, || {
        summary.table(terminal_columns())
    })
}

fn image(arguments: &PullArguments) -> Result<ImageRequest> {
    let beside = || directory_of(&arguments.output);
    let work_dir = arguments.work_dir.clone().unwrap_or_else(beside);
    let mut request = ImageRequest::new(Reference::parse(&arguments.reference)?, work_dir);
    request.jobs = arguments.jobs.unwrap_or(request.jobs);
    request.open = OpenOptions {
        platform: arguments.platform.clone(),
        limits: Limits {
            max_bytes: arguments.max_bytes.into(),
            ..Limits::default()
        },
        registry: arguments.registry.options(arguments.jobs)?,
        ..request.open
    };
    Ok(request)
}

fn request(arguments: &PullArguments) -> PullRequest {
    PullRequest::new(&arguments.output)
        .with_like(arguments.like.clone())
        .with_sha256(arguments.sha256.map(Into::into))
        .with_manifest(arguments.manifest.clone())
        .with_sync(arguments.sync)
        .with_no_clobber(arguments.no_clobber)
}

/// What was fetched, in numbers. The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct Summary {
    reference: String,
    manifest_digest: String,
    platform: Option<String>,
    output: String,
    output_bytes: u64,
    output_host_bytes: u64,
    sha256: String,
    /// Every file that was written.
    files: Vec<ShownFile>,
    segments: u64,
    like: ShownShare,
    cache: ShownShare,
    registry: ShownShare,
    /// With what came in vain.
    downloaded_bytes: u64,
    zero_bytes: u64,
    seconds: f64,
}

/// A part of the output.
#[derive(Debug, Serialize)]
struct ShownShare {
    segments: u64,
    /// In the output.
    segment_bytes: u64,
}

impl From<PullShare> for ShownShare {
    fn from(share: PullShare) -> Self {
        Self {
            segments: share.segments,
            segment_bytes: share.bytes,
        }
    }
}

impl ShownShare {
    fn row(&self, name: &'static str) -> Option<(&'static str, String)> {
        let Self {
            segments,
            segment_bytes,
        } = *self;
        let segments = (segments > 0).then(|| counted(segments, "segment", "segments"))?;
        Some((name, format!("{segments}, {}", ByteSize(segment_bytes))))
    }
}

impl Summary {
    fn of(pulled: &Pulled, seconds: f64) -> Self {
        let Pulled { file, tally, .. } = pulled;
        let PullTally {
            earlier,
            cache,
            registry,
            downloaded_bytes,
            zero_bytes,
        } = *tally;
        let sha256 = file
            .sha256
            .as_ref()
            .map(|sha256| sha256.digest().to_owned());
        Self {
            reference: pulled.reference.clone(),
            manifest_digest: pulled.manifest_digest.to_string(),
            platform: pulled.platform.as_ref().map(ToString::to_string),
            output: file.path.display().to_string(),
            output_bytes: file.file_bytes,
            output_host_bytes: file.host_bytes,
            sha256: sha256.unwrap_or_default(),
            files: ShownFile::all(&file.files),
            segments: pulled.segments,
            like: earlier.into(),
            cache: cache.into(),
            registry: registry.into(),
            downloaded_bytes,
            zero_bytes,
            seconds,
        }
    }

    fn table(&self, terminal: Option<usize>) -> String {
        let platform = self.platform.as_ref();
        let platform = platform.map_or(String::new(), |platform| format!(" ({platform})"));
        let mut rows = vec![
            ("image", printable(&format!("{}{platform}", self.reference))),
            ("manifest", self.manifest_digest.clone()),
            (
                "output",
                format!(
                    "{} ({}, {} on disk)",
                    self.output,
                    ByteSize(self.output_bytes),
                    ByteSize(self.output_host_bytes)
                ),
            ),
            ("sha256", self.sha256.clone()),
        ];
        rows.extend(files::beside(&self.files, &[&self.output]));
        rows.extend(self.like.row("the same"));
        rows.extend(self.cache.row("cached"));
        if let Some((name, share)) = self.registry.row("fetched") {
            let came = ByteSize(self.downloaded_bytes);
            rows.push((name, format!("{share}, of {came} compressed")));
        }
        rows.push(("zeros", ByteSize(self.zero_bytes).to_string()));
        rows.push(("time", format!("{:.2} s", self.seconds)));
        digest_columns(&rows, terminal)
    }
}
