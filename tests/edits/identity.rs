//! What names an edited tree: the effect and nothing else, in every command.

use std::fs;
use std::path::Path;

use layerpress::layers::{Put, PutIn};
use layerpress::progress::Silent;
use layerpress::tree::{Changed, Changing, ContentRef, TreeEdits, effect, flatten_with};
use serde_json::{Value, json};

use super::support::changeset::{Item, ItemKind, Layer, changesets};
use super::support::oracles::debugfs;
use super::support::session::{Pressed, layerpress};
use super::{edits, layer, options};

/// The digest of the effect of what is put in, and how many contents were hashed for it.
fn put_in(layers: &[Layer], over: &[Layer]) -> (Option<String>, usize) {
    let (changesets_of_layers, contents) = changesets(layers);
    let (changesets_over, contents_over) = changesets(over);
    let named = |(region, changeset)| PutIn {
        name: "over".to_owned(),
        put: Put::Tar {
            changeset,
            at: Box::default(),
            region,
        },
    };
    let changing = Changing {
        edits: &TreeEdits::of(&edits(json!({}))).unwrap(),
        put_in: (0..).zip(changesets_over).map(named).collect(),
    };
    let changed = flatten_with(changesets_of_layers, changing, &options(), &Silent).unwrap();
    let Changed { tree, before, .. } = &changed;
    let mut hashed = 0;
    let mut hash = |file: &ContentRef| {
        hashed += 1;
        let of = match file.origin {
            layerpress::layers::Origin::Layer(_) => &contents,
            layerpress::layers::Origin::PutIn(_) => &contents_over,
        };
        Ok(super::content_digest(file, of))
    };
    let digest = effect(before.as_ref().unwrap(), tree, &mut hash).unwrap();
    (digest.map(|digest| digest.to_string()), hashed)
}

fn file(path: &str, content: &[u8]) -> Item {
    Item::new(path.as_bytes(), ItemKind::File(content.to_vec()))
}

fn of(items: &[Item]) -> Layer {
    Layer {
        whiteouts: true,
        items: items.to_vec(),
    }
}

#[test]
fn what_is_there_already_with_the_same_bytes_and_attributes_changes_nothing() {
    let base = [of(&[file("a", b"one"), file("b", b"two"), file("c", b"")])];
    let (same, hashed) = put_in(&base, &[of(&[file("a", b"one")])]);
    assert_eq!((same, hashed), (None, 2));
    let other_mode = Item {
        mode: 0o600,
        ..file("a", b"one")
    };
    let (mode, hashed) = put_in(&base, &[of(&[other_mode])]);
    assert!(mode.is_some());
    assert_eq!(hashed, 2);
    let (content, _) = put_in(&base, &[of(&[file("a", b"two")])]);
    let (longer, hashed) = put_in(&base, &[of(&[file("a", b"longer")])]);
    assert_eq!(hashed, 1, "lengths tell");
    let all = [&mode, &content, &longer];
    assert!(all.iter().all(|digest| digest.is_some()));
    assert!(mode != content && content != longer && mode != longer);
    // The later wins, and what it hid before counts for nothing.
    let over = [of(&[file("a", b"hidden")]), of(&[file("a", b"two")])];
    assert_eq!(put_in(&base, &over).0, content);
}

#[test]
fn hard_links_are_told_by_which_names_are_one_file() {
    let base = [layer(&["a", "b = a", "c"])];
    let both = of(&[
        file("a", b"a"),
        Item::new(b"b", ItemKind::Link(b"a".to_vec())),
    ]);
    assert_eq!(put_in(&base, &[both]).0, None);
    // The same two contents, no longer one file.
    let (apart, _) = put_in(&base, &[of(&[file("b", b"a")])]);
    assert!(apart.is_some());
    // A new name of a file of the layers is told by that file, without hashing what did not change.
    let link = of(&[Item::new(b"d", ItemKind::Link(b"c".to_vec()))]);
    let (linked, hashed) = put_in(&base, &[link]);
    assert_eq!(hashed, 1);
    let (copied, _) = put_in(&base, &[of(&[file("d", b"c")])]);
    assert_ne!(linked, copied);
}

#[test]
fn whiteouts_that_are_put_in_do_what_removing_does() {
    let base = [layer(&["a/", "a/b", "c"])];
    let (out, _) = put_in(&base, &[layer(&["a/.wh.b"])]);
    let removed = super::edited(&base, &edits(json!({"remove": ["a/b"]}))).unwrap();
    assert_eq!(out, removed.digest);
    assert_eq!(put_in(&base, &[layer(&[".wh.nothing"])]).0, None);
}

fn build(pressed: &Pressed, name: &str, more: &[&str]) -> (Vec<u8>, Value) {
    let output = pressed.path(name);
    let reference = pressed.reference();
    let arguments = ["build", &reference, "-o", &output, "--json"];
    let ran = layerpress(arguments.iter().chain(more)).ended_with(0);
    (fs::read(output).unwrap(), ran.json())
}

