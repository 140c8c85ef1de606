//! Killed and interrupted in the middle of a push.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::artifact_stand::{ArtifactStand, NAME, read};
use super::proxy::Fault;
use super::support::archive::digest;
use super::support::moments::Moments;
use super::support::run::Running;

fn send(running: &Running, signal: Signal) {
    kill_process(Pid::from_child(&running.child), signal).unwrap();
}

/// A registry that takes so little at once that most of a push is the sending.
fn slow_stand() -> Option<ArtifactStand> {
    let stand = ArtifactStand::new()?;
    stand.proxy.always("PUT /v2/", Fault::SlowUpload(8 << 20));
    Some(stand)
}

#[test]
fn fifty_kills_at_any_moment_of_a_push_leave_no_tag_or_all_and_the_next_push_goes_on() {
    let Some(stand) = slow_stand() else {
        return;
    };
    let started = Instant::now();
    let expected = stand.pushes("whole", &["--jobs=2"]);
    let whole = started.elapsed();
    let mut moments = Moments::over(whole, 50);
    let (mut killed, mut rounds, mut resumed) = (0, 0, 0);
    while killed < 50 {
        rounds += 1;
        assert!(rounds < 300, "{killed} of {rounds} killed");
        // Each in a repository of its own, where nothing is yet.
        let name = format!("{NAME}{rounds}");
        let at = format!("docker://{}/{name}:1", stand.proxy.address());
        let running = stand
            .puller
            .press
            .start(&mut stand.push_at(&at, &["--jobs=2"]));
        let moment = moments.next();
        std::thread::sleep(moment);
        send(&running, Signal::KILL);
        let ended = running.end_within(Duration::from_secs(90));
        let tag = || super::artifact_stand::get(stand.registry.address, &name, "manifests/1");
        match ended.status.signal() {
            Some(9) => killed += 1,
            _ => {
                moments.was_too_late(moment);
                assert!(tag().is_some(), "{}", ended.stderr);
            }
        }
        // Under the name is all or nothing.
        if let Some(bytes) = tag() {
            assert_eq!(digest(&bytes), expected["manifest_digest"]);
        }
        assert!(stand.puller.press.left().is_empty());
        let again = stand.done(
            &stand
                .puller
                .press
                .run(&mut stand.push_at(&at, &["--jobs=2"])),
        );
        assert_eq!(again["manifest_digest"], expected["manifest_digest"]);
        let count = |key: &str| again[key]["blobs"].as_u64().unwrap();
        assert_eq!(
            count("pushed") + count("already_there"),
            expected["pushed"]["blobs"].as_u64().unwrap()
        );
        resumed += u32::from(count("already_there") > 0 && count("pushed") > 0);
    }
    assert!(resumed > 0, "none of {rounds} was killed in the middle");
    println!("50 killed of {rounds}, {resumed} in the middle of the segments");
    assert!(stand.assembled("whole") == read(&stand.image));
}

#[test]
fn an_interrupt_ends_a_push_and_its_waiting_and_nothing_has_a_name() {
    let Some(stand) = slow_stand() else {
        return;
    };
    let limit = [("Retry-After", "60")];
    let limit = super::http::answer("429 Too Many Requests", &limit, b"");
    for (on, fault) in [
        ("PUT /v2/private/fs/blobs/", Fault::SlowUpload(1000)),
        (
            "PUT /v2/private/fs/blobs/",
            Fault::Late(Duration::from_secs(60)),
        ),
        ("POST /v2/private/fs/blobs/", Fault::Answer(limit)),
    ] {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            stand.proxy.mend();
            stand.proxy.always(on, fault.clone());
            stand.proxy.seen();
            let running = stand.puller.press.start(&mut stand.push("1", &[]));
            let (method, path) = on.split_once(' ').unwrap();
            let deadline = Instant::now() + Duration::from_secs(60);
            while stand.proxy.count(method, path) == 0 {
                assert!(Instant::now() < deadline, "never asked");
                std::thread::sleep(Duration::from_millis(5));
            }
            send(&running, signal);
            let ended = running.end_within(Duration::from_secs(50));
            assert_eq!(ended.code(), code, "{fault:?}: {}", ended.stderr);
            assert_eq!(stand.get("manifests/1"), None);
            assert!(stand.puller.press.left().is_empty());
        }
    }
}
