//! Ending cleanly on SIGINT, SIGTERM, SIGHUP and SIGQUIT, wherever the other threads are.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::FileType;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::cli::tell::Voice;
use crate::cli::{hold, progress};
use crate::leftovers;

/// What is left to do once the output has its name: telling so.
const TIME_TO_END: Duration = Duration::from_secs(1);

/// Starts the thread that waits for a signal, cleans up and ends the process with 128 + its
/// number, as a shell reports it. A signal that comes when every output has its name already is late:
/// the process ends as if there had been none, unless it does not end.
///
/// Signals that are ignored from the start stay ignored: SIGHUP under nohup, SIGINT in the
/// background of a script.
///
/// # Errors
/// When the handlers or the thread cannot be set up.
pub fn handle(voice: Voice) -> io::Result<()> {
    // A write beyond the file size limit is then an error like any other and not the end.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    let ignored = ignored_at_start();
    let heeded = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
    let heeded = heeded.into_iter().filter(|signal| {
        // The lowest bit is signal 1.
        ignored >> (signal - 1) & 1 == 0
    });
    let mut signals = Signals::new(heeded)?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                let Some(_ending) = hold::take(signal) else {
                    continue;
                };
                let outputs = leftovers::clean_up();
                let outcome = match (outputs.named.len(), outputs.unfinished()) {
                    (0, _) => "nothing is left behind".to_owned(),
                    (1, 0) => "the output was complete already".to_owned(),
                    (named, 0) => format!("all {named} outputs were complete already"),
                    (named, unfinished) => format!(
                        "{named} of {} outputs were complete already and nothing else is left behind",
                        named + unfinished
                    ),
                };
                if !outputs.named.is_empty() && outputs.unfinished() == 0 {
                    std::thread::sleep(TIME_TO_END);
                }
                let code = 128 + signal;
                progress::interrupt();
                voice.error(&format!("interrupted; {outcome}"), code);
                std::process::exit(code);
            }
        })?;
    Ok(())
}

/// How long after the end of a pipe the signal may come that has ended whoever wrote to it.
const TIME_TO_COME: Duration = Duration::from_millis(200);

/// Ctrl-C ends all programs of a pipeline. One that reads finds the end of what another wrote first, and
/// would call that a broken image.
pub fn wait_where_a_pipe_has_ended() {
    let input = rustix::fs::fstat(io::stdin());
    if input.is_ok_and(|input| FileType::from_raw_mode(input.st_mode) == FileType::Fifo) {
        std::thread::sleep(TIME_TO_COME);
    }
}

/// The signals that this process was started to ignore, as a set of bits; proc(5).
fn ignored_at_start() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .as_deref()
        .and_then(ignored_in_status)
        .unwrap_or(0)
}

fn ignored_in_status(status: &str) -> Option<u64> {
    let set = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ignored_signals_are_read_from_the_status_file() {
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert_eq!(ignored_in_status(status), Some(0x1001));
        assert_eq!(ignored_in_status("Name:\tx\n"), None);
        // The test harness ignores SIGPIPE, as every Rust program does.
        assert_eq!(ignored_at_start() >> 12 & 1, 1);
    }
}
