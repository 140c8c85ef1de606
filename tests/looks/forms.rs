//! What `extract` makes of what it is given.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::run::{self, Press};
use crate::support::session::{Layer, layerpress};
use crate::{output_of, pressed, told};

fn tree() -> Vec<Vec<u8>> {
    let capability = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut setuid = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o6755);
    header.set_size(4);
    header.set_mtime(1_600_000_000);
    setuid
        .append_data(&mut header, "bin/su", &b"root"[..])
        .unwrap();
    let layer = Layer::new()
        .directory("etc")
        .file("etc/a", b"content of a\n")
        .file("etc/b", b"content of b\n")
        .file("other/a", b"another\n")
        .file("kept.tar", b"no tar at all")
        .file_with_xattr("etc/ping", ("security.capability", &capability))
        .symlink("link", "etc/a")
        .tar();
    vec![setuid.into_inner().unwrap(), layer]
}

struct Out {
    press: Press,
    image: String,
    filesystem: String,
}

impl Out {
    fn new() -> Self {
        let (press, image, filesystem) = pressed(tree());
        Self {
            press,
            image,
            filesystem,
        }
    }

    fn at(&self, name: &str) -> String {
        let path = self.press.root().join("work").join(name);
        path.to_str().unwrap().to_owned()
    }

    fn left(&self) -> Vec<String> {
        let left = self.press.left().into_iter();
        left.filter(|name| name.starts_with("work/")).collect()
    }
}

#[test]
fn one_name_that_is_no_directory_becomes_a_file() {
    let out = Out::new();
    for subject in [&out.image, &out.filesystem] {
        let to = out.at("copy");
        told(&["extract", subject, "/etc/a", "-o", &to]);
        assert_eq!(fs::read(&to).unwrap(), b"content of a\n");
        assert_eq!(fs::metadata(&to).unwrap().mtime(), 1_700_000_000);
        // Not again without a word.
        let ran = layerpress(["extract", subject, "/etc/b", "-o", &to]).ended_with(5);
        assert!(
            ran.stderr.contains("(--force replaces it)"),
            "{}",
            ran.stderr
        );
        assert_eq!(fs::read(&to).unwrap(), b"content of a\n");
        told(&["extract", subject, "/etc/b", "-o", &to, "--force"]);
        assert_eq!(fs::read(&to).unwrap(), b"content of b\n");
        // What a link leads to is not replaced, nor is the link, and nothing else is recommended.
        let link = out.at("a-link");
        symlink("copy", &link).unwrap();
        for more in [&[][..], &["--force"]] {
            let words = ["extract", subject, "/etc/a", "-o", &link];
            let ran = layerpress([&words[..], more].concat()).ended_with(5);
            let told = "expected a regular file or none there, found a symbolic link";
            assert!(ran.stderr.contains(told), "{}", ran.stderr);
            assert!(!ran.stderr.contains("--force"), "{}", ran.stderr);
        }
        fs::remove_file(&link).unwrap();
        // A link is taken itself.
        told(&["extract", subject, "/link", "-o", &to, "--force"]);
        assert_eq!(fs::read_link(&to).unwrap(), Path::new("etc/a"));
        // What is itself called as a tar is that file.
        let tar = out.at("kept.tar");
        told(&["extract", subject, "/kept.tar", "-o", &tar]);
        assert_eq!(fs::read(&tar).unwrap(), b"no tar at all");
        fs::remove_file(&to).unwrap();
        fs::remove_file(&tar).unwrap();
    }
    assert_eq!(out.left(), [""; 0]);
}

#[test]
fn a_file_gets_the_permissions_that_the_umask_leaves_and_never_another_owners_rights() {
    let out = Out::new();
    for (umask, mode) in [
        ("022", 0o755),
        ("077", 0o700),
        ("0", 0o755),
        ("0111", 0o644),
    ] {
        let to = out.at("su");
        let script = format!(
            "umask {umask}; exec {} -q extract {} /bin/su -o {to}",
            env!("CARGO_BIN_EXE_layerpress"),
            out.filesystem
        );
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let found = fs::metadata(&to).unwrap().permissions().mode() & 0o7777;
        assert_eq!(found, mode, "umask {umask}: {found:o}");
        fs::remove_file(&to).unwrap();
    }
    let ran = layerpress(["extract", &out.image, "/bin/su", "-o", &out.at("su")]).ended_with(0);
    assert!(ran.stderr.contains("setuid"), "{}", ran.stderr);
    let ran = layerpress(["extract", &out.image, "/etc/ping", "-o", &out.at("ping")]);
    assert!(
        ran.ended_with(0)
            .stderr
            .contains("extended attributes are not kept")
    );
}

