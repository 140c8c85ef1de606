//! How much is told.

use clap::{Args, ValueEnum};

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
