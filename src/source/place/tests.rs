//! Names as they are typed, and what they mean.

use std::cell::RefCell;

use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn place(text: &str, exists: impl Fn(&Path) -> bool) -> Result<Place> {
    Place::resolve(&text.parse().unwrap(), exists, true)
}

fn place_beside(text: &str, existing: &[&str]) -> Place {
    let exists = |path: &Path| existing.iter().any(|own| Path::new(own) == path);
    place(text, exists).unwrap()
}

/// The path, `-` for standard input, and the selector; a name of a registry counts as a path.
fn locate(text: &str, existing: &[&str]) -> (String, Option<String>) {
    let place = place_beside(text, existing);
    let path = match place.location {
        Location::StandardInput => "-".to_owned(),
        Location::Path(path) => path.display().to_string(),
        other => format!("{other:?}"),
    };
    (path, place.selector.map(|selector| selector.to_string()))
}

fn in_registry(text: &str, existing: &[&str]) -> Option<String> {
    let place = place_beside(text, existing);
    place.repository().ok().map(ToString::to_string)
}

#[test]
fn paths_are_split_from_names_as_skopeo_does_and_what_exists_settles_doubts() {
    let digest = &format!("@{DIGEST}");
    let with_digest = &format!("oci:d{digest}");
    let with_colon_digest = &format!("oci:d:{digest}");
    let bare_digest = &format!("d{digest}");
    for (text, existing, path, selector) in [
        ("docker-archive:s.tar", &["s.tar"][..], "s.tar", None),
        (
            "docker-archive:s.tar:host:5000/a:1",
            &["s.tar"],
            "s.tar",
            Some("host:5000/a:1"),
        ),
        ("docker-archive:s.tar:@2", &["s.tar"], "s.tar", Some("@2")),
        ("docker-archive:gone:a:1", &[], "gone", Some("a:1")),
        ("docker-archive:a:b.tar", &["a:b.tar"], "a:b.tar", None),
        (
            "docker-archive:a:b.tar:x",
            &["a:b.tar"],
            "a:b.tar",
            Some("x"),
        ),
        ("docker-archive:-:x:1", &[], "-", Some("x:1")),
        ("oci:d:24", &["d", "d:24"], "d", Some("24")),
        (with_digest, &["d"], "d", Some(digest)),
        (with_colon_digest, &["d"], "d", Some(digest)),
        ("oci:user@host", &["user@host"], "user@host", None),
        ("rootfs:a:b", &[], "a:b", None),
        ("d:24", &["d", "d:24"], "d:24", None),
        ("d:24", &["d"], "d", Some("24")),
        (bare_digest, &["d"], "d", Some(digest)),
    ] {
        let expected = (path.to_owned(), selector.map(str::to_owned));
        assert_eq!(locate(text, existing), expected, "{text}");
    }
}

#[test]
fn a_name_is_a_registrys_if_it_says_so_or_if_no_such_file_exists() {
    let alpine = Some("docker.io/library/alpine:3".to_owned());
    assert_eq!(
        in_registry("docker://alpine:3", &["alpine:3", "alpine"]),
        alpine
    );
    assert_eq!(in_registry("alpine:3", &[]), alpine);
    assert_eq!(in_registry("alpine:3", &["alpine:3"]), None);
    assert_eq!(in_registry("alpine:3", &["alpine"]), None);
    assert_eq!(
        in_registry("docker://out/stack.tar", &[]).as_deref(),
        Some("docker.io/out/stack.tar:latest")
    );
    for path in [
        "./save.tar",
        "/tmp/save.tar",
        "Save.tar",
        "-",
        "oci:alpine:3",
        "rootfs:alpine",
    ] {
        assert_eq!(in_registry(path, &[]), None, "{path}");
    }
}

// Found on a machine where out/stack.tar was missing: docker.io was asked for out/stack.tar,
// which anybody may put there. What is no file was taken for a name of a registry.
#[test]
fn a_path_that_is_not_there_is_no_name_of_a_registry() {
    for (text, code) in [
        ("out/stack.tar", 3),
        ("out/stack", 3),
        ("stack.tar", 3),
        ("stack.tar:24", 3),
        ("docker-archiv:b.tar", 5),
        ("docker-archive", 5),
        ("file:b.tar", 5),
        ("docker:b", 5),
        ("https://example.com/b.tar", 5),
    ] {
        let error = place(text, |_| false).unwrap_err();
        assert_eq!(error.exit_code(), code, "{error}");
        let text_of = error.to_string().to_lowercase();
        assert!(text_of.contains("no such file"), "{error}");
        // If it is there, it is that.
        assert_eq!(in_registry(text, &[text]), None);
    }
}

#[test]
fn other_tools_transports_are_refused_with_the_way_that_works_today() {
    for (text, help) in [
        ("docker://Alpine", "lower-case"),
        ("docker://", "lower-case"),
        ("dir:/x", "skopeo copy dir:/x"),
        ("oci:", "expected a path"),
        ("docker-daemon:", "expected an image's name or ID"),
        ("", "expected a path"),
    ] {
        let error = text.parse::<Reference>().unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }));
        assert!(error.to_string().contains(help), "{error}");
    }
}

