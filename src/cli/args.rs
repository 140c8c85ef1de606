//! What is typed.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::ext::{JournalSize, SizePolicy, parse_uuid};
use crate::limits::Limits;
use crate::oci::Platform;

pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; verify, diff: no difference
  1  verify, diff: there are differences
  2  the command line is wrong
  3  what was named is not there, or reading or writing failed (full disk, no permission,
     a registry that does not answer): another try may go well
  4  the image is broken, is none, or exceeds a ceiling that a --max- option raises
  5  the image or an option asks for what ext3, Linux or layerpress cannot do
  6  mke2fs, tune2fs, e2fsck or debugfs is missing, too old or failed
  7  the size given is too small for the image
  8  the result is not what was meant: a bug in layerpress
  129, 130, 131, 143  ended by SIGHUP, SIGINT, SIGQUIT, SIGTERM; nothing is left behind";

/// Press a container image's layers into one mountable ext filesystem image: no root, no daemon,
/// no loop device.
#[derive(Debug, Parser)]
#[command(name = "layerpress", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an ext3 filesystem image of a container image
    #[command(after_help = EXIT_CODES)]
    Build(BuildArguments),
    /// Show the filesystem that build would make: sizes, blocks by use, inodes
    #[command(after_help = EXIT_CODES)]
    Plan(PlanArguments),
    /// Tell what a container image or a filesystem image is, and what it was made from
    #[command(after_help = EXIT_CODES)]
    Inspect(super::inspect::InspectArguments),
    /// Hold a filesystem image against a container image: every entry and attribute
    #[command(after_help = EXIT_CODES)]
    Verify(super::verify::VerifyArguments),
    /// List what differs between two filesystem images, container images or one of each
    #[command(after_help = EXIT_CODES)]
    Diff(super::diff::DiffArguments),
    /// List or prune the cache of blobs that were fetched
    #[command(after_help = EXIT_CODES)]
    Cache(super::cache::CacheArguments),
    /// List the tags of a repository in a registry
    #[command(after_help = EXIT_CODES)]
    Tags(super::tags::TagsArguments),
    /// Print a shell's completion script
    Completions(super::completions::CompletionsArguments),
    /// Write the manual pages into a directory
    Man(super::man::ManArguments),
    /// Mount a filesystem image, for reading only; or list what is mounted (needs root)
    #[command(override_usage = super::mount::USAGE, after_help = super::mount::exit_codes())]
    Mount(super::mount::MountArguments),
    /// Undo a mount and free its loop device (needs root)
    #[command(after_help = EXIT_CODES)]
    Umount(super::umount::UmountArguments),
    /// List names in a filesystem image
    Ls(super::ls::LsArguments),
    /// Write files of a filesystem image to standard output
    Cat(super::cat::CatArguments),
    /// Tell everything about names in a filesystem image
    Stat(super::stat::StatArguments),
    /// Take a tree out of a filesystem image, into a directory or a tar
    Extract(super::extract::ExtractArguments),
}

/// How much is told while working; on standard error.
#[derive(Debug, Args)]
pub struct OutputArguments {
    /// How progress is shown
    #[arg(
        long,
        value_enum,
        default_value_t,
        global = true,
        value_name = "FORM",
        display_order = 900
    )]
    pub progress: ProgressForm,
    /// Tell errors only: no warnings either, which --json of build and plan lists
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        display_order = 901
    )]
    pub quiet: bool,
    /// Also tell the command lines of the programs that are run
    #[arg(short, long, global = true, display_order = 902)]
    pub verbose: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressForm {
    /// Bars on a terminal, plain lines elsewhere
    #[default]
    Auto,
    /// A line for each finished task
    Plain,
    /// Nothing but notes and warnings
    None,
    /// A JSON object for each event, one a line
    Json,
}

#[derive(Debug, Args)]
pub struct BuildArguments {
    #[command(flatten)]
    pub reference: ReferenceArgument,
    /// Where the filesystem image goes; a regular file there is replaced
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Do not run e2fsck on the result
    #[arg(long)]
    pub no_fsck: bool,
    /// Read the result back with our own and two independent readers and compare every entry with
    /// the image
    #[arg(long)]
    pub verify: bool,
    /// Hash the result, tell its SHA-256 and write it to FILE.sha256, as sha256sum --check reads it
    #[arg(long)]
    pub sha256: bool,
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
    pub tools: ToolArguments,
    #[command(flatten)]
    pub limits: LimitArguments,
}