#[test]
fn the_same_effect_gives_the_same_bytes_and_no_effect_the_plain_images() {
    let pressed = Pressed::new();
    let (plain, told) = build(&pressed, "plain.img", &[]);
    assert_eq!(told["edits_digest"], Value::Null);
    for nothing in [
        &["--include", "/"][..],
        &["--exclude", "no-such-name"],
        &["--map-owner", "77:0"],
        &["--root-mode", "0755"],
        &["--exclude", "etc/plain", "--exclude", "!plain"],
    ] {
        let (bytes, told) = build(&pressed, "none.img", nothing);
        assert!(bytes == plain, "{nothing:?}");
        assert_eq!(told["edits_digest"], Value::Null);
        assert_eq!(told["left_out_entries"], 0);
    }
    let ways = [
        &["--exclude", "etc/plain"][..],
        &["--exclude", "plain"],
        &["--remove", "/etc//plain"],
        &[
            "--exclude",
            "/etc/p*",
            "--exclude",
            "nothing",
            "--map-owner",
            "77:0",
        ],
    ];
    let (first, told) = build(&pressed, "first.img", ways[0]);
    assert!(first != plain);
    assert_eq!(told["left_out_entries"], 1);
    assert_eq!(told["left_out_bytes"], 24);
    for way in &ways[1..] {
        let (bytes, same) = build(&pressed, "other.img", way);
        assert!(bytes == first, "{way:?}");
        for key in ["edits_digest", "recipe_digest", "uuid", "chain_id"] {
            assert_eq!(same[key], told[key]);
        }
    }
    let (_, other) = build(&pressed, "other.img", &["--remove", "etc/empty"]);
    assert_ne!(other["uuid"], told["uuid"]);
    assert_eq!(other["chain_id"], told["chain_id"]);
}

#[test]
fn every_command_takes_the_edits_and_tells_what_they_made() {
    let pressed = Pressed::new();
    let edits = [
        "--include",
        "etc",
        "--include",
        "usr",
        "--remove",
        "etc/gone",
        "--map-owner",
        "0:9",
    ];
    let (_, told) = build(&pressed, "edited.img", &edits);
    let image = pressed.path("edited.img");
    let reference = pressed.reference();
    let with = |command: &[&str]| layerpress(command.iter().chain(&edits));

    let planned = with(&["plan", &reference, "--json"]).ended_with(0).json();
    for key in [
        "edits_digest",
        "recipe_digest",
        "uuid",
        "entries",
        "left_out_entries",
        "left_out_bytes",
    ] {
        assert_eq!(planned[key], told[key], "{key}");
    }
    let shown = with(&["plan", &reference]).ended_with(0).fits_80_columns();
    assert!(
        shown.stdout.contains(
            "
left out "
        ),
        "{}",
        shown.stdout
    );

    let found = layerpress(["inspect", &image, "--json"])
        .ended_with(0)
        .json();
    assert_eq!(found["chain_id"], Value::Null);
    assert_eq!(found["recipe_digest"], told["recipe_digest"]);
    let shown = layerpress(["inspect", &image])
        .ended_with(0)
        .fits_80_columns();
    assert!(
        shown
            .stdout
            .contains(told["recipe_digest"].as_str().unwrap()),
        "{}",
        shown.stdout
    );
    let listed = debugfs(Path::new(&image), &["ea_list /lost+found"]);
    assert!(
        listed.contains("user.layerpress.recipe") && !listed.contains("chain_id"),
        "{listed}"
    );

    let verified = with(&["verify", &image, &reference, "--json"])
        .ended_with(0)
        .json();
    assert_eq!(
        verified["recipe_digest"],
        verified["filesystem_recipe_digest"]
    );
    assert_eq!(verified["edits_digest"], told["edits_digest"]);
    let without = layerpress(["verify", &image, &reference]).ended_with(1);
    assert!(
        without.stderr.contains("made with edits"),
        "{}",
        without.stderr
    );
    let plain = with(&["verify", &pressed.image(), &reference]).ended_with(1);
    assert!(plain.stderr.contains("without edits"), "{}", plain.stderr);

    // Of two operands only the container image is edited.
    with(&["diff", &image, &reference]).ended_with(0);
    with(&["diff", &reference, &image]).ended_with(0);
    with(&["diff", &pressed.image(), &reference]).ended_with(1);
    layerpress(["diff", &image, &reference]).ended_with(1);
    let compared = with(&["diff", &image, &reference, "--json"])
        .ended_with(0)
        .json();
    assert_eq!(compared["a_edits"], Value::Null);
    for key in ["edits_digest", "left_out_entries", "left_out_bytes"] {
        assert_eq!(compared["b_edits"][key], told[key], "{key}");
    }
    // Where none is a container image there is nothing to edit.
    let refused = with(&["diff", &image, &pressed.image()]).ended_with(5);
    assert!(
        refused.stderr.contains("expected a container image"),
        "{}",
        refused.stderr
    );
}

#[test]
fn edits_without_an_image_to_edit_and_those_that_match_nothing_are_refused_where_asked() {
    let pressed = Pressed::new();
    let (image, reference) = (pressed.image(), pressed.reference());
    let refused = layerpress(["plan", &reference, "--remove", "nowhere", "--strict"]).ended_with(3);
    assert!(
        refused
            .stderr
            .contains("--remove matches nothing: /nowhere"),
        "{}",
        refused.stderr
    );
    let warned = layerpress(["plan", &reference, "--remove", "nowhere"]).ended_with(0);
    assert!(
        warned.stderr.contains("--remove matches nothing: /nowhere"),
        "{}",
        warned.stderr
    );
    let root_hash = "0".repeat(64);
    let alone = ["verify", &image, "--roothash", &root_hash, "--remove", "a"];
    let refused = layerpress(alone).ended_with(2);
    assert!(
        refused.stderr.contains("expected IMAGE"),
        "{}",
        refused.stderr
    );
    for (option, value) in [
        ("--include", "../a"),
        ("--mkdir", "a:9"),
        ("--owner", "root:root"),
        ("--map-owner", "1:2:3"),
        ("--root-mode", "rwx"),
        ("--add", "x"),
    ] {
        let refused = layerpress(["plan", &reference, option, value]).ended_with(2);
        assert!(refused.stderr.contains(option), "{}", refused.stderr);
    }
    layerpress(["plan", &reference, "--owner", "0:0", "--map-owner", "1:2"]).ended_with(2);
    layerpress(["plan", &reference, "--exclude", "[a"]).ended_with(5);
}
