//! Which room of the library may use which, and what only some of them may do, read from the
//! sources.
//!
//! A room is a module directly under `src/`. The tokens of the sources are read, not their text:
//! comments, strings and test code count for nothing.

mod rules;
mod sources;
mod tokens;
mod wrong_sources;

use std::collections::BTreeSet;

use rules::{Room, violations};
use sources::Source;

/// Every room with the rooms it may use, each standing above it; of the rooms in one step of the
/// flow only the later knows the earlier.
const ROOMS: &[Room] = &[
    // The vocabulary.
    ("error", &[]),
    ("units", &[]),
    ("progress", &[]),
    ("limits", &[]),
    ("leftovers", &[]),
    ("region", &[]),
    ("page_buffer", &[]),
    ("ownership", &[]),
    ("host_space", &["error", "units"]),
    ("file_kind", &["error"]),
    ("warnings", &["error"]),
    ("command", &["error", "progress", "leftovers"]),
    ("partial_file", &["error", "leftovers", "command"]),
    ("oci", &["error", "units"]),
    ("ondisk", &["units"]),
    ("listing", &["error", "units", "ondisk"]),
    ("pax", &["units"]),
    // What looks at filesystems and stands beside the flow.
    ("compare", &["units", "listing"]),
    (
        "view",
        &["error", "file_kind", "units", "limits", "listing", "ondisk"],
    ),
    (
        "inspect",
        &[
            "error",
            "file_kind",
            "units",
            "oci",
            "ondisk",
            "listing",
            "view",
        ],
    ),
    (
        "extract",
        &[
            "error", "units", "progress", "warnings", "listing", "pax", "view",
        ],
    ),
    // What was fetched before.
    (
        "cache",
        &["error", "units", "leftovers", "command", "oci", "ownership"],
    ),
    // The flow.
    (
        "source",
        &[
            "file_kind",
            "page_buffer",
            "error",
            "units",
            "progress",
            "limits",
            "leftovers",
            "region",
            "warnings",
            // Credential helpers are programs.
            "command",
            "oci",
            "pax",
            // What a registry gave before.
            "cache",
            // How an output in the making is called.
            "partial_file",
            "ownership",
        ],
    ),
    (
        "layers",
        &[
            "ownership",
            "page_buffer",
            "host_space",
            "error",
            "units",
            "progress",
            "limits",
            "leftovers",
            "region",
            "warnings",
            "oci",
            "source",
        ],
    ),
    (
        "tree",
        &["error", "units", "progress", "limits", "warnings", "layers"],
    ),
    (
        "plan",
        &[
            "error", "units", "warnings", "oci", "ondisk", "layers", "tree",
        ],
    ),
    (
        "mkfs",
        &[
            "error",
            "progress",
            "command",
            "partial_file",
            "ondisk",
            "plan",
        ],
    ),
    (
        "populate",
        &[
            "page_buffer",
            "host_space",
            "error",
            "units",
            "progress",
            "region",
            "partial_file",
            "ondisk",
            "layers",
            "tree",
            "plan",
            "mkfs",
        ],
    ),
    (
        "readback",
        &[
            "page_buffer",
            "error",
            "units",
            "progress",
            "region",
            "command",
            "ondisk",
            "listing",
            "view",
            "layers",
            "tree",
            "plan",
        ],
    ),
    (
        "finish",
        &[
            "page_buffer",
            "error",
            "progress",
            "command",
            "partial_file",
            "oci",
            "layers",
            "tree",
            "plan",
            "mkfs",
            "populate",
            "readback",
        ],
    ),
    // Beside the flow.
    (
        "mount",
        &[
            "error",
            "file_kind",
            "units",
            "progress",
            "command",
            "ondisk",
            "view",
        ],
    ),
    // Those who know the flow.
    (
        "pipeline",
        &[
            "error",
            "units",
            "progress",
            "limits",
            "warnings",
            "host_space",
            "partial_file",
            "oci",
            "source",
            "layers",
            "tree",
            "plan",
            "mkfs",
            "populate",
            "finish",
        ],
    ),
    (
        "cli",
        &[
            "error",
            "units",
            "progress",
            "limits",
            "warnings",
            "leftovers",
            "partial_file",
            "host_space",
            "command",
            "oci",
            "ondisk",
            "listing",
            "compare",
            "inspect",
            "view",
            "extract",
            "cache",
            "source",
            "layers",
            "plan",
            "mkfs",
            "readback",
            "finish",
            "mount",
            "pipeline",
        ],
    ),
];

fn assert_none(found: &BTreeSet<String>) {
    let found: Vec<_> = found.iter().map(String::as_str).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_sources_keep_to_the_table_and_the_rules() {
    let sources = sources::under("src");
    // Were nothing found, nothing would be wrong.
    assert!(sources.len() > 100, "{} sources", sources.len());
    assert_none(&violations(ROOMS, &sources));
}

#[test]
fn no_source_is_longer_than_five_hundred_lines() {
    assert_none(&rules::too_long(&sources::under("src")));
}

#[test]
fn the_map_in_the_crate_documentation_names_every_room() {
    let library = std::fs::read_to_string("src/lib.rs").unwrap();
    let map: String = library
        .lines()
        .filter(|line| line.starts_with("//!"))
        .collect();
    let words: BTreeSet<_> = map
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .collect();
    for (room, _) in ROOMS {
        assert!(words.contains(room), "{room} is not in the map");
    }
}

#[test]
fn test_code_is_told_from_the_rest_by_how_it_is_declared() {
    let sources = sources::under("src");
    let is_test = |path: &str| {
        let found = sources.iter().find(|source| source.path == path);
        found.unwrap_or_else(|| panic!("{path} is gone")).is_test
    };
    assert!(is_test("src/layers/tar/testing.rs"));
    assert!(is_test("src/layers/tar/tests/entries.rs"));
    assert!(!is_test("src/layers/tar/index.rs"));
    let tests = sources.iter().filter(|source| source.is_test).count();
    assert!(tests * 4 < sources.len(), "{tests} of {}", sources.len());
}

/// For what the rules are told about.
fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.to_owned(),
        is_test: false,
    }
}
