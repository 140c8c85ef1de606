//! Killed and interrupted while a filesystem is pulled.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::artifact::{TestArtifact, bytes};
use super::proxy::{Fault, Proxy};
use super::pull::Puller;
use super::push::Repository;
use super::registry_server::Registry;
use super::support::moments::{Moments, heeds};
use super::support::run::{Ended, Running};

const NAME: &str = "disk";

const LETTERS: &str = "abcdefghijklmnopqrsuvwxyABCDEFGHIJKLMNOP";

/// A file in a registry that is so slow that most of a pull is waiting.
struct Slow {
    _registry: Registry,
    proxy: Proxy,
    puller: Puller,
    reference: String,
    file: Vec<u8>,
}

fn slow() -> Option<Slow> {
    let registry = Registry::plain()?;
    let file = bytes(LETTERS, 300);
    let repository = Repository::new(registry.address, NAME);
    repository.push(&TestArtifact::of(&file).layout(), "1");
    let proxy = Proxy::before(registry.address);
    proxy.always(format!("GET /v2/{NAME}/blobs/"), Fault::Slow(5 << 20));
    Some(Slow {
        reference: repository.at(proxy.address(), "1"),
        _registry: registry,
        proxy,
        puller: Puller::new(),
        file,
    })
}

impl Slow {
    /// How long it takes if nothing comes between.
    fn whole(&self) -> Duration {
        let ended = self
            .puller
            .press
            .run(&mut self.puller.pull(&self.reference, &[]));
        assert!(self.puller.take_output(&ended) == self.file);
        self.puller.forget();
        ended.time
    }
}

fn send(running: &Running, signal: Signal) {
    kill_process(Pid::from_child(&running.child), signal).unwrap();
}

fn end(running: Running) -> Ended {
    running.end_within(Duration::from_secs(60))
}

#[test]
fn fifty_kills_leave_no_half_file_and_a_sound_cache_and_the_next_pull_takes_up_what_came() {
    let Some(slow) = slow() else {
        return;
    };
    let (puller, press) = (&slow.puller, &slow.puller.press);
    let earlier = puller.earlier(&bytes(&LETTERS[..10], 0));
    let like = format!("--like={}", earlier.display());
    let mut moments = Moments::over(slow.whole(), 50);
    let (mut killed, mut resumed) = (0, 0);
    for round in 0.. {
        if !moments.go_on(killed >= 50 && resumed > 10) {
            break;
        }
        // What is there already makes it quicker; with all of it there is nothing to kill.
        puller.forget();
        let option = ["--jobs=2", &like, "--sha256"][round % 3];
        let before = round % 2 == 0;
        if before {
            fs::write(press.output(), "before").unwrap();
        }
        let running = press.start(&mut puller.pull(&slow.reference, &[option]));
        let moment = moments.next();
        std::thread::sleep(moment);
        send(&running, Signal::KILL);
        let ended = end(running);
        puller.sound();
        let output = fs::read(press.output()).ok();
        if ended.status.signal() == Some(9) {
            killed += 1;
            let is_whole = output.as_deref() == Some(&slow.file[..]);
            let is_before = output == before.then(|| b"before".to_vec());
            assert!(is_whole || is_before, "{moment:?}");
            let left = press.left();
            let known = ["out/fs.img", "out/fs.img.sha256"];
            assert!(left.iter().all(|name| known.contains(&&**name)), "{left:?}");
        } else {
            ended.succeeded();
            moments.was_too_late(moment);
        }
        for name in ["fs.img", "fs.img.sha256"] {
            let _ = fs::remove_file(press.root().join("out").join(name));
        }
        let kept = super::cache_check::blob_count(&puller.cache());
        let summary: Value = puller.pulls(&slow.reference, &[], &slow.file);
        let from_cache = summary["cache"]["segments"].as_u64().unwrap();
        // Beside segments there are a manifest and a configuration.
        assert!(from_cache + 2 >= kept as u64, "{kept}: {summary}");
        resumed += u64::from(from_cache > 0);
    }
    assert!(slow.proxy.gets("/blobs/") > 0);
}

#[test]
fn an_interrupt_at_any_moment_leaves_nothing_but_whole_segments_in_the_cache() {
    let Some(slow) = slow() else {
        return;
    };
    let (puller, press) = (&slow.puller, &slow.puller.press);
    let mut moments = Moments::over(slow.whole(), 12);
    let mut interrupted = 0;
    for round in 0.. {
        if !moments.go_on(interrupted >= 8) {
            break;
        }
        let (signal, number) = [(Signal::INT, 2), (Signal::TERM, 15)][round % 2];
        let option = [["--no-cache"], ["--jobs=2"], ["--jobs=7"]][round % 3];
        let running = press.start(&mut puller.pull(&slow.reference, &option));
        while !heeds(&running, signal) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let moment = moments.next();
        std::thread::sleep(moment);
        send(&running, signal);
        let ended = end(running);
        puller.sound();
        if ended.code() == 0 {
            moments.was_too_late(moment);
            fs::remove_file(press.output()).unwrap();
        } else {
            assert_eq!(ended.code(), 128 + number, "{}", ended.stderr);
            assert!(
                ended.stderr.contains("nothing is left behind"),
                "{}",
                ended.stderr
            );
            interrupted += 1;
        }
        assert!(press.left().is_empty(), "{:?}", press.left());
        puller.forget();
    }
}
