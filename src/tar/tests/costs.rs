//! Work grows with the tar, not with its square. Counted: records looked at.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

use proptest::prelude::*;

use super::super::pax::visits;
use super::*;

/// Records looked at while a tar is indexed, for each byte of it; whatever comes of it.
fn visits_for_each_byte(tar: &[u8]) -> f64 {
    visits::taken();
    let _ = all(tar, &Limits::default());
    visits::taken() as f64 / tar.len().max(1) as f64
}

/// A record has at least four bytes and is parsed, told and merged; and an entry may look at some
/// global ones.
const MOST: f64 = 3.0;

/// So many keywords of three letters without values.
fn keywords(count: usize) -> Vec<u8> {
    let letters = || (b'a'..=b'z').chain(b'A'..=b'Z');
    let names =
        letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
    names
        .take(count)
        .flat_map(|name| [b"7 ", &name[..], b"=\n"].concat())
        .collect()
}

fn extension(type_flag: u8, payload: &[u8]) -> Tar {
    Tar::default().member(Block::new(type_flag, "pax"), payload)
}

/// Bug: every global header was followed by a walk over all records of those before it. Found by a
/// red team: a gigabyte would have taken an hour.
#[test]
fn many_global_headers_after_one_of_many_records_cost_what_they_are_long() {
    let mut tar = extension(b'g', &keywords(100_000));
    for index in 0..500 {
        tar = tar.global(&[("aaa", b"")]);
        if index % 100 == 0 {
            tar = tar.file(&format!("f{index}"), b"");
        }
    }
    let tar = tar.file("f", b"").end();
    assert!(index(&tar).is_ok());
    let found = visits_for_each_byte(&tar);
    assert!(found < MOST, "{found} records looked at for each byte");
}

#[test]
fn many_global_attributes_are_refused_where_many_entries_would_look_at_them() {
    // Each names all of them as its own, 64 KiB of them.
    let names: Vec<_> = (0..1500)
        .map(|index| format!("SCHILY.xattr.user.{index}"))
        .collect();
    let records: Vec<_> = names.iter().map(|name| (&name[..], &b""[..])).collect();
    let with = |entries: usize| {
        let tar = Tar::default().global(&records);
        (0..entries)
            .fold(tar, |tar, index| tar.file(&format!("f{index}"), b""))
            .end()
    };
    assert_eq!(entries(&with(3)).len(), 3);
    let error = index(&with(500)).unwrap_err().to_string();
    assert!(error.contains("global headers"), "{error}");
    let found = visits_for_each_byte(&with(500));
    assert!(found < MOST, "{found} records looked at for each byte");
    // What an inode has room for may stand for any number of entries.
    let tar = Tar::default().global(&[("SCHILY.xattr.user.a", &[b'v'; 4000])]);
    let tar = (0..2000).fold(tar, |tar, index| tar.file(&format!("f{index}"), b""));
    assert_eq!(entries(&tar.end()).len(), 2000);
}

#[test]
fn a_walk_for_each_header_is_noticed() {
    // The judge itself, fed with the walk that was taken out.
    let records = super::super::pax::Records::parse(&keywords(10_000)).unwrap();
    visits::taken();
    for _ in 0..100 {
        records.keywords().for_each(drop);
    }
    assert!(visits::taken() as f64 / (100.0 * 1024.0 + 70_000.0) > MOST);
}

/// Tars of extension headers, as they come out of a mutation of the ones above.
fn members() -> impl Strategy<Value = Vec<u8>> {
    let keyword = prop_oneof![
        Just("path".to_owned()),
        Just("linkpath".to_owned()),
        Just("RHT.security.selinux".to_owned()),
        "[a-c]{1,3}",
        "SCHILY\\.xattr\\.user\\.[a-z]{1,3}",
        "GNU\\.sparse\\.[a-z]{1,3}",
    ];
    let records = proptest::collection::vec((keyword, "[a-z]{0,40}"), 0..30);
    let many = (0..20_000_usize).prop_map(keywords);
    let records = records.prop_map(|records| {
        let records: Vec<_> = records
            .iter()
            .map(|(keyword, value)| (&keyword[..], value.as_bytes()))
            .collect();
        super::records(&records)
    });
    let payload = prop_oneof![9 => records, 1 => many];
    (
        proptest::sample::select(&b"ggggxxLK00001V"[..]),
        payload,
        1..60_usize,
    )
        .prop_map(|(type_flag, payload, times)| {
            let block = Block::new(type_flag, "n").set(157, b"target");
            let one = match type_flag {
                b'0' | b'1' => Tar::default().block(block),
                _ => Tar::default().member(block, &payload),
            };
            let times = if payload.len() > 10_000 { 1 } else { times };
            one.0.repeat(times)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_headers_records_are_looked_at_a_few_times_each(
        members in proptest::collection::vec(members(), 1..12),
        damage in proptest::collection::vec((0.0..1.0_f64, any::<u8>()), 0..3),
    ) {
        let mut tar = members.concat();
        for (at, byte) in damage {
            let index = (at * tar.len() as f64) as usize;
            tar[index] = byte;
        }
        let found = visits_for_each_byte(&tar);
        prop_assert!(found < MOST, "{} records looked at for each byte", found);
    }
}
