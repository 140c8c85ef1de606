//! What ext3 cannot hold is refused with its path and its number.

use super::support::raw_tar::{Header, RawTar};
use super::support::run::Press;
use super::{built, refused_layer};

const UNSUPPORTED: i32 = 5;

#[test]
fn a_file_has_at_most_65000_names() {
    let names = |count: usize| {
        let mut tar = RawTar::default().file("first", b"x");
        for number in 1..count {
            tar =
                tar.header(Header::new(b'1', format!("d{}/{number}", number % 7)).target("first"));
        }
        tar.end()
    };
    built(&Press::with_layers([names(65_000)]), &[]);
    refused_layer(
        names(65_001),
        UNSUPPORTED,
        &["expected at most 65000 links", "65001"],
    );
}

#[test]
fn a_directory_has_at_most_64998_directories() {
    let directories = |count: usize| {
        let mut tar = RawTar::default();
        for number in 0..count {
            tar = tar.header(Header::new(b'5', format!("many/{number}/")));
        }
        tar.end()
    };
    built(&Press::with_layers([directories(64_998)]), &[]);
    refused_layer(directories(64_999), UNSUPPORTED, &["many", "65000"]);
}

#[test]
fn extended_attributes_that_no_block_holds_are_refused() {
    let with_xattr = |length: usize| {
        let value = vec![b'v'; length];
        RawTar::default()
            .pax(&[("SCHILY.xattr.user.big", &value)])
            .file("f", b"")
            .end()
    };
    built(&Press::with_layers([with_xattr(3900)]), &[]);
    refused_layer(with_xattr(4096), UNSUPPORTED, &[" f: ", "attribute"]);
    let beyond = "--max-xattr-bytes";
    refused_layer(with_xattr(100_000), 4, &["f: ", beyond]);
}

#[test]
fn a_file_of_two_tebibytes_is_refused_before_anything_is_written() {
    let sparse = |size: u64| {
        let size = size.to_string();
        let mut map = b"1\n0\n4\n".to_vec();
        map.resize(512, 0);
        map.extend(b"data");
        RawTar::default()
            .pax(&[
                ("GNU.sparse.major", b"1"),
                ("GNU.sparse.minor", b"0"),
                ("GNU.sparse.name", b"huge"),
                ("GNU.sparse.realsize", size.as_bytes()),
            ])
            .file("f", &map)
            .end()
    };
    // 2^32 sectors, less what maps them.
    let most = 2_196_873_666_560;
    built(&Press::with_layers([sparse(most)]), &[]);
    refused_layer(
        sparse(most + 1),
        UNSUPPORTED,
        &[": huge: ", &most.to_string()],
    );
    refused_layer(sparse(i64::MAX as u64), UNSUPPORTED, &[": huge: "]);
}
