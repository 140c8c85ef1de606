//! The image configuration (OCI image-spec, config.md).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::documents;
use crate::error::{Error, Result};
use crate::oci::document::{self, MAX_DOCUMENT_BYTES};
use crate::oci::{DiffId, ImageConfig, Platform};
use crate::units::{Timestamp, rfc3339};

/// What a new layer adds to a configuration.
#[derive(Debug, Clone)]
pub struct Step<'a> {
    /// The layer.
    pub diff_id: &'a DiffId,
    /// When it was made.
    pub created: Timestamp,
    /// By what.
    pub created_by: &'a str,
    /// Labels to set.
    pub labels: &'a BTreeMap<String, String>,
}

/// A base's configuration with one step more: all that it says stays, whatever it is, but for the time
/// of the image, its layers, its history and the labels that are set.
///
/// # Errors
/// [`Error::BadImage`] for a configuration that is none, or becomes too large for one.
pub fn config_above(base: &[u8], step: &Step<'_>) -> Result<Vec<u8>> {
    let name = "the base's configuration";
    let read: ImageConfig = document::parse(base, name)?;
    let mut config: Map<String, Value> = document::parse(base, name)?;
    let rootfs = object(&mut config, "rootfs", name)?;
    rootfs.insert("type".to_owned(), json!("layers"));
    list(rootfs, "diff_ids", name)?.push(json!(step.diff_id.to_string()));
    let history = list(&mut config, "history", name)?;
    // Each layer has its step: engines count them off against each other.
    let told = read.history.iter().filter(|step| !step.empty_layer).count();
    for _ in told..read.rootfs.diff_ids.len() {
        history.push(json!({ "comment": "a layer that the history did not tell of" }));
    }
    finish(config, step, name)
}

/// A configuration of one layer: `runtime` says how a container starts, as `config` of an image
/// configuration has it.
///
/// # Errors
/// [`Error::BadImage`] where it becomes too large.
pub fn new_config(platform: &Platform, runtime: Option<Value>, step: &Step<'_>) -> Result<Vec<u8>> {
    let mut config = Map::new();
    config.insert("architecture".to_owned(), json!(platform.architecture()));
    config.insert("os".to_owned(), json!(platform.os()));
    if let Some(variant) = platform.variant() {
        config.insert("variant".to_owned(), json!(variant));
    }
    config.insert("config".to_owned(), runtime.unwrap_or_else(|| json!({})));
    let diff_ids = [step.diff_id.to_string()];
    let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
    config.insert("rootfs".to_owned(), rootfs);
    finish(config, step, "the configuration")
}

fn finish(mut config: Map<String, Value>, step: &Step<'_>, name: &str) -> Result<Vec<u8>> {
    let created = rfc3339(step.created);
    list(&mut config, "history", name)?.push(json!({
        "created": created,
        "created_by": step.created_by,
    }));
    config.insert("created".to_owned(), json!(created));
    if !step.labels.is_empty() {
        let runtime = object(&mut config, "config", name)?;
        let labels = object(runtime, "Labels", name)?;
        for (key, value) in step.labels {
            labels.insert(key.clone(), json!(value));
        }
    }
    let bytes = documents::bytes(&config)?;
    if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(Error::bad_image(format!(
            "{name}: expected at most {MAX_DOCUMENT_BYTES} bytes with the new layer, found {}",
            bytes.len()
        )));
    }
    Ok(bytes)
}

/// The object called so; null or nothing is an empty one.
fn object<'a>(
    outer: &'a mut Map<String, Value>,
    key: &str,
    name: &str,
) -> Result<&'a mut Map<String, Value>> {
    let value = outer.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = json!({});
    }
    let found = value.as_object_mut();
    found.ok_or_else(|| unexpected(name, key, "an object"))
}

/// The list called so; null or nothing is an empty one.
fn list<'a>(
    outer: &'a mut Map<String, Value>,
    key: &str,
    name: &str,
) -> Result<&'a mut Vec<Value>> {
    let value = outer.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = json!([]);
    }
    let found = value.as_array_mut();
    found.ok_or_else(|| unexpected(name, key, "a list"))
}

fn unexpected(name: &str, key: &str, what: &str) -> Error {
    Error::bad_image(format!(
        "{name}: expected {what} as {key}, found something else"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn above(base: &str, labels: &[(&str, &str)]) -> Result<Value> {
        let diff_id = DiffId(DIGEST.parse().unwrap());
        let labels = labels.iter();
        let labels = labels.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let step = Step {
            diff_id: &diff_id,
            created: Timestamp::from_seconds(1),
            created_by: "test",
            labels: &labels.collect(),
        };
        let bytes = config_above(base.as_bytes(), &step)?;
        Ok(serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn whatever_the_base_says_stays_and_a_step_is_added() {
        let base = format!(
            r#"{{"architecture":"arm64","variant":"v8","os":"linux","x.y":[1,{{"z":null}}],
            "created":"2020-01-01T00:00:00Z","author":"me",
            "config":{{"Healthcheck":{{"Test":["NONE"]}},"Labels":{{"a":"1","b":"2"}},"OnBuild":["x"]}},
            "rootfs":{{"type":"layers","diff_ids":["{DIGEST}"]}},
            "history":[{{"created_by":"a","z":1}},{{"empty_layer":true}}]}}"#
        );
        let config = above(&base, &[("b", "3"), ("c", "")]).unwrap();
        let mut expected: Value = serde_json::from_str(&base).unwrap();
        expected["created"] = json!("1970-01-01T00:00:01Z");
        expected["config"]["Labels"] = json!({"a": "1", "b": "3", "c": ""});
        expected["rootfs"]["diff_ids"] = json!([DIGEST, DIGEST]);
        let step = json!({"created": "1970-01-01T00:00:01Z", "created_by": "test"});
        expected["history"].as_array_mut().unwrap().push(step);
        assert_eq!(config, expected);
    }

    #[test]
    fn nothing_where_something_could_be_is_empty_and_each_layer_gets_its_step() {
        for base in [
            "{}",
            r#"{"config":null,"rootfs":null,"history":null}"#,
            r#"{"rootfs":{"type":null,"diff_ids":null},"history":[]}"#,
        ] {
            let config = above(base, &[("a", "b")]).unwrap();
            assert_eq!(config["rootfs"]["diff_ids"], json!([DIGEST]), "{base}");
            assert_eq!(config["config"]["Labels"], json!({"a": "b"}), "{base}");
            assert_eq!(config["history"].as_array().unwrap().len(), 1, "{base}");
        }
        let untold = format!(r#"{{"rootfs":{{"diff_ids":["{DIGEST}","{DIGEST}"]}}}}"#);
        let config = above(&untold, &[]).unwrap();
        assert_eq!(config["history"].as_array().unwrap().len(), 3);
        assert_eq!(config["history"][2]["created_by"], json!("test"));
        assert_eq!(config.get("config"), None);
    }

    #[test]
    fn what_is_no_configuration_is_told_with_the_key() {
        for (base, says) in [
            (r#"{"config":{"Labels":[]}}"#, "configuration"),
            (r#"[]"#, "configuration"),
            (r#"{"rootfs":{"diff_ids":["x"]}}"#, "configuration"),
        ] {
            let error = above(base, &[("a", "b")]).unwrap_err();
            assert_eq!(error.exit_code(), 4, "{base}");
            assert!(error.to_string().contains(says), "{error}");
        }
        let large = format!(r#"{{"author":"{}"}}"#, "a".repeat(4 << 20));
        let error = above(&large, &[]).unwrap_err().to_string();
        assert!(error.contains("at most 4194304 bytes"), "{error}");
    }
}
