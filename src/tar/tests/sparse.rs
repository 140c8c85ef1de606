//! Files with holes.

use super::*;

fn sparse_extents(entry: &Entry) -> (u64, Vec<(u64, u64, u64)>) {
    let EntryKind::Regular(Content {
        size_bytes,
        data: Data::Sparse(extents),
    }) = &entry.kind
    else {
        panic!("expected a sparse file, found {:?}", entry.kind);
    };
    let extents = extents.iter().map(|extent: &DataExtent| {
        (
            extent.file_offset_bytes,
            extent.length_bytes,
            extent.offset_bytes,
        )
    });
    (*size_bytes, extents.collect())
}

#[test]
fn old_gnu_maps_go_on_in_as_many_blocks_as_they_need() {
    let field = |number: usize| format!("{number:011o}\0").into_bytes();
    let extent = |index: usize| [field(index * 4096), field(512)].concat();
    let mut header = Block::gnu(b'S', "sparse")
        .size(30 * 512)
        .set(483, &field(200_000)[..12]);
    header = header
        .set(386, &(0..4).flat_map(extent).collect::<Vec<_>>())
        .set(482, &[1]);
    let mut first = (4..25).flat_map(extent).collect::<Vec<_>>();
    first.push(1);
    let second = (25..30).flat_map(extent).collect::<Vec<_>>();
    let tar = Tar::default()
        .block(header)
        .data(&first)
        .data(&second)
        .data(&[7; 30 * 512]);
    let with_next = tar.clone().file("next", b"").end();
    assert_eq!(paths(&entries(&with_next)), ["sparse", "next"]);
    let (size, extents) = sparse_extents(&only(tar));
    assert_eq!(size, 200_000);
    let expected: Vec<_> = (0..30)
        .map(|index| (index * 4096, 512, 1536 + index * 512))
        .collect();
    assert_eq!(extents, expected);
    let limits = Limits {
        max_header_bytes: 512,
        ..Limits::default()
    };
    let error = index_within(&with_next, &limits).unwrap_err().to_string();
    let words = "a sparse map of at most 512 bytes";
    assert!(error.contains(words), "{error}");
    let posix = Block::new(b'S', "sparse");
    refused(Tar::default().block(posix), "outside the GNU format");
}

#[test]
fn pax_sparse_files_have_their_real_names_and_sizes() {
    let version = |minor| [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", minor)];
    let mut keywords = version(b"0").to_vec();
    keywords.extend([
        ("GNU.sparse.name", &b"real"[..]),
        ("GNU.sparse.realsize", b"5000"),
    ]);
    let data = [&b"2\n0\n3\n4096\n904\n"[..], &[0; 497], &[1; 907]].concat();
    assert_eq!(data.len(), 512 + 907);
    let tar = Tar::default()
        .pax(&keywords)
        .member(Block::new(b'0', "GNUSparseFile.0/real"), &data);
    let entry = only(tar.clone());
    assert_eq!(*entry.path, *b"real");
    assert_eq!(
        sparse_extents(&entry),
        (5000, vec![(0, 3, 2048), (4096, 904, 2051)])
    );
    assert_eq!(entries(&tar.file("next", b"").end()).len(), 2);

    for (map, size) in [
        ("0,3,4096,904", "GNU.sparse.size"),
        ("0,3,4096,904", "GNU.sparse.realsize"),
    ] {
        let keywords = [
            ("GNU.sparse.map", map.as_bytes()),
            (size, b"5000"),
            ("GNU.sparse.numblocks", b"2"),
        ];
        let entry = only(Tar::default().pax(&keywords).file("named", &[1; 907]));
        assert_eq!(*entry.path, *b"named");
        assert_eq!(
            sparse_extents(&entry),
            (5000, vec![(0, 3, 1536), (4096, 904, 1539)])
        );
    }
}

#[test]
fn pax_sparse_headers_that_contradict_themselves_are_refused() {
    const ONE_ZERO: &str = "major=1 minor=0 realsize=10";
    let no_number = [b"1\nx\n", &[0; 508][..]].concat();
    let too_large = [b"9223372036854775808\n1\n", &[b'\n'; 508][..]].concat();
    for (sparse, data, expected) in [
        ("major=2 minor=0", &b""[..], "GNU sparse format 2.0"),
        ("name=x", b"", "a sparse file's size"),
        ("map=0,1", b"x", "a sparse file's size"),
        ("map=0,1 size=1 numblocks=2", b"x", "expected 2 extents"),
        (
            "map=0,2 size=9",
            b"x",
            "1 bytes of data, found one for more",
        ),
        ("size=9", b"x", "1 bytes of data, found one for 0"),
        (ONE_ZERO, b"", "found it longer than both"),
        (ONE_ZERO, &[b'1'; 512], "found it longer than both"),
        (ONE_ZERO, &no_number, "a decimal number in a sparse map"),
        (ONE_ZERO, &too_large, "a decimal number in a sparse map"),
    ] {
        let records = sparse.split(' ').map(|record| {
            let (keyword, value) = record.split_once('=').unwrap();
            super::record(&format!("GNU.sparse.{keyword}"), value)
        });
        let tar = Tar::default().member(
            Block::new(b'x', "x"),
            &records.flatten().collect::<Vec<_>>(),
        );
        refused(tar.file("a", data), expected);
    }
    let directory = Tar::default()
        .pax(&[("GNU.sparse.name", b"x")])
        .block(Block::new(b'5', "a"));
    refused(directory, "expected a regular file after a sparse file's");
}
