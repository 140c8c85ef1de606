//! How much is told, and what the program ends with.

use clap::{Args, ValueEnum};

/// No heading in the help but the usual one: of names, and of options that no group has. One that
/// does not say so stands below the heading of the group before it.
pub const NO_HEADING: Option<&str> = None;

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
    /// Bars on a terminal, elsewhere plain lines; commands that only look print some after 15 s
    #[default]
    Auto,
    /// A line for each finished task
    Plain,
    /// Nothing but notes and warnings
    None,
    /// A JSON object for each event, one a line
    Json,
}

/// What the program ends with.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; verify, diff: no difference
  1  verify, diff: there are differences; layers: more is wasted than --max-wasted allows
  2  the command line is wrong
  3  what was named is not there, reading or writing failed on this machine (full disk,
     no permission), or a server refuses (no access, a certificate nobody trusts)
  4  the image is broken, is none, or exceeds a ceiling that a --max- option raises
  5  the image or an option asks for what ext, Linux or layerpress cannot do
  6  mke2fs, tune2fs, e2fsck or debugfs is missing, too old or failed
  7  the size given is too small for the image
  8  the result is not what was meant: a bug in layerpress;
     verify --roothash: bytes are not those of the root hash
  9  the network: a registry or a remote daemon is not reached, does not answer in time,
     breaks off, or is in trouble (429, 5xx): another try may go well
  129, 130, 131, 143  ended by SIGHUP, SIGINT, SIGQUIT, SIGTERM; nothing is left behind";
