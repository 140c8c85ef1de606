//! Many images in one run.

use std::path::PathBuf;

use clap::Args;

use crate::pipeline::Shard;

/// Which images, and which of them are made.
#[derive(Debug, Args)]
#[command(next_help_heading = "Many at once")]
pub struct BatchArguments {
    /// Build every line of FILE (- for standard input): an image, an output and, if need be, options
    /// for it alone, with tabs between them. What is typed besides goes for all. One that fails stops
    /// no other; the exit code is the one that all failures share, else 9 if each of them may pass on
    /// another try, else 4
    #[arg(long, value_name = "FILE", conflicts_with = "recipe")]
    pub list: Option<PathBuf>,
    /// Build part I of N, from 0/N to N-1/N: every N-th image, counted over the whole list
    #[arg(long, value_name = "I/N", default_value_t, hide_default_value = true)]
    pub shard: Shard,
    /// Build also what is up to date
    #[arg(long)]
    pub force: bool,
    /// Hash what was written to find out whether it is up to date; without it, lengths and times tell
    #[arg(long)]
    pub check_outputs: bool,
}