#[test]
fn a_slash_several_names_and_directories_make_directories() {
    let out = Out::new();
    for subject in [&out.image, &out.filesystem] {
        let to = out.at("into");
        let slash = format!("{to}/");
        let read = |name: &str| fs::read(Path::new(&to).join(name)).unwrap();
        told(&["extract", subject, "/etc/a", "-o", &slash]);
        assert_eq!(read("a"), b"content of a\n");
        fs::remove_dir_all(&to).unwrap();
        told(&["extract", subject, "/etc/a", "/other", "-o", &to]);
        assert_eq!(read("a"), b"content of a\n");
        assert_eq!(read("other/a"), b"another\n");
        // It is nobody's own: others may look into it where the umask lets them.
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let own = out.at("own");
        fs::create_dir(&own).unwrap();
        assert_eq!(mode(Path::new(&to)), mode(Path::new(&own)));
        fs::remove_dir(&own).unwrap();
        fs::remove_dir_all(&to).unwrap();
        told(&["extract", subject, "/etc/[ab]", "/etc/a", "-o", &to]);
        assert_eq!(read("b"), b"content of b\n");
        fs::remove_dir_all(&to).unwrap();
        // One directory is its contents.
        told(&["extract", subject, "/etc", "-o", &to]);
        assert_eq!(read("a"), b"content of a\n");
        // A directory that is there takes a single file, too.
        told(&["extract", subject, "/other/a", "-o", &to, "--force"]);
        assert_eq!(read("a"), b"another\n");
        fs::remove_dir_all(&to).unwrap();
        // Two of one name cannot both be there.
        let ran = layerpress(["extract", subject, "/etc/a", "/other/a", "-o", &to]).ended_with(5);
        assert!(
            ran.stderr.contains("found /etc/a and /other/a"),
            "{}",
            ran.stderr
        );
        let ran = layerpress(["extract", subject, "/etc", "/", "-o", &to]).ended_with(5);
        assert!(ran.stderr.contains("found / among them"), "{}", ran.stderr);
        let ran = layerpress(["extract", subject, "/etc", "-o", &out.at("x.zip")]).ended_with(5);
        assert!(ran.stderr.contains("makes a directory"), "{}", ran.stderr);
    }
    assert_eq!(out.left(), [""; 0]);
}

#[test]
fn tars_end_on_a_record_and_are_compressed_by_their_names() {
    let out = Out::new();
    let plain = out.at("t.tar");
    told(&["extract", &out.image, "-o", &plain]);
    let tar = fs::read(&plain).unwrap();
    assert_eq!(tar.len() % 10_240, 0);
    for (ending, program) in [
        ("tar.gz", "gzip"),
        ("tgz", "gzip"),
        ("tar.zst", "zstd"),
        ("TZST", "zstd"),
    ] {
        let to = out.at(&format!("t.{ending}"));
        told(&["extract", &out.image, "-o", &to]);
        // Judged by those who made the forms.
        let output = Command::new(program).args(["-dc", &to]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout == tar, "{ending}");
        let ran = layerpress(["extract", &out.image, "-o", &to]).ended_with(5);
        assert!(ran.stderr.contains("--force"), "{}", ran.stderr);
        told(&["extract", &out.image, "-o", &to, "--force"]);
        fs::remove_file(to).unwrap();
    }
    // What GNU tar's --delete leaves is all but what was deleted.
    let names = |tar: &str| output_of(Command::new("tar").args(["-tf", tar]));
    let before = names(&plain);
    output_of(Command::new("tar").args(["--delete", "-f", &plain, "other/a"]));
    let expected: String = before
        .lines()
        .filter(|name| *name != "other/a")
        .map(|name| format!("{name}\n"))
        .collect();
    assert_eq!(names(&plain), expected);
}

#[test]
fn an_image_does_not_become_its_own_content() {
    let out = Out::new();
    for subject in [&out.image, &out.filesystem] {
        let before = fs::read(subject).unwrap();
        let ran = layerpress(["extract", subject, "/etc/a", "-o", subject, "--force"]);
        let ran = ran.ended_with(5);
        assert!(
            ran.stderr.contains("other than the image itself"),
            "{}",
            ran.stderr
        );
        assert!(fs::read(subject).unwrap() == before);
    }
}

