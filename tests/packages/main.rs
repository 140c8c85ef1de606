//! The packages that an image has installed are those that dpkg's own dpkg-query lists, whether they
//! are read from layers or from a filesystem.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod changes;
mod dockerd;
mod hostile;

use std::fs;
use std::process::Command;

use serde_json::Value;

use support::archive::TestImage;
use support::oracles::{program, skip};
use support::run::Press;
use support::session::Layer;

/// Name, version and architecture of each package, from its layers and from the filesystem that is
/// made of them, which are the same; and the warnings.
fn read(press: &Press, layers: Vec<Vec<u8>>) -> (Vec<[String; 3]>, Vec<String>) {
    TestImage::new(layers)
        .classic_archive(&["test:1"])
        .write_tar(&press.image());
    let from = |subject: &std::path::Path| {
        let mut list = press.command("packages");
        list.arg(subject).args(["--json", "-q"]);
        serde_json::from_str::<Value>(press.run(&mut list).succeeded()).unwrap()
    };
    let of_layers = from(&press.image());
    let file = press.root().join("out/packages.json");
    let mut build = press.build();
    build.arg("--packages").arg(&file);
    let told = press.run(&mut build);
    told.succeeded();
    let of_filesystem = from(&press.output());
    for key in ["packages", "databases", "warnings"] {
        assert_eq!(of_layers[key], of_filesystem[key]);
    }
    let packages: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(packages, of_layers["packages"]);
    let warnings: Vec<String> = serde_json::from_value(of_layers["warnings"].clone()).unwrap();
    // Whoever builds is warned of the same.
    for warning in &warnings {
        assert!(told.stderr.contains(warning.as_str()), "{}", told.stderr);
    }
    let text = |package: &Value, key: &str| package[key].as_str().unwrap().to_owned();
    let packages = packages.as_array().unwrap().iter();
    let packages = packages
        .map(|package| ["name", "version", "arch"].map(|key| text(package, key)))
        .collect();
    (packages, warnings)
}

/// Debian's own status, with what there is in no fresh one.
pub fn status() -> String {
    let mut status = fs::read_to_string("/var/lib/dpkg/status").unwrap_or_default();
    for (name, state) in [
        ("left-over", "deinstall ok config-files"),
        ("never-there", "purge ok not-installed"),
        ("held-back", "hold ok installed"),
        ("half-way", "install reinstreq half-installed"),
        ("taken-apart", "install ok unpacked"),
    ] {
        let stanza = format!(
            "Package: {name}\nStatus: {state}\nMaintainer: nobody\nArchitecture: amd64\nVersion: 2:1.0~rc1-1\nDescription: {name}\n of no use\n\n"
        );
        status.push_str(&stanza);
    }
    status
}

/// What dpkg-query lists as installed.
pub fn installed(listed: &str) -> Vec<[String; 3]> {
    let mut packages: Vec<_> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("installed\t"))
        .map(|line| {
            let fields: Vec<_> = line.split('\t').map(str::to_owned).collect();
            <[String; 3]>::try_from(fields).unwrap()
        })
        .collect();
    packages.sort_by(|one, other| {
        let key =
            |[name, version, arch]: &[String; 3]| (name.clone(), arch.clone(), version.clone());
        key(one).cmp(&key(other))
    });
    packages
}

/// What dpkg-query is to tell of each package.
pub const FORMAT: &str = "${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n";

#[test]
fn dpkg_query_lists_the_same_of_the_same_status() {
    if program("dpkg-query").is_none() {
        skip("dpkg-query is not installed");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("status"), status()).unwrap();
    let listed = Command::new("dpkg-query")
        .arg(format!("--admindir={}", directory.path().display()))
        .args(["-W", "-f", FORMAT])
        .output()
        .unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let expected = installed(&String::from_utf8(listed.stdout).unwrap());
    assert!(expected.len() > 50, "{}", expected.len());
    assert!(expected.iter().any(|[name, ..]| name == "held-back"));
    let press = Press::new();
    let layer = Layer::new().file("var/lib/dpkg/status", status().as_bytes());
    let (found, warnings) = read(&press, vec![layer.tar()]);
    assert_eq!(found, expected);
    let what = "a package is not wholly installed and is not listed";
    let warning = format!("{what}: 2 entries, for example var/lib/dpkg/status");
    assert_eq!(warnings, [warning]);
}

