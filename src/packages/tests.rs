use std::collections::BTreeMap;

use super::*;

/// Files by their paths.
#[derive(Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Root for Files {
    fn look(&mut self, path: &[u8], max_bytes: u64) -> Result<Looked> {
        let path = std::str::from_utf8(path).unwrap();
        let below = format!("{path}/");
        if let Some((id, (_, bytes))) = self
            .0
            .iter()
            .enumerate()
            .find(|(_, (name, _))| *name == path)
        {
            let (id, size_bytes) = (id as u64, bytes.len() as u64);
            return Ok(match size_bytes <= max_bytes {
                true => Looked::File {
                    id,
                    bytes: bytes.clone(),
                },
                false => Looked::TooLarge { size_bytes },
            });
        }
        let names = self.0.keys().filter_map(|name| name.strip_prefix(&below));
        let names: Vec<_> = names.map(|name| name.as_bytes().to_vec()).collect();
        Ok(match names.is_empty() {
            true => Looked::Absent,
            false => Looked::Directory(names),
        })
    }
}

fn read(files: &[(&str, &[u8])]) -> Result<Packages> {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.to_vec()));
    Packages::read(&mut Files(files.collect()))
}

fn listed(found: &Packages) -> Vec<String> {
    let text = |package: &Package| format!("{} {} {}", package.name, package.version, package.arch);
    found.packages.iter().map(text).collect()
}

fn warnings(found: &Packages) -> Vec<String> {
    found.warnings.lines().collect()
}

const STATUS: &str = "var/lib/dpkg/status";

#[test]
fn of_dpkg_only_what_is_installed_is_listed() {
    let status = b"Package: zlib1g
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 1:1.2.13
Description: compression
 Version: 9
 .
Conffiles:
 /etc/x 0123

Package: gone
Status: deinstall ok config-files
Version: 1
Architecture: all

Package: never
Status: purge ok not-installed
Architecture: all

package: held
STATUS: hold ok installed
version: 2
architecture: all

Package: half
Status: install reinstreq half-installed
Version: 3
Architecture: all

Package: unknown
Version: 4
Architecture: all
";
    let found = read(&[(STATUS, status)]).unwrap();
    assert_eq!(listed(&found), ["held 2 all", "zlib1g 1:1.2.13 amd64"]);
    assert_eq!(
        warnings(&found),
        ["a package is not wholly installed and is not listed: var/lib/dpkg/status"]
    );
    assert_eq!(found.databases[0].packages, 2);
}

#[test]
fn of_distroless_each_file_is_a_package_and_needs_no_status() {
    let found = read(&[
        ("var/lib/dpkg/status.d/tzdata", b"Package: tzdata\nVersion: 2024a\nArchitecture: all\n"),
        ("var/lib/dpkg/status.d/tzdata.md5sums", b"0123  usr/share/zoneinfo/UTC\n"),
        (
            "var/lib/dpkg/status.d/base",
            b"Package: base-files\nVersion: 12\nArchitecture: amd64\nStatus: deinstall ok config-files\n",
        ),
    ])
    .unwrap();
    assert_eq!(listed(&found), ["tzdata 2024a all"]);
    assert_eq!(warnings(&found), [""; 0]);
}

#[test]
fn apks_letters_are_read_and_its_files_passed_over() {
    let installed = b"C:Q1abc=\nP:musl\nV:1.2.5-r0\nA:x86_64\nS:1\nF:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\n\nP:busybox\nV:1.36\nA:x86_64\n";
    for path in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        let found = read(&[(path, installed)]).unwrap();
        assert_eq!(
            listed(&found),
            ["busybox 1.36 x86_64", "musl 1.2.5-r0 x86_64"]
        );
        let [database] = &found.databases[..] else {
            panic!("{:?}", found.databases)
        };
        assert_eq!((database.format, &database.path[..]), ("apk", path));
    }
}

