//! Ctrl-C ends all programs of a pipeline, in any order.

use std::io::Write;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use super::support::archive::{TestImage, layer_tar, zstd};
use super::support::run::{LAYERPRESS, started_by_hand};

/// Bug: some of many runs told of a broken image and ended with 4. Cause: whoever writes to the pipe is
/// ended, too, and that end was seen before the signal was. Found by a red team.
#[test]
fn an_input_that_the_same_signal_has_ended_is_no_broken_image() {
    let image = TestImage::new([layer_tar(&[("a", &[7; 1 << 20])])]);
    let archive = zstd(&image.layout("v1").tar());
    for round in 0..30 {
        let mut command = started_by_hand(LAYERPRESS);
        command.args(["ls", "-"]).stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut running = command.spawn().unwrap();
        let mut input = running.stdin.take().unwrap();
        input.write_all(&archive[..archive.len() / 2]).unwrap();
        // So that it listens by then.
        std::thread::sleep(std::time::Duration::from_millis(300));
        kill_process(Pid::from_child(&running), Signal::INT).unwrap();
        drop(input);
        let ended = running.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(130), "{round}: {said}");
    }
}
