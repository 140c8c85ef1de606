//! What is run: each command in each situation that makes another document of it.

mod built;
mod looked;
mod moved;

use std::process::Command;

use crate::support::run::Press;

/// A command, and what it prints.
pub struct Situation {
    pub what: &'static str,
    /// The words that name the command, as in `cache ls`.
    pub command: &'static str,
    /// What it ends with.
    pub code: i32,
    pub prepare: fn(&Press) -> Command,
}

/// A row that is to succeed.
const fn row(
    what: &'static str,
    command: &'static str,
    prepare: fn(&Press) -> Command,
) -> Situation {
    ending(what, command, 0, prepare)
}

const fn ending(
    what: &'static str,
    command: &'static str,
    code: i32,
    prepare: fn(&Press) -> Command,
) -> Situation {
    Situation {
        what,
        command,
        code,
        prepare,
    }
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Situation> {
    [built::BUILT, looked::LOOKED, moved::MOVED]
        .into_iter()
        .flatten()
}
