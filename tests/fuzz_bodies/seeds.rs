//! What is sound, and how it is changed.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};

use serde_json::Value;

use super::bodies::{self, SECRET};
use super::support::mutation::{Random, base, top};
use super::support::raw_tar::{RawTar, record};
use super::support::sample::make_image_with;

/// The seeds of a body.
pub fn of(name: &str) -> Vec<Vec<u8>> {
    match name {
        "tar_index" => vec![base(), top()],
        "pax" => pax(),
        "file_flags" => file_flags(),
        "acl" => acl(),
        "oci_layout" => oci_layout(),
        "docker_manifest" => docker_manifest(),
        "view" | "export" => filesystems(),
        "challenge" => challenge(),
        "credentials" => credentials(),
        "packages" => packages(),
        "recipe" => recipe(),
        "artifact" => artifact(),
        _ => panic!("{name} has no seeds"),
    }
}

/// The paper's example, and the same without what may be left out.
fn artifact() -> Vec<Vec<u8>> {
    let paper = include_str!("../../docs/ARTIFACT.md");
    let example = paper.split("```json\n").nth(1).unwrap();
    let whole: Value = serde_json::from_str(example.split("```").next().unwrap()).unwrap();
    let mut short = whole.clone();
    short["layers"] = Value::Array(Vec::new());
    short.as_object_mut().unwrap().remove("artifactType");
    [whole, short].map(|seed| seed.to_string().into()).into()
}

fn recipe() -> Vec<Vec<u8>> {
    let recipes = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/recipes");
    let documented = |name: &str| fs::read_to_string(recipes.join(name)).unwrap();
    let renamed = documented("microvm.toml").replace("${TAG}", "${NAME}");
    let list =
        "[[image]]\nsource = 'a'\n[[image]]\nsource = '${NAME}$${X}'\nedits.root-mode = '0755'\n";
    [documented("stack.toml"), renamed, list.to_owned()]
        .map(String::into_bytes)
        .into()
}

/// Changes an input as it suits its kind.
pub fn mutate(name: &str, random: &mut Random, bytes: &mut Vec<u8>) {
    match name {
        "tar_index" if random.below(3) > 0 => random.mutate_tar(bytes),
        "view" | "export" => {
            // What is zero is mostly nothing.
            for _ in 0..=random.below(20) {
                let start = random.below(bytes.len());
                let found = bytes[start..].iter().position(|byte| *byte != 0);
                if let Some(distance) = found {
                    bytes[start + distance] ^= 1 << random.below(8);
                }
            }
        }
        "pax" if random.below(3) > 0 => other_letter(random, bytes),
        "packages" if random.below(2) == 0 => other_word(random, bytes),
        "artifact" if random.below(2) == 0 => other_digit(random, bytes),
        "file_flags" if random.below(2) == 0 => other_flag(random, bytes),
        // The first byte says which document it is.
        "oci_layout" | "docker_manifest" => {
            let mut document = bytes.split_off(1);
            match random.below(2) {
                0 => random.mutate(&mut document),
                _ => other_value(random, &mut document),
            }
            bytes.extend(document);
        }
        "credentials" if random.below(2) == 0 => other_value(random, bytes),
        _ => random.mutate(bytes),
    }
}

/// Puts another name in the place of one.
fn other_flag(random: &mut Random, list: &mut Vec<u8>) {
    let others = [
        "nodump", "dump", "noschg", "sappend", "tail", "", "sync\t", "arch",
    ];
    let mut names: Vec<_> = list.split(|byte| *byte == b',').collect();
    let at = random.below(names.len());
    names[at] = others[random.below(others.len())].as_bytes();
    *list = names.join(&b","[..]);
}

/// Changes letters of pax values, so that lengths stay right.
fn other_letter(random: &mut Random, records: &mut [u8]) {
    for _ in 0..=random.below(2) {
        let at = random.below(records.len());
        let line = records[..at].rsplit(|byte| *byte == b'\n').next().unwrap();
        if line.contains(&b'=') && records[at] != b'\n' {
            records[at] = b"0179.-,/a\0\xff"[random.below(11)];
        }
    }
}

/// Changes letters, so that lines stay lines.
fn other_word(random: &mut Random, text: &mut [u8]) {
    for _ in 0..=random.below(2) {
        let at = random.below(text.len());
        if text[at].is_ascii_alphanumeric() {
            text[at] = b"01a+.-~:Z"[random.below(9)];
        }
    }
}

/// Changes digits, so that numbers stay numbers and digests digests.
fn other_digit(random: &mut Random, text: &mut [u8]) {
    for _ in 0..=random.below(2) {
        let start = random.below(text.len());
        let found = text[start..].iter().position(u8::is_ascii_digit);
        if let Some(distance) = found {
            text[start + distance] = b"0123456789"[random.below(10)];
        }
    }
}

/// Gives one field of a document another value.
fn other_value(random: &mut Random, document: &mut Vec<u8>) {
    let values = [
        "null",
        "0",
        "-1",
        "18446744073709551616",
        "\"\"",
        "\"\\u0000\"",
        "[]",
        "{}",
        "[null]",
        "true",
    ];
    let colons = document.iter().enumerate();
    let colons: Vec<_> = colons
        .filter(|(_, byte)| **byte == b':')
        .map(|(at, _)| at)
        .collect();
    let start = colons[random.below(colons.len())] + 1;
    let rest = &document[start..];
    let end = rest.iter().position(|byte| b",}]".contains(byte));
    let end = end.map_or(document.len(), |length| start + length);
    let value = values[random.below(values.len())];
    document.splice(start..end, value.bytes());
}

