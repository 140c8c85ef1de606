//! What filters and removals keep, name by name.

use layerpress::error::Error;
use serde_json::{Value, json};

use super::support::changeset::{Item, ItemKind, Layer};
use super::{Edited, edited, edits, layer};

fn of(layers: &[Layer], json: Value) -> Edited {
    edited(layers, &edits(json)).unwrap()
}

fn merged_usr() -> Layer {
    layer(&[
        "bin -> usr/bin",
        "lib -> /usr/lib",
        "etc/",
        "etc/passwd",
        "etc/alternatives/",
        "etc/alternatives/awk -> /usr/bin/mawk",
        "usr/",
        "usr/bin/",
        "usr/bin/awk -> /etc/alternatives/awk",
        "usr/bin/mawk",
        "usr/lib/",
        "usr/lib/modules/",
        "usr/lib/modules/m.ko",
        "usr/lib/x.so",
        "var/",
        "var/lib/",
        "var/lib/dpkg",
        "var/log/",
    ])
}

#[test]
fn what_is_included_comes_with_its_parents_and_all_that_is_below_it() {
    let mut layer = merged_usr();
    let parent = layer.items.iter_mut().find(|item| item.path == b"var");
    let parent = parent.unwrap();
    (parent.mode, parent.uid) = (0o2711, 7);
    let kept = of(
        &[layer],
        json!({"include": ["var/lib", "/usr/lib/modules/"]}),
    );
    assert_eq!(
        kept.paths(),
        [
            "usr",
            "usr/lib",
            "usr/lib/modules",
            "usr/lib/modules/m.ko",
            "var",
            "var/lib",
            "var/lib/dpkg"
        ]
    );
    let parent = &kept.listing.0[&b"var"[..]];
    assert_eq!((parent.mode, parent.uid), (0o2711, 7));
    assert_eq!(kept.left_out.names, 11);
    assert_eq!(kept.warnings, [""; 0]);
}

#[test]
fn an_included_link_is_kept_as_one_and_told_of_where_it_leads_nowhere_then() {
    let kept = of(
        &[merged_usr()],
        json!({"include": ["lib", "etc/alternatives"]}),
    );
    assert_eq!(
        kept.paths(),
        ["etc", "etc/alternatives", "etc/alternatives/awk", "lib"]
    );
    assert_eq!(
        kept.warnings,
        [
            "symbolic link left without what it leads to, which was left out: 2 entries, for example etc/alternatives/awk"
        ]
    );
    // With what it leads to, nothing is to be told.
    let kept = of(
        &[merged_usr()],
        json!({"include": ["lib", "usr"], "exclude": ["awk"]}),
    );
    assert_eq!(kept.warnings, [""; 0]);
}

#[test]
fn an_included_path_leads_through_links_and_keeps_those_on_the_way() {
    let kept = of(&[merged_usr()], json!({"include": ["lib/modules/m.ko"]}));
    assert_eq!(
        kept.paths(),
        [
            "lib",
            "usr",
            "usr/lib",
            "usr/lib/modules",
            "usr/lib/modules/m.ko"
        ]
    );
    // What never led anywhere is no news, nor is a circle.
    let odd = layer(&["a -> b", "b -> a", "c -> nowhere", "d"]);
    let kept = of(&[odd], json!({"include": ["a/x", "a", "c", "d/x"]}));
    assert_eq!(kept.paths(), ["a", "c"]);
    assert_eq!(
        kept.warnings,
        ["--include matches nothing: 2 entries, for example /a/x"]
    );
}

#[test]
fn a_removed_path_leads_through_links_but_for_its_last_component() {
    let kept = of(&[merged_usr()], json!({"remove": ["/lib/modules", "bin"]}));
    assert!(!kept.paths().iter().any(|path| path.contains("modules")));
    assert!(kept.paths().contains(&"usr/bin/mawk".to_owned()));
    assert!(!kept.paths().contains(&"bin".to_owned()));
    assert_eq!((kept.left_out.names, kept.left_out.bytes), (3, 20));
}

#[test]
fn a_pattern_looks_at_names_and_not_through_links() {
    let kept = of(&[merged_usr()], json!({"exclude": ["lib/modules"]}));
    assert_eq!(kept.left_out.names, 0);
    assert_eq!(kept.warnings, ["--exclude matches nothing: lib/modules"]);
    assert_eq!(kept.digest, None);
    let kept = of(&[merged_usr()], json!({"exclude": ["modules/"]}));
    assert_eq!(kept.left_out.names, 2);
}

#[test]
fn nothing_below_what_is_excluded_comes_back() {
    let patterns = json!({"exclude": ["/usr/lib/", "!x.so"]});
    let kept = of(&[merged_usr()], patterns);
    assert!(!kept.paths().contains(&"usr/lib/x.so".to_owned()));
    // The second pattern matched nevertheless.
    assert_eq!(kept.warnings.len(), 1, "{:?}", kept.warnings);
    assert!(kept.warnings[0].ends_with("left out: lib"));
    let patterns = json!({"exclude": ["/usr/lib/*", "!x.so"]});
    assert!(
        of(&[merged_usr()], patterns)
            .paths()
            .contains(&"usr/lib/x.so".to_owned())
    );
}

