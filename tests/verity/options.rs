//! What is typed about trees and root hashes, and what is refused of it.

use super::{built, press};

#[track_caller]
fn refused(arguments: &[&str], words: &[&str]) {
    let press = press();
    let mut build = press.build();
    let ended = press.run(build.args(arguments));
    assert_eq!(ended.code(), 2, "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
    assert_eq!(press.left(), [""; 0]);
}

#[test]
fn a_salt_needs_a_tree_and_a_tree_has_one_place() {
    refused(&["--verity-salt", "00"], &["--verity", "--verity-file"]);
    refused(
        &["--verity", "--verity-file", "x"],
        &["cannot be used with"],
    );
    refused(
        &["--verity", "--verity-salt", "xyz"],
        &["'xyz'", "hexadecimal"],
    );
    refused(
        &["--verity", "--verity-salt", &"00".repeat(257)],
        &["at most 256 bytes, found 257"],
    );
}

/// An option whose value may be left out would take what stands behind it for one.
#[test]
fn what_stands_behind_verity_is_not_its_value() {
    let press = press();
    let mut build = press.command("build");
    build.args(["--verity", "-q"]).arg(press.image());
    press.add_directories(&mut build);
    press.run(&mut build).succeeded();
    assert_eq!(press.left(), ["out/fs.img", "out/fs.img.roothash"]);
}

#[test]
fn verify_needs_an_image_or_a_root_hash() {
    let press = press();
    let root = built(&press, &["--verity"]);
    let run = |arguments: &[&str]| {
        let mut verify = press.command("verify");
        press.run(verify.arg(press.output()).args(arguments))
    };
    let ended = run(&[]);
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr.contains("IMAGE"), "{}", ended.stderr);
    for wrong in [&root[1..], "@fs.img.roothash", ""] {
        let ended = run(&[&format!("--roothash={wrong}")]);
        assert_eq!(ended.code(), 2);
        assert!(ended.stderr.contains("OUTPUT.roothash"), "{}", ended.stderr);
    }
    for option in ["--verity-file=x", "--hash-offset=0"] {
        let ended = run(&["x", option]);
        assert_eq!(ended.code(), 2);
        assert!(ended.stderr.contains("--roothash"), "{}", ended.stderr);
    }
    run(&["--roothash", &root.to_uppercase()]).succeeded();
}

/// A file of that name was written, where its neighbours refuse it.
#[test]
fn standard_output_is_no_file_for_a_tree() {
    let press = press();
    let mut build = press.build();
    let ended = press.run(build.args(["--verity-file", "-"]));
    ended.failed(2, &["--verity-file -: expected a file"]);
    assert_eq!(press.left(), [""; 0]);
}
