//! What is told while an image is pulled.

use std::collections::BTreeMap;

use serde_json::Value;

use super::proxy::Fault;
use super::pull::layers;
use super::stand::{NAME, Stand};
use super::support::archive::{Compression, TestImage, layer_tar};

/// The lines about layers, each `layer N …: OUTCOME` without amounts and times.
fn layer_lines(stderr: &str) -> Vec<String> {
    let lines = stderr.lines().filter(|line| line.starts_with("layer "));
    let short = |line: &str| {
        let (name, rest) = line.split_once(": ").unwrap_or((line, ""));
        let name = name.split(" sha256:").next().unwrap_or_default();
        format!("{name}: {}", rest.split(',').next().unwrap_or_default())
    };
    let mut lines: Vec<_> = lines.map(short).collect();
    lines.sort();
    lines
}

#[test]
fn plain_lines_tell_what_came_and_what_was_already_there() {
    let Some(stand) = Stand::of(TestImage::new(layers(111, 1))) else {
        return;
    };
    stand.puller.forget();
    let mut build = stand.puller.build(&stand.reference, &[]);
    let first = stand.puller.press.run(&mut build);
    stand.puller.take_output(&first);
    let lines = layer_lines(&first.stderr);
    assert_eq!(lines.len(), 3, "{}", first.stderr);
    for line in &lines {
        assert!(line.ends_with(": downloaded"), "{}", first.stderr);
    }
    let total: Vec<_> = first
        .stderr
        .lines()
        .filter(|line| line.starts_with("download"))
        .collect();
    assert_eq!(total.len(), 1, "{}", first.stderr);
    assert!(
        total[0].contains("3 layers") && total[0].contains("/s"),
        "{}",
        total[0]
    );

    // Of another image on the same base only what is new is downloaded.
    let new = layer_tar(&[("new", b"x")]);
    let second = TestImage {
        compression: Compression::Gzip,
        ..TestImage::new([layers(111, 1), vec![new]].concat())
    };
    let repository = super::push::Repository::new(stand.plain().address, NAME);
    repository.push(&second.layout("2"), "2");
    let mut build = stand.puller.build(&repository.reference("2"), &[]);
    let ended = stand.puller.press.run(&mut build);
    stand.puller.take_output(&ended);
    let lines = layer_lines(&ended.stderr);
    let there = lines
        .iter()
        .filter(|line| line.ends_with(": already there"));
    assert_eq!((lines.len(), there.count()), (4, 3), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("1 layer, 3 already there"),
        "{}",
        ended.stderr
    );
}

#[test]
fn json_events_take_each_layer_through_its_stages_in_order() {
    let Some(stand) = Stand::of(TestImage::new(layers(121, 1))) else {
        return;
    };
    let events = |options: &[&str]| -> Vec<Value> {
        let mut build = stand.puller.build(&stand.reference, options);
        let ended = stand.puller.press.run(&mut build);
        stand.puller.take_output(&ended);
        let event = |line: &str| serde_json::from_str(line).unwrap();
        ended.stderr.lines().map(event).collect()
    };
    stand.puller.forget();
    for stages in [
        &["waiting for a connection", "downloading", "reading"][..],
        &["waiting for a connection", "already there", "reading"],
    ] {
        let events = events(&["--jobs=1", "--progress=json"]);
        let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in &events {
            let task = event["task"].as_str().unwrap_or_default();
            if event["event"] == "status" {
                let status = event["status"].as_str().unwrap().to_owned();
                let is_waiting = status.starts_with("waiting for ");
                assert_eq!(event["waiting"], is_waiting, "{event}");
                seen.entry(task.to_owned()).or_default().push(status);
            }
        }
        assert_eq!(seen.len(), 3, "{events:?}");
        for found in seen.values_mut() {
            // Whether the reader has to be waited for, and hashes after it, is the machine's affair.
            found.retain(|stage| stage != "waiting for a free reader" && stage != "verifying");
            found.dedup();
            assert_eq!(found, stages, "{events:?}");
        }
        // What begins ends, with all that was said to come.
        for begun in events.iter().filter(|event| event["event"] == "begin") {
            let is_its_end =
                |event: &&Value| event["event"] == "end" && event["task"] == begun["task"];
            let end = events.iter().find(is_its_end).unwrap();
            assert!(end["outcome"].is_string(), "{end}");
            if begun["total"].is_u64() {
                assert_eq!(end["done"], begun["total"], "{end}");
            }
        }
    }
}

#[test]
fn what_is_tried_again_is_told_once_for_each_time_and_quiet_tells_nothing() {
    let Some(stand) = Stand::of(TestImage::new(layers(131, 1))) else {
        return;
    };
    let on = format!("GET /v2/{NAME}/blobs/{}", stand.blobs[1].digest);
    for (option, told) in [("--no-cache", 2), ("-q", 0)] {
        stand.puller.forget();
        stand.proxy.fault(&on, 2, Fault::CutAfter(300_000));
        let mut build = stand.puller.build(&stand.reference, &[option]);
        let ended = stand.puller.press.run(&mut build);
        assert!(stand.puller.take_output(&ended) == stand.expected);
        let again = ended
            .stderr
            .lines()
            .filter(|line| line.contains("asking again"));
        assert_eq!(again.count(), told, "{}", ended.stderr);
        if told == 0 {
            assert_eq!(ended.stderr, "");
        }
    }
}
