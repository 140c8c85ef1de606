//! Every document that is printed as JSON follows its JSON Schema in `fixtures/schemas`, in every
//! situation that makes another one of it.
//!
//! Found by holding documents side by side: one thing had several names, and one name meant several
//! things (`digest`, `layers`, `free_bytes`, times in two forms).
#![cfg(feature = "network")]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod artifact_config;
mod events;
mod inputs;
mod manifest;
mod mounts;
mod parser;
mod situations;
mod strict;
mod validator;

use std::collections::BTreeSet;

use serde_json::Value;

use situations::Situation;
use validator::Validator;

/// Whether this ends with one of the codes, and prints what its schema allows; what it printed.
fn run(validator: &Validator, situation: &Situation, wrong: &mut Vec<String>) -> Vec<Value> {
    let Situation {
        what,
        command,
        code,
        prepare,
    } = situation;
    let press = support::run::Press::new();
    let mut prepared = prepare(&press);
    let ended = press.run(&mut prepared);
    if ended.code() != *code {
        wrong.push(format!(
            "{what}: expected {code}, found {}: {}",
            ended.code(),
            ended.stderr
        ));
    }
    let of_command = validator::documents(&ended.stdout);
    // Of what failed before there was anything to say, there are the events alone.
    let events = validator::documents(&ended.stderr);
    if of_command.is_empty() && events.is_empty() {
        wrong.push(format!("{what}: printed no document"));
    }
    let schema = format!("layerpress.{}.v1", command.replace(' ', "-"));
    for (document, expected) in of_command
        .iter()
        .map(|document| (document, schema.as_str()))
        .chain(events.iter().map(|event| (event, "layerpress.event.v1")))
    {
        if document["schema"] != expected {
            wrong.push(format!("{what}: not of {expected}: {document}"));
        }
        let errors = validator.errors(document);
        wrong.extend(errors.iter().map(|error| format!("{what}: {error}")));
    }
    of_command.into_iter().chain(events).collect()
}

#[test]
fn every_document_follows_its_schema() {
    let validator = Validator::new();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for situation in situations::all() {
        for document in run(&validator, situation, &mut wrong) {
            seen.insert(document["schema"].as_str().unwrap_or_default().to_owned());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Mounting has a test of its own, for it needs root; manifests and configurations are written and
    // not printed.
    let missing: Vec<_> = validator
        .names()
        .filter(|name| !seen.contains(*name) && !name.starts_with("layerpress.mount"))
        .filter(|name| ![manifest::SCHEMA, artifact_config::SCHEMA].contains(name))
        .collect();
    assert_eq!(missing, [""; 0], "no situation printed these");
}

#[test]
fn every_command_that_takes_json_has_a_situation() {
    let commands = parser::commands_with("--json");
    // What is looked for is found.
    assert!(commands.len() >= 11, "{commands:?}");
    let rows: BTreeSet<_> = situations::all()
        .map(|situation| situation.command)
        .chain(mounts::COMMANDS)
        .collect();
    let missing: Vec<_> = commands
        .iter()
        .filter(|command| !rows.contains(command.as_str()))
        .collect();
    assert!(missing.is_empty(), "without a situation: {missing:?}");
}
