//! Progress as people and scripts want it, on standard error.

mod bars;
mod json;
mod plain;
mod ticker;

use crate::cli::arguments::{OutputArguments, ProgressForm};
use crate::cli::tell;
use crate::progress::{Reporter, Silent};

/// The listener that the options ask for.
pub fn reporter(arguments: &OutputArguments) -> Box<dyn Reporter> {
    let verbose = arguments.verbose;
    let plain = |with_tasks| plain::Plain {
        verbose,
        with_tasks,
    };
    match arguments.progress {
        _ if arguments.quiet => Box::new(Silent),
        ProgressForm::Auto if tell::has_terminal_for_errors() => {
            Box::new(bars::Bars::new(plain(false)))
        }
        ProgressForm::Auto | ProgressForm::Plain => Box::new(plain(true)),
        ProgressForm::None => Box::new(plain(false)),
        ProgressForm::Json => Box::new(json::Json { verbose }),
    }
}
