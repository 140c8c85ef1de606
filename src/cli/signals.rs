//! Ending cleanly on SIGINT, SIGTERM and SIGHUP, wherever the other threads are.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::leftovers;

/// Starts the thread that waits for a signal, cleans up and ends the process with 128 + its
/// number, as a shell reports it.
///
/// # Errors
/// When the handlers or the thread cannot be set up.
pub fn handle() -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                leftovers::clean_up();
                // The cursor may be hidden and a bar half drawn.
                eprint!("\x1b[?25h\r\x1b[K");
                eprintln!("error: interrupted; nothing is left behind");
                std::process::exit(128 + signal);
            }
        })?;
    Ok(())
}
