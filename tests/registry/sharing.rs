//! Several builds at once that share a cache.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::proxy::Fault;
use super::pull::layers;
use super::push::Repository;
use super::stand::{NAME, Stand};
use super::support::archive::{Compression, TestImage, layer_tar};
use super::support::run::Press;

/// One of several builds: directories of its own, the cache of all.
fn build(stand: &Stand, press: &Press, reference: &str) -> Command {
    let mut command = stand.puller.command(&["build", reference, "--size=fit"]);
    command.arg("--cache-dir").arg(stand.puller.cache());
    press.add_directories(&mut command);
    command
}

/// How often each layer was asked for. Manifests and configs are not worth a lock.
fn gets(stand: &Stand) -> Vec<usize> {
    let blobs = stand.blobs.iter();
    blobs.map(|blob| stand.proxy.gets(&blob.digest)).collect()
}

#[test]
fn two_four_and_eight_builds_at_once_fetch_each_blob_once_and_are_equal() {
    let Some(stand) = Stand::of(TestImage::new(layers(61, 3))) else {
        return;
    };
    // So slow that all of them want it at the same time.
    stand.proxy.always("/blobs/", Fault::Slow(6 << 20));
    for count in [2, 4, 8] {
        stand.puller.forget();
        stand.proxy.seen();
        let presses: Vec<_> = (0..count).map(|_| Press::new()).collect();
        let running: Vec<_> = presses
            .iter()
            .map(|press| press.start(&mut build(&stand, press, &stand.reference)))
            .collect();
        for (running, press) in running.into_iter().zip(&presses) {
            let ended = running.end_within(Duration::from_secs(90));
            ended.succeeded();
            assert!(fs::read(press.output()).unwrap() == stand.expected);
            assert_eq!(press.left(), ["out/fs.img"]);
        }
        stand.puller.sound();
        assert_eq!(gets(&stand), [1; 3], "{count} builds");
    }
}

#[test]
fn builds_of_different_images_share_what_they_have_in_common() {
    let Some(stand) = Stand::of(TestImage::new(layers(71, 2))) else {
        return;
    };
    let mut references = vec![stand.reference.clone()];
    for number in 0..3 {
        let name = format!("own{number}");
        let own = layer_tar(&[(&name, b"own")]);
        // The same big layers, in another order each time.
        let mut shared = layers(71, 2);
        shared.rotate_left(number);
        let image = TestImage {
            compression: Compression::Gzip,
            ..TestImage::new([shared, vec![own]].concat())
        };
        Repository::new(stand.plain().address, &name).push(&image.layout("1"), "1");
        references.push(Repository::new(stand.proxy.address(), &name).reference("1"));
    }
    stand.proxy.always("/blobs/", Fault::Slow(4 << 20));
    for jobs in ["--jobs=1", "--jobs=4"] {
        stand.puller.forget();
        stand.proxy.seen();
        let presses: Vec<_> = references.iter().map(|_| Press::new()).collect();
        let running: Vec<_> = presses
            .iter()
            .zip(&references)
            .map(|(press, reference)| press.start(build(&stand, press, reference).arg(jobs)))
            .collect();
        for running in running {
            running.end_within(Duration::from_secs(90)).succeeded();
        }
        assert!(fs::read(presses[0].output()).unwrap() == stand.expected);
        stand.puller.sound();
        assert_eq!(gets(&stand), [1; 3], "{jobs}");
    }
}

