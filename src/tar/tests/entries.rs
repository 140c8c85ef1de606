//! Types, names, numbers.

use super::*;

#[test]
fn every_type_is_known_by_its_letter() {
    let link = |flag, name| Block::new(flag, name).set(157, b"target");
    let device = |flag, name| {
        Block::new(flag, name)
            .set(329, b"0000010\0")
            .set(337, b"0000377\0")
    };
    let tar = Tar::default()
        .file("file", b"content")
        .member(Block::new(b'7', "contiguous"), b"x")
        .block(link(b'1', "link"))
        .block(link(b'2', "symlink"))
        .block(device(b'3', "character"))
        .block(device(b'4', "block"))
        .block(Block::new(b'5', "directory/"))
        .block(Block::new(b'6', "fifo"))
        .end();
    let entries = entries(&tar);
    let kinds: Vec<_> = entries.iter().map(|entry| entry.kind.clone()).collect();
    let numbers = Device {
        major: 8,
        minor: 255,
    };
    let expected = [
        contiguous(7, 512),
        contiguous(1, 3 * 512),
        EntryKind::HardLink((*b"target").into()),
        EntryKind::Symlink((*b"target").into()),
        EntryKind::CharacterDevice(numbers),
        EntryKind::BlockDevice(numbers),
        EntryKind::Directory,
        EntryKind::Fifo,
    ];
    assert_eq!(kinds, expected);
    let file = &entries[0];
    assert_eq!((file.mode, file.uid, file.gid), (0o644, 0o1750, 0o1751));
    assert_eq!(file.mtime, Timestamp::from_seconds(0o14_000_000_000));
    assert_eq!(entries[2].header_offset, 4 * 512);
}

#[test]
fn a_v7_name_with_a_trailing_slash_is_a_directory_and_has_no_device_numbers() {
    let kind = |block: Block| only(Tar::default().block(block)).kind;
    assert_eq!(kind(Block::v7(0, "a/")), EntryKind::Directory);
    assert_eq!(kind(Block::v7(0, "a")), contiguous(0, 512));
    let device = Block::v7(b'3', "null").set(329, b"garbage");
    let numbers = Device { major: 0, minor: 0 };
    assert_eq!(kind(device), EntryKind::CharacterDevice(numbers));
}

#[test]
fn a_posix_regular_file_stays_one_with_a_trailing_slash() {
    let (entries, warning) = warned(&Tar::default().file("a/", b"x").end());
    assert_eq!(entries[0].kind, contiguous(1, 512));
    assert!(warning.contains("slash: a/"), "{warning}");
}

#[test]
fn a_prefix_belongs_to_the_name_where_the_format_has_one() {
    let prefixed = |block: Block| only(Tar::default().block(block.set(345, b"usr/share"))).path;
    assert_eq!(*prefixed(Block::new(b'0', "x")), *b"usr/share/x");
    assert_eq!(*prefixed(Block::v7(b'0', "x")), *b"x");
    // Go before 1.8 wrote it over the two times of the GNU format; what reads as times is no prefix.
    assert_eq!(*prefixed(Block::gnu(b'0', "x")), *b"usr/share/x");
    let times = Block::gnu(b'0', "x").set(345, b"14000000000\x0014000000000\0");
    assert_eq!(*only(Tar::default().block(times)).path, *b"x");
    // star's prefix is shorter, its times stand behind it.
    let star = Block::new(b'0', "x")
        .set(345, &[b'p'; 131])
        .set(476, b"14000000000 ")
        .set(508, b"tar\0");
    assert_eq!(only(Tar::default().block(star)).path.len(), 133);
    let full = Block::new(b'0', "")
        .set(0, &[b'n'; 100])
        .set(345, &[b'p'; 155]);
    assert_eq!(only(Tar::default().block(full)).path.len(), 256);
}

#[test]
fn links_directories_devices_and_fifos_have_no_data_whatever_their_size() {
    for flag in *b"123456" {
        let tar = Tar::default()
            .block(Block::new(flag, "a").set(157, b"t").size(1000))
            .file("b", b"x")
            .end();
        assert_eq!(paths(&entries(&tar)), ["a", "b"], "{}", flag as char);
    }
    // The names in a GNU dump directory are data, though.
    let tar = Tar::default()
        .member(Block::gnu(b'D', "a/"), b"Yfile\0\0")
        .file("b", b"")
        .end();
    let entries = entries(&tar);
    assert_eq!(paths(&entries), ["a/", "b"]);
    assert_eq!(entries[0].kind, EntryKind::Directory);
}

