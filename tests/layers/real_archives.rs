//! What real archivers write is read as it was on the disk, and as Python's tarfile reads it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::oracles::{installed, is_root, skip};
use crate::support::{assert_same, list, listing, listing_on_disk, read_tar, run};

/// What of a tree is lost in a format.
#[derive(Clone, Copy)]
enum Keeps {
    Everything,
    WholeSecondsOnly,
}

fn tree(directory: &Path, kind: &str) -> PathBuf {
    let root = directory.join(format!("tree-{kind}"));
    std::fs::create_dir(&root).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layers/tree.sh");
    run(Command::new("bash").args([script, kind]).current_dir(&root));
    root
}

/// libarchive writes -1.75 seconds as -2.25 (seconds before the point, nanoseconds forward after
/// it), and Python writes -1: with a whole number both are right.
fn without_fraction_before_1970(tree: &Path) {
    run(Command::new("touch")
        .args(["-d", "@-3"])
        .arg(tree.join("dir/513")));
}

/// The tree's own listing, less what the format cannot hold.
fn expected(tree: &Path, keeps: Keeps) -> Vec<String> {
    let lines = list("disk", tree);
    match keeps {
        Keeps::Everything => lines,
        Keeps::WholeSecondsOnly => lines.iter().map(|line| whole_seconds(line)).collect(),
    }
}

/// Cuts off the fraction of the time and the extended attributes.
fn whole_seconds(line: &str) -> String {
    let mut words: Vec<_> = line.split(' ').collect();
    let seconds = words[4].split('.').next().unwrap();
    let time = format!("{seconds}.000000000");
    words[4] = &time;
    *words.last_mut().unwrap() = "[]";
    words.join(" ")
}

/// Python's tarfile knows ACLs as attributes only, not as text, nor what they do to the mode.
fn without_acls(line: &str) -> String {
    if line.starts_with("dir/random ") {
        return String::new();
    }
    let (attributes, xattrs) = line.rsplit_once(" [").unwrap();
    let kept: Vec<_> = xattrs
        .trim_end_matches(']')
        .split(',')
        .filter(|xattr| !xattr.starts_with("system.posix_acl"))
        .collect();
    format!("{attributes} [{}]", kept.join(","))
}

fn archive_and_compare(tree: &Path, keeps: Keeps, archiver: &[&str]) {
    let what = archiver.join(" ");
    let archive = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(archiver[0])
        .args(&archiver[1..])
        .arg("-C")
        .arg(tree)
        .arg("-cf")
        .arg(archive.path())
        .arg(".")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{what}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let layers = read_tar(&std::fs::read(archive.path()).unwrap());
    let ours = listing_on_disk(&layers);
    assert_same(&ours, &expected(tree, keeps), &what);
    let ours: Vec<_> = listing(&layers)
        .iter()
        .map(|line| without_acls(line))
        .collect();
    // Python shows %3D where the attribute's name has '='.
    let theirs: Vec<_> = list("tar", archive.path())
        .iter()
        .map(|line| without_acls(line).replace("\\x253D", "\\x3d"))
        .collect();
    assert_eq!(ours, theirs, "{what}");
}

