//! The schemas, and what they say of documents.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use jsonschema::Validator as Compiled;
use serde_json::Value;

/// Where the schemas are.
pub fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/schemas"))
}

/// All schemas by the name that documents give.
pub struct Validator(BTreeMap<String, (Value, Compiled)>);

impl Validator {
    pub fn new() -> Self {
        let mut schemas = BTreeMap::new();
        for entry in fs::read_dir(directory()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let name = name.strip_suffix(".json").unwrap();
            let schema: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let compiled = jsonschema::draft202012::new(&schema)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            schemas.insert(format!("layerpress.{name}"), (schema, compiled));
        }
        Self(schemas)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn schemas(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0
            .iter()
            .map(|(name, (schema, _))| (name.as_str(), schema))
    }

    /// What is wrong with a document by the schema that it names.
    pub fn errors(&self, document: &Value) -> Vec<String> {
        let name = document["schema"].as_str().unwrap_or_default();
        let Some((_, compiled)) = self.0.get(name) else {
            return vec![format!("no schema called {name:?}: {document}")];
        };
        compiled
            .iter_errors(document)
            .map(|error| format!("{name}: {}: {error}", error.instance_path()))
            .collect()
    }
}

/// The documents in what was printed: one of several lines, or one a line. Lines for people are none.
pub fn documents(text: &str) -> Vec<Value> {
    if let Ok(document) = serde_json::from_str(text) {
        return vec![document];
    }
    text.lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}
