//! Waiting for a program's end, and not for ever.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// Waits until a child has ended, which is still to be waited for then.
pub(super) fn wait_for_end(id: u32) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else {
        return;
    };
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
}

/// How often a program that is to end is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Kills a child that is still to be waited for, and what it started.
pub(super) fn kill(id: u32) {
    if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // There may be nobody left in it.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// Waits until a child has ended, which is still to be waited for then, and what it started has
/// closed its pipes before. At the deadline they are all killed; says whether they were.
pub(super) fn end_by(deadline: Instant, id: u32) -> bool {
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else {
        return false;
    };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    loop {
        if Instant::now() >= deadline {
            kill(id);
            return true;
        }
        match waitid(WaitId::Pid(pid), options) {
            Ok(None) | Err(rustix::io::Errno::INTR) => std::thread::sleep(LOOK),
            Ok(Some(_)) | Err(_) => return false,
        }
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