#[test]
fn a_volume_label_is_no_entry_and_what_spans_volumes_is_refused() {
    let tar = Tar::default()
        .pax(&[("uid", b"1")])
        .block(Block::gnu(b'V', "label"))
        .file("a", b"");
    assert_eq!(only(tar).uid, 0o1750);
    let tar = Tar::default().file("x", b"");
    let error = refused(tar.block(Block::gnu(b'M', "rest")), "another volume");
    let start = "rest: at byte 512: entry type 'M'";
    assert!(error.starts_with(start), "{error}");
    for flag in *b"NAEIZ\xff" {
        let tar = Tar::default().block(Block::gnu(flag, "x"));
        refused(tar, "entry type '");
    }
}

#[test]
fn owners_modes_and_device_numbers_have_their_bounds() {
    let block = Block::gnu(b'0', "a").set(108, &[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    let entry = only(Tar::default().block(block.set(100, b"0107755\0")));
    assert_eq!((entry.uid, entry.mode), (u32::MAX, 0o7755));
    let blank = Block::new(b'0', "a")
        .set(108, b"        ")
        .set(116, &[0; 8]);
    let entry = only(Tar::default().block(blank));
    assert_eq!((entry.uid, entry.gid), (0, 0));
    let before_1970 = Block::gnu(b'0', "a").set(136, &[0xff; 12]);
    let entry = only(Tar::default().block(before_1970));
    assert_eq!(entry.mtime, Timestamp::from_seconds(-1));
    let too_large = [0x80, 0, 0, 1, 0, 0, 0, 0];
    for (flag, at, bytes, what) in [
        (
            b'0',
            108,
            &too_large[..],
            "a uid of 32 bits, found 4294967296",
        ),
        (b'0', 116, &[0xff; 8], "a gid of 0 or more, found -1"),
        (b'0', 124, &[0xff; 12], "a size of 0 or more, found -1"),
        (
            b'0',
            136,
            b"99999999999\0",
            "number of 64 bits as mtime, found '99999999999\\x00'",
        ),
        (b'0', 100, b"-000644\0", "number of 64 bits as mode"),
        (b'3', 329, &too_large, "a device major of 32 bits"),
        (b'4', 337, &[0xff; 8], "a device minor of 0 or more"),
    ] {
        let tar = Tar::default().block(Block::gnu(flag, "a").set(at, bytes));
        let error = refused(tar, what);
        assert!(error.starts_with("a: at byte 0: "), "{error}");
    }
    let tar = Tar::default().pax(&[("SCHILY.devmajor", b"4000"), ("SCHILY.devminor", b"70000")]);
    let numbers = Device {
        major: 4000,
        minor: 70000,
    };
    assert_eq!(
        only(tar.block(Block::new(b'4', "a"))).kind,
        EntryKind::BlockDevice(numbers)
    );
}

#[test]
fn both_checksums_are_accepted_and_a_wrong_one_is_refused_with_its_place() {
    let mut block = Block::new(b'0', "\u{e9}t\u{e9}").set(148, b"        ");
    let signed: i32 = block
        .0
        .iter()
        .map(|byte| i32::from(byte.cast_signed()))
        .sum();
    block = block.set(148, format!("{signed:06o}\0 ").as_bytes());
    let mut tar = Tar::default();
    tar.0.extend(block.0);
    assert_eq!(*only(tar).path, *"\u{e9}t\u{e9}".as_bytes());

    let mut tar = Tar::default().file("a", b"x").file("b", b"");
    tar.0[1024] = b'c';
    let words = "at byte 1024: expected a tar header with a checksum of ";
    let text = refused(tar, words);
    let numbers: Vec<u32> = text
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(numbers[1], numbers[2] + 1, "{text}");
}

#[test]
fn names_that_are_empty_or_hold_nul_are_refused() {
    let refused = |tar: Tar, words| refused(tar.file("a", b""), words);
    let tar = Tar::default;
    refused(tar().file("", b""), "expected a name");
    let link = tar().block(Block::new(b'2', "a"));
    refused(link, "a: at byte 0: expected a link target");
    refused(tar().pax(&[("path", b"a\0b")]), "no NUL byte");
    refused(tar().pax(&[("linkpath", b"a\0b")]), "no NUL byte");
    let long_name = tar().member(Block::gnu(b'L', "x"), b"\0");
    refused(long_name, "a long name");
}
