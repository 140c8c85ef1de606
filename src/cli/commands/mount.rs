//! `layerpress mount`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::arguments::{EXIT_CODES, OutputArguments};
use crate::cli::shown::schemas;
use crate::cli::shown::table::columns;
use crate::cli::tell::{Voice, print_as};
use crate::cli::{hold, progress};
use crate::command::{self, Attached};
use crate::error::{Result, escape_path};
use crate::mount::{Caller, ImageFile, MountOptions, MountedImage, UnmountOptions, mounted_images};
use crate::progress::Reporter;

/// What `env`, `nice` and shells end with when a command is there but cannot be run, or is not.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

#[derive(Debug, Args)]
pub struct MountArguments {
    /// The filesystem image: ext2, ext3 or ext4 in a regular file
    #[arg(value_name = "IMG", required_unless_present = "list")]
    pub image: Option<PathBuf>,
    /// Where; made when absent
    #[arg(value_name = "DIR", required_unless_present = "list")]
    pub directory: Option<PathBuf>,
    /// List the filesystem images that are mounted, whoever mounted them
    #[arg(long, conflicts_with_all = ["image", "directory", "suid", "dev", "trust", "exec"])]
    pub list: bool,
    /// Let set-user-ID bits and file capabilities count
    #[arg(long)]
    pub suid: bool,
    /// Let device nodes lead to devices
    #[arg(long)]
    pub dev: bool,
    /// Do not run e2fsck before, ignore what its journal may still hold, and take an image that
    /// others may write
    #[arg(long)]
    pub trust: bool,
    /// Print what was mounted, or the list, as JSON
    #[arg(long, conflicts_with = "exec")]
    pub json: bool,
    /// Instead of the e2fsck found in PATH and the sbin directories
    #[arg(long, value_name = "PATH")]
    pub e2fsck: Option<PathBuf>,
    /// Run a command, unmount when it ends, and exit as it did; all that follows belongs to it
    #[arg(long, num_args = 1.., allow_hyphen_values = true, value_name = "CMD")]
    pub exec: Option<Vec<OsString>>,
}

/// What the parser cannot tell by itself: there are two ways to use the command.
pub const USAGE: &str = "layerpress mount [OPTIONS] <IMG> <DIR> [--exec <CMD>...]
       layerpress mount --list [--json]";

/// The exit codes, and what `--exec` adds to them.
pub fn exit_codes() -> String {
    format!(
        "{EXIT_CODES}\n\
         With --exec: the command's own; 128 + n when signal n ended it, 126 when it cannot be run,\n\
         127 when it is not found; 3 when it cannot be unmounted afterwards"
    )
}

/// Mounts, runs or lists.
pub fn run(arguments: &MountArguments, output: &OutputArguments) -> Result<u8> {
    let (Some(image_path), Some(directory)) = (&arguments.image, &arguments.directory) else {
        return list(arguments.json).map(|()| 0);
    };
    let reporter = progress::reporter(output);
    let image = ImageFile::open(image_path)?;
    let caller = caller();
    if let Some(renamer) = image.other_renamer(&caller) {
        reporter.warn(&format!(
            "{}: another image can be put in its place; {renamer}",
            text(image_path)
        ));
    }
    let image = if arguments.trust {
        if let Some(writer) = image.other_writer(&caller)? {
            reporter.warn(&format!(
                "{}: it can be changed while it is mounted; {writer}",
                text(image_path)
            ));
        }
        image.trust()
    } else {
        image.expect_no_other_writer(&caller)?;
        let found = || command::find("e2fsck", std::env::var_os("PATH").as_deref());
        let e2fsck = arguments.e2fsck.clone().map_or_else(found, Ok)?;
        image.check(&e2fsck, &*reporter)?
    };
    let options = MountOptions {
        suid: arguments.suid,
        dev: arguments.dev,
    };
    let held = hold::hold();
    let mounted = image.mount(directory, options)?;
    if let Some(command) = &arguments.exec {
        let code = run_command(command, &held, Voice::of(output), &*reporter);
        mounted.undo(UnmountOptions::default(), &*reporter)?;
        return Ok(code);
    }
    if let Some(signal) = hold::received() {
        mounted.undo(UnmountOptions::default(), &*reporter)?;
        return Ok(exit_code_of_signal(signal));
    }
    drop(reporter);
    let shown = ShownMount::of(&mounted.mounted);
    let told = if arguments.json || !output.quiet {
        print_as(arguments.json, schemas::MOUNT, &shown, || {
            shown.line(image_path, directory)
        })
    } else {
        Ok(())
    };
    match &told {
        Ok(()) => mounted.keep(),
        // What ends as a failure has not mounted anything.
        Err(_) => mounted.undo(UnmountOptions::default(), &*progress::reporter(output))?,
    }
    drop(held);
    told.map(|()| 0)
}

