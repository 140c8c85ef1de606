//! `layerpress umount`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::arguments::{OutputArguments, whole};
use crate::cli::tell::print;
use crate::cli::{hold, progress};
use crate::error::{Result, escape_path};
use crate::mount::{self, UnmountOptions};

#[derive(Debug, Args)]
pub struct UmountArguments {
    /// A directory that an image is mounted on, or an image: then all its mounts
    #[arg(value_name = "DIR|IMG")]
    pub target: PathBuf,
    /// How long to try again while it is in use
    #[arg(long, value_name = "SECONDS", default_value_t = UnmountOptions::DEFAULT_TIMEOUT.as_secs(), value_parser = whole::<u64>)]
    pub timeout: u64,
    /// Take it out of sight now, though it may be in use, and let it end with its last user
    #[arg(long)]
    pub lazy: bool,
}

/// Unmounts and tells what was unmounted.
pub fn run(arguments: &UmountArguments, output: &OutputArguments) -> Result<()> {
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
        mount::unmount(&mounted, options, &*reporter)?;
        let at = mounted.mount.mount_point.as_os_str();
        told += &format!("{} unmounted\n", escape_path(at.as_encoded_bytes()));
    }
    drop(reporter);
    if !output.quiet {
        print(&told)?;
    }
    Ok(())
}
