//! Signals mean to the programs that tests start what they mean to programs started by hand.

use std::fs;
use std::sync::{Arc, Once};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};

/// Those that whoever starts the tests may have ignored: `nohup` the first, a shell in the background
/// the next two.
const SIGNALS: [i32; 5] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ];

/// Gives every program that is started from now on the default for signals that this process was
/// started to ignore. Here they go on doing nothing, but by a handler: unlike what is ignored, that
/// is not passed on.
pub fn default_for_programs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ignored = ignored();
        for signal in SIGNALS {
            if ignored >> (signal - 1) & 1 == 1 {
                signal_hook::flag::register(signal, Arc::default()).unwrap();
            }
        }
    });
}

/// The signals that this process ignores, the lowest bit for signal 1; proc(5).
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let set = lines.find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(set.trim(), 16).unwrap()
}
