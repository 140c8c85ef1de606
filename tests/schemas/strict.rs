//! The schemas refuse what is no document of theirs.

use serde_json::{Value, json};

use super::situations;
use super::validator::Validator;

/// Each object of a schema says which keys there must be, and allows no other.
fn lax(schema: &Value, at: &str, found: &mut Vec<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(properties) = object.get("properties") {
                if object.get("additionalProperties") != Some(&json!(false)) {
                    found.push(format!("{at}: takes any key"));
                }
                let required = object.get("required").and_then(Value::as_array);
                let known = properties.as_object().unwrap();
                match required {
                    None => found.push(format!("{at}: requires nothing")),
                    Some(required) => {
                        let strange = required
                            .iter()
                            .filter(|key| !known.contains_key(key.as_str().unwrap()));
                        found.extend(strange.map(|key| format!("{at}: no property {key}")));
                    }
                }
            }
            for (key, below) in object {
                lax(below, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(all) => all.iter().for_each(|below| lax(below, at, found)),
        _ => {}
    }
}

#[test]
fn every_schema_is_one_of_2020_12_and_takes_no_key_that_it_does_not_know() {
    let mut found = Vec::new();
    for (name, schema) in Validator::new().schemas() {
        assert_eq!(
            schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{name}"
        );
        assert!(jsonschema::meta::is_valid(schema), "{name}");
        let id = name.replacen("layerpress.", "urn:layerpress:schema:", 1);
        assert_eq!(schema["$id"], id.as_str());
        lax(schema, name, &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    // What is looked for is found.
    let wrong = json!({ "properties": { "a": {} }, "required": ["b"] });
    let mut told = Vec::new();
    lax(&wrong, "", &mut told);
    assert_eq!(told, [": takes any key", ": no property \"b\""]);
}

/// Each way in which a document can be a little wrong: a key more in each object, a key less of
/// those that this one must have, a value of another type.
fn wrong_ones(document: &Value) -> Vec<(String, Value)> {
    let mut pointers = Vec::new();
    places(document, String::new(), &mut pointers);
    let mut wrong = Vec::new();
    for pointer in pointers {
        let change = |change: &dyn Fn(&mut Value)| {
            let mut copy = document.clone();
            change(copy.pointer_mut(&pointer).unwrap());
            copy
        };
        match document.pointer(&pointer).unwrap() {
            // Labels have any names.
            Value::Object(_) if pointer == "/labels" => {}
            Value::Object(_) => {
                let more = change(&|value| value["strange"] = json!(1));
                wrong.push((format!("{pointer} with a key more"), more));
            }
            Value::Array(_) => {
                let other = change(&|value| *value = json!("no list"));
                wrong.push((format!("{pointer} as a text"), other));
            }
            Value::Number(_) => {
                let other = change(&|value| *value = json!("12"));
                wrong.push((format!("{pointer} as a text"), other));
            }
            Value::Bool(_) | Value::Null => {
                let other = change(&|value| *value = json!(0.5));
                wrong.push((format!("{pointer} as a number"), other));
            }
            Value::String(text) => {
                let other = change(&|value| *value = json!(12.5));
                wrong.push((format!("{pointer} as a number"), other));
                let is_formed =
                    text.starts_with("sha256:") || text.ends_with('Z') && text.contains("T");
                if is_formed {
                    let other = change(&|value| *value = json!(format!("{text}x")));
                    wrong.push((format!("{pointer} with a letter more"), other));
                }
            }
        }
    }
    if let Value::Object(object) = document {
        for key in object.keys() {
            let mut copy = object.clone();
            copy.remove(key);
            wrong.push((format!("without {key}"), Value::Object(copy)));
        }
    }
    wrong
}

fn places(value: &Value, at: String, all: &mut Vec<String>) {
    all.push(at.clone());
    match value {
        Value::Object(object) => {
            for (key, below) in object {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(below, format!("{at}/{key}"), all);
            }
        }
        Value::Array(array) => {
            for (index, below) in array.iter().enumerate().take(3) {
                places(below, format!("{at}/{index}"), all);
            }
        }
        _ => {}
    }
}

/// What may be left out of a document that has it.
const OPTIONAL: [&str; 5] = ["names", "device", "target", "verity", "entry"];

#[test]
fn a_document_that_is_a_little_wrong_is_refused() {
    let validator = Validator::new();
    let mut taken = Vec::new();
    let mut tried = 0;
    for situation in situations::all().filter(|situation| situation.code == 0) {
        for document in super::run(&validator, situation, &mut Vec::new()) {
            for (what, wrong) in wrong_ones(&document) {
                let leaves_out = what.strip_prefix("without ");
                if leaves_out.is_some_and(|key| OPTIONAL.contains(&key)) {
                    continue;
                }
                tried += 1;
                if validator.errors(&wrong).is_empty() {
                    taken.push(format!(
                        "{} ({}): {what}",
                        situation.what, document["schema"]
                    ));
                }
            }
        }
    }
    assert!(tried > 1000, "{tried}");
    assert!(taken.is_empty(), "{}", taken.join("\n"));
}
