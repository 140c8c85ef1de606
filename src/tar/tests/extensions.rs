//! Headers about the header that follows.

use super::*;

#[test]
fn gnu_long_names_replace_both_names_of_the_next_entry_only() {
    let long = [b'a'; 300];
    let with_nul = |bytes: &[u8]| [bytes, b"\0"].concat();
    let tar = Tar::default()
        .member(Block::gnu(b'L', "././@LongLink"), &with_nul(&long))
        .member(Block::gnu(b'K', "././@LongLink"), &with_nul(b"a target"))
        .block(Block::gnu(b'2', "aaa").set(157, b"short"))
        .block(Block::gnu(b'2', "next").set(157, b"short"))
        .end();
    let entries = entries(&tar);
    assert_eq!(*entries[0].path, long);
    assert_eq!(entries[0].kind, EntryKind::Symlink((*b"a target").into()));
    assert_eq!(*entries[1].path, *b"next");
    assert_eq!(entries[1].kind, EntryKind::Symlink((*b"short").into()));
    assert_eq!(entries[0].header_offset, 4 * 512);
}

#[test]
fn pax_records_override_the_header_for_the_next_entry_only() {
    let tar = Tar::default()
        .pax(&[
            ("path", b"n\xff\n"),
            ("size", b"3"),
            ("uid", b"4294967295"),
            ("gid", b"70000"),
            ("mtime", b"-1.25"),
            ("SCHILY.xattr.user.z", b"1"),
            ("SCHILY.xattr.user.a", b"a\n9 path=x\n"),
            ("LIBARCHIVE.creationtime", b"1"),
        ])
        .block(Block::new(b'0', "name").size(9))
        .data(b"abc")
        .file("next", b"")
        .end();
    let entries = entries(&tar);
    let entry = &entries[0];
    assert_eq!(*entry.path, *b"n\xff\n");
    assert_eq!((entry.uid, entry.gid), (u32::MAX, 70000));
    assert_eq!(
        entry.mtime,
        Timestamp {
            seconds: -2,
            nanoseconds: 750_000_000
        }
    );
    assert_eq!(entry.kind, contiguous(3, 3 * 512));
    let xattrs: Vec<_> = entry
        .xattrs
        .iter()
        .map(|xattr| (&*xattr.name, &*xattr.value))
        .collect();
    assert_eq!(
        xattrs,
        [(&b"user.a"[..], &b"a\n9 path=x\n"[..]), (b"user.z", b"1")]
    );
    assert_eq!((*entries[1].path).to_vec(), b"next");
    assert_eq!(entries[1].uid, 0o1750);
    assert!(entries[1].xattrs.is_empty());
}

#[test]
fn of_two_extended_headers_in_a_row_the_second_counts_and_long_names_count_before_pax() {
    let tar = Tar::default()
        .pax(&[("path", b"first"), ("uid", b"1")])
        .pax(&[("path", b"second")])
        .file("name", b"");
    let entry = only(tar);
    assert_eq!((&*entry.path, entry.uid), (&b"second"[..], 0o1750));
    let tar = Tar::default()
        .member(Block::gnu(b'L', "././@LongLink"), b"long\0")
        .pax(&[("path", b"pax"), ("uid", b"1")])
        .file("name", b"");
    let entry = only(tar);
    assert_eq!((&*entry.path, entry.uid), (&b"long"[..], 1));
}

#[test]
fn global_records_hold_for_all_later_entries_until_overridden_or_taken_back() {
    let tar = Tar::default()
        .file("before", b"")
        .pax(&[("gid", b"9")])
        .global(&[("comment", b"a commit"), ("uid", b"7"), ("mtime", b"1.5")])
        .file("a", b"")
        .pax(&[("uid", b"8"), ("mtime", b"")])
        .file("b", b"")
        .global(&[("uid", b"")])
        .file("c", b"")
        .end();
    let entries = entries(&tar);
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry.uid,
                entry.gid,
                entry.mtime.seconds,
                entry.mtime.nanoseconds,
            )
        })
        .collect();
    let header_time = 0o14_000_000_000;
    let expected = [
        (0o1750, 0o1751, header_time, 0),
        (7, 9, 1, 500_000_000),
        (8, 0o1751, header_time, 0),
        (0o1750, 0o1751, 1, 500_000_000),
    ];
    assert_eq!(seen, expected);
    let tar = Tar::default().global(&[("GNU.sparse.map", b"0,1")]);
    refused(tar, "GNU.sparse.map");
}

#[test]
fn keywords_that_are_not_known_are_counted() {
    let tar = Tar::default()
        .pax(&[
            ("SCHILY.tags", b"red"),
            ("atime", b"1"),
            ("MSWINDOWS.rawsd", b"x"),
        ])
        .file("a", b"");
    let (_, warning) = warned(&tar.end());
    assert!(warning.contains("SCHILY.tags of a"), "{warning}");
    let named = |set: &[u8]| Tar::default().pax(&[("hdrcharset", set)]).file("a", b"");
    let (_, warning) = warned(&named(b"KOI8-R").end());
    assert!(warning.contains("character set"));
    only(named(b"BINARY"));
}

#[test]
fn file_flags_are_read_by_libarchives_names_and_others_are_told() {
    let tar = Tar::default()
        .global(&[("SCHILY.fflags", b"nodump")])
        .file("a", b"")
        .pax(&[("SCHILY.fflags", b"schg,sappnd")])
        .file("b", b"")
        .pax(&[("SCHILY.fflags", b"")])
        .file("c", b"");
    let entries = entries(&tar.end());
    let flags: Vec<_> = entries
        .iter()
        .map(|entry| entry.file_flags.bits())
        .collect();
    assert_eq!(flags, [0x40, 0x30, 0]);
    let tar = Tar::default()
        .pax(&[("SCHILY.fflags", b"uchg,schg,arch")])
        .file("a", b"");
    let (entries, warning) = warned(&tar.end());
    assert_eq!(entries[0].file_flags.bits(), 0x10);
    assert!(
        warning.contains("flags that Linux does not have") && warning.ends_with("a (uchg, arch)"),
        "{warning}"
    );
}

#[test]
fn an_extension_header_must_be_followed_by_an_entry() {
    let tar = Tar::default().pax(&[("uid", b"1")]);
    refused(tar, "at byte 1024: expected an entry after");
    let tar = Tar::default().member(Block::gnu(b'L', "x"), b"name\0");
    let error = index(&tar.0).unwrap_err().to_string();
    assert!(error.contains("expected an entry after"), "{error}");
}