/// Root, and whoever became root for this command.
fn caller() -> Caller {
    let user = |name: &str| std::env::var(name).ok()?.parse().ok();
    Caller::new(["SUDO_UID", "PKEXEC_UID"].into_iter().filter_map(user))
}

/// Runs the command to its end, hold passed on to it. What is wrong with it is told and becomes
/// an exit code, so that the caller unmounts in any case.
fn run_command(
    command: &[OsString],
    held: &hold::Hold,
    voice: Voice,
    reporter: &dyn Reporter,
) -> u8 {
    // A dash pair before the command is as good as none.
    let command = match command {
        [dashes, rest @ ..] if dashes == "--" && !rest.is_empty() => rest,
        _ => command,
    };
    let Some((program, arguments)) = command.split_first() else {
        return 0;
    };
    if let Some(signal) = hold::received() {
        return exit_code_of_signal(signal);
    }
    let ended = Attached::start(program, arguments, reporter).and_then(|child| {
        held.pass_to(Some(child.id()));
        child.wait();
        held.pass_to(None);
        child.reap()
    });
    match ended {
        Ok(code) => code,
        Err(error) => {
            let code = match error.kind() {
                io::ErrorKind::NotFound => NOT_FOUND,
                _ => CANNOT_RUN,
            };
            let program = escape_path(program.as_encoded_bytes());
            // That it cannot be told must not keep the caller from unmounting.
            voice.error(&format!("cannot run {program}: {error}"), code.into());
            code
        }
    }
}

fn exit_code_of_signal(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

fn text(path: &Path) -> String {
    escape_path(path.as_os_str().as_encoded_bytes())
}

/// A mount, told. The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct ShownMount {
    /// Of the filesystem image.
    path: String,
    deleted: bool,
    mount_point: String,
    device: String,
    filesystem_type: String,
    read_only: bool,
    options: Vec<String>,
}

/// Everything that is mounted.
#[derive(Debug, Serialize)]
struct MountList {
    mounts: Vec<ShownMount>,
}

impl ShownMount {
    fn of(mounted: &MountedImage) -> Self {
        Self {
            path: text(&mounted.image),
            deleted: mounted.is_deleted,
            mount_point: text(&mounted.mount.mount_point),
            device: text(&mounted.mount.source),
            filesystem_type: mounted.mount.filesystem_type.clone(),
            read_only: mounted.mount.is_read_only(),
            options: mounted.mount.options.clone(),
        }
    }

    /// For whoever has just typed both paths.
    fn line(&self, image: &Path, directory: &Path) -> String {
        format!(
            "{} mounted on {} ({}, {}, {})\n",
            text(image),
            text(directory),
            self.filesystem_type,
            self.what_it_allows(),
            self.device
        )
    }

    /// The options that matter to a person: whether it can be written, and what it keeps back.
    fn what_it_allows(&self) -> String {
        let access = if self.read_only { "ro" } else { "rw" };
        let told = ["nosuid", "nodev"]
            .into_iter()
            .filter(|name| self.options.iter().any(|option| option == name));
        [access]
            .into_iter()
            .chain(told)
            .collect::<Vec<_>>()
            .join(",")
    }
}

fn list(json: bool) -> Result<()> {
    let mounts: Vec<_> = mounted_images()?.iter().map(ShownMount::of).collect();
    let list = MountList { mounts };
    print_as(json, schemas::MOUNT_LIST, &list, || table(&list.mounts))
}

fn table(mounts: &[ShownMount]) -> String {
    if mounts.is_empty() {
        return String::new();
    }
    let rows = mounts.iter().map(|mount| {
        let allows = mount.what_it_allows();
        let image = if mount.deleted {
            format!("{} (deleted)", mount.path)
        } else {
            mount.path.clone()
        };
        [
            mount.device.clone(),
            mount.filesystem_type.clone(),
            allows,
            mount.mount_point.clone(),
            image,
        ]
    });
    let header = ["DEVICE", "TYPE", "OPTIONS", "MOUNTED ON", "IMAGE"].map(str::to_owned);
    columns(std::iter::once(header).chain(rows).collect())
}
