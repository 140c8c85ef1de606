//! Tars that lie.

use super::support::archive::{Compression, TestImage, digest};
use super::support::raw_tar::{Header, RawTar};
use super::support::run::Press;
use super::{built, refused, refused_layer};

const BAD_IMAGE: i32 = 4;
const UNSUPPORTED: i32 = 5;

/// `usr`, then what is wrong at byte 512.
fn after_a_directory() -> RawTar {
    RawTar::default().header(Header::new(b'5', "usr/"))
}

#[track_caller]
fn refused_entry(tar: RawTar, code: i32, words: &[&str]) {
    let place = ["save.tar: layer 1 of 1 sha256:", "at byte "];
    refused_layer(tar.end(), code, &[&place[..], words].concat());
}

#[test]
fn sizes_beyond_the_tar_and_beyond_any_number_are_refused() {
    let lies: [(&str, Header); 6] = [
        ("8 GiB", Header::new(b'0', "f").size(8 << 30)),
        (
            "8 EiB less one byte",
            Header::new(b'0', "f").size(i64::MAX as u64),
        ),
        (
            "16 EiB less one byte",
            Header::new(b'0', "f").size(u64::MAX),
        ),
        (
            "96 bits",
            Header::new(b'0', "f")
                .set(124, &[0xff; 12])
                .set(124, &[0x80]),
        ),
        ("negative", Header::new(b'0', "f").set(124, &[0xff; 12])),
        (
            "no number",
            Header::new(b'0', "f").set(124, b"12345678xyz\0"),
        ),
    ];
    for (what, header) in lies {
        eprintln!("{what}");
        refused_entry(
            after_a_directory().header(header),
            BAD_IMAGE,
            &[" f: ", "expected"],
        );
    }
    for size in [
        "9223372036854775807",
        "18446744073709551616",
        "-1",
        "1e3",
        " 1",
        "",
    ] {
        let pax = after_a_directory().pax(&[("size", size.as_bytes())]);
        if size.is_empty() {
            // An empty value takes a global one back, of which there is none.
            continue;
        }
        refused_entry(pax.file("f", b"x"), BAD_IMAGE, &["expected"]);
    }
}

#[test]
fn a_header_whose_checksum_is_wrong_is_refused() {
    let mut block = Header::new(b'0', "f").bytes();
    block[0] = b'g';
    refused_entry(after_a_directory().block(block), BAD_IMAGE, &["checksum"]);
    let garbage = [b"\x01not a header at all".repeat(30), vec![7; 2000]].concat();
    refused_entry(after_a_directory().data(&garbage), BAD_IMAGE, &["byte 512"]);
}

#[test]
fn a_tar_cut_short_is_refused_in_a_header_and_in_data() {
    let whole = after_a_directory().file("f", &[b'x'; 1000]).0;
    for (length, words) in [
        (600, ["expected", "end"]),
        (1024 + 100, ["expected", "end"]),
        (1024 + 999, ["expected", "end"]),
    ] {
        refused_layer(whole[..length].to_vec(), BAD_IMAGE, &words);
    }
}

/// umoci 0.4.7's `insert` wrote such layers, and docker, podman and umoci take them: with the padding
/// nothing is lost, where a diff ID says that the tar never had more. A tar that nothing vouches for has been
/// cut short, as GNU tar has it ("Unexpected EOF in archive").
#[test]
fn a_layer_that_ends_in_the_last_files_padding_is_taken_with_a_warning_and_a_flat_tar_refused() {
    let whole = after_a_directory().file("f", &[b'x'; 1000]);
    for length in [1024 + 1000, 1024 + 1010, 1024 + 1023] {
        let cut = whole.0[..length].to_vec();
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let press = Press::new();
            let image = TestImage {
                compression,
                ..TestImage::new([cut.clone()])
            };
            image.modern_archive("test:1").write_tar(&press.image());
            let ended = built(&press, &[]);
            let warning = format!(
                "warning: tar that ends within the padding after its last file's data: layer {}, byte {length}\n",
                digest(&cut)
            );
            assert!(ended.stderr.contains(&warning), "{}", ended.stderr);
            let cat = press.run(press.command("cat").arg(press.output()).arg("/f"));
            assert_eq!(cat.succeeded(), "x".repeat(1000));
        }
        let words = ["ends at byte", "within the padding after a file's data"];
        let flat = Press::new();
        std::fs::write(flat.image(), &cut).unwrap();
        refused(&flat, &[], BAD_IMAGE, &words);
        let put = Press::with_layers([whole.clone().end()]);
        let tar = put.input("put.tar");
        std::fs::write(&tar, &cut).unwrap();
        let overlay = format!("--overlay={}", tar.display());
        refused(&put, &[&overlay], BAD_IMAGE, &words);
    }
}

