//! Events of a whole run: each follows its schema, and together they tell a story that ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::archive::{TestImage, layer_tar};
use crate::support::run::{Ending, Press};
use crate::support::served;
use crate::validator::{Validator, documents};

/// What is wrong with the events of a run.
fn wrong(events: &[Value]) -> Vec<String> {
    let validator = Validator::new();
    let mut wrong = Vec::new();
    let mut running: BTreeMap<u64, (&Value, &Value)> = BTreeMap::new();
    let mut ended = BTreeSet::new();
    let mut is_over = false;
    for event in events {
        wrong.extend(validator.errors(event));
        if is_over {
            wrong.push(format!("behind the error: {event}"));
        }
        let Some(id) = event["id"].as_u64() else {
            is_over |= event["event"] == "error";
            continue;
        };
        let named = (&event["task"], &event["phase"]);
        if event["event"] == "begin" {
            if running.insert(id, named).is_some() || ended.contains(&id) {
                wrong.push(format!("begun twice: {event}"));
            }
        } else if running.get(&id) != Some(&named) {
            wrong.push(format!("of no task that runs: {event}"));
        }
        if event["event"] == "end" {
            running.remove(&id);
            ended.insert(id);
        }
    }
    wrong.extend(
        running
            .values()
            .map(|task| format!("without an end: {task:?}")),
    );
    if ended.is_empty() {
        wrong.push("no task".to_owned());
    }
    wrong
}

fn eight_layers() -> TestImage {
    let layer = |number: u8| layer_tar(&[(&format!("file{number}"), &[number; 100_000])]);
    TestImage::new((0..8).map(layer))
}

/// The events of a build with these words that ends so.
fn told(press: &Press, words: &[&str], stdin: Stdio, code: i32) -> Vec<Value> {
    let mut command = press.command("build");
    command.args(words).args(["--progress=json", "-o"]);
    command.arg(press.output()).stdin(stdin);
    let ended = press.run(&mut command);
    assert_eq!(ended.code(), code, "{}", ended.stderr);
    documents(&ended.stderr)
}

fn names(events: &[Value]) -> Vec<&str> {
    let begun = events.iter().filter(|event| event["event"] == "begin");
    begun.filter_map(|event| event["task"].as_str()).collect()
}

#[test]
fn every_task_of_an_archive_a_pipe_and_a_registry_begins_once_and_ends() {
    let press = Press::new();
    eight_layers()
        .classic_archive(&["a:b"])
        .write_tar(&press.image());
    let image = press.image().display().to_string();
    let archive = told(&press, &[&image, "--verify"], Stdio::null(), 0);
    assert_eq!(wrong(&archive), [""; 0]);
    fs::remove_file(press.output()).unwrap();
    let file = fs::File::open(press.image()).unwrap();
    let pipe = told(&press, &["-"], file.into(), 0);
    assert_eq!(wrong(&pipe), [""; 0]);
    fs::remove_file(press.output()).unwrap();
    let reference = format!("docker://{}/name:1", served::serve(&eight_layers()));
    let registry = told(&press, &[&reference, "--no-cache"], Stdio::null(), 0);
    assert_eq!(wrong(&registry), [""; 0]);
    for events in [&archive, &pipe, &registry] {
        let layers = names(events);
        let layers = layers.iter().filter(|name| name.starts_with("layer "));
        assert_eq!(layers.count(), 8, "{events:?}");
        // Times are in one order, and each that a task took is its own.
        let times: Vec<_> = events.iter().map(|event| event["time"].as_str()).collect();
        assert!(times.iter().all(Option::is_some), "{events:?}");
    }
    assert!(names(&registry).contains(&"download"), "{registry:?}");
    let waits = |event: &&Value| event["status"] == "waiting for a connection";
    assert_eq!(registry.iter().filter(waits).count(), 8, "{registry:?}");
}

#[test]
fn every_task_ends_also_where_the_build_fails() {
    let press = Press::new();
    eight_layers()
        .classic_archive(&["a:b"])
        .write_tar(&press.image());
    let image = press.image().display().to_string();
    for (option, code) in [("--max-entries=3", 4), ("--max-layer-bytes=1000", 4)] {
        let events = told(&press, &[&image, option], Stdio::null(), code);
        assert_eq!(wrong(&events), [""; 0]);
        let last = events.last().unwrap();
        assert_eq!(
            (&last["event"], &last["exit_code"]),
            (&json!("error"), &json!(code))
        );
    }
}

#[test]
fn every_task_ends_also_where_a_signal_comes() {
    let press = Press::new();
    let mut command = press.command("build");
    command
        .args(["-", "--progress=json", "-o"])
        .arg(press.output());
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Ending::start(&mut command);
    // No end comes: it is read until the signal.
    let mut stdin = running.stdin.take().unwrap();
    stdin
        .write_all(&layer_tar(&[("file", &[1; 100_000])])[..50_000])
        .unwrap();
    let mut stderr = BufReader::new(running.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("\"begin\"") {
        assert!(stderr.read_line(&mut text).unwrap() > 0, "{text}");
    }
    kill_process(Pid::from_child(&running), Signal::INT).unwrap();
    while stderr.read_line(&mut text).unwrap() > 0 {}
    let events = documents(&text);
    assert_eq!(wrong(&events), [""; 0]);
    assert!(names(&events).contains(&"read standard input"), "{text}");
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event"], &last["exit_code"]),
        (&json!("error"), &json!(130))
    );
    drop(stdin);
}

#[test]
fn a_story_without_its_end_is_found_to_be_wrong() {
    let press = Press::new();
    eight_layers()
        .classic_archive(&["a:b"])
        .write_tar(&press.image());
    let image = press.image().display().to_string();
    let events = told(&press, &[&image], Stdio::null(), 0);
    let at = |kind: &str| {
        let found = events.iter().position(|event| event["event"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}"))
    };
    let without = |left_out: usize| {
        let mut events = events.clone();
        events.remove(left_out);
        events
    };
    let with = |more: Value| [&events[..], &[more]].concat();
    let changed = |key: &str, value: Value| {
        let mut events = events.clone();
        events[at("end")][key] = value;
        events
    };
    let mut error = json!({ "schema": "layerpress.event.v1", "time": events[0]["time"] });
    error["event"] = json!("error");
    error["text"] = json!("no");
    error["exit_code"] = json!(3);
    let behind = [&[error][..], &events].concat();
    for events in [
        without(at("begin")),
        without(at("end")),
        with(events[at("begin")].clone()),
        with(events[at("end")].clone()),
        changed("phase", json!("prove")),
        changed("time", json!("now")),
        changed("seconds", json!(null)),
        behind,
        Vec::new(),
    ] {
        assert_ne!(wrong(&events), [""; 0]);
    }
}
