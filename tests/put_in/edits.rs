//! What options make by themselves.

use super::support::run::Press;
use super::{MADE, build, built, bytes, is_absent, press, put_in, shown};

#[test]
fn directories_links_and_files_are_made_in_the_order_that_is_documented() {
    let press = press();
    let (image, _) = built(
        &press,
        &[
            "--file=/lib/text=no newline\n at the end",
            "--file=/etc/hosts=mine",
            "--file=/etc/resolv.conf=nameserver",
            "--symlink=/etc/link=../lib",
            "--symlink=/etc/hosts=x",
            "--mkdir=/app:0700:5:6",
            "--mkdir=/var/log",
        ],
    );
    let text = "no newline\n at the end";
    assert_eq!(shown(&image, "/usr/lib/text"), put_in(0o644, text));
    // Files come behind links, whatever the order they were typed in; the other name stays.
    assert_eq!(shown(&image, "/etc/hosts"), put_in(0o644, "mine"));
    assert_eq!(shown(&image, "/etc/hosts2").text, "old");
    assert_eq!(
        shown(&image, "/etc/resolv.conf"),
        put_in(0o644, "nameserver")
    );
    let link = shown(&image, "/etc/link");
    assert_eq!(
        (&*link.text, link.mode, link.mtime),
        ("../lib", 0o777, MADE)
    );
    let app = shown(&image, "/app");
    assert_eq!((app.mode, app.owner, app.mtime), (0o700, (5, 6), MADE));
    for path in ["/var", "/var/log"] {
        let made = shown(&image, path);
        assert_eq!((made.mode, made.owner, made.mtime), (0o755, (0, 0), MADE));
    }
}

#[test]
fn a_directory_that_is_there_keeps_what_it_has_but_for_a_mode_and_owner_that_are_told() {
    let press = press();
    let plain = bytes(&press, &[""; 0]);
    assert!(
        plain
            == bytes(
                &press,
                &["--mkdir=/usr/lib", "--mkdir=/lib", "--mkdir=/tmp"]
            )
    );
    for (option, mode, owner) in [
        ("--mkdir=/lib:0750", 0o750, (3, 4)),
        ("--mkdir=/lib:0750:8:9", 0o750, (8, 9)),
    ] {
        let (image, _) = built(&press, &[option]);
        let lib = shown(&image, "/usr/lib");
        assert_eq!(
            (lib.mode, lib.owner, lib.mtime),
            (mode, owner, 5),
            "{option}"
        );
        assert_eq!(shown(&image, "/lib").text, "usr/lib");
    }
}

#[test]
fn nothing_but_a_directory_takes_a_directorys_place_and_no_directory_a_files() {
    let press = press();
    for (option, words) in [
        (
            "--file=/etc=x",
            "--file etc: etc: expected a file or nothing",
        ),
        ("--symlink=/lib/../etc=x", "'..'"),
        ("--symlink=/etc/d=x", "found a directory"),
        (
            "--mkdir=/etc/hosts",
            "the component hosts to be a directory",
        ),
        (
            "--mkdir=/etc/hosts/x",
            "the component hosts to be a directory",
        ),
        ("--file=/run/x=x", "the component run to be a directory"),
    ] {
        let ended = build(&press, &[option]);
        let code = ended.code();
        assert!(code == 5 || code == 2, "{code}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        assert!(press.left().is_empty(), "{:?}", press.left());
    }
    // With --remove before it, it does.
    let (image, _) = built(&press, &["--remove=/etc/d", "--file=/etc/d=x"]);
    assert_eq!(shown(&image, "/etc/d"), put_in(0o644, "x"));
}

#[test]
fn mount_points_are_made_where_nothing_has_their_name() {
    let press = press();
    let (image, ended) = built(&press, &["--mount-points"]);
    for (path, mode, mtime) in [
        ("/dev", 0o755, MADE),
        ("/proc", 0o555, MADE),
        ("/sys", 0o555, MADE),
        ("/tmp", 0o1777, 5),
    ] {
        let found = shown(&image, path);
        assert_eq!(
            (found.mode, found.owner, found.mtime),
            (mode, (0, 0), mtime),
            "{path}"
        );
    }
    // A file has it.
    assert_eq!(shown(&image, "/run").text, "no directory");
    let told = "no mount point was made where there is a file: run";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    // Nothing at all before, as in an image from scratch.
    let empty = Press::with_layers([super::tar_bytes(&super::Rootfs::of([]))]);
    let (image, _) = built(&empty, &["--mount-points"]);
    assert_eq!(shown(&image, "/tmp").mode, 0o1777);
    assert_eq!(shown(&image, "/run").mode, 0o755);
    assert!(is_absent(&image, "/etc"));
}
