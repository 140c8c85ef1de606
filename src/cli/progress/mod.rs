//! Progress as people and scripts want it, on standard error.

mod bars;
mod json;
mod plain;

use std::io::{IsTerminal, stderr};

use super::args::{OutputArguments, ProgressForm};
use crate::progress::{Meter, Reporter, Silent, Unit};

/// The listener that the options ask for.
pub fn reporter(arguments: &OutputArguments) -> Box<dyn Reporter> {
    let verbose = arguments.verbose;
    match arguments.progress {
        _ if arguments.quiet => Box::new(Silent),
        ProgressForm::Auto if stderr().is_terminal() => Box::new(bars::Bars::new(verbose)),
        ProgressForm::Auto | ProgressForm::Plain => Box::new(plain::Plain { verbose }),
        ProgressForm::None => Box::new(NotesOnly { verbose }),
        ProgressForm::Json => Box::new(json::Json { verbose }),
    }
}

/// Notes and warnings without any progress.
struct NotesOnly {
    verbose: bool,
}

impl Reporter for NotesOnly {
    fn begin(&self, _: &str, _: Unit, _: Option<u64>) -> Box<dyn Meter> {
        Box::new(Silent)
    }

    fn note(&self, text: &str) {
        eprintln!("note: {text}");
    }

    fn warn(&self, text: &str) {
        eprintln!("warning: {text}");
    }

    fn command_line(&self, line: &str) {
        if self.verbose {
            eprintln!("+ {line}");
        }
    }
}
