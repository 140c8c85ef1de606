//! Which image, how it is read, and what it may ask for.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::environment::{home, variable};
use super::numbers::{Bytes, how_many, whole};
use super::registry::RegistryArguments;
use crate::error::{Error, Result};
use crate::oci::Platform;
use crate::pipeline::{
    DaemonOptions, ImageRequest, Limits, OpenOptions, Reference, Subject, is_filesystem,
};

/// Whether the flags that chattr sets belong to a tree.
#[derive(Debug, Args)]
pub struct FileFlagsArgument {
    /// Keep the file flags that chattr sets (immutable, append, nodump, ...) of tars and directory
    /// trees; else they are counted, and none is kept
    #[arg(long)]
    pub file_flags: bool,
}

/// How images are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Image")]
pub struct ReadingArguments {
    /// Choose from an image for several platforms, as in linux/arm64 or linux/arm/v7 [default:
    /// this machine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<Platform>,
    /// Where decompressed layers are kept while working; they have no names and vanish with the
    /// process [default: beside the output; for plan, the directory for temporary files]
    #[arg(long, value_name = "DIRECTORY")]
    pub work_dir: Option<PathBuf>,
    /// Where the docker daemon is, for docker-daemon: unix:///PATH or tcp://HOST[:PORT] [default:
    /// as docker finds it: DOCKER_HOST, DOCKER_CONTEXT, the context in use, the first socket that
    /// docker or podman has]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "docker_context")]
    pub docker_host: Option<String>,
    /// The docker context whose daemon is asked, whatever DOCKER_HOST says
    #[arg(long, value_name = "NAME")]
    pub docker_context: Option<String>,
    /// Layers to read side by side, and to download; of many images, also how many to make side by
    /// side; threads that --compress has [default: one for each processor; 3 downloads]
    #[arg(long, value_name = "N", value_parser = how_many)]
    pub jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    pub registry: RegistryArguments,
    #[command(flatten)]
    pub limits: LimitArguments,
}

impl ReadingArguments {
    /// The image of this name, spools in the directory for temporary files unless typed otherwise.
    ///
    /// # Errors
    /// For a reference that is none.
    pub fn image(&self, name: &OsStr) -> Result<ImageRequest> {
        self.image_beside(name, std::env::temp_dir)
    }

    /// The same with spools elsewhere, unless typed otherwise.
    ///
    /// # Errors
    /// As [`Self::image`].
    pub fn image_beside(
        &self,
        name: &OsStr,
        work_dir: impl FnOnce() -> PathBuf,
    ) -> Result<ImageRequest> {
        let is_piped = name == "-" || name.as_bytes().ends_with(b":-");
        if is_piped && self.registry.creds_stdin {
            return Err(Error::usage(
                "standard input: expected one thing of it, found the image and --creds-stdin (--creds-file FILE reads credentials from elsewhere)",
            ));
        }
        let work_dir = self.work_dir.clone().unwrap_or_else(work_dir);
        let mut request = ImageRequest::new(Reference::parse(name)?, work_dir);
        request.jobs = self.jobs.unwrap_or(request.jobs);
        request.open = OpenOptions {
            platform: self.platform.clone(),
            limits: Limits::from(&self.limits),
            registry: self.registry.options(self.jobs)?,
            daemon: self.daemon(),
            ..request.open
        };
        Ok(request)
    }

    /// The docker daemon that is meant.
    pub fn daemon(&self) -> DaemonOptions {
        daemon(self)
    }

    /// The filesystem of this name, or else the image.
    ///
    /// # Errors
    /// As [`Self::image`].
    pub fn subject(&self, name: &OsStr) -> Result<Subject> {
        let path = Path::new(name);
        if is_filesystem(path) {
            return Ok(Subject::Filesystem(path.to_owned()));
        }
        self.image(name).map(Box::new).map(Subject::Image)
    }
}

/// The docker daemon that is meant, as docker's own clients find theirs.
fn daemon(arguments: &ReadingArguments) -> DaemonOptions {
    let text = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into());
    let directory = |name| variable(name).map(PathBuf::from);
    let usual = || home().map(|home| home.join(".docker"));
    let certificates = || directory("DOCKER_CERT_PATH").or_else(usual);
    DaemonOptions {
        context: arguments.docker_context.clone(),
        host: arguments
            .docker_host
            .clone()
            .or_else(|| text("DOCKER_HOST")),
        usual_context: text("DOCKER_CONTEXT"),
        config_directory: directory("DOCKER_CONFIG").or_else(usual),
        tls: variable("DOCKER_TLS_VERIFY").and_then(|_| certificates()),
        runtime_dir: directory("XDG_RUNTIME_DIR"),
    }
}

macro_rules! limit_arguments {
    ($($(#[$doc:meta])* $name:ident: $type:ty, $form:literal $(=> $parser:expr)?;)*) => {
        #[derive(Debug, Args)]
        #[command(next_help_heading = "Limits (an image beyond one is refused)")]
        pub struct LimitArguments {
            $(
                $(#[$doc])*
                #[arg(
                    long,
                    value_name = $form,
                    default_value_t = Limits::default().$name.into(),
                    $(value_parser = $parser,)?
                )]
                pub $name: $type,
            )*
        }

        impl From<&LimitArguments> for Limits {
            fn from(arguments: &LimitArguments) -> Self {
                Self { $($name: arguments.$name.into(),)* }
            }
        }
    };
}

limit_arguments! {
    /// Entries over all layers
    max_entries: u64, "N" => whole::<u64>;
    /// Uncompressed bytes over all layers
    max_bytes: Bytes, "SIZE";
    /// Uncompressed bytes of one layer
    max_layer_bytes: Bytes, "SIZE";
    /// Uncompressed bytes for each stored byte of compressed blobs, of one and of all together
    max_expansion: u64, "N" => whole::<u64>;
    /// Uncompressed bytes of a blob, and of all, from which on that is held
    max_expansion_from: Bytes, "SIZE";
    /// Components in a path
    max_path_depth: usize, "N" => whole::<usize>;
    /// Bytes of an entry's pax and GNU long-name headers
    max_header_bytes: Bytes, "SIZE";
    /// Bytes of an entry's extended attributes
    max_xattr_bytes: Bytes, "SIZE";
    /// Bytes of memory for the index of all entries
    max_index_bytes: Bytes, "SIZE";
    /// The largest zstd window, as a power of two from 10 to 31; layers read side by side have 512 MiB of windows
    /// together, or a single larger one
    max_zstd_window_log: u32, "N" => window_log;
}

/// The windows that zstd knows.
fn window_log(text: &str) -> Result<u32, String> {
    let known = Limits::ZSTD_WINDOW_LOGS;
    let typed = text.parse().ok().filter(|log| known.contains(log));
    let (first, last) = known.into_inner();
    typed.ok_or_else(|| format!("expected a whole number from {first} to {last}"))
}
