//! Several paths, and patterns of them.

use crate::support::session::{Layer, layerpress};
use crate::{pressed, told};

fn tree() -> Vec<Vec<u8>> {
    let layer = Layer::new()
        .directory("etc")
        .file("etc/a.conf", b"a\n")
        .file("etc/b.conf", b"b\n")
        .file("etc/.hidden.conf", b"hidden\n")
        .file("etc/[x].conf", b"as it stands\n")
        .file("etc/x.conf", b"x\n")
        .directory("etc/sub")
        .file("etc/sub/c.conf", b"c\n")
        .directory("etc/sub/deep")
        .file("etc/sub/deep/d.conf", b"d\n")
        .symlink("link", "etc/sub")
        .tar();
    vec![layer]
}

#[test]
fn patterns_match_as_a_shell_has_them_in_filesystems_and_images_alike() {
    let (_press, image, filesystem) = pressed(tree());
    for subject in [&*image, &*filesystem] {
        for (pattern, expected) in [
            ("/etc/*.conf", "as it stands\na\nb\nx\n"),
            ("etc/?.conf", "a\nb\nx\n"),
            ("etc/[ab].conf", "a\nb\n"),
            ("etc/{b,a}.conf", "a\nb\n"),
            ("/etc/.*.conf", "hidden\n"),
            // What is there as it stands is meant as it stands.
            ("etc/[x].conf", "as it stands\n"),
            ("/*/sub/*.conf", "c\n"),
            ("/**/?.conf", "a\nb\nc\nd\nx\n"),
            ("/etc/**/d.conf", "d\n"),
            // Links on the way are followed, as by a shell.
            ("/l*/c.*", "c\n"),
        ] {
            assert_eq!(
                told(&["cat", subject, pattern]),
                expected,
                "{subject} {pattern}"
            );
        }
        assert_eq!(told(&["ls", "-d", subject, "/etc/*/"]), "/etc/sub/\n");
        assert_eq!(
            told(&["ls", subject, "/etc/a*", "etc/b*"]),
            "/etc/a.conf\netc/b.conf\n"
        );
        let stat = told(&["stat", "--json", subject, "/etc/?.conf"]);
        assert_eq!(stat.lines().count(), 3, "{stat}");
    }
}

#[test]
fn what_nothing_matches_is_told_and_the_others_are_shown() {
    let (_press, image, filesystem) = pressed(tree());
    for subject in [&*image, &*filesystem] {
        let ran = layerpress(["cat", subject, "/etc/a.conf", "/none/*", "/etc/b.conf"]);
        let ran = ran.ended_with(3);
        assert_eq!(ran.stdout, "a\nb\n");
        assert!(
            ran.stderr.contains("nothing matches /none/*"),
            "{}",
            ran.stderr
        );
        let ran = layerpress(["ls", subject, "/etc/[a-"]).ended_with(5);
        assert!(
            ran.stderr.contains("expected a pattern, found"),
            "{}",
            ran.stderr
        );
    }
}
