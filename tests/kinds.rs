//! Every kind, from every source, in every size and with every journal that it can have: sound, of
//! the same bytes, and what the kernel shows is what went in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use layerpress::listing::compare;
use support::archive::{Compression, TestImage};
use support::oracles::{self, e2fsck_clean, kernel_listing};
use support::rootfs::{Item, Rootfs, What, bytes, directory, file, link, sparse, symlink};
use support::run::{self, output_of};
use support::second_reader::{self, Structure};
use support::tarball::{tar_bytes, write_tar};

/// Two layers, and what is to be seen of them.
struct Layered {
    layers: [Rootfs; 2],
    flat: Rootfs,
}

fn layered() -> Layered {
    let kept = vec![
        directory("").mode(0o755),
        // Its attributes leave no room for the chain ID, which names the source.
        directory("lost+found")
            .mode(0o700)
            .xattr("user.a", [1; 68])
            .xattr("user.b", bytes(4040)),
        directory("bin").owner(5, 6),
        file("bin/tool", bytes(300_000)).mode(0o4755),
        link("bin/other", "bin/tool"),
        file("bin/tagged", bytes(7)).xattr("user.large", bytes(900)),
        file("bin/alike", bytes(9)).xattr("user.large", bytes(900)),
        symlink("lib", "usr/lib"),
        symlink("long", "t".repeat(90)),
        sparse("hole", (1 << 29) + 5000, &[(1 << 29, &bytes(5000))]),
        Item::new("null", What::Character(1, 3)),
        directory("many"),
    ];
    let many = |count| (0..count).map(|index| file(format!("many/größe {index}"), bytes(index)));
    let upper = [
        file("bin/new", bytes(50_000)).owner(70_000, 80_000),
        directory("etc").mtime(1_500_000_000, 5),
    ];
    let gone = [file("gone", bytes(10_000))];
    let whiteout = [file(".wh.gone", *b"")];
    let base = kept.iter().cloned().chain(many(900)).chain(gone);
    let flat = kept.iter().cloned().chain(many(900)).chain(upper.clone());
    Layered {
        layers: [
            Rootfs::of(base),
            Rootfs::of(upper.into_iter().chain(whiteout)),
        ],
        flat: Rootfs::of(flat),
    }
}

/// References, and whether the path behind is given as standard input.
fn sources(at: &Path) -> Vec<(String, bool)> {
    let Layered { layers, flat } = layered();
    let layers = layers.map(|layer| tar_bytes(&layer));
    let image = |compression| TestImage {
        compression,
        ..TestImage::new(layers.clone())
    };
    for (name, compression) in [
        ("plain", Compression::None),
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
    ] {
        let layout = image(compression).layout("1");
        layout.write_directory(&at.join(name));
    }
    let archive = image(Compression::None).classic_archive(&["a:1"]);
    archive.write_tar(&at.join("archive.tar"));
    write_tar(&flat, &at.join("rootfs.tar"));
    let mut sources = vec![
        ("docker-archive:archive.tar".to_owned(), false),
        ("oci:plain".to_owned(), false),
        ("oci:gzip".to_owned(), false),
        ("oci:zstd".to_owned(), false),
        ("archive.tar".to_owned(), true),
        ("rootfs:rootfs.tar".to_owned(), false),
    ];
    if oracles::is_root() {
        let tree = at.join("tree");
        fs::create_dir(&tree).unwrap();
        let options = [
            "--extract",
            "--same-owner",
            "--same-permissions",
            "--sparse",
        ];
        let options = options
            .into_iter()
            .chain(["--xattrs", "--xattrs-include=*"]);
        let last = ["--delay-directory-restore", "--numeric-owner", "--file"];
        let options = options.chain(last).map(OsStr::new);
        let tar = at.join("rootfs.tar");
        let arguments = [tar.as_os_str(), OsStr::new("--directory"), tree.as_os_str()];
        oracles::succeed("tar", options.chain(arguments));
        sources.push(("rootfs:tree".to_owned(), false));
    } else {
        oracles::skip("only root makes such a directory");
    }
    sources
}

/// Every kind with the journals that it can have.
const KINDS: [(&str, &[&str]); 3] = [
    ("ext2", &["none"]),
    ("ext3", &["auto", "16M"]),
    ("ext4", &["auto", "none", "16M"]),
];

/// By a rule, the smallest, with room, and two groups.
const SIZES: [&str; 4] = ["107%", "fit", "+30M", "200M"];

fn build(at: &Path, (reference, is_input): &(String, bool), options: &[&str], output: &Path) {
    let mut command = run::layerpress();
    command.current_dir(at).args(["build", "--no-fsck", "-q"]);
    command.args(["--platform", "linux/amd64"]);
    command.args(["--uuid", "01234567-89ab-4def-8123-456789abcdef"]);
    command.args(["--source-date-epoch", "1700000000"]);
    command.args(options).arg("-o").arg(output);
    if *is_input {
        command
            .arg("-")
            .stdin(File::open(at.join(reference)).unwrap());
    } else {
        command.arg(reference);
    }
    let built = output_of(&mut command);
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{reference} {options:?}: {said}");
}

/// e2fsck, every checksum, and the kernel.
fn judge(image: &Path, expected: &Rootfs, what: &[&str]) {
    e2fsck_clean(image);
    if second_reader::has_checksums(image) {
        let checked = second_reader::recompute(image).clean();
        assert!(checked.count(Structure::Inode) > 900);
        assert!(checked.count(Structure::Leaf) > 5);
        assert_eq!(checked.count(Structure::IndexRoot), 1);
        assert_eq!(checked.count(Structure::AttributeBlock), 2);
    }
    if !oracles::is_root() {
        return oracles::skip("only root mounts");
    }
    let differences = compare(&expected.expected(), &kernel_listing(image));
    let first = differences.first().map(ToString::to_string);
    assert!(differences.is_empty(), "{what:?}: {first:.600?}");
}

#[test]
fn a_kind_has_the_same_sound_bytes_from_every_source_in_every_size_with_every_journal() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::set_permissions(at, PermissionsExt::from_mode(0o755)).unwrap();
    let sources = sources(at);
    let flat = layered().flat;
    let (first, other) = (at.join("first.img"), at.join("other.img"));
    for (kind, journals) in KINDS {
        for (size, journal) in SIZES
            .iter()
            .flat_map(|size| journals.iter().map(move |journal| (size, journal)))
        {
            let options = ["--fs", kind, "--size", size, "--journal", journal];
            build(at, &sources[0], &options, &first);
            judge(&first, &flat, &options);
            let expected = fs::read(&first).unwrap();
            for source in &sources[1..] {
                build(at, source, &options, &other);
                if fs::read(&other).unwrap() != expected {
                    let (one, other) = (kernel_listing(&first), kernel_listing(&other));
                    let differences = compare(&one, &other);
                    let shown = differences.first().map(ToString::to_string);
                    panic!("{source:?} {options:?}: {shown:.600?}");
                }
            }
        }
    }
}
