//! Which room of the library may use which, and what only some of them may do, read from the
//! sources.
//!
//! A room is a module directly under `src/`. The tokens of the sources are read, not their text:
//! comments, strings and test code count for nothing.

mod circles;
mod paths;
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
    ("limits", &["units"]),
    ("leftovers", &[]),
    ("region", &[]),
    ("page_buffer", &[]),
    ("ownership", &[]),
    ("pinned", &[]),
    ("host_space", &["error", "units"]),
    ("file_kind", &["error"]),
    ("warnings", &["error"]),
    ("command", &["error", "progress", "leftovers"]),
    ("partial_file", &["error", "leftovers", "command", "pinned"]),
    ("oci", &["error", "units"]),
    ("ondisk", &["units"]),
    ("listing", &["error", "units", "ondisk"]),
    ("edits", &["error"]),
    // What is wrong with a text in TOML, for recipes and for defaults.
    ("toml_text", &["error"]),
    // What is told of a build; a form and nothing else.
    ("manifest", &["oci"]),
    // A filesystem image in a registry; a form, too.
    ("artifact", &["error", "oci", "manifest"]),
    (
        "spool",
        &["error", "host_space", "leftovers", "page_buffer", "region"],
    ),
    (
        "compression",
        &["error", "limits", "host_space", "page_buffer", "region"],
    ),
    // One format each way; archives, layers and extract use it.
    (
        "tar",
        &[
            "error",
            "units",
            "limits",
            "warnings",
            "page_buffer",
            "region",
        ],
    ),
    // The blocks of any filesystem hashed, and held against their hashes.
    ("verity", &["error", "units", "progress", "page_buffer"]),
    // What looks at filesystems and stands beside the flow.
    ("compare", &["units", "listing"]),
    (
        "view",
        &["error", "file_kind", "units", "limits", "listing", "ondisk"],
    ),
    // Two files, block by block.
    (
        "blocks",
        &[
            "error",
            "file_kind",
            "units",
            "progress",
            "page_buffer",
            "listing",
            "ondisk",
            "view",
        ],
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
    // What is fetched, and was before.
    ("blobs", &["error", "progress", "region"]),
    (
        "cache",
        &[
            "error",
            "units",
            "limits",
            "leftovers",
            "command",
            // What the blobs seem to be.
            "compression",
            "tar",
            "oci",
            "ownership",
            "pinned",
        ],
    ),
    // What those two have in common that use the network.
    ("network", &[]),
    (
        "registry",
        &[
            "page_buffer",
            "ownership",
            "pinned",
            "error",
            "progress",
            "spool",
            "region",
            // Credential helpers are programs.
            "command",
            "oci",
            "blobs",
            // What it gave before.
            "cache",
            "network",
        ],
    ),
    ("daemon", &["error", "progress", "oci", "pinned", "network"]),
    // What is sent.
    (
        "push",
        &[
            "error",
            "file_kind",
            "manifest",
            "progress",
            "compression",
            "oci",
            "artifact",
            "registry",
            // Where the pushes of a host wait for each other.
            "cache",
        ],
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
            "region",
            "warnings",
            "pinned",
            "oci",
            "spool",
            "compression",
            "tar",
            "blobs",
            "registry",
            "daemon",
            // What lies in registries besides images.
            "artifact",
            // How an output in the making is called.
            "partial_file",
            "ownership",
        ],
    ),
    (
        "layers",
        &[
            "units",
            "ownership",
            "page_buffer",
            "host_space",
            "error",
            "progress",
            "limits",
            "region",
            "warnings",
            "spool",
            "compression",
            "tar",
            "oci",
            "source",
        ],
    ),
    // From the host, behind the layers.
    (
        "put_in",
        &[
            "error", "units", "progress", "region", "warnings", "pinned", "edits", "manifest",
            "spool", "tar", "oci", "source", "layers",
        ],
    ),
    (
        "tree",
        &[
            "error", "units", "progress", "limits", "edits", "warnings", "oci", "layers",
        ],
    ),
    (
        "filesystem",
        &[
            "page_buffer",
            "error",
            "progress",
            "partial_file",
            "listing",
            "layers",
            "tree",
        ],
    ),
    (
        "ext",
        &[
            "page_buffer",
            "host_space",
            "error",
            "units",
            "progress",
            "warnings",
            "region",
            "command",
            "partial_file",
            "oci",
            "ondisk",
            "listing",
            "view",
            "layers",
            "tree",
            "filesystem",
        ],
    ),
    (
        "finish",
        &[
            "page_buffer",
            // What is written compressed.
            "compression",
            "error",
            "units",
            "progress",
            "host_space",
            "partial_file",
            "oci",
            "layers",
            "tree",
            "filesystem",
            "verity",
        ],
    ),
    // Beside the flow: into a filesystem and into what an image shows, alike.
    (
        "look",
        &[
            "error", "units", "limits", "region", "listing", "view", "layers", "tree",
        ],
    ),
    (
        "extract",
        &[
            "error", "units", "progress", "warnings", "pinned", "listing", "tar", "look",
        ],
    ),
    (
        "export",
        &[
            "page_buffer",
            "error",
            "units",
            "progress",
            "warnings",
            "region",
            "ondisk",
            "listing",
            "tar",
            "view",
            // How an entry becomes a header.
            "extract",
            "layers",
            "tree",
            "filesystem",
        ],
    ),
    // The image around such a layer.
    (
        "image_writer",
        &[
            "page_buffer",
            "host_space",
            "error",
            "units",
            "progress",
            "leftovers",
            "region",
            "partial_file",
            "pinned",
            "spool",
            "compression",
            "tar",
            "oci",
        ],
    ),
    // Of an artifact's segments a file.
    (
        "pull",
        &[
            "page_buffer",
            "file_kind",
            "error",
            "units",
            "progress",
            "partial_file",
            "compression",
            "oci",
            "artifact",
            "registry",
        ],
    ),
    (
        "packages",
        &["error", "warnings", "listing", "view", "layers", "tree"],
    ),
    (
        "mount",
        &[
            "error",
            "file_kind",
            "pinned",
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
            "edits",
            "leftovers",
            "warnings",
            "host_space",
            "command",
            "pinned",
            "partial_file",
            "compression",
            "oci",
            // What an earlier filesystem says of itself.
            "ondisk",
            "listing",
            "compare",
            "blocks",
            "file_kind",
            "verity",
            "inspect",
            "view",
            "export",
            "image_writer",
            "source",
            "layers",
            "put_in",
            "tree",
            "filesystem",
            "ext",
            "finish",
            "pull",
            "manifest",
            "look",
            "extract",
            "packages",
            "artifact",
            "push",
        ],
    ),
    // A file that asks for all of it.
    (
        "recipe_file",
        &[
            "error",
            "units",
            "pinned",
            "edits",
            "oci",
            "pipeline",
            "toml_text",
        ],
    ),
    (
        "cli",
        &[
            "error",
            "units",
            "progress",
            "leftovers",
            "partial_file",
            "edits",
            "command",
            "oci",
            "listing",
            "compare",
            "blocks",
            "view",
            "look",
            "cache",
            "mount",
            // Whose defaults are taken.
            "ownership",
            "pinned",
            "toml_text",
            "pipeline",
            "recipe_file",
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
fn no_modules_use_each_other_at_any_depth() {
    assert_none(&circles::circles(&sources::under("src")));
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
    assert!(is_test("src/tar/testing.rs"));
    assert!(is_test("src/tar/tests/entries.rs"));
    assert!(!is_test("src/tar/reader.rs"));
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