/// As apk's own documentation has it (apk-tools, doc/apk.installed): the fields of a package, and
/// then its directories and files.
const INSTALLED: &[u8] = b"C:Q1p78yvTLG094tHE1+dToJGbmYzQE=
P:busybox
V:1.37.0-r12
A:x86_64
S:507831
I:798720
T:Size optimized toolbox: of many common UNIX utilities
U:https://busybox.example/
L:GPL-2.0-only
o:busybox
m:Somebody <somebody@example.org>
t:1736347202
c:4f3bee7b3c2b4ac6a6d6cd7d8a3ea0a0ad9ea2ee
D:so:libc.musl-x86_64.so.1
p:cmd:busybox=1.37.0-r12
r:busybox-initscripts
F:bin
R:busybox
a:0:0:755
Z:Q1WRATUYEo9NHH7PHUJkLyGdKCkRk=
F:etc
M:0:0:1777
R:securetty
Z:Q1mB95Hq2NUTZ599RDiSsj9w5FrOU=

C:Q1f5fqCDCdTb0LM7bCGPGDg1oqOZM=
P:musl
V:1.2.5-r9
A:x86_64
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
";

#[test]
fn apks_list_is_read_at_its_older_and_its_newer_place_and_through_links_once() {
    let expected = [
        ["busybox", "1.37.0-r12", "x86_64"],
        ["musl", "1.2.5-r9", "x86_64"],
    ]
    .map(|package| package.map(str::to_owned));
    let merged = Layer::new()
        .directory("usr/lib")
        .symlink("lib", "usr/lib")
        .file("usr/lib/apk/db/installed", INSTALLED);
    let older = Layer::new().file("lib/apk/db/installed", INSTALLED);
    let newer = Layer::new().file("usr/lib/apk/db/installed", INSTALLED);
    for layer in [merged, older, newer] {
        let (found, warnings) = read(&Press::new(), vec![layer.tar()]);
        assert_eq!(found, expected);
        assert_eq!(warnings, [""; 0]);
    }
}

#[test]
fn layers_show_the_list_of_the_last_one_that_has_it() {
    let list = |version: &str| {
        format!("Package: a\nStatus: install ok installed\nVersion: {version}\nArchitecture: all\n")
    };
    let below = Layer::new()
        .file("var/lib/dpkg/status", list("1").as_bytes())
        .file("var/lib/dpkg/status.d/b", list("7").as_bytes())
        .file("lib/apk/db/installed", INSTALLED);
    let above = Layer::new()
        .file("var/lib/dpkg/status", list("2").as_bytes())
        .file("var/lib/dpkg/status.d/.wh.b", b"")
        .file("lib/apk/.wh.db", b"");
    let (found, warnings) = read(&Press::new(), vec![below.tar(), above.tar()]);
    assert_eq!(found, [["a", "2", "all"].map(str::to_owned)]);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn a_person_gets_a_line_for_each_package_and_how_many_there_are() {
    let press = Press::new();
    let layer = Layer::new().file("lib/apk/db/installed", INSTALLED);
    fs::write(press.image(), layer.tar()).unwrap();
    let mut list = press.command("packages");
    list.arg(format!("rootfs:{}", press.image().display()))
        .arg("-q");
    assert_eq!(
        press.run(&mut list).succeeded(),
        "busybox  1.37.0-r12  x86_64\n\
         musl     1.2.5-r9    x86_64\n\
         2 packages, from apk (/lib/apk/db/installed)\n"
    );
}
