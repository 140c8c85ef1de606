//! What is written, and in which forms.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::arguments::{Sha256Form, is_stream};
use crate::cli::tell;
use crate::error::{Error, Result};
use crate::pipeline::{
    Built, CompressOptions, Encoding, FinishOptions, FinishedCompressed, OutputRequest, Sha256File,
};
use crate::units::ByteSize;

/// Which files are written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputFormArguments {
    /// Where the filesystem image goes; a regular file there is replaced. In the last component of
    /// this and of the names of what is written beside it, {id} is the image ID, {digest} the
    /// manifest digest, {tag}, {name} and {arch} the image's own, {id:12} twelve digits of it; {{
    /// and }} are braces. - is standard output, to which it is written when it is proven
    #[arg(short, long, value_name = "FILE|-", required_unless_present_any = ["list", "recipe", "print_recipe"])]
    pub output: Option<PathBuf>,
    /// Replace no file: one that is there is an error before the image is read
    #[arg(long)]
    pub no_clobber: bool,
    /// Hash the result, tell its SHA-256 and write it to FILE.sha256, as sha256sum --check reads it;
    /// or with =raw its 64 digits and nothing else
    #[arg(
        long,
        value_name = "FORM",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "line"
    )]
    pub sha256: Option<Sha256Form>,
    /// Compress the result, too, to FILE.gz or FILE.zst, on as many processors as --jobs says and to
    /// the same bytes for any number: gzip[:1-9], or zstd[:1-22] in frames of 4 MiB that are found
    /// by zstd's seekable format [default level: 6, 3]
    #[arg(long, value_name = "FORMAT[:LEVEL]")]
    pub compress: Option<Encoding>,
    /// Keep what it is compressed to and not the filesystem image itself
    #[arg(long, requires = "compress")]
    pub compress_only: bool,
}

/// An output of this name; without one it is made in `work_dir`.
///
/// # Errors
/// [`Error::Unsupported`] for a terminal, [`Error::Usage`] where the summary would be written there,
/// too.
pub fn request(output: &Path, is_json: bool, work_dir: &Path) -> Result<OutputRequest> {
    if !is_stream(output) {
        return Ok(OutputRequest::new(output));
    }
    if is_json {
        return Err(Error::usage(
            "standard output: expected the filesystem alone, found --json (without it the summary goes to standard error)",
        ));
    }
    if tell::has_terminal() {
        return Err(Error::unsupported(
            "a filesystem is nothing for a terminal: -o FILE writes it to a file (./- one that is called so)",
        ));
    }
    Ok(OutputRequest::to_stream(tell::content_file()?, work_dir))
}

impl OutputFormArguments {
    /// The forms added to the proofs.
    pub fn forms(&self, proofs: FinishOptions, jobs: NonZeroUsize) -> FinishOptions {
        FinishOptions {
            sha256: self.sha256.map(Sha256File::from),
            no_clobber: self.no_clobber,
            compress: self.compress.map(|encoding| CompressOptions {
                encoding,
                only: self.compress_only,
                jobs,
            }),
            ..proofs
        }
    }
}

/// What the output is compressed to, as JSON.
#[derive(Debug, Serialize)]
pub struct ShownCompressed {
    /// Where it is.
    pub path: String,
    encoding: String,
    size_bytes: u64,
    host_bytes: u64,
    sha256: String,
    /// Of what it decompresses to.
    image_bytes: u64,
    image_sha256: Option<String>,
    /// Whether the filesystem image itself is not kept.
    only: bool,
}

impl ShownCompressed {
    /// What was made.
    pub fn of(built: &Built) -> Option<Self> {
        let compressed = built.filesystem.compressed.as_ref()?;
        let FinishedCompressed { path, encoding, .. } = compressed;
        Some(Self {
            path: path.display().to_string(),
            encoding: encoding.to_string(),
            size_bytes: compressed.size_bytes,
            host_bytes: compressed.host_bytes,
            sha256: compressed.sha256.digest().to_owned(),
            image_bytes: built.filesystem.file_bytes,
            image_sha256: digits(built),
            only: compressed.only,
        })
    }

    /// For people.
    pub fn row(&self) -> (&'static str, String) {
        let size = ByteSize(self.size_bytes);
        let Self {
            path,
            encoding,
            sha256,
            ..
        } = self;
        (
            "compressed",
            format!("{path} ({size}, {encoding})\n{sha256}"),
        )
    }
}

/// The file that is written: the filesystem image, or what it is compressed to where that alone is kept.
#[derive(Debug)]
pub struct ShownOutput {
    /// Where it is.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// What it takes of the host's disk.
    pub host_bytes: u64,
    /// Its SHA-256, where that is known.
    pub sha256: Option<String>,
}

impl ShownOutput {
    /// What was made.
    pub fn of(built: &Built) -> Self {
        let filesystem = &built.filesystem;
        let compressed = filesystem.compressed.as_ref();
        match compressed.filter(|compressed| compressed.only) {
            Some(compressed) => Self {
                path: compressed.path.display().to_string(),
                bytes: compressed.size_bytes,
                host_bytes: compressed.host_bytes,
                sha256: Some(compressed.sha256.digest().to_owned()),
            },
            None => Self {
                path: filesystem.path.display().to_string(),
                bytes: filesystem.file_bytes,
                host_bytes: filesystem.host_bytes,
                sha256: digits(built),
            },
        }
    }
}

/// The filesystem image's SHA-256.
fn digits(built: &Built) -> Option<String> {
    let sha256 = built.filesystem.sha256.as_ref()?;
    Some(sha256.digest().to_owned())
}
