//! Progress for logs and for programs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{build, json, press};

fn events(stderr: &str) -> Vec<Value> {
    stderr.lines().map(json).collect()
}

#[test]
fn json_events_are_a_line_each_and_every_task_that_begins_ends() {
    let press = press();
    let ended = build(
        &press,
        &["--progress=json", "--json", "-v", "--verify", "--sha256"],
    );
    json(ended.succeeded());
    let events = events(&ended.stderr);
    let mut running = BTreeMap::new();
    let mut seen = Vec::new();
    // None is of a time before that of the one above it.
    let times = events.iter().map(|event| event["time"].as_str().unwrap());
    let times: Vec<_> = times.map(|time| time.trim_end_matches('Z')).collect();
    assert!(times.is_sorted(), "{times:#?}");
    for event in &events {
        let task = event["task"].as_str().unwrap_or_default();
        assert!(event["time"].is_string(), "{event}");
        match event["event"].as_str().unwrap() {
            "begin" => {
                assert!(
                    running.insert(task, event["total"].as_u64()).is_none(),
                    "{event}"
                );
                assert!(
                    ["bytes", "items"].contains(&event["unit"].as_str().unwrap()),
                    "{event}"
                );
            }
            "progress" | "status" => assert!(running.contains_key(task), "{event}"),
            "end" => {
                let total = running.remove(task).unwrap_or_else(|| panic!("{event}"));
                assert!(event["outcome"].is_string(), "{event}");
                if let Some(total) = total {
                    assert_eq!(event["done"].as_u64(), Some(total), "{event}");
                }
                seen.push(task);
            }
            "command" => assert!(event["line"].is_string(), "{event}"),
            "note" | "warning" => assert!(event["text"].is_string(), "{event}"),
            _ => panic!("{event}"),
        }
    }
    assert!(running.is_empty(), "{running:?}");
    for task in ["flatten", "writing files", "e2fsck", "sha256"] {
        assert!(seen.contains(&task), "no {task}: {seen:?}");
    }
    assert_eq!(
        seen.iter()
            .filter(|task| task.starts_with("layer "))
            .count(),
        2,
        "{seen:?}"
    );
    assert!(ended.stderr.contains("mke2fs"));
}

#[test]
fn a_failure_is_the_last_json_event_and_tasks_that_failed_end_without_an_outcome() {
    let press = press();
    let ended = build(&press, &["--progress=json", "--max-entries=1"]);
    assert_eq!(ended.code(), 4);
    let events = events(&ended.stderr);
    let last = events.last().unwrap();
    assert_eq!(last["event"], "error");
    assert_eq!(last["exit_code"], 4);
    assert!(
        last["text"].as_str().unwrap().contains("--max-entries"),
        "{last}"
    );
    let count = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!(count("begin"), count("end"));
    let failed = events
        .iter()
        .filter(|event| event["event"] == "end" && event["outcome"].is_null());
    assert!(failed.count() >= 1, "{events:?}");
}

#[test]
fn plain_lines_tell_each_finished_task_and_are_the_default_without_a_terminal() {
    let press = press();
    let plain = build(&press, &["--progress=plain"]);
    plain.succeeded();
    for start in [
        "layer 1 of 2 sha256:",
        "layer 2 of 2 sha256:",
        "flatten: ",
        "writing files: ",
    ] {
        let found = plain
            .stderr
            .lines()
            .any(|line| line.starts_with(start) && line.ends_with(" s"));
        assert!(found, "no {start}: {}", plain.stderr);
    }
    assert!(!plain.stderr.contains('\x1b'), "{:?}", plain.stderr);
    let auto = build(&press, &[]);
    // Where the machine is slow there are others of what still runs.
    let finished = |stderr: &str| {
        let lines = stderr.lines().filter(|line| !line.contains(", after "));
        lines.count()
    };
    assert_eq!(
        finished(&auto.stderr),
        finished(&plain.stderr),
        "{}",
        auto.stderr
    );
}

/// Bug: an image's `ls` without a terminal told of each layer that was read; what looks is for pipes.
#[test]
fn what_looks_tells_nothing_of_tasks_without_a_terminal_unless_it_takes_long_or_is_asked_to() {
    let press = press();
    let image = press.image();
    let image = image.to_str().unwrap();
    let into = press.root().join("out/etc");
    let into = into.to_str().unwrap();
    for words in [
        &["ls", image, "/"][..],
        &["cat", image, "/etc/passwd"],
        &["stat", image, "/text"],
        &["extract", image, "/etc", "-o", into],
        &["layers", image],
        &["inspect", image, "--layers"],
        &["packages", image],
        &["diff", image, image],
    ] {
        let run = |options: &[&str]| {
            let mut command = press.command(words[0]);
            press.run(command.args(&words[1..]).args(options))
        };
        let told = run(&[]);
        let is_long = told.time >= std::time::Duration::from_secs(15);
        let tasks = |stderr: &str| {
            let lines = stderr.lines().filter(|line| line.starts_with("layer "));
            lines.count()
        };
        assert!(
            tasks(&told.stderr) == 0 || is_long,
            "{words:?}: {}",
            told.stderr
        );
        let _ = std::fs::remove_dir_all(into);
        let asked = run(&["--progress=plain"]);
        assert!(tasks(&asked.stderr) >= 2, "{words:?}: {}", asked.stderr);
        let _ = std::fs::remove_dir_all(into);
    }
}

#[test]
fn none_tells_notes_only_and_quiet_nothing_at_all() {
    let press = press();
    let none = build(&press, &["--progress=none"]);
    none.succeeded();
    assert!(
        none.stderr.lines().all(|line| line.starts_with("note: ")),
        "{}",
        none.stderr
    );
    assert!(none.stdout.contains("sha256"));
    let quiet = build(&press, &["-q"]);
    assert_eq!((quiet.succeeded(), &quiet.stderr[..]), ("", ""));
    let json_only = build(&press, &["-q", "--json"]);
    json(json_only.succeeded());
    assert_eq!(json_only.stderr, "");
    let error = build(&press, &["-q", "--size=1M"]);
    error.failed(7, &["1 MiB"]);
}

#[test]
fn verbose_shows_the_command_lines_that_were_run() {
    let press = press();
    let ended = build(&press, &["-v"]);
    ended.succeeded();
    for program in [
        "mke2fs -V",
        "mke2fs -q -F -t ext3",
        "tune2fs -c 0",
        "e2fsck -f -n",
    ] {
        let shown = ended
            .stderr
            .lines()
            .any(|line| line.starts_with("+ ") && line.contains(program));
        assert!(shown, "no {program}: {}", ended.stderr);
    }
    let silent = build(&press, &[]);
    assert!(!silent.stderr.contains("mke2fs -q"), "{}", silent.stderr);
}