#[test]
fn what_is_not_read_is_named_and_that_there_is_nothing_is_told() {
    let rpm = read(&[("var/lib/rpm/rpmdb.sqlite", b"SQLite")]).unwrap();
    assert_eq!(
        warnings(&rpm),
        [
            "packages in the database of rpm are not listed: it is not read: var/lib/rpm/rpmdb.sqlite"
        ]
    );
    let none = read(&[]).unwrap();
    assert!(warnings(&none)[0].starts_with("no list of packages is known here"));
    // An empty list is one.
    assert_eq!(warnings(&read(&[(STATUS, b"")]).unwrap()), [""; 0]);
}

#[test]
fn packages_are_in_order_by_the_bytes_of_name_architecture_and_version_each_once() {
    let stanza = |name: &str, version: &str, arch: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: {arch}\n\n"
        )
    };
    let status = [
        stanza("b", "1", "i386"),
        stanza("b", "2", "amd64"),
        stanza("a-b", "1", "all"),
        stanza("a", "10", "all"),
        stanza("a", "9", "all"),
        stanza("B", "1", "all"),
        stanza("b", "1", "i386"),
    ]
    .concat();
    let found = read(&[(STATUS, status.as_bytes())]).unwrap();
    assert_eq!(
        listed(&found),
        [
            "B 1 all",
            "a 10 all",
            "a 9 all",
            "a-b 1 all",
            "b 2 amd64",
            "b 1 i386"
        ]
    );
    assert_eq!(
        warnings(&found),
        ["a package is listed twice: the list of packages"]
    );
    let json: Vec<Package> = serde_json::from_slice(&found.to_json().unwrap()).unwrap();
    assert_eq!(json, found.packages);
    let json = read(&[]).unwrap().to_json().unwrap();
    assert_eq!(json, b"[]\n");
}

#[test]
fn hostile_lists_are_told_of_in_warnings() {
    let installed = "Status: install ok installed\n";
    let long = format!("Package: {}\n{installed}Version: 1\n", "a".repeat(1025));
    let cases: [(&[u8], &[&str], &str); 7] = [
        (
            b"\0\0\0\xff",
            &[],
            "a line of a list of packages has no key",
        ),
        (
            b"Status: install ok installed\nVersion: 1\n",
            &[],
            "a package has no name and is not listed",
        ),
        (
            b"Package: a\nStatus: install ok installed\n",
            &["a  "],
            "a package has no version",
        ),
        (
            b"Package: a\xff\nStatus: install ok installed\nVersion: 1\0\n",
            &["a\\xff 1\\x00 "],
            "no printable text",
        ),
        (
            b"Package: a\nPackage: b\nStatus: install ok installed\nVersion: 1\n",
            &["a 1 "],
            "a field twice",
        ),
        (long.as_bytes(), &[], "longer than 1024 bytes"),
        (
            b"Package: a\nStatus:\nVersion: 1\n",
            &[],
            "not wholly installed",
        ),
    ];
    for (status, packages, warning) in cases {
        let found = read(&[(STATUS, status)]).unwrap();
        assert_eq!(listed(&found), packages);
        let told = warnings(&found).join("\n");
        assert!(told.contains(warning), "{told}: {warning}");
    }
}

#[test]
fn lists_larger_than_any_are_an_error() {
    let large = vec![b' '; MAX_BYTES as usize];
    read(&[(STATUS, &large)]).unwrap();
    // Together, not each.
    let error = read(&[(STATUS, &large), ("lib/apk/db/installed", b"P:a\n")]).unwrap_err();
    assert_eq!(error.exit_code(), 5);
    assert!(
        error.to_string().contains("lib/apk/db/installed: expected"),
        "{error}"
    );
    let many: String = (0..=MAX_PACKAGES)
        .map(|index| format!("P:{index}\nV:1\n\n"))
        .collect();
    let error = read(&[("lib/apk/db/installed", many.as_bytes())]).unwrap_err();
    assert!(error.to_string().contains("262144 packages"), "{error}");
}
