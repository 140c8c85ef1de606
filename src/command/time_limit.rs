//! Programs that are not waited for without end.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// Waits until `is_ended` has no sender any more, but no longer than `time`: a child, and all that it
/// started, is killed then. Says whether it was.
pub(super) fn kill_after(time: Duration, id: u32, is_ended: &Receiver<()>) -> bool {
    let is_late = is_ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    if is_late {
        kill_group(id);
    }
    is_late
}

/// Waits until a child has ended, which is still to be waited for then.
pub(super) fn wait_for_end(id: u32) {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else {
        return;
    };
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
}

/// Ends a child that has not been waited for yet, with all that it started.
fn kill_group(id: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // There may be nobody left in it.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use crate::command::Program;
    use crate::progress::Silent;

    #[test]
    fn a_program_that_takes_too_long_ends_with_all_that_it_started() {
        for script in [
            "sleep 600",
            "sleep 600 & sleep 600",
            "sleep 600 & exit 1",
            "exec >&- 2>&- <&-; sleep 600",
        ] {
            let began = std::time::Instant::now();
            let error = Program::new(Path::new("/bin/sh"))
                .args(["-c", script])
                .time_limit(Duration::from_millis(200))
                .run(&Silent)
                .unwrap_err()
                .to_string();
            assert!(error.contains("not done after 200ms"), "{error}");
            assert!(began.elapsed() < Duration::from_secs(60), "{script}");
        }
        let output = Program::new(Path::new("/bin/sh"))
            .args(["-c", "echo done"])
            .time_limit(Duration::from_secs(600))
            .run(&Silent)
            .unwrap();
        assert_eq!(output.stdout, b"done\n");
    }
}