/// Waits until a blob was asked for.
#[track_caller]
fn until_asked(stand: &Stand, digest: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while stand.proxy.gets(digest) == 0 {
        assert!(Instant::now() < deadline, "{digest} never asked for");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_waits_for_anothers_download_takes_over_when_that_one_dies() {
    let Some(stand) = Stand::of(TestImage::new(layers(81, 1))) else {
        return;
    };
    let blob = stand.blobs[1].digest.clone();
    for signal in [Signal::KILL, Signal::INT] {
        stand.puller.forget();
        stand.proxy.mend();
        stand.proxy.seen();
        let on = format!("GET /v2/{NAME}/blobs/{blob}");
        stand.proxy.fault(on, 1, Fault::SilentAfter(500_000));
        let presses = [Press::new(), Press::new()];
        let first = presses[0].start(&mut build(&stand, &presses[0], &stand.reference));
        until_asked(&stand, &blob);
        let second = presses[1].start(&mut build(&stand, &presses[1], &stand.reference));
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(stand.proxy.gets(&blob), 1);
        kill_process(Pid::from_child(&first.child), signal).unwrap();
        first.end_within(Duration::from_secs(10));
        second.end_within(Duration::from_secs(60)).succeeded();
        assert!(fs::read(presses[1].output()).unwrap() == stand.expected);
        assert!(presses[0].left().is_empty());
        assert_eq!(stand.proxy.gets(&blob), 2);
        stand.puller.sound();
    }
}

#[test]
fn who_waits_for_anothers_download_can_be_interrupted() {
    let Some(stand) = Stand::of(TestImage::new(layers(91, 1))) else {
        return;
    };
    let blob = stand.blobs[1].digest.clone();
    let on = format!("GET /v2/{NAME}/blobs/{blob}");
    stand.proxy.fault(on, 1, Fault::SilentAfter(500_000));
    let presses = [Press::new(), Press::new()];
    let first = presses[0].start(&mut build(&stand, &presses[0], &stand.reference));
    until_asked(&stand, &blob);
    let second = presses[1].start(&mut build(&stand, &presses[1], &stand.reference));
    std::thread::sleep(Duration::from_millis(500));
    kill_process(Pid::from_child(&second.child), Signal::INT).unwrap();
    let ended = second.end_within(Duration::from_secs(3));
    assert_eq!(ended.code(), 130, "{}", ended.stderr);
    assert!(presses[1].left().is_empty());
    kill_process(Pid::from_child(&first.child), Signal::INT).unwrap();
    first.end_within(Duration::from_secs(3));
    stand.puller.sound();
}

#[test]
fn pruning_beside_builds_takes_nothing_away_that_they_use() {
    let Some(stand) = Stand::of(TestImage::new(layers(101, 2))) else {
        return;
    };
    stand.proxy.always("/blobs/", Fault::Slow(6 << 20));
    let presses: Vec<_> = (0..3).map(|_| Press::new()).collect();
    let mut running: Vec<_> = presses
        .iter()
        .map(|press| press.start(&mut build(&stand, press, &stand.reference)))
        .collect();
    let mut prunes = 0;
    while running
        .iter_mut()
        .any(|running| running.child.try_wait().unwrap().is_none())
    {
        let mut prune = stand.puller.command(&["cache", "prune"]);
        prune.arg("--cache-dir").arg(stand.puller.cache());
        stand.puller.press.run(&mut prune).succeeded();
        stand.puller.sound();
        prunes += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(prunes > 3, "{prunes}");
    for (running, press) in running.into_iter().zip(&presses) {
        running.end_within(Duration::from_secs(1)).succeeded();
        assert!(fs::read(press.output()).unwrap() == stand.expected);
    }
}

/// Without a cache each image fetched the whole of its own.
#[test]
fn in_one_run_over_a_list_each_blob_is_fetched_once_also_without_a_cache() {
    let Some(stand) = Stand::of(TestImage::new(layers(81, 3))) else {
        return;
    };
    let top = layer_tar(&[("upper", &[7; 100_000])]);
    let second = TestImage {
        compression: Compression::Gzip,
        ..TestImage::new([layers(81, 3), vec![top]].concat())
    };
    let layout = second.layout("2");
    Repository::new(stand.plain().address, NAME).push(&layout, "2");
    let other = Repository::new(stand.proxy.address(), NAME).reference("2");
    let press = Press::new();
    let out = |name: &str| press.root().join("out").join(name);
    let list = press.root().join("list");
    let text = format!(
        "{}\t{}\n{other}\t{}\n{}\t{}\n",
        stand.reference,
        out("one").display(),
        out("two").display(),
        stand.reference,
        out("three").display()
    );
    fs::write(&list, text).unwrap();
    stand.proxy.seen();
    let mut command = stand
        .puller
        .command(&["build", "--size=fit", "--no-cache", "--list"]);
    command.arg(&list);
    press.run(&mut command).succeeded();
    assert_eq!(gets(&stand), [1; 3]);
    assert!(fs::read(out("one")).unwrap() == stand.expected);
    assert!(fs::read(out("three")).unwrap() == stand.expected);
    let alone = stand
        .puller
        .pulled(&stand.puller.layout("second", &layout), &[]);
    assert!(fs::read(out("two")).unwrap() == alone);
    // Nothing has changed: manifests and configurations are asked for, and no layer.
    stand.proxy.seen();
    let mut command =
        stand
            .puller
            .command(&["build", "--size=fit", "--no-cache", "--json", "--list"]);
    command.arg(&list);
    let ended = press.run(&mut command);
    assert_eq!(ended.succeeded().matches("\"up_to_date\"").count(), 3);
    assert_eq!(gets(&stand), [0; 3]);
}