#[test]
fn a_reference_is_shown_as_it_was_typed() {
    for text in [
        "oci:d:24",
        "-",
        "docker-archive:-",
        "docker-daemon:app:1",
        "save.tar",
        "rootfs:/",
        "docker://a/b:1",
    ] {
        assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
    }
}

#[test]
fn a_selector_is_an_index_a_digest_or_a_name_and_never_two_of_them() {
    for wrong in ["", "@", "@-1", "@sha256:12", &format!("a:1@{DIGEST}")] {
        assert!(wrong.parse::<Selector>().is_err(), "{wrong}");
    }
}

/// What `curl` takes, typed in an image's place, stood in the error with its password and signature.
#[test]
fn no_password_of_a_url_in_an_image_s_place_is_shown() {
    for name in [
        "https://u:secret@h.io/a.tar?sig=secret",
        "u:secret@h.io/a",
        "docker-daemon:http://u:secret@h/",
        "dockre://u:secret@h/a",
        "file://u:secret@h/a",
    ] {
        let reference: Reference = name.parse().unwrap();
        assert!(!reference.to_string().contains("secret"), "{reference}");
        if let Err(error) = place(name, |_| false) {
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
    for name in [
        "docker://u:secret@h.io/a",
        "docker://https://u:secret@h.io/a",
        "docker://h.io/a?sig=secret",
        "docker://u:secret@h.io/a#secret",
    ] {
        let error = name.parse::<Reference>().unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    // What only looks a little like it stays as it is.
    for name in [
        "out/a:1",
        "docker-archive:a.tar:app@1",
        "oci:dir:a@b/c",
        "a@b.tar",
    ] {
        let reference: Reference = name.parse().unwrap();
        assert_eq!(reference.to_string(), name);
    }
}

/// What a name means was asked of the disk by each who used it: between two questions a file could
/// come or go, and one was held against another than the one that was read.
#[test]
fn of_each_path_it_is_asked_once_whether_it_is_there() {
    let asked = RefCell::new(Vec::new());
    for (text, questions) in [
        ("save.tar", 1),
        ("alpine:3", 2),
        ("ghcr.io/a/b:1", 3),
        // And of what stands behind a transport that is none.
        ("a:b:c/d:e", 5),
        ("docker-archive:a:b", 2),
        ("rootfs:a:b", 0),
        ("oci:-:x", 0),
        ("docker://alpine:3", 0),
        ("docker-daemon:alpine:3", 0),
    ] {
        asked.borrow_mut().clear();
        let _ = place(text, |path| {
            asked.borrow_mut().push(path.to_owned());
            false
        });
        let asked = asked.borrow();
        assert_eq!(asked.len(), questions, "{text}: {asked:?}");
        let once: std::collections::HashSet<_> = asked.iter().collect();
        assert_eq!(once.len(), questions, "{text}: {asked:?}");
    }
}

#[test]
fn a_digest_cut_short_is_told_as_such_wherever_nothing_is_called_so() {
    for text in [
        "name@sha256:abc",
        "ghcr.io/a/b@sha256:0123456789ab",
        "oci:d@sha256:abc",
        "oci-archive:gone.tar@sha256:abc",
        "docker-daemon:name@sha256:abc",
    ] {
        let error = place(text, |path| path == Path::new("d")).unwrap_err();
        let told = error.to_string();
        assert!(told.contains("64 hexadecimal digits"), "{text}: {told}");
        assert_eq!(error.exit_code(), 5, "{told}");
    }
    let error = "docker://name@sha256:abc".parse::<Reference>().unwrap_err();
    assert!(
        error.to_string().contains("64 hexadecimal digits"),
        "{error}"
    );
    // What is there is that.
    for text in ["name@sha256:abc", "oci:name@sha256:abc"] {
        assert_eq!(locate(text, &["name@sha256:abc"]).0, "name@sha256:abc");
    }
}

#[test]
fn an_image_s_id_is_no_name_that_a_registry_is_asked_for() {
    let whole = "0".repeat(64);
    for id in ["0123456789ab", "sha256:0123456789ab", &*whole] {
        let told = place(id, |_| false).unwrap_err().to_string();
        assert!(told.contains(&format!("docker-daemon:{id}")), "{told}");
        assert_eq!(locate(id, &[id]).0, id, "a file may be called so");
    }
    // Whoever says that it is one of a registry is believed.
    assert!(in_registry("docker://0123456789ab", &[]).is_some());
    assert!(in_registry("0123456789", &[]).is_some());
}

#[test]
fn what_only_a_registry_can_have_is_told_so_by_its_form() {
    let of_registry = |text: &str| Place::of_registry(&text.parse().unwrap(), &Reach::default());
    for text in [
        "/nowhere/gone.img",
        "gone.img",
        "oci:gone",
        "-",
        "docker-daemon:a",
        ".",
    ] {
        let error = of_registry(text).unwrap_err();
        assert_eq!(error.exit_code(), 5, "{error}");
        let told = error.to_string();
        assert!(
            told.contains("docker://[HOST[:PORT]/]NAME[:TAG]") && told.contains(text),
            "{told}"
        );
    }
    assert!(of_registry("docker://a/b:1").is_ok() && of_registry("localhost/a").is_ok());
}
