//! Names: their length, and every byte that may stand in them.

use super::assert_refused;
use super::support::press::press;
use super::support::rootfs::{Rootfs, bytes, directory, file, link};

#[test]
fn names_of_255_bytes_are_kept_and_256_are_refused() {
    let long = "n".repeat(255);
    let deep = format!("{long}/{}/{}", "m".repeat(255), "ä".repeat(127));
    let items = [
        directory(&long),
        directory(format!("{long}/{}", "m".repeat(255))),
        file(&deep, bytes(5)),
    ];
    press(&Rootfs::of(items)).judged();
}

#[test]
fn a_name_of_256_bytes_is_refused() {
    let rootfs = Rootfs::of([directory("d"), file(format!("d/{}", "n".repeat(256)), *b"")]);
    assert_refused(&rootfs, &["d/nnn", "255 bytes", "one of 256"]);
}

#[test]
fn every_byte_but_slash_and_nul_may_stand_in_a_name() {
    let singles = (1..=255_u8)
        .filter(|byte| !b"/.".contains(byte))
        .map(|byte| vec![byte]);
    let odd = [
        &b"new\nline"[..],
        b"two\n\nlines\n",
        b"back\\slash",
        b"\\x41",
        b"\"quoted\"",
        b"<12>",
        b" leading",
        b"trailing ",
        b"tab\there",
        b"\xff\xfe not utf-8",
        b"\xf0\x9f\x92",
        b"...",
        b"..a",
        b".wh.kept",
        b"-f",
        b"*?[]{}~$`'",
        b"a,b:c;d=e",
        b"\x1b[31m",
    ];
    let names = singles.chain(odd.into_iter().map(<[u8]>::to_vec));
    let mut items = vec![directory("d"), file("target", *b"linked")];
    for name in names {
        items.push(file([b"d/", &name[..]].concat(), &name[..]));
        items.push(link([b"d/link ", &name[..]].concat(), "target"));
    }
    press(&Rootfs::of(items)).judged();
}