#[test]
fn a_missing_end_is_none_and_garbage_after_the_end_is_a_warning() {
    let whole = after_a_directory().file("f", b"x");
    built(&Press::with_layers([whole.0.clone()]), &[]);
    built(
        &Press::with_layers([[whole.0.clone(), vec![0; 512]].concat()]),
        &[],
    );
    let garbage = [whole.clone().end(), vec![b'g'; 3000]].concat();
    let ended = built(&Press::with_layers([garbage]), &[]);
    assert!(
        ended.stderr.contains("warning: data after the end"),
        "{}",
        ended.stderr
    );
    // Another archive after the end is not looked at, as GNU tar does without -i.
    let two = [whole.end(), RawTar::default().file("g", b"y").end()].concat();
    let ended = built(&Press::with_layers([two]), &[]);
    assert!(
        ended.stderr.contains("warning: data after the end"),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_pax_headers_must_not_say_is_refused() {
    for (records, words) in [
        (&b"99 path=x\n"[..], "record"),
        (b"path=x\n", "record"),
        (b"0 path=x\n", "record"),
        (b"99999999999999999999999 path=x\n", "record"),
        (b"9 path=xx", "record"),
        (b"11 path\x00x=y\n", "expected"),
        (b"12 path=a\x00b\n", "NUL"),
        (b"16 mtime=1.2.3.\n", "mtime"),
        (b"26 uid=99999999999999999\n", "uid"),
        (b"10 gid=-5\n", "gid"),
    ] {
        let pax = after_a_directory().member(Header::new(b'x', "pax"), records);
        let shown = String::from_utf8_lossy(records).into_owned();
        eprintln!("{shown:?}");
        refused_entry(pax.file("f", b""), BAD_IMAGE, &[words]);
    }
}

#[test]
fn sparse_maps_that_contradict_the_file_are_refused() {
    let sparse =
        |records: &[(&str, &[u8])], data: &[u8]| after_a_directory().pax(records).file("f", data);
    let version_1 = |map: &[u8], realsize: &[u8]| {
        let mut block = map.to_vec();
        block.resize(512, 0);
        block.extend(b"data");
        sparse(
            &[
                ("GNU.sparse.major", b"1"),
                ("GNU.sparse.minor", b"0"),
                ("GNU.sparse.name", b"f"),
                ("GNU.sparse.realsize", realsize),
            ],
            &block,
        )
    };
    for (map, realsize) in [
        (&b"1\n4\n4\n"[..], &b"4"[..]),
        (b"2\n4\n2\n0\n2\n", b"100"),
        (b"2\n0\n3\n2\n1\n", b"100"),
        (b"1\n9223372036854775807\n4\n", b"9223372036854775807"),
        (b"1\n18446744073709551615\n4\n", b"3"),
        (b"99999999999\n", b"100"),
        (b"1\n0\n3\n", b"100"),
        (b"x\n", b"100"),
        (b"1\n0\n4\n", b"-1"),
    ] {
        eprintln!("{:?}", String::from_utf8_lossy(map));
        refused_entry(version_1(map, realsize), BAD_IMAGE, &["expected"]);
    }
    let old = Header::new(b'S', "f")
        .set(257, b"ustar  \0")
        .set(386, b"77777777777\0")
        .set(398, b"77777777777\0")
        .set(483, b"00000001000\0");
    refused_entry(
        after_a_directory().member(old, b"x"),
        BAD_IMAGE,
        &["expected"],
    );
}

#[test]
fn names_no_directory_can_hold_are_refused() {
    let long = "n".repeat(256);
    for (path, code, words) in [
        (&long[..], UNSUPPORTED, "255"),
        (".wh.", BAD_IMAGE, "whiteout"),
        (".wh..", BAD_IMAGE, "whiteout"),
        ("a/.wh...", BAD_IMAGE, "whiteout"),
    ] {
        let tar = after_a_directory()
            .pax(&[("path", path.as_bytes())])
            .file("f", b"");
        refused_layer(tar.end(), code, &["save.tar: layer ", words, "expected"]);
    }
}

#[test]
fn links_to_nothing_to_directories_and_to_themselves_are_refused() {
    for target in ["missing", "usr", "link", "../../../etc/passwd", ""] {
        let link = Header::new(b'1', "link").target(target);
        let tar = after_a_directory().header(link);
        refused_layer(
            tar.end(),
            BAD_IMAGE,
            &["save.tar: layer ", "link: ", "expected"],
        );
    }
    let circle = RawTar::default()
        .header(Header::new(b'1', "a").target("b"))
        .header(Header::new(b'1', "b").target("a"));
    refused_layer(circle.end(), BAD_IMAGE, &["expected"]);
}

#[test]
fn types_that_are_not_known_are_refused_by_their_letter() {
    for letter in [b'8', b'A', b's', b'~'] {
        let tar = after_a_directory().header(Header::new(letter, "strange"));
        let shown = char::from(letter).to_string();
        refused_entry(tar, UNSUPPORTED, &["strange", &shown]);
    }
    let volume = after_a_directory().header(Header::new(b'M', "spans").set(257, b"ustar  \0"));
    refused_entry(volume, UNSUPPORTED, &["spans"]);
}

#[test]
fn names_that_lead_outside_stay_inside() {
    let press = Press::with_layers([RawTar::default()
        .file("../../../../../../tmp/outside", b"x")
        .file("/absolute", b"x")
        .header(Header::new(b'2', "link").target("/tmp"))
        .file("link/through", b"x")
        .header(Header::new(b'2', "up").target("../../../.."))
        .file("up/above", b"x")
        .end()]);
    let ended = built(&press, &["--json"]);
    let names = super::support::oracles::debugfs(&press.output(), &["ls -p /", "ls -p /tmp"]);
    for name in ["absolute", "outside", "through", "above"] {
        assert!(names.contains(&format!("/{name}/")), "{name}: {names}");
    }
    drop(ended);
}

#[test]
fn control_characters_in_names_never_reach_the_terminal() {
    let name = "evil\x1b[2J\x07\nerror: fake\u{202e}";
    let tar = after_a_directory()
        .pax(&[("path", name.as_bytes()), ("size", b"x")])
        .file("f", b"");
    refused_entry(tar, BAD_IMAGE, &[]);
    let link = RawTar::default()
        .pax(&[("path", name.as_bytes()), ("linkpath", b"gone\x1b[2J")])
        .header(Header::new(b'1', "f"));
    let press = Press::with_layers([link.end()]);
    let ended = super::build(&press, &[]);
    ended.failed(
        BAD_IMAGE,
        &["evil\\x1b[2J\\x07\\x0aerror: fake\\xe2\\x80\\xae"],
    );
    assert!(!ended.stderr.contains('\x1b'), "{:?}", ended.stderr);
}
