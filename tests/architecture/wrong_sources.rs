//! Small wrong sources, on each of which the checker must fail; and right ones on which it must
//! not.

use std::collections::BTreeSet;

use super::circles::circles;
use super::rules::{Room, too_long, violations};
use super::{source, sources::Source};

const ROOMS: &[Room] = &[("error", &[]), ("oci", &["error"]), ("cli", &["oci"])];

/// A library that keeps to the table, with one file more or in place of one.
fn with(path: &str, text: &str) -> BTreeSet<String> {
    let right = [
        ("src/lib.rs", "pub mod error; pub mod oci; pub mod cli;"),
        ("src/error.rs", "pub struct Error;"),
        ("src/oci/mod.rs", "mod digest; use crate::error::Error;"),
        (
            "src/cli.rs",
            "use crate::oci; fn f() { std::env::var(\"X\"); }",
        ),
    ];
    let sources: Vec<Source> = right
        .into_iter()
        .filter(|(other, _)| *other != path)
        .chain([(path, text)])
        .map(|(path, text)| source(path, text))
        .collect();
    violations(ROOMS, &sources)
}

#[track_caller]
fn fails(path: &str, text: &str, expected: &str) {
    let found = with(path, text);
    assert!(
        found.len() == 1 && found.iter().any(|line| line.contains(expected)),
        "{text}: {found:?}"
    );
}

#[track_caller]
fn passes(path: &str, text: &str) {
    let found = with(path, text);
    assert!(found.is_empty(), "{text}: {found:?}");
}

#[test]
fn a_use_that_the_table_does_not_have_is_found_however_it_is_written() {
    for text in [
        "use crate::cli;",
        "use crate::cli::Thing as Other;",
        "use crate::{error::Error, cli::{Thing, error}};",
        "fn f() -> crate::cli::Thing { g() }",
        "use super::super::cli::Thing;",
        "use super::super::{error, cli};",
        "mod inner { use super::super::super::cli; }",
        "const X: &str = r#\"// \"#; use crate::cli;",
        "/* /* */ */ use crate::cli; // no comment",
        "fn f<'a>(x: &'a str) -> char { let c = '\\''; crate::cli::g(c) }",
        "#[cfg(test)] mod tests; use crate::cli;",
        "#[cfg(test)] fn f() { g([1; 2]) } use crate::cli;",
        "#[cfg(not(test))] use crate::cli;",
    ] {
        fails("src/oci/digest.rs", text, "oci may not use cli");
    }
    fails(
        "src/oci/a/b/c.rs",
        "use super::super::super::super::cli;",
        "oci may not use cli",
    );
    fails(
        "src/error.rs",
        "use super::oci; pub struct Error;",
        "error may not use oci",
    );
}

#[test]
fn uses_inside_a_room_and_in_comments_strings_and_tests_are_free() {
    for text in [
        "use super::digest::Digest; use super::{name, other};",
        "mod inner { use super::super::name; }",
        "mod inner { } use super::name;",
        "// use crate::cli;\n/* crate::cli */ const X: &str = \"crate::cli \\\" println!\";",
        "#[cfg(test)] mod tests { use crate::cli; fn f() { println!(\"{}\", 1); unsafe {} } }",
        "#[cfg(test)]\n#[allow(unused)]\nmod tests { use std::process::Command; }",
        "use crate::oci::name; use crate::Error;",
        "pub(crate) fn f() {} pub(super) fn g() {}",
        "use rustix::process::geteuid; fn process() { self.process.stdout() }",
    ] {
        passes("src/oci/digest.rs", text);
    }
}

