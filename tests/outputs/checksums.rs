//! The file with the output's SHA-256.

use std::fs;

use super::support::oracles::succeed;
use super::{build, out, press, read};

#[test]
fn a_raw_checksum_is_sixty_four_digits_and_nothing_else() {
    let press = press();
    build(&press, &["-q", "--sha256=raw"]).succeeded();
    let digits = String::from_utf8(read(&press, "fs.img.sha256")).unwrap();
    let told = succeed("sha256sum", [press.output()]);
    let told = String::from_utf8(told).unwrap();
    assert_eq!(digits.len(), 64);
    assert_eq!(Some(&*digits), told.get(..64));
    // What scripts do with it.
    let check =
        r#"printf '%s  %s\n' "$(cat fs.img.sha256)" fs.img | sha256sum --check --status --strict"#;
    let here = press.root().join("out");
    let in_out = format!("cd {} && {check}", here.display());
    succeed("sh", ["-c", &in_out]);
    fs::write(out(&press, "fs.img.sha256"), "0".repeat(64)).unwrap();
    let status = std::process::Command::new("sh")
        .args(["-c", &in_out])
        .status();
    assert!(!status.unwrap().success());
}

#[test]
fn the_line_is_the_usual_form_and_takes_no_word_that_stands_behind_the_option() {
    let press = press();
    for option in ["--sha256", "--sha256=line"] {
        build(&press, &["-q", option]).succeeded();
        let line = String::from_utf8(read(&press, "fs.img.sha256")).unwrap();
        assert!(line.ends_with("  fs.img\n"), "{line:?}");
    }
    // `raw` is then another image's name.
    for (options, says) in [
        (&["--sha256", "raw"][..], "unexpected argument 'raw'"),
        (&["--sha256=digits"], "possible values: line, raw"),
    ] {
        let ended = build(&press, options);
        assert_eq!(ended.status.code(), Some(2));
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
}
