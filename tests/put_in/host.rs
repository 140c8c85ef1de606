//! Directories and files of the host.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::support::oracles::skip;
use super::support::oracles::{debugfs, is_root, is_root_with, succeed};
use super::support::run::Press;
use super::{MADE, build, built, bytes, is_absent, lay, press, put_in, shown};

const CHECKOUT: &[(&[u8], &str)] = &[
    (b"lib/modules/a.ko", "module"),
    (b"etc/hosts", "new"),
    (b"etc/resolv.conf", "nameserver"),
    (b"etc/d", "a file now"),
    (b"etc/f/below", "a directory now"),
    (b"etc/caf\xe9", "latin"),
    (b"etc/link", "->hosts"),
    (b"tmp/x", "x"),
    (b"init", "#!/bin/sh"),
];

fn checkout(press: &Press, name: &str) -> OsString {
    let root = lay(&press.input(name), CHECKOUT);
    fs::set_permissions(root.join("init"), PermissionsExt::from_mode(0o755)).unwrap();
    root.into()
}

#[test]
fn a_directory_goes_together_with_what_is_there_also_behind_links_and_takes_one_name_of_a_file() {
    let press = press();
    let over = checkout(&press, "over");
    let (image, ended) = built(&press, &["--overlay".into(), over]);
    assert_eq!(shown(&image, "/lib").text, "usr/lib", "still a link");
    assert_eq!(
        shown(&image, "/usr/lib/modules/a.ko"),
        put_in(0o644, "module")
    );
    assert_eq!(shown(&image, "/init"), put_in(0o755, "#!/bin/sh"));
    // What is there keeps its attributes.
    let lib = shown(&image, "/usr/lib");
    assert_eq!((lib.mode, lib.owner, lib.mtime), (0o711, (3, 4), 5));
    assert_eq!(shown(&image, "/tmp").mode, 0o1777);
    assert_eq!(shown(&image, "/usr/lib/a.so").text, "library");
    // One name of two.
    assert_eq!(shown(&image, "/etc/hosts"), put_in(0o644, "new"));
    let other = shown(&image, "/etc/hosts2");
    assert_eq!((&*other.text, other.mode, other.links), ("old", 0o600, 1));
    // Another kind.
    assert_eq!(
        shown(&image, "/etc/resolv.conf"),
        put_in(0o644, "nameserver")
    );
    assert_eq!(shown(&image, "/etc/d"), put_in(0o644, "a file now"));
    assert_eq!(
        shown(&image, "/etc/f/below"),
        put_in(0o644, "a directory now")
    );
    assert_eq!(shown(&image, "/etc/link").text, "hosts");
    assert!(debugfs(&image, &["ls -p /etc"]).contains("/caf"));
    for told in [
        "a directory, with all below it, replaced by what is put in: etc/d",
        "file of a lower layer replaced by a directory",
    ] {
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
}

#[test]
fn two_checkouts_with_other_umask_owner_and_times_give_the_same_bytes_and_keep_attributes_tells_them_apart()
 {
    let press = press();
    let (one, other) = (checkout(&press, "one"), checkout(&press, "other"));
    let init = press.input("init");
    fs::write(&init, "init").unwrap();
    let options = |root: &OsString, keep: bool| {
        let mut add = root.clone();
        add.push(":/opt/app");
        let mut options = vec!["--overlay".into(), root.clone(), "--add".into(), add];
        options.extend(keep.then(|| "--keep-attributes".into()));
        options
    };
    for path in ["etc/hosts", "init", "etc", "lib/modules", "."] {
        let path = Path::new(&other).join(path);
        let metadata = fs::metadata(&path).unwrap();
        // As a umask of 077 leaves it.
        let mode = metadata.permissions().mode() & 0o700;
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let file = fs::File::open(&path).unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        file.set_modified(time).unwrap();
        if is_root() {
            chown(&path, Some(1234), Some(5678)).unwrap();
        }
    }
    if is_root() {
        lchown(Path::new(&other).join("etc/link"), Some(7), Some(8)).unwrap();
    }
    let first = bytes(&press, &options(&one, false));
    assert!(first == bytes(&press, &options(&other, false)));
    let (image, _) = built(&press, &options(&other, true));
    let hosts = shown(&image, "/etc/hosts");
    assert_eq!((hosts.mode, hosts.mtime), (0o600, 1_000_000_000));
    assert_eq!(shown(&image, "/usr/lib/modules").mode, 0o700);
    assert_eq!(shown(&image, "/lib").text, "usr/lib");
    if is_root() {
        assert_eq!(hosts.owner, (1234, 5678));
        assert_eq!(shown(&image, "/opt/app/etc/link").owner, (7, 8));
    } else {
        skip("owners are given by root alone");
    }
}

#[test]
fn a_file_or_directory_is_added_with_mode_and_owner_and_links_are_followed_at_the_start_alone() {
    let press = press();
    let source = lay(
        &press.input("source"),
        &[
            (b"bin/run", "run"),
            (b"bin/link", "->run"),
            (b"big", "->/dev/null"),
        ],
    );
    fs::set_permissions(source.join("bin/run"), PermissionsExt::from_mode(0o4755)).unwrap();
    fs::hard_link(source.join("bin/run"), source.join("bin/second")).unwrap();
    std::os::unix::fs::symlink("bin/run", source.join("start")).unwrap();
    let add = |what: &str| {
        let mut add = source.clone().into_os_string();
        add.push(what);
        add
    };
    let (image, ended) = built(
        &press,
        &[
            "--add".into(),
            add("/start:/lib/init:4750:5:6"),
            "--add".into(),
            add("/bin:/opt/bin"),
            "--add".into(),
            add("/bin:/opt/other:0640:1:2"),
        ],
    );
    let init = shown(&image, "/usr/lib/init");
    assert_eq!(
        (init.mode, init.owner, &*init.text),
        (0o4750, (5, 6), "run")
    );
    let run = shown(&image, "/opt/bin/run");
    assert_eq!((run.mode, run.links, run.mtime), (0o755, 2, MADE));
    assert_eq!(shown(&image, "/opt/bin/link").text, "run");
    assert_eq!(shown(&image, "/opt/other/second").mode, 0o640);
    let other = shown(&image, "/opt/other");
    assert_eq!((other.mode, other.owner), (0o750, (1, 2)));
    assert_eq!(shown(&image, "/opt").mode, 0o755);
    let told = "set-user-ID or set-group-ID left out of what is put in";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn what_is_no_file_directory_or_tar_is_one_error() {
    let press = press();
    let at = |name: &str| press.input(name).display().to_string();
    let _listener = UnixListener::bind(at("socket")).unwrap();
    succeed("mkfifo", [at("fifo")]);
    fs::write(at("text"), "no tar").unwrap();
    for (option, code, words) in [
        (
            format!("--add={}:/x", at("socket")),
            5,
            "expected a file or a directory",
        ),
        (
            format!("--add={}:/x", at("fifo")),
            5,
            "expected a file or a directory",
        ),
        (
            "--add=/dev/null:/x".to_owned(),
            5,
            "expected a file or a directory",
        ),
        (format!("--add={}:/x", at("absent")), 3, "cannot open"),
        (
            format!("--overlay={}", at("socket")),
            5,
            "expected a directory or a tar",
        ),
        (
            "--overlay=/dev/null".to_owned(),
            5,
            "expected a directory or a tar",
        ),
        (format!("--overlay={}", at("text")), 4, "text"),
        (format!("--overlay={}", at("absent")), 3, "cannot open"),
        (format!("--add={}:/etc", at("text")), 5, "found a directory"),
        (
            format!("--add={}:/etc/hosts/x", at("text")),
            5,
            "component hosts",
        ),
    ] {
        build(&press, &[option]).failed(code, &[words]);
        assert!(press.left().is_empty(), "{:?}", press.left());
    }
}

#[test]
fn fifos_and_sockets_in_a_directory_are_kept_or_counted_and_names_like_whiteouts_are_names() {
    let press = press();
    let over = lay(&press.input("over"), &[(b"etc/.wh.hosts", ""), (b"a", "a")]);
    let _listener = UnixListener::bind(over.join("socket")).unwrap();
    succeed("mkfifo", [over.join("fifo")]);
    let (image, ended) = built(&press, &["--overlay".into(), over.clone().into_os_string()]);
    assert_eq!(shown(&image, "/etc/hosts").text, "old");
    assert_eq!(shown(&image, "/etc/.wh.hosts"), put_in(0o644, ""));
    let fifo = shown(&image, "/fifo");
    assert_eq!((&*fifo.kind, fifo.mode), ("FIFO", 0o600));
    assert!(is_absent(&image, "/socket"));
    for told in ["looks like a whiteout", "a socket cannot be in an image"] {
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
    if is_root_with(&["mknod"]) {
        succeed(
            "mknod",
            [
                over.join("gone").as_os_str(),
                "c".as_ref(),
                "0".as_ref(),
                "0".as_ref(),
            ],
        );
        let ended = build(&press, &["--overlay".into(), over.into_os_string()]);
        ended.failed(5, &["gone", "whiteout of overlayfs", "--remove"]);
    } else {
        skip("devices are made by root alone");
    }
}

#[test]
fn limits_hold_for_what_is_put_in_together_with_the_layers() {
    let press = press();
    let over = lay(&press.input("over"), &[(b"a", "a"), (b"b", "b")]);
    let over = over.display();
    let overlay = format!("--overlay={over}");
    let add = format!("--add={over}/a:/c");
    // 14 of the image, the directory and two files, a file, a directory.
    let with = |entries: u32| {
        let limit = format!("--max-entries={entries}");
        build(&press, &[&*overlay, &*add, "--mkdir=/d", &*limit])
    };
    with(19).succeeded();
    with(18).failed(4, &["--max-entries"]);
    fs::write(press.input("big"), vec![1; 5 << 20]).unwrap();
    let add = format!("--add={}:/big", press.input("big").display());
    build(&press, &[&*add, "--max-bytes=4000000"]).failed(4, &["--max-bytes", "--add"]);
    let add = format!("--add={over}:/x/y");
    build(&press, &[&*add, "--max-path-depth=2"]).failed(4, &["--max-path-depth"]);
}

#[test]
fn the_output_is_no_part_of_what_is_put_in_and_never_takes_its_place() {
    let press = press();
    fs::write(press.output(), "precious").unwrap();
    let output = press.output().display().to_string();
    build(&press, &[format!("--add={output}:/x")]).failed(5, &["what is put in"]);
    assert_eq!(fs::read(press.output()).unwrap(), b"precious");
    fs::remove_file(press.output()).unwrap();
    built(&press, &["--mkdir=/first"]);
    let out = press.output().parent().unwrap().display().to_string();
    fs::write(Path::new(&out).join("beside"), "beside").unwrap();
    let (image, _) = built(&press, &[format!("--overlay={out}:/o")]);
    assert_eq!(shown(&image, "/o/beside").text, "beside");
    assert!(is_absent(&image, "/o/fs.img"));
}

#[test]
fn what_is_mounted_in_a_directory_is_left_out_where_one_file_system_is_asked_for() {
    if !is_root_with(&["mount", "umount"]) {
        skip("mounting needs root");
        return;
    }
    let press = press();
    let over = lay(
        &press.input("over"),
        &[(b"a", "a"), (b"m/covered", "covered")],
    );
    let mounted = over.join("m");
    let options = ["-t", "tmpfs", "-o", "mode=1770", "none"].map(OsString::from);
    succeed("mount", options.into_iter().chain([mounted.clone().into()]));
    let with = |options: &[&str]| {
        fs::write(mounted.join("inside"), "inside").unwrap();
        let over = format!("--overlay={}", over.display());
        let rootfs = format!("rootfs:{}", over.trim_start_matches("--overlay="));
        let overlaid = build(&press, &[&[&*over], options].concat());
        let found = shown(&press.output(), "/m");
        let is_in = !is_absent(&press.output(), "/m/inside");
        let mut command = press.command("build");
        press.add_directories(command.arg(rootfs));
        let root = press.run(command.args(options));
        let is_in_root = !is_absent(&press.output(), "/m/inside");
        (overlaid, root, found.kind, is_in, is_in_root)
    };
    let (with, without) = (with(&[]), with(&["--one-file-system"]));
    succeed("umount", [&mounted]);
    assert_eq!((&*with.2, with.3, with.4), ("directory", true, true));
    assert_eq!(
        (&*without.2, without.3, without.4),
        ("directory", false, false)
    );
    for ended in [without.0, without.1] {
        let told = "left out (--one-file-system), an empty directory standing for each: ";
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
}

#[test]
fn an_ordinary_user_puts_in_what_root_would() {
    if !is_root_with(&["setpriv"]) {
        skip("another user is for root alone");
        return;
    }
    let press = press();
    let over = checkout(&press, "over");
    let as_root = bytes(&press, &["--overlay".into(), over.clone()]);
    let program = press.root().join("layerpress");
    press.install(Path::new(env!("CARGO_BIN_EXE_layerpress")), &program);
    succeed("chmod", ["-R", "a+rX", press.root().to_str().unwrap()]);
    succeed(
        "chown",
        [
            "-R",
            "65534:65534",
            press.output().parent().unwrap().to_str().unwrap(),
        ],
    );
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    command.arg(program).arg("build").arg(press.image());
    command.arg("-o").arg(press.output());
    press.run(command.arg("--overlay").arg(over)).succeeded();
    assert!(as_root == fs::read(press.output()).unwrap());
}
