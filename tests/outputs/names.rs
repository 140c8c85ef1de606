//! Words of the image in the names of what is written.

use std::fs;

use serde_json::Value;

use super::support::archive::{TestImage, layer_tar};
use super::support::run::Press;
use super::{build_to, out, press};

/// An image of a layout, which has all words, under a tag.
fn layout(tag: &str) -> (Press, TestImage) {
    let image = TestImage::new([layer_tar(&[("a", b"a")])]);
    let press = Press::new();
    image.layout(tag).write_directory(&press.image());
    (press, image)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What `inspect` says of the image.
fn inspected(press: &Press) -> Value {
    let mut command = press.command("inspect");
    command.arg("--json").arg(press.image());
    let ended = press.run(&mut command);
    ended.succeeded();
    json(&ended.stdout)
}

#[test]
fn the_name_has_the_images_words_and_the_summary_tells_it() {
    let (press, _) = layout("24-build");
    let options = ["--json", "--sha256", "--verity-file"];
    let tree = out(&press, "{tag}.{id:3}.hashes");
    let tree = tree.to_str().unwrap();
    let ended = build_to(
        &press,
        "{{x}}-{tag}-{id:12}-{digest:5}-{arch}.img",
        &[&options[..], &[tree]].concat(),
    );
    ended.succeeded();
    let summary = json(&ended.stdout);
    let told = inspected(&press);
    let digits = |key: &[&str]| {
        let found = key.iter().find_map(|key| told[*key].as_str());
        found.unwrap().strip_prefix("sha256:").unwrap().to_owned()
    };
    let id = digits(&["image_id", "config_digest"]);
    let digest = digits(&["manifest_digest"]);
    let platform = told["platform"].as_str().unwrap();
    let arch = platform.split('/').nth(1).unwrap();
    let name = format!("{{x}}-24-build-{}-{}-{arch}.img", &id[..12], &digest[..5]);
    assert_eq!(
        summary["output"].as_str(),
        out(&press, &name).to_str(),
        "{summary}"
    );
    let beside = [".roothash", ".sha256"].map(|ending| format!("out/{name}{ending}"));
    let mut expected = vec![
        format!("out/{name}"),
        format!("out/24-build.{}.hashes", &id[..3]),
    ];
    expected.extend(beside);
    expected.sort();
    assert_eq!(press.left(), expected);
}

#[test]
fn an_archives_own_name_is_known_without_being_typed() {
    let press = press();
    build_to(&press, "{name}-{tag}", &["-q"]).succeeded();
    assert_eq!(press.left(), ["out/test-1"]);
    // Of several names that which was typed.
    let image = TestImage::new([layer_tar(&[("a", b"a")])]);
    let tags = ["ghcr.io/some/where:9", "other:2"];
    image.classic_archive(&tags).write_tar(&press.image());
    for (typed, name) in [
        ("", "some-where-9"),
        (":other:2", "other-2"),
        (":docker.io/library/other:2", "other-2"),
        (":@0", "some-where-9"),
    ] {
        let mut command = press.command("build");
        let image = format!("docker-archive:{}{typed}", press.image().display());
        command
            .args(["-q", &image, "-o"])
            .arg(out(&press, "{name}-{tag}"));
        press.run(&mut command).succeeded();
        assert!(
            press.left().contains(&format!("out/{name}")),
            "{:?}",
            press.left()
        );
        fs::remove_file(out(&press, name)).unwrap();
    }
}

#[test]
fn a_word_that_the_image_has_not_is_one_error_and_nothing_is_left() {
    let press = Press::new();
    fs::write(press.image(), layer_tar(&[("a", b"a")])).unwrap();
    for (name, says) in [
        ("{id}.img", "{id}: the image has no image ID"),
        (
            "{digest:3}.img",
            "{digest}: the image has no manifest digest",
        ),
        ("x-{tag}", "{tag}: the image has no tag"),
        ("{name}", "{name}: the image has no name"),
    ] {
        build_to(&press, name, &[]).failed(5, &[name, says]);
        assert!(press.left().is_empty());
    }
    build_to(&press, "{arch}", &["-q"]).failed(5, &["{arch}", "--platform"]);
    build_to(&press, "{arch}", &["-q", "--platform=arm64"]).succeeded();
}

#[test]
fn a_mistyped_field_and_a_directory_that_is_not_there_are_told_before_the_image_is_read() {
    let press = press();
    // Were the image read first, this would be another error.
    fs::write(press.image(), "no image").unwrap();
    let nearest = "found {ig} (the nearest is {id})";
    build_to(&press, "x-{ig}.img", &[]).failed(5, &["x-{ig}.img", nearest]);
    build_to(&press, "x-{id.img", &[]).failed(5, &["expected a } behind {"]);
    build_to(&press, "{tag}/x.img", &[]).failed(3, &["out/{tag}", "No such file"]);
    let tree = out(&press, "none/{id}.hashes");
    let tree = ["--verity-file", tree.to_str().unwrap()];
    build_to(&press, "x-{id}.img", &tree).failed(3, &["out/none", "No such file"]);
    assert!(press.left().is_empty());
}

/// Names and tags come from the archive: they are somebody else's.
#[test]
fn no_name_leads_out_of_the_directory() {
    for (named, name) in [
        ("x:.bashrc", "x_bashrc"),
        ("x:..", ""),
        ("x:a\nb\u{1b}[2J", "x_a-b--2J"),
        ("x:{id}", "x_-id-"),
        ("../../../in/evil:1", "-..-in-evil_1"),
        ("/etc/evil:1", "-etc-evil_1"),
        // A slash makes it no tag.
        ("x:/../../in/evil", ""),
    ] {
        let image = TestImage::new([layer_tar(&[("a", b"a")])]);
        let press = Press::new();
        image.classic_archive(&[named]).write_tar(&press.image());
        let ended = build_to(&press, "{name}_{tag}", &["-q"]);
        if name.is_empty() {
            ended.failed(5, &["{tag}: the image has no tag"]);
            assert!(press.left().is_empty(), "{named:?}");
        } else {
            ended.succeeded();
            assert_eq!(press.left(), [format!("out/{name}")], "{named:?}");
        }
    }
}

#[test]
fn a_name_that_turns_out_to_be_the_images_own_or_anothers_is_refused() {
    let press = press();
    let before = fs::read(press.image()).unwrap();
    let named = press.input("test-1");
    fs::rename(press.image(), &named).unwrap();
    let mut command = press.command("build");
    command
        .arg(&named)
        .arg("-o")
        .arg(press.input("{name}-{tag}"));
    press.run(&mut command).failed(
        5,
        &["test-1", "expected an output other than the image itself"],
    );
    assert_eq!(fs::read(&named).unwrap(), before);
    fs::rename(&named, press.image()).unwrap();
    let tree = out(&press, "{name}-1");
    let tree = ["--verity-file", tree.to_str().unwrap()];
    build_to(&press, "test-{tag}", &tree).failed(5, &["test-1", "found one for two"]);
    fs::create_dir(out(&press, "test")).unwrap();
    build_to(&press, "{name}", &[]).failed(5, &["out/test", "a directory"]);
    assert_eq!(press.left(), ["out/test"]);
}
