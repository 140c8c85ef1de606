//! However the image is stored and given, its row is the same.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::Path;

use super::inputs::{IMAGE, image, reference_of};
use super::support::archive::{Compression, gzip, zstd};
use super::table::Table;
use super::{built, row};

/// Every form without a server, as a reference, or as standard input.
fn forms(at: &Path) -> Vec<OsString> {
    let mut references = Vec::new();
    let mut reference = |transport: &str, name: &str| {
        references.push(reference_of(transport, &at.join(name)));
    };
    for (name, compression) in [
        ("plain", Compression::None),
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
    ] {
        let layout = image(compression).layout("1");
        layout.write_directory(&at.join(name));
        reference("oci:", name);
        let archive = format!("{name}.tar");
        layout.write_tar(&at.join(&archive));
        reference("oci-archive:", &archive);
        let modern = format!("{name}-modern.tar");
        let files = image(compression).modern_archive("app:1");
        files.write_tar(&at.join(&modern));
        reference("docker-archive:", &modern);
    }
    let classic = image(Compression::None).classic_archive(&["app:1"]);
    classic.write_tar(&at.join("classic.tar"));
    fs::write(at.join("classic.tar.gz"), gzip(&classic.tar())).unwrap();
    fs::write(at.join("classic.tar.zst"), zstd(&classic.tar())).unwrap();
    let gzipped = gzip(&fs::read(at.join("zstd.tar")).unwrap());
    fs::write(at.join("layout.tar.gz"), gzipped).unwrap();
    for name in ["classic.tar", "classic.tar.gz", "classic.tar.zst"] {
        reference("docker-archive:", name);
        reference("", name);
    }
    reference("oci-archive:", "layout.tar.gz");
    references
}

#[test]
fn every_form_of_the_image_has_its_one_row() {
    let table = Table::read();
    let expected = table.of(IMAGE);
    let directory = tempfile::tempdir().unwrap();
    for reference in forms(directory.path()) {
        let found = built(&reference, "", |_| ());
        assert_eq!(found, expected, "{}", reference.display());
    }
    for (transport, name) in [
        ("-", "classic.tar"),
        ("-", "classic.tar.gz"),
        ("-", "gzip.tar"),
        ("-", "zstd-modern.tar"),
        ("docker-archive:-", "classic.tar.zst"),
        ("oci-archive:-", "layout.tar.gz"),
    ] {
        let input = File::open(directory.path().join(name)).unwrap();
        let found = built(OsStr::new(transport), "", |command| {
            command.stdin(input);
        });
        assert_eq!(found, expected, "{name} as {transport}");
    }
}

#[test]
fn what_the_environment_gives_has_the_row_of_the_option() {
    let directory = tempfile::tempdir().unwrap();
    let layout = directory.path().join("layout");
    image(Compression::Gzip)
        .layout("1")
        .write_directory(&layout);
    let reference = reference_of("oci:", &layout);
    let found = built(&reference, "", |command| {
        command.env("SOURCE_DATE_EPOCH", "1234567890");
    });
    let option = row(IMAGE, "--source-date-epoch 1234567890");
    assert_eq!(found, Table::read().of(&option));
}
