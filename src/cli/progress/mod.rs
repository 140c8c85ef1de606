//! Progress as people and scripts want it, on standard error.
//!
//! `task` is one task, `board` all of them, `told` the listener that they are told to, and `ticker` its
//! one thread. What a listener makes of them is its face: `bars` (of `rows`, which indicatif draws on a
//! `canvas` as `drawing` says), `plain` (of `words`), `json`.

mod bars;
mod board;
mod canvas;
mod drawing;
mod json;
mod letters;
mod plain;
mod rows;
mod surroundings;
mod task;
mod ticker;
mod told;
mod words;

use std::sync::Mutex;
use std::time::Duration;

use plain::{Plain, Tasks};
use ticker::Ticker;
use told::{Face, Told};

use crate::cli::arguments::{OutputArguments, ProgressForm, variable};
use crate::cli::tell;
use crate::progress::{Reporter, Silent};

/// Between two drawings of bars.
const DRAWN_EACH: Duration = Duration::from_millis(120);

/// How often it is looked whether a log has been silent for too long.
const LOOKED_EACH: Duration = Duration::from_millis(250);

/// The listener that the options ask for, of a command that makes something.
pub fn reporter(arguments: &OutputArguments) -> Box<dyn Reporter> {
    of(arguments, Tasks::All)
}

/// The same of a command that looks into something, and whose output is for pipes: unless it is asked
/// for, nothing is told of tasks that do not take long.
pub fn looking(arguments: &OutputArguments) -> Box<dyn Reporter> {
    of(arguments, Tasks::Long)
}

/// Takes away what is shown and tells of each task that it has ended; listeners tell nothing any more.
pub fn interrupt() {
    told::stop_all();
    tell::end_painting();
}

fn of(arguments: &OutputArguments, tasks: Tasks) -> Box<dyn Reporter> {
    let verbose = arguments.verbose;
    let plain = |tasks| {
        let ticker = (tasks != Tasks::None).then(|| Ticker::each(LOOKED_EACH));
        told(Plain::new(verbose, tasks), ticker)
    };
    match arguments.progress {
        _ if arguments.quiet => Box::new(Silent),
        ProgressForm::Auto
            if tell::has_terminal_for_errors() && !surroundings::is_log(variable) =>
        {
            let bars = bars::Bars {
                verbose,
                leaves_lines: tasks == Tasks::All,
                letters: surroundings::letters(variable),
                rows: Mutex::new(rows::Rows::new()),
            };
            told(bars, Some(Ticker::each(DRAWN_EACH)))
        }
        ProgressForm::Auto => plain(tasks),
        ProgressForm::Plain => plain(Tasks::All),
        ProgressForm::None => plain(Tasks::None),
        ProgressForm::Json => told(json::Json::new(verbose), None),
    }
}

fn told(face: impl Face + 'static, ticker: Option<Ticker>) -> Box<dyn Reporter> {
    Box::new(Told::new(Box::new(face), ticker))
}