#[test]
fn a_file_lives_on_under_its_next_name_and_its_bytes_count_with_its_last() {
    let names = ["a/", "a/first", "b = a/first", "c = b", "d"];
    let kept = of(&[layer(&names)], json!({"exclude": ["a", "d"]}));
    assert_eq!(kept.paths(), ["b", "c"]);
    assert_eq!(
        kept.listing.0[&b"b"[..]].kind,
        ItemKind::File(b"a/first".to_vec())
    );
    assert_eq!(
        kept.listing.0[&b"c"[..]].kind,
        ItemKind::Link(b"b".to_vec())
    );
    assert_eq!((kept.left_out.names, kept.left_out.bytes), (3, 1));
    let kept = of(&[layer(&names)], json!({"remove": ["b", "c", "a/first"]}));
    assert_eq!(kept.paths(), ["a", "d"]);
    assert_eq!((kept.left_out.names, kept.left_out.bytes), (3, 7));
}

#[test]
fn paths_are_those_of_the_tree_after_all_layers_and_whiteouts() {
    let layers = [
        layer(&["a/", "a/old", "b", "c/", "c/x"]),
        layer(&["a/.wh.old", ".wh.b", "a/new", "c/.wh..wh..opq", "b2"]),
    ];
    let kept = of(
        &layers,
        json!({"exclude": ["old", "b", "c/x"], "remove": ["a/old"]}),
    );
    assert_eq!(kept.paths(), ["a", "a/new", "b2", "c"]);
    assert_eq!(kept.left_out.names, 0);
    assert_eq!(
        kept.warnings,
        [
            "--exclude matches nothing: 3 entries, for example old",
            "--remove matches nothing: /a/old"
        ]
    );
    // A name that only looks like a whiteout can be spoken of as well.
    let flat = Layer {
        whiteouts: false,
        ..layer(&[".wh.a", "b"])
    };
    assert_eq!(of(&[flat], json!({"remove": [".wh.a"]})).paths(), ["b"]);
}

#[test]
fn names_are_bytes_and_told_escaped() {
    let item = |path: &[u8]| Item::new(path, ItemKind::File(b"x".to_vec()));
    let odd = Layer {
        whiteouts: true,
        items: vec![item(b"d/a\xff"), item(b"d/\xfe"), item(b"d/b\n")],
    };
    let layers = [odd];
    let kept = of(&layers, json!({"include": ["d/a\\xff"]}));
    assert_eq!(kept.paths(), ["d", "d/a\\xff"]);
    let kept = of(&layers, json!({"remove": ["d/\\xfe", "d/\\xfd"]}));
    assert_eq!(kept.paths(), ["d", "d/a\\xff", "d/b\\x0a"]);
    assert_eq!(kept.warnings, ["--remove matches nothing: /d/\\xfd"]);
    assert_eq!(of(&layers, json!({"exclude": ["a?"]})).left_out.names, 1);
    assert_eq!(of(&layers, json!({"exclude": ["d/?"]})).left_out.names, 1);
}

#[test]
fn strict_refuses_all_that_matches_nothing_in_one_line() {
    let strict = json!({
        "include": ["no1", "etc"], "exclude": ["no2", "passwd"], "remove": ["no3", "no4", "no5", "no6"],
        "strict": true
    });
    let error = edited(&[merged_usr()], &edits(strict)).err().unwrap();
    assert!(matches!(error, Error::Absent { .. }), "{error:?}");
    let error = error.to_string();
    for words in [
        "--include matches nothing: /no1",
        "/no4",
        "and 1 more",
        "--strict",
    ] {
        assert!(error.contains(words), "{error}");
    }
    assert!(
        !error.contains("passwd") && !error.contains('\n'),
        "{error}"
    );
    let fine =
        json!({"include": ["etc"], "exclude": ["passwd"], "remove": ["bin"], "strict": true});
    assert!(edited(&[merged_usr()], &edits(fine)).is_ok());
}

#[test]
fn what_says_two_things_at_once_is_refused_before_any_tree() {
    for (wrong, words) in [
        (json!({"owner": "0:0", "map-owner": ["1:2"]}), "--map-owner"),
        (json!({"remove": ["/"]}), "--remove /"),
        (json!({"exclude": ["[a"]}), "--exclude '[a'"),
    ] {
        let error = edited(&[], &edits(wrong)).err().unwrap();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn owners_are_mapped_on_everything_and_the_root_has_the_mode_it_is_given() {
    let mut layer = layer(&["a/", "a/b", "c = a/b", "d -> a", "e/"]);
    for (item, uid) in layer.items.iter_mut().zip([1000, 0, 1000, 1000, 33]) {
        (item.uid, item.gid) = (uid, 5);
    }
    let given = of(
        &[layer.clone()],
        json!({"map-owner": ["1000:0", "33:5:7:8"], "root-mode": "0711"}),
    );
    let owner = |path: &[u8]| {
        let item = &given.listing.0[path];
        (item.uid, item.gid)
    };
    assert_eq!(owner(b"a"), (0, 5));
    assert_eq!(owner(b"a/b"), (0, 5));
    assert_eq!(owner(b"d"), (0, 5));
    assert_eq!(owner(b"e"), (7, 8));
    assert_eq!(given.listing.0[&b""[..]].mode, 0o711);
    let given = of(&[layer], json!({"owner": "3:4"}));
    assert!(
        given
            .listing
            .0
            .values()
            .all(|item| (item.uid, item.gid) == (3, 4) || matches!(item.kind, ItemKind::Link(_)))
    );
    assert_eq!(given.hashed, 0, "no content differs");
}
