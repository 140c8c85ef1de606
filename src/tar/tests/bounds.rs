//! Where a tar ends, and how much it may hold.

use super::*;

#[test]
fn a_tar_cut_short_is_refused_except_between_entries() {
    let tar = Tar::default()
        .pax(&[("uid", b"1")])
        .file("a", &[1; 700])
        .file("b", &[2; 10])
        .end();
    let accepted = |length: usize| match index(&tar[..length]) {
        Ok(index) => Some(index.entries.len()),
        Err(Error::BadImage { .. }) => None,
        Err(other) => panic!("{other}"),
    };
    // a: header at 1024, data at 1536 to 2236, padding to 2560; b: data at 3072.
    for length in 0..=tar.len() {
        let expected = match length {
            0 => Some(0),
            2560 => Some(1),
            3584 | 4096 | 4608 => Some(2),
            _ => None,
        };
        assert_eq!(accepted(length), expected, "{length}");
    }
}

#[test]
fn a_tar_that_is_vouched_for_may_end_in_the_padding_after_a_files_data_and_nowhere_else() {
    let tar = Tar::default()
        .pax(&[("uid", b"1")])
        .file("a", &[1; 700])
        .file("b", &[2; 10])
        .end();
    let limits = Limits::default();
    let mut taken = Vec::new();
    for length in 0..=tar.len() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&tar[..length]).unwrap();
        let region = FileRegion::whole(file).unwrap();
        let mut reader = Reader::in_place(&region, &limits).vouched_for();
        let mut entries = 0;
        let ended = loop {
            match reader.next_entry() {
                Ok(Some(_)) => entries += 1,
                Ok(None) => break Ok(reader.ended_in_padding()),
                Err(error) => break Err(error),
            }
        };
        match ended {
            Ok(Some(byte)) => {
                assert_eq!(byte, length as u64);
                assert_eq!(reader.finish().unwrap().lines().count(), 0);
                taken.push((length, entries));
            }
            Ok(None) => assert!(length % BLOCK == 0, "{length}"),
            Err(error) => assert_eq!(error.exit_code(), 4, "{length}: {error}"),
        }
    }
    let first = (2236..2560).map(|length| (length, 1));
    let second = (3072 + 10..3584).map(|length| (length, 2));
    assert_eq!(taken, first.chain(second).collect::<Vec<_>>());
}

#[test]
fn a_lone_zero_block_is_the_end_only_where_the_tar_ends() {
    let tar = Tar::default().file("a", b"").data(&[0; BLOCK]);
    let (entries, warning) = warned(&tar.0);
    assert_eq!(entries.len(), 1);
    assert!(warning.contains("lone zero block"), "{warning}");
    let words = "at byte 1024: expected a second zero block";
    refused(tar.file("b", b""), words);
}

#[test]
fn what_comes_after_the_end_is_read_past_and_counted_unless_it_is_zeros() {
    let mut padded = Tar::default().file("a", b"").end();
    padded.resize(10240 + 7, 0);
    assert_eq!(entries(&padded).len(), 1);
    let twice = [padded.clone(), Tar::default().file("b", b"").end()].concat();
    let (entries, warning) = warned(&twice);
    assert_eq!(entries.len(), 1);
    assert!(warning.contains("after the end"), "{warning}");
}

#[test]
fn extension_headers_are_limited_over_all_that_belong_to_one_entry() {
    let limits = Limits {
        max_header_bytes: 1000,
        ..Limits::default()
    };
    let comment = |length| records(&[("comment", &vec![b'c'; length])]);
    let of = |length| Block::new(b'x', "x").size(length);
    let tar = |length| {
        Tar::default()
            .member(of(0), &comment(length))
            .file("a", b"")
            .end()
    };
    assert!(index_within(&tar(900), &limits).is_ok());
    let error = index_within(&tar(1000), &limits).unwrap_err().to_string();
    assert!(error.contains("--max-header-bytes"), "{error}");
    let twice = Tar::default()
        .member(of(0), &comment(600))
        .member(of(0), &comment(600))
        .file("a", b"");
    assert!(index_within(&twice.end(), &limits).is_err());
    let apart = Tar::default()
        .member(of(0), &comment(600))
        .file("a", b"")
        .member(of(0), &comment(600))
        .file("a", b"");
    assert!(index_within(&apart.end(), &limits).is_ok());
    // A size of gigabytes is refused before anything is allocated for it.
    let lie = Tar::default().block(Block::new(b'x', "x").size(7 << 30)).0;
    assert!(index_within(&lie, &limits).is_err());
    let mut globals = Tar::default();
    for number in 0..100 {
        let keyword = format!("SCHILY.xattr.user.{number:030}");
        globals = globals
            .member(Block::new(b'g', "g"), &record(&keyword, b""))
            .file("a", b"");
    }
    let error = index_within(&globals.end(), &limits)
        .unwrap_err()
        .to_string();
    assert!(error.contains("of global headers"), "{error}");
}
