//! Progress as people and scripts want it, on standard error.

mod bars;
mod json;
mod lines;
mod ticker;

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use super::args::{OutputArguments, ProgressForm};
use crate::error::escape_line;
use crate::progress::{Reporter, Silent, Unit};
use crate::units::ByteSize;
use lines::Lines;

/// The listener that the options ask for.
pub fn reporter(arguments: &OutputArguments) -> Box<dyn Reporter> {
    let verbose = arguments.verbose;
    match arguments.progress {
        _ if arguments.quiet => Box::new(Silent),
        ProgressForm::Auto if stderr().is_terminal() => Box::new(bars::Bars::new(verbose)),
        ProgressForm::Auto | ProgressForm::Plain => Box::new(Lines::new(true, verbose)),
        ProgressForm::None => Box::new(Lines::new(false, verbose)),
        ProgressForm::Json => Box::new(json::Json { verbose }),
    }
}

/// The line that stays of a finished task: `NAME: verified, 12.3 MiB, 0.52 s`.
fn finished_line(name: &str, outcome: &str, unit: Unit, done: u64, time: Duration) -> String {
    let amount = match unit {
        Unit::Bytes if done > 0 => format!(", {}", ByteSize(done)),
        Unit::TransferredBytes if done > 0 => {
            let rate = (done as f64 / time.as_secs_f64().max(0.001)) as u64;
            format!(", {}, {}/s", ByteSize(done), ByteSize(rate))
        }
        // The outcome says what was counted.
        Unit::Bytes | Unit::TransferredBytes | Unit::Items => String::new(),
    };
    let name = escape_line(name);
    format!("{name}: {outcome}{amount}, {:.2} s", time.as_secs_f64())
}
