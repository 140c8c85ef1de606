use std::path::Path;

use super::*;
use crate::edits::{TreePath, WriteFile};
use crate::oci::Platform;
use crate::pipeline::{JournalSize, Kind, SizePolicy};
use crate::recipe_file::Assignment;

fn read(text: &str, set: &[&str]) -> Result<RecipeFile> {
    let set: Vec<Assignment> = set.iter().map(|set| set.parse().unwrap()).collect();
    let mut variables = Variables::new(&set)?;
    let file = RecipeFile::parse("r.toml", text.as_bytes(), &mut variables)?;
    variables.refuse_unused()?;
    Ok(file)
}

fn wrong(text: &str, set: &[&str]) -> String {
    let error = read(text, set).unwrap_err();
    assert_eq!(error.exit_code(), 5, "{error}");
    let error = error.to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

/// Every key there is.
const FULL: &str = r#"
source = "oci-archive:images/base.tar:v1"
platform = "linux/arm64"
file-flags = true
source-date-epoch = -1

[filesystem]
fs = "ext4"
size = "+512M"
journal = "16M"
free-inodes = 7
label = "root"
uuid = "01234567-89ab-cdef-0123-456789abcdef"
hash-seed = "fedcba98-7654-3210-fedc-ba9876543210"

[edits]
include = ["usr"]
mkdir = ["app", { path = "tmp", mode = "1777" }]
file = [{ path = "etc/hosts", text = "127.0.0.1 localhost\n" }]
root-mode = "0755"
mount-points = true
strict = true

[output]
file = "out.img"
sha256 = "raw"
compress = "zstd:19"
compress-only = true
manifest = "out.json"
packages = "packages.json"
config-out = "config.json"
verity-file = "out.verity"
verity-salt = "00ff"

[limits]
max-entries = 5
max-zstd-window-log = 31
"#;

#[test]
fn a_recipe_with_every_key_says_what_it_says() {
    let file = read(FULL, &[]).unwrap();
    let image = &file.images[0];
    assert!(!file.is_list);
    assert_eq!(image.platform, Some(Platform::new("linux", "arm64", None)));
    assert_eq!(image.source_date_epoch, Some(-1));
    assert_eq!(image.filesystem.fs, Kind::Ext4);
    assert_eq!(
        image.filesystem.size,
        "+512M".parse::<SizePolicy>().unwrap()
    );
    assert_eq!(image.filesystem.journal, JournalSize::Mebibytes(16));
    assert_eq!(image.filesystem.uuid.unwrap()[..2], [0x01, 0x23]);
    assert_eq!(image.edits.mkdir[1].path.as_bytes(), b"tmp");
    assert_eq!(image.limits.max_zstd_window_log, 31);
    assert_eq!(image.limits.max_bytes, 1 << 40);
    assert_eq!(
        image.output.verity_file.as_deref(),
        Some(Path::new("out.verity"))
    );
}

#[test]
fn what_is_written_says_the_same_when_it_is_read() {
    for text in [
        FULL,
        "",
        "[[image]]\n[[image]]\nsource = 'a'\n[image.edits]\nstrict = true\n",
    ] {
        let file = read(text, &[]).unwrap();
        let written = file.to_toml().unwrap();
        assert_eq!(read(&written, &[]).unwrap(), file, "{written}");
    }
    // Limits that are the usual ones are not told.
    let written = read(FULL, &[]).unwrap().to_toml().unwrap();
    assert!(written.contains("max-entries") && !written.contains("max-bytes"));
}

#[test]
fn several_images_are_read_in_their_order() {
    let file = read("[[image]]\nsource = 'a'\n[[image]]\nsource = 'b'\n", &[]).unwrap();
    let names = file
        .images
        .iter()
        .map(|image| image.source.clone().unwrap());
    assert_eq!(
        names.map(|name| name.to_string()).collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert!(file.is_list);
    assert!(wrong("image = []", &[]).contains("found none"));
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_was_expected() {
    for (text, told) in [
        (
            "sorce = 'x'",
            "r.toml:1:1: unknown key 'sorce': the nearest is 'source'",
        ),
        (
            "\n[edits]\nexlude = []",
            "r.toml:3:1: unknown key 'exlude': the nearest is 'exclude'",
        ),
        (
            "[[image]]\n[image.edit]",
            "r.toml:2:8: unknown key 'edit': the nearest is 'edits'",
        ),
        (
            "[[image]]\n[images]",
            "r.toml:2:2: unknown key 'images': the nearest is 'image'",
        ),
        (
            "size = 'fit'",
            "r.toml:1:1: unknown key 'size' here: it belongs to [filesystem]",
        ),
        (
            "jobs = 3",
            "r.toml:1:1: unknown key 'jobs': that is of the machine",
        ),
        (
            "zzzzzzzz = 3",
            "r.toml:1:1: unknown key 'zzzzzzzz': expected one of source, platform",
        ),
        (
            "[filesystem]\nsize = 107",
            "r.toml:2:8: expected a size as in \"107%\"",
        ),
        (
            "[filesystem]\nsize = 'big'",
            "r.toml:2:8: 'big' is not a size",
        ),
        (
            "[filesystem]\nfs = 'xfs'",
            "r.toml:2:6: expected \"ext2\", \"ext3\" or \"ext4\", found 'xfs'",
        ),
        (
            "[filesystem]\nlabel = 'a label that is too long'",
            "r.toml:2:9: expected a label",
        ),
        (
            "[filesystem]\nfree-inodes = -1",
            "r.toml:2:15: expected u32, found integer -1",
        ),
        (
            "[output]\nsha256 = 'long'",
            "r.toml:2:10: expected true, false or \"raw\", found 'long'",
        ),
        (
            "[output]\nsha256 = 1",
            "r.toml:2:10: expected true, false or \"raw\"",
        ),
        (
            "[limits]\nmax-zstd-window-log = 40",
            "expected a power of two from 10 to 31, found 40",
        ),
        (
            "file-flags = 'yes'",
            "r.toml:1:14: expected a boolean, found string \"yes\"",
        ),
        ("source = 'oci:'", "r.toml:1:10: oci: expected a path"),
        ("source = ''", "r.toml:1:10: an empty image name"),
        ("source = 'a'\nsource = 'b'", "r.toml:2:1: duplicate key"),
        ("a = ", "r.toml:1:5: "),
        ("ä = 1", "r.toml:1:1: "),
        ("[edits]\nmkdir = ['a:9']", "octal"),
        ("[edits]\ninclude = ['../x']", "'..'"),
        (
            "source = \"a\\u0000b\"",
            "r.toml:1:10: expected a text without NUL",
        ),
        ("source = \"a\u{0}b\"", "r.toml:1:12: "),
    ] {
        let error = wrong(text, &[]);
        assert!(error.contains(told), "{text}\n{error}");
    }
    let mut variables = Variables::default();
    let error = RecipeFile::parse("r.toml", b"a = 1\nb = '\xff'", &mut variables).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("r.toml:2: expected a recipe in UTF-8"),
        "{error}"
    );
}

#[test]
fn what_is_too_large_or_too_deep_is_one_error() {
    let edits: String = (0..1_000_000).map(|edit| format!("'a{edit}',")).collect();
    assert!(wrong(&format!("[edits]\nmkdir = [{edits}]"), &[]).contains("at most 1048576 bytes"));
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        for depth in [100, 100_000] {
            let text = format!("a = {}{}", open.repeat(depth), close.repeat(depth));
            let error = wrong(&text, &[]);
            assert!(error.contains("no more than 80 deep"), "{error}");
        }
    }
    for depth in [100, 100_000] {
        let text = format!("a.{}b = 1", "a.".repeat(depth));
        let error = wrong(&text, &[]);
        assert!(error.contains("no more than 80 deep"), "{error}");
    }
}

#[test]
fn variables_are_put_into_texts_and_are_never_toml() {
    let text =
        "source = 'docker://host.example/${NAME}:${TAG}'\n[output]\nfile = '${NAME}-{id:12}.img'";
    let file = read(text, &["NAME=app", "TAG=v1"]).unwrap();
    let image = &file.images[0];
    assert_eq!(
        image.source.as_ref().unwrap().to_string(),
        "docker://host.example/app:v1"
    );
    let name = image.output.file.as_deref().unwrap();
    assert_eq!(name, Path::new("app-{id:12}.img"));
    // What was put in is neither TOML nor another variable.
    let hostile = "x'\n[edits]\nstrict = true #${NAME}";
    let file = read("[output]\nfile = '${NAME}'", &[&format!("NAME={hostile}")]).unwrap();
    assert_eq!(
        file.images[0].output.file.as_deref(),
        Some(Path::new(hostile))
    );
    assert!(file.images[0].edits.is_empty());
}

#[test]
fn other_braces_and_escaped_names_stay_and_survive_being_written() {
    for (typed, meant) in [
        (
            "${} ${a b} ${1} ${x:-y} $ {X} ${X",
            "${} ${a b} ${1} ${x:-y} $ {X} ${X",
        ),
        ("$${X} $$${X}", "${X} $${X}"),
        ("$$ ${V}${V}$", "$$ vv$"),
        ("${${V}", "${v"),
    ] {
        let file = read(
            &format!("[edits]\nfile = ['motd={typed} ${{V}}']"),
            &["V=v"],
        )
        .unwrap();
        assert_eq!(file.images[0].edits.file[0].text, format!("{meant} v"));
        let again = read(&file.to_toml().unwrap(), &[]).unwrap();
        assert_eq!(again, file);
    }
}

#[test]
fn letters_that_a_terminal_must_not_get_are_written_as_escapes() {
    for text in [
        "a\tb\n",
        "\u{1b}[2J\r\n\u{7f}",
        "'''\"\"\"\\ \u{200b}\u{2028}\u{202e}\u{feff}",
        "\\u0001\\u0002\\t\u{9b}",
        "\u{1}\u{2}\u{1}00000009",
    ] {
        let mut image = ImageRecipe::default();
        image.edits.file.push(WriteFile {
            path: TreePath::typed(b"etc/motd").unwrap(),
            text: text.to_owned(),
            mode: None,
            owner: None,
        });
        let file = RecipeFile::of(image);
        let written = file.to_toml().unwrap();
        assert_eq!(crate::error::escape_text(&written), written);
        assert_eq!(read(&written, &[]).unwrap(), file);
    }
}

#[test]
fn a_variable_that_is_unknown_unused_or_given_twice_is_refused() {
    assert!(wrong("source = '${X}'", &[]).contains("r.toml:1:10: expected a value for ${X}"));
    assert!(
        wrong("source = 'a'", &["X=1"]).contains("--set X: expected a name that the recipe uses")
    );
    assert!(wrong("", &["X=1", "X=2"]).contains("found a second one"));
    for set in ["X", "=1", "1X=1", "a b=1", "ä=1"] {
        assert!(set.parse::<Assignment>().is_err(), "{set}");
    }
    // Not in keys, and not in what is no text.
    assert!(wrong("'${X}' = 1", &["X=source"]).contains("unknown key '${X}'"));
    let long = format!("X={}", "x".repeat(1 << 16));
    let uses = "[edits]\nexclude = [".to_owned() + &"'${X}',".repeat(17) + "]";
    assert!(wrong(&uses, &[&long]).contains("over all texts, found more"));
}

#[test]
fn limits_are_sizes_as_they_are_typed_or_numbers_of_bytes() {
    let limits = |text: &str| read(&format!("[limits]\n{text}\n"), &[]);
    let found = limits("max-bytes = '3G'\nmax-header-bytes = 5\nmax-xattr-bytes = '7'").unwrap();
    let found = &found.images[0].limits;
    assert_eq!(
        (
            found.max_bytes,
            found.max_header_bytes,
            found.max_xattr_bytes
        ),
        (3 << 30, 5, 7)
    );
    for (text, told) in [
        ("max-bytes = '3.5G'", "3584M is as much"),
        ("max-bytes = -1", "a number of bytes, or a text as \"900M\""),
        (
            "max-bytes = true",
            "a number of bytes, or a text as \"900M\"",
        ),
        ("max-entries = '1K'", "expected"),
    ] {
        let error = limits(text).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}
