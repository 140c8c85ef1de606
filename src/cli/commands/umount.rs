//! `layerpress umount`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::arguments::OutputArguments;
use crate::cli::{hold, print, progress};
use crate::error::escape_path;
use crate::mount::{self, MountedImage, UnmountOptions};
use crate::progress::Reporter;

/// How long a busy mount is tried again, in seconds.
const DEFAULT_TIMEOUT: u64 = 3;

/// How what this process mounted itself is unmounted: also when a signal asks it to end.
pub const OWN_MOUNT: UnmountOptions = UnmountOptions {
    timeout: Duration::from_secs(DEFAULT_TIMEOUT),
    lazy: false,
    is_cancelled: || false,
};

#[derive(Debug, Args)]
pub struct UmountArguments {
    /// A directory that an image is mounted on, or an image: then all its mounts
    #[arg(value_name = "DIR|IMG")]
    pub target: PathBuf,
    /// How long to try again while it is in use
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TIMEOUT)]
    pub timeout: u64,
    /// Take it out of sight now, though it may be in use, and let it end with its last user
    #[arg(long)]
    pub lazy: bool,
}

/// Unmounts and tells what was unmounted.
pub fn run(arguments: &UmountArguments, output: &OutputArguments) -> anyhow::Result<()> {
    let reporter = progress::reporter(output);
    // Interrupted, it says what is still mounted.
    let _hold = hold::hold();
    let options = UnmountOptions {
        timeout: Duration::from_secs(arguments.timeout),
        lazy: arguments.lazy,
        is_cancelled: || hold::received().is_some(),
    };
    let mut told = String::new();
    for mounted in mount::find(&arguments.target)? {
        undo(&mounted, options, &*reporter)?;
        let at = mounted.mount.mount_point.as_os_str();
        told += &format!("{} unmounted\n", escape_path(at.as_encoded_bytes()));
    }
    drop(reporter);
    if !output.quiet {
        print(&told)?;
    }
    Ok(())
}

/// Undoes a mount, and warns when its loop device stays in use.
pub fn undo(
    mounted: &MountedImage,
    options: UnmountOptions,
    reporter: &dyn Reporter,
) -> crate::Result<()> {
    for holder in mount::unmount(mounted, options)? {
        reporter.warn(&format!(
            "{} stays in use by {holder}",
            mounted.mount.source.display()
        ));
    }
    Ok(())
}
