//! Which exit code what goes wrong has, one row for each thing: whoever starts builds from a script
//! decides by the code alone whether to try again (9), to look after what is named (3), to throw the
//! image out (4), to type something else (2, 5) or to mend the machine (6).
//!
//! Found by trying each limit and each kind of junk: most limits of ext3 ended with 5 and some with
//! 4, junk with 4 or 5 by where it was given, and a tag that is not there with 5 from a layout and
//! 3 from a registry.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod prepare;
#[path = "../support/mod.rs"]
mod support;
mod table;

use support::run::Press;
use table::TABLE;

#[test]
fn each_row_of_the_table_ends_with_its_code_and_one_line() {
    let mut wrong = Vec::new();
    for (what, code, prepare) in TABLE {
        let press = Press::new();
        let ended = press.run(&mut prepare(&press));
        let errors = ended
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .count();
        let lines = usize::from(*code != 1);
        if ended.code() != *code || errors != lines {
            let said = ended.stderr.lines().last().unwrap_or_default();
            wrong.push(format!(
                "{what}: expected {code}, found {}: {said}",
                ended.code()
            ));
        }
        if press.output().exists() {
            wrong.push(format!("{what}: left an output"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn help_and_reference_list_the_same_codes() {
    let press = Press::new();
    let reference = include_str!("../../docs/reference/exit-codes.md");
    for code in 0..=9 {
        assert!(
            reference.contains(&format!("\n| {code} | ")),
            "reference: {code}"
        );
    }
    let top = press.run(press.command("--help").arg("--help"));
    for code in 0..=9 {
        let listed = top
            .stdout
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("{code} ")));
        assert!(listed, "{code}: {}", top.stdout);
    }
}