#[test]
fn a_filesystem_inside_a_larger_file_is_read_from_its_byte_on() {
    let out = Out::new();
    let disk = out.at("disk");
    let filesystem = fs::read(&out.filesystem).unwrap();
    let file = fs::File::create(&disk).unwrap();
    file.write_all_at(&filesystem, 1 << 20).unwrap();
    let mut table = [0; 512];
    table[450] = 0x83;
    table[454..458].copy_from_slice(&2048_u32.to_le_bytes());
    table[510..].copy_from_slice(b"\x55\xaa");
    file.write_all_at(&table, 0).unwrap();
    for offset in ["1M", "1048576"] {
        let cat = ["cat", &disk, "/etc/a", "--offset", offset];
        assert_eq!(told(&cat), "content of a\n");
        let listed = told(&["ls", "--offset", offset, &disk, "/etc"]);
        assert_eq!(listed, told(&["ls", &out.filesystem, "/etc"]));
    }
    let to = out.at("taken");
    told(&["extract", "--offset", "1M", &disk, "/etc/b", "-o", &to]);
    assert_eq!(fs::read(to).unwrap(), b"content of b\n");
    // What is not read is named, with what to do.
    let ran = layerpress(["ls", &disk]).ended_with(4);
    let words = "a disk with an MBR partition table and an ext filesystem in the partition at byte 1048576 (`ls`, `cat`, `stat` and `extract` look into it with --offset 1048576, `dd if=DISK of=FILE bs=512 skip=2048` copies it out)";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    // The first partition may be another's.
    table.copy_within(446..462, 462);
    table[454..458].copy_from_slice(&8_u32.to_le_bytes());
    file.write_all_at(&table, 0).unwrap();
    let directory = out.at("mounted");
    let exported = format!("oci:{}", out.at("exported"));
    let commands = [
        &["cat", &disk, "/etc/a"][..],
        &["inspect", &disk],
        &["packages", &disk],
        &["diff", &disk, &out.image],
        &["build", &disk, "-o", &out.at("built")],
        &["build", &out.image, "--overlay", &disk, "-o", &out.at("b")],
        &["verify", &disk, &out.image],
        &["mount", &disk, &directory],
        &["export", &disk, "-o", &exported],
    ];
    for command in commands {
        let ran = layerpress(command).ended_with(4);
        assert!(ran.stderr.contains(words), "{command:?}: {}", ran.stderr);
    }
    file.write_all_at(&[0; 1024], (1 << 20) + 1024).unwrap();
    for command in commands {
        let ran = layerpress(command).ended_with(4);
        let none = "an MBR partition table none of whose 2 partitions holds an ext filesystem";
        assert!(ran.stderr.contains(none), "{command:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("--offset"), "{}", ran.stderr);
    }
    file.write_all_at(&filesystem, 1 << 20).unwrap();
    for offset in ["512", "1G", "18446744073709551615"] {
        let ran = layerpress(["ls", &disk, "--offset", offset]).ended_with(4);
        assert!(ran.stderr.contains(" from byte "), "{}", ran.stderr);
        let end = fs::metadata(&disk).unwrap().len();
        let past = format!("found nothing: the file ends before, at byte {end}\n");
        let is_past = offset != "512";
        assert_eq!(ran.stderr.contains(&past), is_past, "{}", ran.stderr);
    }
    let ran = layerpress(["ls", &out.image, "--offset", "0"]).ended_with(4);
    assert!(
        ran.stderr.contains("expected an ext2, ext3 or ext4"),
        "{}",
        ran.stderr
    );
    // And so is what is packed, before any of it is unpacked elsewhere.
    for (ending, program, way) in [
        ("gz", "gzip", "gunzip -k"),
        ("zst", "zstd", "unzstd"),
        ("xz", "xz", "unxz -k"),
    ] {
        for from in [&out.filesystem, &disk] {
            let packed = out.at(&format!("packed.img.{ending}"));
            let output = Command::new(program).args(["-c", from]).output().unwrap();
            fs::write(&packed, &output.stdout).unwrap();
            for words in [
                &["ls", &packed][..],
                &["extract", &packed, "-o", &out.at("x/")],
                &["inspect", &packed],
                &["packages", &packed],
                &["diff", &packed, &out.image],
                &["diff", &out.image, &packed],
            ] {
                let ran = layerpress(words).ended_with(4);
                let said = &ran.stderr;
                let found = match (ending, *from == disk) {
                    ("xz", _) => "found a file compressed by xz".to_owned(),
                    (_, true) => {
                        format!("found a disk with a partition table, compressed by {program}")
                    }
                    _ => format!("found an ext filesystem image, compressed by {program}"),
                };
                assert!(said.contains(&found), "{said}");
                assert!(
                    said.contains(&format!("`{way} {packed}` unpacks it")),
                    "{said}"
                );
                assert!(!said.contains("not a container image"), "{said}");
            }
        }
    }
}

/// Bug: each spoke of container images alone, as `build` does.
#[test]
fn who_takes_both_says_so_of_what_is_neither_and_how_a_filesystem_is_named() {
    let out = Out::new();
    let bad = out.at("bad.img");
    fs::copy(&out.filesystem, &bad).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&bad).unwrap();
    file.write_all_at(&[0; 1024], 1024).unwrap();
    let fat = out.at("fat.img");
    let mut bytes = vec![0; 1 << 16];
    fs::write(out.at("zeros"), &bytes).unwrap();
    bytes[54..58].copy_from_slice(b"FAT1");
    fs::write(&fat, bytes).unwrap();
    let expected = "expected an ext2, ext3 or ext4 filesystem or a container image";
    for (name, found) in [
        (&bad, "found something of no known form"),
        (&out.at("zeros"), "found nothing but zeros at its start"),
        (&fat, "found a FAT filesystem image"),
    ] {
        for words in [
            &["ls", name][..],
            &["inspect", name],
            &["packages", name],
            &["diff", name, &out.image],
        ] {
            let said = layerpress(words).ended_with(4).stderr;
            assert!(said.contains(expected) && said.contains(found), "{said}");
        }
        let said = layerpress(["build", name, "-o", &out.at("b")]).ended_with(4);
        assert!(
            said.stderr
                .contains(", not a container image: expected a tar")
        );
    }
    let by_path = "a filesystem is not read from standard input or a pipe, but by its path";
    for words in [&["ls", "-"][..], &["inspect", "-"], &["diff", "-", &fat]] {
        let mut piped = run::layerpress();
        piped
            .args(words)
            .stdin(fs::File::open(&out.filesystem).unwrap());
        let said = run::output_of(&mut piped).stderr;
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("found an ext filesystem image"), "{said}");
        assert!(said.contains(by_path), "{said}");
    }
    // What is expected there is what is taken there: a directory was not.
    for (input, found) in [
        (
            "/etc",
            "is a directory: expected a file or a pipe with an image, or the directory by its path",
        ),
        (
            "/dev/null",
            "is a terminal, a device or a socket: expected a file or a pipe with an image",
        ),
    ] {
        for words in [&["ls", "-"][..], &["build", "-", "-o", &out.at("b")]] {
            let mut piped = run::layerpress();
            piped.args(words).stdin(fs::File::open(input).unwrap());
            let ended = run::output_of(&mut piped);
            let said = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(ended.status.code(), Some(5), "{said}");
            assert!(said.contains(&format!("standard input {found}")), "{said}");
        }
    }
    let said = layerpress(["ls", &format!("{}:name", out.filesystem)]).ended_with(4);
    assert!(
        said.stderr.contains("named by its path alone"),
        "{}",
        said.stderr
    );
}

