//! Lists that are no lists, and ways to them that lead elsewhere.

use crate::read;
use crate::support::archive::TestImage;
use crate::support::run::Press;
use crate::support::session::Layer;

const STATUS: &str = "var/lib/dpkg/status";
const ONE: &[u8] = b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n";

fn one() -> [[String; 3]; 1] {
    [["a", "1", "all"].map(str::to_owned)]
}

#[test]
fn links_lead_to_lists_inside_the_root_whatever_they_say() {
    for (link, target, place) in [
        ("var/lib/dpkg/status", "/srv/status", "srv/status"),
        (
            "var/lib/dpkg",
            "../../../../../../srv/dpkg",
            "srv/dpkg/status",
        ),
        ("var", "/./srv//var/", "srv/var/lib/dpkg/status"),
        (
            "var/lib/dpkg/status",
            "../../../etc/../etc/./status",
            "etc/status",
        ),
    ] {
        let layer = Layer::new().file(place, ONE).symlink(link, target);
        let (found, warnings) = read(&Press::new(), vec![layer.tar()]);
        assert_eq!(found, one(), "{link} -> {target}");
        assert_eq!(warnings, [""; 0]);
    }
    // The host has one there; the image has not.
    let layer = Layer::new().symlink("var", "/var");
    let error = refused(layer);
    assert!(error.contains("symbolic links"), "{error}");
    let layer = Layer::new().symlink(STATUS, "/var/lib/dpkg/status-old");
    let (found, warnings) = read(&Press::new(), vec![layer.tar()]);
    assert_eq!(found, [[""; 3]; 0]);
    assert!(
        warnings[0].starts_with("no list of packages"),
        "{warnings:?}"
    );
}

/// What is said of an image whose lists cannot be read, from its layers and from a filesystem; there is
/// no output then.
fn refused(layer: Layer) -> String {
    let press = Press::new();
    TestImage::new([layer.tar()])
        .classic_archive(&["test:1"])
        .write_tar(&press.image());
    let mut list = press.command("packages");
    list.arg(press.image());
    let of_layers = press.run(&mut list);
    let mut build = press.build();
    build
        .arg("--packages")
        .arg(press.root().join("out/packages.json"));
    let of_build = press.run(&mut build);
    assert_eq!(of_build.code(), of_layers.code(), "{}", of_build.stderr);
    assert_eq!(press.left(), [""; 0]);
    press.run(&mut press.build()).succeeded();
    let mut list = press.command("packages");
    list.arg(press.output());
    let of_filesystem = press.run(&mut list);
    assert_eq!(of_filesystem.code(), of_layers.code());
    assert!(matches!(of_layers.code(), 4 | 5), "{}", of_layers.stderr);
    let error = |text: &str| {
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert_eq!(lines.len(), 1, "{text}");
        lines[0].to_owned()
    };
    error(&of_build.stderr);
    error(&of_filesystem.stderr);
    error(&of_layers.stderr)
}

#[test]
fn links_that_go_round_are_an_error() {
    let layer = Layer::new()
        .symlink("var/lib/dpkg", "other")
        .symlink("var/lib/other", "dpkg");
    let error = refused(layer);
    assert!(error.contains("var/lib/dpkg"), "{error}");
    assert!(
        error.contains("expected at most 40 symbolic links on the way"),
        "{error}"
    );
}

#[test]
fn a_list_beyond_any_is_an_error_before_it_is_read() {
    let layer = Layer::new().file(STATUS, &vec![b' '; (64 << 20) + 1]);
    let error = refused(layer);
    assert!(
        error.contains("of at most 67108864 bytes together, found one of 67108865"),
        "{error}"
    );
}

#[test]
fn what_is_no_file_is_told_and_other_lists_are_read() {
    let layer = Layer::new()
        .directory(STATUS)
        .device("var/lib/dpkg/status.d/null", 1, 3)
        .file("var/lib/dpkg/status.d/a", ONE)
        .directory("lib/apk/db/installed");
    let (found, warnings) = read(&Press::new(), vec![layer.tar()]);
    assert_eq!(found, one());
    assert_eq!(
        warnings,
        [
            "a list of packages is no regular file and is not read: 3 entries, for example var/lib/dpkg/status"
        ]
    );
}

#[test]
fn lists_full_of_nonsense_are_told_of_in_one_warning_of_each_kind() {
    let mut status = ONE.to_vec();
    for _ in 0..1000 {
        status.extend_from_slice(
            b"\n\xff\xfe\0nonsense\n\nPackage: \x1b[2J\nStatus: install ok installed\nVersion: 1\n",
        );
    }
    let layer = Layer::new().file(STATUS, &status);
    let (found, warnings) = read(&Press::new(), vec![layer.tar()]);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0][0], "\\x1b[2J");
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(
        warnings
            .iter()
            .all(|warning| warning.contains("entries, for example"))
    );
}

#[test]
fn rpms_database_is_named_and_not_read() {
    let layer = Layer::new()
        .file(STATUS, ONE)
        .file("usr/lib/sysimage/rpm/rpmdb.sqlite", b"SQLite format 3\0");
    let (found, warnings) = read(&Press::new(), vec![layer.tar()]);
    assert_eq!(found, one());
    assert_eq!(
        warnings,
        [
            "packages in the database of rpm are not listed: it is not read: usr/lib/sysimage/rpm/rpmdb.sqlite"
        ]
    );
}