#[test]
fn gnu_tar_in_posix_format_with_every_sparse_version_loses_nothing() {
    if !installed(&["tar", "python3", "setfattr", "setfacl"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let tree = tree(directory.path(), "full");
    let as_attributes = ["tar", "--format=posix", "--xattrs", "--xattrs-include=*"];
    archive_and_compare(&tree, Keeps::Everything, &as_attributes);
    let exclude = "--xattrs-exclude=system.*";
    let posix = [&as_attributes[..], &[exclude, "--acls"]].concat();
    archive_and_compare(&tree, Keeps::Everything, &posix);
    for version in ["0.0", "0.1", "1.0"] {
        let version = format!("--sparse-version={version}");
        let sparse = [&posix[..], &["--sparse", &version]].concat();
        archive_and_compare(&tree, Keeps::Everything, &sparse);
        let raw = [&sparse[..], &["--hole-detection=raw"]].concat();
        archive_and_compare(&tree, Keeps::Everything, &raw);
    }
}

#[test]
fn gnu_tar_in_its_own_formats_loses_fractions_and_attributes_only() {
    if !installed(&["tar", "python3", "setfattr", "setfacl"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let tree = tree(directory.path(), "full");
    for format in ["--format=gnu", "--format=oldgnu"] {
        archive_and_compare(&tree, Keeps::WholeSecondsOnly, &["tar", format]);
        archive_and_compare(&tree, Keeps::WholeSecondsOnly, &["tar", format, "--sparse"]);
    }
}

#[test]
fn the_oldest_formats_are_read_from_every_archiver() {
    if !installed(&["tar", "python3", "bsdtar"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let tree = tree(directory.path(), "plain");
    for archiver in [
        &["tar", "--format=v7"][..],
        &["tar", "--format=ustar"],
        &["bsdtar", "--format=v7"],
        &["bsdtar", "--format=ustar"],
        &["bsdtar", "--format=gnutar"],
    ] {
        if archiver.contains(&"--format=v7") {
            // It has no FIFOs.
            std::fs::remove_file(tree.join("dir/fifo")).unwrap_or_default();
        }
        archive_and_compare(&tree, Keeps::WholeSecondsOnly, archiver);
    }
}

#[test]
fn bsdtar_in_pax_format_loses_nothing() {
    if !installed(&["bsdtar", "python3", "setfattr", "setfacl"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let tree = tree(directory.path(), "full");
    without_fraction_before_1970(&tree);
    // libarchive writes '=' in a keyword as it is, which no reader can tell from the value's.
    run(Command::new("setfattr")
        .args(["-x", "user.a=b"])
        .arg(tree.join("dir/none")));
    for sparse in ["--read-sparse", "--no-read-sparse"] {
        let archiver = ["bsdtar", "--format=pax", "--xattrs", "--acls", sparse];
        archive_and_compare(&tree, Keeps::Everything, &archiver);
    }
}

/// Bug: bsdtar writes each attribute in two spellings, names percent-encoded in both; the second was
/// read as another attribute wherever that changes the name. Found by packing such a tree.
#[test]
fn an_attribute_that_bsdtar_writes_twice_is_one_whatever_its_name() {
    if !installed(&["bsdtar", "setfattr"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let archive = tempfile::NamedTempFile::new().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let names = ["user.a b", "user.gr\u{f6}\u{df}e", "user.p%25q", "user.p%q"];
    for name in names {
        run(Command::new("setfattr")
            .args(["-n", name, "-v", name])
            .arg(&file));
    }
    run(Command::new("bsdtar")
        .args(["--format=pax", "--xattrs", "-C"])
        .arg(directory.path())
        .arg("-cf")
        .arg(archive.path())
        .arg("file")
        .env("LC_ALL", "C.UTF-8"));
    let layers = read_tar(&std::fs::read(archive.path()).unwrap());
    let found: Vec<_> = layers.changesets[0].entries[0]
        .xattrs
        .iter()
        .map(|xattr| (&*xattr.name, &*xattr.value))
        .collect();
    assert_eq!(found, names.map(|name| (name.as_bytes(), name.as_bytes())));
}

#[test]
fn python_archives_are_read_in_every_format() {
    if !installed(&["python3", "setfattr", "setfacl"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (full, plain) = (
        tree(directory.path(), "full"),
        tree(directory.path(), "plain"),
    );
    without_fraction_before_1970(&full);
    for (format, tree) in [("PAX", &full), ("GNU", &full), ("USTAR", &plain)] {
        let archive = directory.path().join(format!("{format}.tar"));
        let script = format!(
            "import sys, tarfile\n\
             with tarfile.open(sys.argv[2], 'w', format=tarfile.{format}_FORMAT, errors='surrogateescape') as t:\n\
             \x20   t.add(sys.argv[1], '.')"
        );
        run(Command::new("python3")
            .args(["-c", &script])
            .arg(tree)
            .arg(&archive));
        let layers = read_tar(&std::fs::read(&archive).unwrap());
        assert_eq!(listing(&layers), list("tar", &archive), "{format}");
        // Fractions pass through a float there, and attributes are left out.
        let cut = |lines: Vec<String>| -> Vec<String> {
            lines.iter().map(|line| whole_seconds(line)).collect()
        };
        let ours = cut(listing_on_disk(&layers));
        assert_same(&ours, &cut(list("disk", tree)), format);
    }
}

#[test]
fn a_file_capability_is_read_as_the_kernel_stores_it() {
    if !installed(&["tar", "setcap", "getfattr"]) {
        return;
    }
    if !is_root() {
        return skip("only root can give a file a capability");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ping");
    std::fs::write(&file, "x").unwrap();
    run(Command::new("setcap")
        .arg("cap_net_raw,cap_net_admin+ep")
        .arg(&file));
    let tar = run(Command::new("tar")
        .args(["--xattrs", "--xattrs-include=security.*", "-cC"])
        .arg(directory.path())
        .arg("ping"))
    .stdout;
    let layers = read_tar(&tar);
    let xattrs = &layers.changesets[0].entries[0].xattrs;
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(&file, "security.capability", &mut value[..]).unwrap();
    assert_eq!(xattrs.len(), 1);
    assert_eq!(*xattrs[0].name, *b"security.capability");
    assert_eq!(*xattrs[0].value, value[..length]);
}

#[test]
fn a_sparse_file_of_terabytes_is_a_map_and_nothing_more() {
    if !installed(&["tar"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(directory.path().join("lastlog")).unwrap();
    file.set_len(8 << 40).unwrap();
    for sparse in [
        "--format=gnu",
        "--sparse-version=0.1",
        "--sparse-version=1.0",
    ] {
        let format = if sparse.contains("gnu") {
            sparse
        } else {
            "--format=posix"
        };
        let tar = run(Command::new("tar")
            .args(["--sparse", format, sparse, "-cC"])
            .arg(directory.path())
            .arg("lastlog"))
        .stdout;
        let layers = read_tar(&tar);
        let layerpress::layers::EntryKind::Regular(content) = &layers.changesets[0].entries[0].kind
        else {
            panic!("expected a regular file");
        };
        assert_eq!(content.size_bytes, 8 << 40);
        assert_eq!(content.data, layerpress::layers::Data::Sparse([].into()));
    }
}