fn pax() -> Vec<Vec<u8>> {
    let all = |records: &[(&str, &str)]| {
        let records = records.iter();
        records
            .flat_map(|(key, value)| record(key, value))
            .collect()
    };
    vec![
        all(&[
            ("path", "usr/bin/a"),
            ("mtime", "1234567890.123456789"),
            ("uid", "4294967294"),
            ("gid", "5"),
            ("size", "7"),
        ]),
        all(&[
            ("SCHILY.xattr.user.a=b", "value"),
            ("LIBARCHIVE.xattr.user.c%3Dd", "dmFsdWU"),
            ("hdrcharset", "BINARY"),
            ("comment", "none"),
        ]),
        all(&[
            ("GNU.sparse.size", "1004"),
            ("GNU.sparse.numblocks", "1"),
            ("GNU.sparse.map", "5,7"),
        ]),
    ]
}

fn file_flags() -> Vec<Vec<u8>> {
    vec![
        b"schg,sappnd,nodump,noatime".to_vec(),
        b"securedeletion undel\tsync,journal-data,notail,compress,nosecdel,noimmutable".to_vec(),
    ]
}

fn acl() -> Vec<Vec<u8>> {
    let binary = b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x02\0\x05\0\xe8\x03\0\0\x04\0\x05\0\xff\xff\xff\xff\x10\0\x07\0\xff\xff\xff\xff\x20\0\x05\0\xff\xff\xff\xff";
    vec![
        b"user::rwx,user:lisa:r-x:1000,group::r-x,mask::rwx,other::r--".to_vec(),
        b"user::rwx\ngroup::r-x\ngroup:12:-w-\nmask::rwx\nother::---\n".to_vec(),
        binary.to_vec(),
    ]
}

fn oci_layout() -> Vec<Vec<u8>> {
    let layer = RawTar::default().file("file", b"content").end();
    let config = bodies::config_of(&layer);
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        bodies::descriptor(
            "application/vnd.oci.image.config.v1+json",
            config.as_bytes()
        ),
        bodies::descriptor("application/vnd.oci.image.layer.v1.tar", &layer)
    );
    let index = bodies::index_of(manifest.as_bytes());
    let documents = [index, manifest, config].into_iter().zip(0..);
    documents
        .map(|(document, which)| [&[which][..], document.as_bytes()].concat())
        .collect()
}

fn docker_manifest() -> Vec<Vec<u8>> {
    let layer = RawTar::default().file("file", b"content").end();
    let config = bodies::config_of(&layer);
    vec![
        [&[0][..], bodies::MANIFEST].concat(),
        [&[1][..], config.as_bytes()].concat(),
    ]
}

/// Small ones, old and new, as mke2fs makes them of something of everything.
fn filesystems() -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("a/file"), b"content").unwrap();
    fs::write(root.join("a/b/large"), [b'l'; 20_000]).unwrap();
    fs::hard_link(root.join("a/file"), root.join("a/b/link")).unwrap();
    symlink("a/file", root.join("short")).unwrap();
    symlink("a/../".repeat(20) + "a/file", root.join("long")).unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    for piece in 0..6 {
        sparse.write_all_at(b"x", (3 << piece) * 4096).unwrap();
    }
    for number in 0..40 {
        fs::write(root.join(format!("a/b/name {number}")), b"").unwrap();
    }
    let kinds: [&[&str]; 4] = [
        &["-t", "ext2"],
        &["-t", "ext3", "-O", "^has_journal"],
        &["-t", "ext4", "-O", "^has_journal"],
        &[
            "-t",
            "ext4",
            "-O",
            "^has_journal,inline_data,^metadata_csum",
        ],
    ];
    let images = kinds.map(|kind| {
        let image = directory.path().join("image");
        let options = [&["-b", "1024", "-N", "96"], kind].concat();
        make_image_with(&options, &root, &image, "256K");
        let bytes = fs::read(&image).unwrap();
        fs::remove_file(image).unwrap();
        bytes
    });
    images.to_vec()
}

fn challenge() -> Vec<Vec<u8>> {
    vec![
        br#"Bearer realm="https://auth.example.org/token",service="registry.example.org",scope="repository:a/b:pull""#.to_vec(),
        br#"Basic realm="a \"quoted\" one", charset=UTF-8, Bearer realm=x, Negotiate dG9rZW4="#.to_vec(),
    ]
}

/// A stanza that is dpkg's and apk's at once, so that both find a sound one.
fn packages() -> Vec<Vec<u8>> {
    let stanza = |name: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.3-4\nDescription: {name}\nP:{name}\nV:2.3-r4\nA:x86_64\nF:bin\nR:{name}\n\n"
        )
    };
    let one = stanza("libc6");
    let several = [stanza("a"), stanza("musl-utils"), stanza("größe")].concat();
    [one, several].map(String::into_bytes).to_vec()
}

fn credentials() -> Vec<Vec<u8>> {
    // base64 of `user:` and the secret.
    let auth = "dXNlcjpodW50ZXIy";
    vec![
        format!(r#"{{"auths":{{"docker.io":{{"auth":"{auth}"}}}},"credHelpers":{{"ghcr.io":"store"}}}}"#),
        format!(r#"{{"auths":{{"docker.io/library":{{"username":"user","password":"{SECRET}"}},"b":null}},"credsStore":"store"}}"#),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect()
}
