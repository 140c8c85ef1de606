//! What was meant, told where one thing was typed in another's place.

use std::fs;

use super::press;
use super::support::run::{Ended, Press};

fn run(press: &Press, words: &[&str]) -> Ended {
    let (command, rest) = words.split_first().unwrap();
    let mut command = press.command(command);
    command.current_dir(press.root().join("in")).args(rest);
    // Nobody is asked.
    command.env("HTTPS_PROXY", "http://127.0.0.1:9");
    command.env("DOCKER_HOST", "unix:///nonexistent");
    press.run(&mut command)
}

/// With `fs.img` and a copy of it.
fn with_filesystems() -> Press {
    let press = press();
    run(&press, &["build", "save.tar", "-q", "-o", "fs.img"]).succeeded();
    fs::copy(press.input("fs.img"), press.input("other.img")).unwrap();
    press
}

#[test]
fn verify_of_two_filesystems_names_diff_and_of_two_in_the_wrong_order_the_right_one() {
    let press = with_filesystems();
    run(&press, &["verify", "fs.img", "other.img"])
        .failed(4, &["`layerpress diff fs.img other.img`"]);
    run(&press, &["verify", "save.tar", "fs.img"])
        .failed(4, &["`layerpress verify fs.img save.tar`"]);
    run(&press, &["verify", "gone.img", "fs.img"]).failed(3, &["gone.img"]);
    run(&press, &["verify", "fs.img", "save.tar"]).succeeded();
}

#[test]
fn what_only_a_registry_has_is_told_its_form_where_a_file_is_typed() {
    let press = with_filesystems();
    let form = "docker://[HOST[:PORT]/]NAME[:TAG]";
    for name in ["fs.img", "gone.img", "oci:gone", ".", "docker-daemon:a"] {
        for words in [
            &["pull", name, "-o", "x.img"][..],
            &["push", "fs.img", name],
            &["tags", name],
        ] {
            let ended = run(&press, words);
            ended.failed(5, &[form, name]);
            assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        }
    }
    assert!(!press.input("x.img").exists());
    // A name of a registry is asked for: the check above can fail.
    run(&press, &["tags", "docker://127.0.0.1:1/a", "--retry=0"]).failed(9, &["127.0.0.1:1"]);
}

#[test]
fn cat_of_a_directory_names_image_and_path_and_a_path_without_slash_where_it_begins() {
    let press = with_filesystems();
    for image in ["fs.img", "save.tar"] {
        for path in ["/etc", "etc"] {
            let told = format!("{image}: /etc: expected a regular file, found a directory");
            run(&press, &["cat", image, path]).failed(5, &[&told, "the image's root"]);
        }
        let root = "paths begin at the image's root";
        for command in ["cat", "ls", "stat"] {
            let ended = run(&press, &[command, image, "gone/x"]);
            ended.failed(3, &["/gone/x", image, root]);
            let ended = run(&press, &[command, image, "/gone/x"]);
            ended.failed(3, &["/gone/x", image]);
            assert!(!ended.stderr.contains(root), "{}", ended.stderr);
        }
        let with_slash = run(&press, &["cat", image, "/etc/group"]);
        let without = run(&press, &["cat", image, "etc/group"]);
        assert_eq!(with_slash.succeeded(), without.succeeded());
    }
}

#[test]
fn a_cut_digest_and_an_image_s_id_are_told_as_such() {
    let press = press();
    let build = |name: &str| run(&press, &["build", name, "-o", "x.img", "--retry=0"]);
    for name in [
        "name@sha256:abc",
        "docker://name@sha256:abc",
        "docker-daemon:name@sha256:abc",
        "oci:gone@sha256:abc",
    ] {
        build(name).failed(5, &["sha256 digest has 64 hexadecimal digits, found 3"]);
    }
    for name in ["0123456789ab", "sha256:0123456789ab"] {
        let daemon = format!("docker-daemon:{name}");
        build(name).failed(5, &["12 hexadecimal digits are an image's ID", &daemon]);
    }
    // One digit less is a name like any other.
    build("0123456789a").failed(9, &["docker://0123456789a"]);
}

#[test]
fn what_is_not_there_to_be_put_in_is_told_before_the_image_is_read() {
    let press = press();
    let output = |rest: &[&str]| {
        let words = [
            &["build", "save.tar", "-o", "x.img", "--progress=plain"],
            rest,
        ]
        .concat();
        run(&press, &words)
    };
    for (option, told) in [
        ("--add=gone:/x", "--add gone: cannot open gone"),
        ("--overlay=gone", "--overlay gone: cannot open gone"),
    ] {
        let ended = output(&[option]);
        ended.failed(3, &[told]);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
    output(&["--add=/dev/null:/x"]).failed(5, &["--add /dev/null", "found a device"]);
    // What is there is read, as the image is: the check above can fail.
    let ended = output(&["--add=save.tar:/x"]);
    ended.succeeded();
    assert!(ended.stderr.lines().count() > 1, "{}", ended.stderr);
}

#[test]
fn an_authority_s_file_and_a_daemon_s_address_are_looked_at_before_anybody_is_asked() {
    let press = press();
    let build = |name: &str, option: &str| {
        let words = ["build", name, "-o", "x.img", "--retry=0", option];
        run(&press, &words)
    };
    let of_registry = "docker://127.0.0.1:1/a";
    build(of_registry, "--ca-cert=gone.pem").failed(3, &["gone.pem"]);
    build(of_registry, "--client-cert=gone.pem").failed(3, &["gone.pem"]);
    build("docker-daemon:a", "--docker-host=ftp://zzz").failed(5, &["docker host ftp://zzz"]);
    build(of_registry, "--no-cache").failed(9, &["127.0.0.1:1"]);
}

#[test]
fn a_variable_that_is_no_text_is_told_by_its_name() {
    use std::os::unix::ffi::OsStrExt;

    let press = press();
    let build = |words: &[&str]| {
        let mut command = press.command("build");
        command.current_dir(press.root().join("in")).args(words);
        let value = std::ffi::OsStr::from_bytes(b"\xff");
        press.run(command.env("SOURCE_DATE_EPOCH", value))
    };
    let ended = build(&["save.tar", "-o", "x.img"]);
    ended.failed(2, &["variable SOURCE_DATE_EPOCH", "UTF-8"]);
    assert!(!press.input("x.img").exists());
    // What is typed stands in its place.
    build(&["save.tar", "-o", "x.img", "--source-date-epoch=1"]).succeeded();
}

#[test]
fn ls_with_h_alone_shows_its_help_on_standard_output() {
    let press = press();
    let ended = run(&press, &["ls", "-h"]);
    let help = ended.succeeded();
    assert!(help.contains("Usage: layerpress ls [OPTIONS]"), "{help}");
    assert!(!help.contains('\u{1b}'), "{help:?}");
    assert_eq!(ended.stderr, "");
    let ended = run(&press, &["ls", "-h", "-l"]);
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr.contains("IMG|IMAGE"), "{}", ended.stderr);
    run(&press, &["ls", "-h", "save.tar"]).succeeded();
}