#[test]
fn a_room_that_is_missing_in_the_table_or_in_the_sources_is_found() {
    fails("src/attic.rs", "", "the room attic is not in the table");
    fails("src/attic/mod.rs", "", "the room attic is not in the table");
    let found = violations(
        &[("error", &[]), ("gone", &[])],
        &[source("src/error.rs", "")],
    );
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_permission_that_is_no_longer_used_is_found() {
    fails("src/oci/mod.rs", "mod digest;", "oci no longer uses error");
    let only_in_tests = "#[cfg(test)] mod tests { use crate::error::Error; }";
    fails("src/oci/mod.rs", only_in_tests, "oci no longer uses error");
}

#[test]
fn rooms_that_use_each_other_cannot_be_permitted() {
    let sources = [
        source("src/a.rs", "use crate::b;"),
        source("src/b.rs", "use crate::a;"),
    ];
    let found = violations(&[("a", &["b"]), ("b", &["a"])], &sources);
    assert!(
        found
            .iter()
            .any(|line| line.contains("does not stand above")),
        "{found:?}"
    );
}

#[test]
fn what_only_one_room_may_do_is_found_in_others() {
    for (text, expected) in [
        ("use std::process::Command;", "std::process::Command"),
        (
            "use std::process;\nfn f() { process::exit(1) }",
            "std::process::exit",
        ),
        (
            "use std::{env, process};\nfn f() { env::var_os(\"X\") }",
            "std::env::var_os",
        ),
        ("fn f() { std::env::temp_dir() }", "std::env::temp_dir"),
        ("use std::net::TcpStream;", "std::net::TcpStream"),
        (
            "use std::os::unix::net::UnixStream;",
            "std::net::UnixStream",
        ),
        ("use ureq::Agent;", "ureq"),
        ("fn f() { ureq::get(\"x\") }", "ureq"),
        ("use rustls::{ClientConfig};", "rustls"),
        ("fn f() { println!(\"x\") }", "println"),
        ("fn f() { eprint!(\"x\") }", "eprint"),
        ("fn f() { std::io::stderr() }", "stderr"),
        ("fn f() { io::stdout().lock() }", "stdout"),
        ("fn f() { std::time::Instant::now() }", "Instant"),
        ("use std::time::SystemTime;", "SystemTime"),
        ("fn f() { tempfile::tempfile() }", "tempfile::tempfile"),
        ("fn f() { unsafe { g() } }", "unsafe"),
        ("fn f() { todo!() }", "todo"),
        ("fn f() { unimplemented!(\"later\") }", "unimplemented"),
        ("fn f() { dbg!(1) }", "dbg"),
    ] {
        fails("src/oci/digest.rs", text, expected);
    }
    for text in [
        "use std::env; fn f() { env::var(\"X\"); child.stderr() }",
        "use std::time::Instant;",
    ] {
        passes("src/cli/mod.rs", text);
    }
    let streams = "fn f() { stdout(); std::io::stderr() }";
    passes("src/cli/tell.rs", streams);
    for stream in ["stdout", "stderr"] {
        let text = format!("fn f() {{ std::io::{stream}().lock() }}");
        fails("src/cli/mod.rs", &text, stream);
    }
    fails(
        "src/cli/mod.rs",
        "use std::process::Command;",
        "std::process::Command",
    );
    fails("src/cli/mod.rs", "fn f() { unsafe { g() } }", "unsafe");
    fails("src/cli/mod.rs", "fn f() { eprintln!(\"x\") }", "eprintln");
    fails("src/main.rs", "fn main() { println!(\"x\") }", "println");
}

#[test]
fn a_long_file_is_found() {
    let of = |lines: usize| too_long(&[source("src/a.rs", &"x\n".repeat(lines))]);
    assert!(of(500).is_empty());
    assert_eq!(of(501).len(), 1);
}

/// What the checker says of a room `a` with the modules `b` and `c`, and of nothing else.
fn circles_of(files: &[(&str, &str)]) -> BTreeSet<String> {
    let sources: Vec<_> = files
        .iter()
        .map(|(path, text)| source(path, text))
        .collect();
    circles(&sources)
}

#[test]
fn modules_that_use_each_other_are_found_however_it_is_written() {
    for (b, c) in [
        ("use super::c::C;", "use super::b::B;"),
        ("use crate::a::c;", "use super::b;"),
        // By way of what the room gives again.
        ("use super::C;", "use crate::a::{B, D};"),
        (
            "fn f() -> super::C { g() }",
            "mod d { use super::super::{C as _, B}; }",
        ),
        ("use super::{C as Other, D};", "fn f() { super::b::g() }"),
    ] {
        let found = circles_of(&[
            (
                "src/a/mod.rs",
                "mod b; mod c; pub use b::B; pub use self::c::{self, C};",
            ),
            ("src/a/b.rs", b),
            ("src/a/c.rs", c),
        ]);
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["in a these use each other: b, c"],
            "{b} {c}"
        );
    }
    // Deeper, around three corners, in folders.
    let found = circles_of(&[
        ("src/a/mod.rs", ""),
        ("src/a/x/mod.rs", "pub use b::deep::Deep;"),
        ("src/a/x/b/mod.rs", "pub mod deep;"),
        ("src/a/x/b/deep.rs", "use super::super::c::C;"),
        ("src/a/x/c.rs", "use crate::a::x::d;"),
        ("src/a/x/d.rs", "use crate::a::x::Deep;"),
        ("src/z.rs", "use crate::a::x::Deep;"),
    ]);
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        ["in a::x these use each other: b, c, d"]
    );
}

#[test]
fn a_command_that_knows_another_is_found() {
    let path = "src/cli/commands/pull.rs";
    for text in [
        "use super::build::Form;",
        "fn f() { crate::cli::commands::build::run() }",
    ] {
        fails(path, text, "a command uses build");
    }
    passes(
        path,
        "mod own; use own::Own; use super::super::shown; use crate::cli::commands::pull::own::Other;",
    );
    passes(
        "src/cli/command_line.rs",
        "use super::commands::{build, pull};",
    );
}

#[test]
fn what_stands_inside_a_wing_is_for_itself_only() {
    let rooms: &[Room] = &[("ext", &[]), ("finish", &["ext"])];
    let found = |text: &str| {
        let sources = [
            source("src/ext/mod.rs", "pub mod plan; pub use plan::Plan;"),
            source(
                "src/ext/plan/mod.rs",
                "pub struct Plan; use super::plan::Other;",
            ),
            source("src/finish.rs", text),
        ];
        violations(rooms, &sources)
    };
    for text in [
        "use crate::ext::plan::Plan;",
        "use super::ext::{Plan, plan};",
    ] {
        let found = found(text);
        assert!(
            found.len() == 1
                && found
                    .iter()
                    .any(|line| line.contains("reaches into ext::plan")),
            "{text}: {found:?}"
        );
    }
    assert!(found("use crate::ext::Plan;").is_empty());
}

#[test]
fn a_stair_of_modules_is_none() {
    let found = circles_of(&[
        (
            "src/a/mod.rs",
            "mod b; mod c; pub use b::B; pub use c::C; pub struct Own;",
        ),
        (
            "src/a/b.rs",
            "use super::Own; use super::c::C; #[cfg(test)] mod tests { use super::super::d::D; }",
        ),
        ("src/a/c.rs", "use super::Own; // use super::b;"),
        (
            "src/a/d.rs",
            "use super::{B, C}; use crate::a::d::inner; mod inner { use super::f; }",
        ),
    ]);
    assert!(found.is_empty(), "{found:?}");
}
