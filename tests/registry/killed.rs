//! Killed and interrupted in the middle of a pull.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::proxy::Fault;
use super::pull::layers;
use super::stand::{NAME, Stand};
use super::support::archive::TestImage;
use super::support::moments::{Moments, heeds};
use super::support::run::{Ended, Running};

fn send(running: &Running, signal: Signal) {
    kill_process(Pid::from_child(&running.child), signal).unwrap();
}

/// The end after a signal, which must come soon.
#[track_caller]
fn end_soon(running: Running) -> Ended {
    let sent = Instant::now();
    let ended = running.end_within(Duration::from_secs(20));
    assert!(
        sent.elapsed() < Duration::from_secs(10),
        "{:?}",
        sent.elapsed()
    );
    ended
}

/// A registry so slow that most of a build is the pull.
fn slow_stand() -> Option<Stand> {
    let stand = Stand::of(TestImage::new(layers(41, 2)))?;
    stand
        .proxy
        .always(format!("GET /v2/{NAME}/blobs/"), Fault::Slow(4 << 20));
    Some(stand)
}

/// How long an undisturbed slow pull takes.
fn whole(stand: &Stand) -> Duration {
    stand.puller.forget();
    let ended = stand
        .puller
        .press
        .run(&mut stand.puller.build(&stand.reference, &[]));
    assert!(stand.puller.take_output(&ended) == stand.expected);
    stand.puller.forget();
    ended.time
}

/// Numbers below one, other ones each time the tests run.
fn random() -> impl Iterator<Item = f64> {
    use std::hash::{BuildHasher, Hasher, RandomState};
    std::iter::repeat_with(|| {
        let word = RandomState::new().build_hasher().finish();
        (word >> 11) as f64 / (1_u64 << 53) as f64
    })
}

#[test]
fn fifty_kills_at_random_moments_of_a_pull_leave_a_sound_cache_and_the_next_pull_succeeds() {
    let Some(stand) = slow_stand() else {
        return;
    };
    // What a big layer takes.
    let whole = Duration::from_millis(500);
    let (mut killed, mut rounds) = (0, 0);
    while killed < 50 {
        rounds += 1;
        assert!(rounds < 200, "{killed} of {rounds} killed");
        let blob = &stand.blobs[1 + rounds % 2].digest;
        if rounds % 5 == 0 {
            stand.puller.forget();
        } else {
            let path = format!("blobs/{}", blob.replace(':', "/"));
            let _ = fs::remove_file(stand.puller.cache().join(path));
        }
        stand.proxy.seen();
        let mut build = stand.puller.build(&stand.reference, &[]);
        let mut running = stand.puller.press.start(&mut build);
        while stand.proxy.gets(blob) == 0 {
            assert!(running.child.try_wait().unwrap().is_none(), "never asked");
            std::thread::sleep(Duration::from_millis(2));
        }
        let moment = whole.mul_f64(random().next().unwrap());
        std::thread::sleep(moment);
        send(&running, Signal::KILL);
        let ended = end_soon(running);
        stand.puller.sound();
        let left = stand.puller.press.left();
        match ended.status.signal() {
            Some(9) if left.is_empty() => killed += 1,
            // It was faster; all of the output is there.
            _ => assert_eq!(left, ["out/fs.img"], "{moment:?}"),
        }
        let _ = fs::remove_file(stand.puller.press.output());
        // What came before is used, what is missing comes.
        let found = stand.puller.pulled(&stand.reference, &[]);
        assert!(found == stand.expected, "{moment:?}");
    }
    println!("50 killed of {rounds}");
}

#[test]
fn an_interrupt_at_any_moment_leaves_whole_blobs_and_nothing_else() {
    let Some(stand) = slow_stand() else {
        return;
    };
    let mut moments = Moments::over(whole(&stand), 16);
    let mut interrupted = 0;
    for round in 0_u32.. {
        if !moments.go_on(interrupted > 8) {
            break;
        }
        let (signal, number) = [(Signal::INT, 2), (Signal::TERM, 15)][round as usize % 2];
        let option = ["--no-cache", "--jobs=2", "--jobs=1"][round as usize % 3];
        let mut build = stand.puller.build(&stand.reference, &[]);
        if option == "--no-cache" {
            build = stand
                .puller
                .command(&["build", &stand.reference, "--no-cache"]);
            stand.puller.press.add_directories(&mut build);
        } else {
            build.arg(option);
        }
        let running = stand.puller.press.start(&mut build);
        while !heeds(&running, signal) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let moment = moments.next();
        std::thread::sleep(moment);
        send(&running, signal);
        let ended = end_soon(running);
        stand.puller.sound();
        if ended.code() == 0 {
            moments.was_too_late(moment);
            fs::remove_file(stand.puller.press.output()).unwrap();
        } else {
            assert_eq!(ended.code(), 128 + number, "{}", ended.stderr);
            interrupted += 1;
        }
        assert!(
            stand.puller.press.left().is_empty(),
            "{:?}",
            stand.puller.press.left()
        );
        stand.puller.forget();
    }
}

#[test]
fn an_interrupt_ends_the_waiting_for_a_silent_server_and_for_a_retry() {
    let Some(stand) = Stand::of(TestImage::new(layers(51, 1))) else {
        return;
    };
    let blob = format!("GET /v2/{NAME}/blobs/{}", stand.blobs[1].digest);
    let manifest = format!("GET /v2/{NAME}/manifests/");
    let limit = [("Retry-After", "20")];
    let limit = super::http::answer("429 Too Many Requests", &limit, b"");
    for (on, fault) in [
        (&manifest[..], Fault::SilentAfter(0)),
        (&blob, Fault::SilentAfter(100_000)),
        (&blob, Fault::Late(Duration::from_secs(60))),
        (&manifest, Fault::Answer(limit)),
    ] {
        stand.proxy.mend();
        stand.proxy.always(on, fault.clone());
        stand.proxy.seen();
        stand.puller.forget();
        let running = stand
            .puller
            .press
            .start(&mut stand.puller.build(&stand.reference, &[]));
        let deadline = Instant::now() + Duration::from_secs(20);
        let what = on.trim_start_matches("GET ");
        while stand.proxy.gets(what) == 0 {
            assert!(Instant::now() < deadline, "{on} never asked for");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(300));
        send(&running, Signal::INT);
        let ended = end_soon(running);
        assert_eq!(ended.code(), 130, "{fault:?}: {}", ended.stderr);
        assert!(stand.puller.press.left().is_empty());
        stand.puller.sound();
    }
}