#[derive(Debug, Args)]
pub struct PlanArguments {
    #[command(flatten)]
    pub reference: ReferenceArgument,
    /// Print the plan as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub reading: ReadingArguments,
    #[command(flatten)]
    pub filesystem: FilesystemArguments,
    #[command(flatten)]
    pub limits: LimitArguments,
}

#[derive(Debug, Args)]
pub struct ReferenceArgument {
    /// docker-archive:PATH[:NAME], docker-daemon:NAME|ID, oci:DIRECTORY[:TAG|@DIGEST],
    /// oci-archive:PATH[:TAG], rootfs:PATH (a flat tar or a directory tree), - for standard
    /// input, or a path to any of these; docker://[HOST/]NAME[:TAG][@DIGEST] for a registry, or
    /// that name alone
    pub image: OsString,
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
    /// Layers to read side by side, and to download [default: one for each processor; 3 downloads]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    pub registry: super::registry::RegistryArguments,
}

macro_rules! limit_arguments {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        #[derive(Debug, Args)]
        #[command(next_help_heading = "Limits (an image beyond one is refused)")]
        pub struct LimitArguments {
            $(
                $(#[$doc])*
                #[arg(long, value_name = "N", default_value_t = Limits::default().$name)]
                pub $name: $type,
            )*
        }

        impl From<&LimitArguments> for Limits {
            fn from(arguments: &LimitArguments) -> Self {
                Self { $($name: arguments.$name,)* }
            }
        }
    };
}

limit_arguments! {
    /// Entries over all layers
    max_entries: u64,
    /// Uncompressed bytes over all layers
    max_bytes: u64,
    /// Uncompressed bytes of one layer
    max_layer_bytes: u64,
    /// Uncompressed bytes for each stored byte of compressed blobs, of one and of all together
    max_expansion: u64,
    /// Uncompressed bytes of a blob, and of all, from which on that is held
    max_expansion_from: u64,
    /// Components in a path
    max_path_depth: usize,
    /// Bytes of an entry's pax and GNU long-name headers
    max_header_bytes: u64,
    /// Bytes of an entry's extended attributes
    max_xattr_bytes: u64,
    /// Bytes of memory for the index of all entries
    max_index_bytes: u64,
    /// The largest zstd window, as a power of two; layers read side by side have 512 MiB of windows
    /// together, or a single larger one
    max_zstd_window_log: u32,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Filesystem")]
pub struct FilesystemArguments {
    /// How large: a percentage of what du counts for the root filesystem (raised where that does
    /// not fit), fit for the smallest that holds it, +64M for that and so much free, or 900M
    #[arg(long, value_name = "SIZE", default_value_t)]
    pub size: SizePolicy,
    /// Leave at least so many inodes free
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub free_inodes: u32,
    /// The journal's size: auto for what mke2fs chooses, or whole MiB as in 16M
    #[arg(long, value_name = "SIZE", default_value = "auto", value_parser = super::options::parse_journal)]
    pub journal: JournalSize,
    /// The filesystem's UUID [default: made from the image's chain ID]
    #[arg(long, value_parser = parse_uuid, value_name = "UUID")]
    pub uuid: Option<Uuid>,
    /// The seed of directory hashes [default: made from the image's chain ID]
    #[arg(long, value_parser = parse_uuid, value_name = "UUID")]
    pub hash_seed: Option<Uuid>,
    /// The filesystem's label, at most 16 bytes
    #[arg(long, default_value = "", hide_default_value = true, value_parser = super::options::parse_label)]
    pub label: String,
    /// Seconds since 1970: the filesystem's time, and that of directories which no layer
    /// describes [default: when the image was created]
    #[arg(
        long,
        env = "SOURCE_DATE_EPOCH",
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    pub source_date_epoch: Option<i64>,
}

/// The bytes of a UUID.
pub type Uuid = [u8; 16];

#[derive(Debug, Args)]
#[command(next_help_heading = "Programs of e2fsprogs (1.46 or newer)")]
pub struct ToolArguments {
    /// Instead of the mke2fs found in PATH and the sbin directories
    #[arg(long, value_name = "PATH")]
    pub mke2fs: Option<PathBuf>,
    /// Instead of the tune2fs found there
    #[arg(long, value_name = "PATH")]
    pub tune2fs: Option<PathBuf>,
    /// Instead of the e2fsck found there
    #[arg(long, value_name = "PATH")]
    pub e2fsck: Option<PathBuf>,
    /// Instead of the debugfs found there
    #[arg(long, value_name = "PATH")]
    pub debugfs: Option<PathBuf>,
}