/// As root the device itself would have been replaced by a file.
#[test]
fn no_device_is_replaced_by_a_file_whatever_is_asked_for() {
    let out = Out::new();
    let pipe = out.at("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let before = fs::metadata("/dev/null").unwrap().file_type();
    for to in ["/dev/null", &pipe] {
        for options in [&[][..], &["--force"]] {
            let words = ["extract", &out.filesystem, "/etc/a", "-o", to];
            let ran = layerpress([&words[..], options].concat()).ended_with(5);
            assert!(
                ran.stderr.contains("found a device, a pipe or a socket"),
                "{}",
                ran.stderr
            );
            assert!(!ran.stderr.contains("--force"), "{}", ran.stderr);
        }
    }
    assert_eq!(fs::metadata("/dev/null").unwrap().file_type(), before);
}

#[test]
fn capabilities_and_acls_are_spelled() {
    let out = Out::new();
    for subject in [&out.image, &out.filesystem] {
        let text = told(&["stat", subject, "/etc/ping"]);
        assert!(
            text.contains("security.capability: cap_net_raw=ep\n"),
            "{text}"
        );
        let json = told(&["stat", "--json", subject, "/etc/ping"]);
        assert!(json.contains(r#""text":"cap_net_raw=ep""#), "{json}");
    }
}

#[test]
fn an_extraction_that_fails_leaves_nothing() {
    let out = Out::new();
    // No more bytes than fit a part of it.
    for to in ["d", "t.tar", "t.tar.gz", "su"] {
        let to = out.at(to);
        let mut limited = run::started_by_hand("prlimit");
        limited.args([
            "--fsize=3",
            env!("CARGO_BIN_EXE_layerpress"),
            "extract",
            "-q",
        ]);
        let what = if to.ends_with("su") { "/bin/su" } else { "/" };
        limited.args([&*out.filesystem, what, "-o", &*to]);
        let output = limited.output().unwrap();
        assert_ne!(output.status.code(), Some(0), "{to}");
        assert_eq!(out.left(), [""; 0], "{to}: {output:?}");
    }
}
