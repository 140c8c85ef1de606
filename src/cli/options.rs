//! What is meant.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::args::{
    BuildArguments, FilesystemArguments, LimitArguments, ReadingArguments, ToolArguments,
};
use super::registry;
use crate::command;
use crate::error::{Error, Result};
use crate::ext::{JournalSize, Room, ToolPaths};
use crate::finish::FinishOptions;
use crate::limits::Limits;
use crate::pipeline::{FilesystemRequest, IdentityRequest, ImageRequest, OutputRequest};
use crate::source::{DaemonOptions, Reference};
use crate::units::ByteSize;

/// The image of this name, spools in `work_dir` unless typed otherwise.
///
/// # Errors
/// For a reference that is none.
pub fn image(
    name: &OsStr,
    arguments: &ReadingArguments,
    limits: &LimitArguments,
    work_dir: PathBuf,
) -> Result<ImageRequest> {
    let is_piped = name == "-" || name.as_bytes().ends_with(b":-");
    if is_piped && arguments.registry.creds_stdin {
        return Err(Error::unsupported(
            "standard input: expected one thing of it, found the image and --creds-stdin (--creds-file FILE reads credentials from elsewhere)",
        ));
    }
    Ok(ImageRequest {
        reference: Reference::parse(name)?,
        platform: arguments.platform.clone(),
        work_dir: arguments.work_dir.clone().unwrap_or(work_dir),
        jobs: arguments.jobs.unwrap_or_else(processors),
        limits: Limits::from(limits),
        registry: registry::options(&arguments.registry, arguments.jobs)?,
        daemon: daemon(arguments),
        held_against: None,
    })
}

/// The docker daemon that is meant, as docker's own clients find theirs.
fn daemon(arguments: &ReadingArguments) -> DaemonOptions {
    let directory = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let text = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into());
    let home = || std::env::home_dir().filter(|home| home.is_absolute());
    let usual = || home().map(|home| home.join(".docker"));
    let certificates = || {
        let given = directory("DOCKER_CERT_PATH").map(PathBuf::from);
        given.or_else(usual)
    };
    let config = directory("DOCKER_CONFIG").map(PathBuf::from);
    DaemonOptions {
        context: arguments.docker_context.clone(),
        host: arguments
            .docker_host
            .clone()
            .or_else(|| text("DOCKER_HOST")),
        usual_context: text("DOCKER_CONTEXT"),
        config_directory: config.or_else(usual),
        tls: directory("DOCKER_TLS_VERIFY").and_then(|_| certificates()),
        runtime_dir: directory("XDG_RUNTIME_DIR").map(PathBuf::from),
    }
}

/// The filesystem that is meant.
pub fn filesystem(arguments: &FilesystemArguments) -> FilesystemRequest {
    FilesystemRequest {
        size: arguments.size,
        room: Room {
            free_inodes: arguments.free_inodes,
            journal: arguments.journal,
        },
        identity: IdentityRequest {
            uuid: arguments.uuid,
            hash_seed: arguments.hash_seed,
            label: arguments.label.clone(),
            made_seconds: arguments.source_date_epoch,
        },
    }
}

/// The output that is meant.
pub fn output(arguments: &BuildArguments) -> OutputRequest {
    OutputRequest {
        path: arguments.output.clone(),
        tools: tools(&arguments.tools),
        finish: FinishOptions {
            fsck: !arguments.no_fsck,
            verify: arguments.verify,
            sha256: arguments.sha256,
            sync: arguments.sync,
        },
    }
}

fn tools(arguments: &ToolArguments) -> ToolPaths {
    ToolPaths {
        mke2fs: arguments.mke2fs.clone(),
        tune2fs: arguments.tune2fs.clone(),
        e2fsck: arguments.e2fsck.clone(),
        debugfs: arguments.debugfs.clone(),
        search_path: std::env::var_os("PATH"),
    }
}

/// The debugfs that is meant.
///
/// # Errors
/// [`crate::Error::Tool`] where none is given and none is found.
pub fn debugfs(given: Option<&Path>) -> Result<PathBuf> {
    match given {
        Some(path) => Ok(path.to_owned()),
        None => command::find("debugfs", std::env::var_os("PATH").as_deref()),
    }
}

/// The directory that a file to be made is in.
pub fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Reads `--journal`.
pub fn parse_journal(text: &str) -> Result<JournalSize, String> {
    if text == "auto" {
        return Ok(JournalSize::Auto);
    }
    let ByteSize(bytes) = text.parse()?;
    match u32::try_from(bytes >> 20) {
        Ok(size) if JournalSize::MEBIBYTES.contains(&size) && bytes.is_multiple_of(1 << 20) => {
            Ok(JournalSize::Mebibytes(size))
        }
        _ => Err(format!(
            "'{text}' is not auto nor whole MiB from {}M to {}M",
            JournalSize::MEBIBYTES.start(),
            JournalSize::MEBIBYTES.end()
        )),
    }
}

/// Reads `--label`.
pub fn parse_label(text: &str) -> Result<String, String> {
    if text.len() > 16 {
        return Err(format!(
            "expected a label of at most 16 bytes, found {}",
            text.len()
        ));
    }
    Ok(text.to_owned())
}
