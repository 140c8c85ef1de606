//! What a build writes into a directory that it puts in: left out, and never in place of a file there.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::support::archive::layer_tar;
use super::support::run::Press;
use super::{build, built, is_absent, lay, press, shown};

/// Everything that has a name of its own, and all that is called after the output.
fn all_of(directory: &Path) -> Vec<OsString> {
    let mut options: Vec<OsString> = ["--sha256", "--compress=zstd"].map(OsString::from).into();
    for (option, name) in NAMED {
        options.extend([option.into(), directory.join(name).into()]);
    }
    options
}

const NAMED: [(&str, &str); 4] = [
    ("--manifest", "m.json"),
    ("--packages", "p.json"),
    ("--config-out", "c.json"),
    ("--verity-file", "tree"),
];

fn over(option: &str, directory: &Path) -> [OsString; 2] {
    let mut source = directory.as_os_str().to_owned();
    source.push(":/o");
    [option.into(), source]
}

fn directory(press: &Press) -> PathBuf {
    press.output().parent().unwrap().to_owned()
}

/// Bug: an output took the place of a file of `--overlay DIR` or `--add DIR:PATH` that had its name, and
/// the file was missing in the image, too. The kind: so did whatever else is written by a name.
#[test]
fn nothing_that_is_written_takes_the_place_of_a_file_in_a_directory_that_is_put_in() {
    let press = press();
    let out = directory(&press);
    let before = out.join("fs.img");
    for option in ["--overlay", "--add"] {
        for name in [
            "fs.img",
            "fs.img.sha256",
            "fs.img.zst",
            "fs.img.zst.sha256",
            "fs.img.roothash",
            "m.json",
            "p.json",
            "c.json",
            "tree",
        ] {
            fs::write(out.join(name), "precious").unwrap();
            let options = [&over(option, &out)[..], &all_of(&out)].concat();
            build(&press, &options).failed(
                5,
                &[
                    name,
                    "expected an output other than what is put in (--overlay, --add)",
                    "it is, or belongs to, ",
                ],
            );
            assert_eq!(fs::read(out.join(name)).unwrap(), b"precious");
            assert_eq!(press.left(), [format!("out/{name}")]);
            fs::remove_file(out.join(name)).unwrap();
        }
    }
    // By another way to the directory.
    let over = over("--overlay", &out);
    std::os::unix::fs::symlink(&out, press.input("way")).unwrap();
    fs::write(&before, "precious").unwrap();
    let mut command = press.command("build");
    command.arg(press.image()).args(&over);
    command.arg("-o").arg(press.input("way/fs.img"));
    press.run(&mut command).failed(5, &["what is put in"]);
    // What a filesystem of others is.
    fs::File::create(&before).unwrap().set_len(1 << 20).unwrap();
    super::support::oracles::succeed("mke2fs", ["-q".as_ref(), before.as_os_str()]);
    build(&press, &over).failed(5, &["what is put in"]);
}

/// Bug: what `--manifest FILE` and its like wrote was packed by the next run, so that no run gave what
/// the one before it had given.
#[test]
fn what_an_earlier_run_wrote_into_a_directory_that_is_put_in_is_left_out_and_replaced() {
    let press = press();
    let out = directory(&press);
    lay(&out, &[(b"beside", "beside")]);
    let options = [&over("--overlay", &out)[..], &all_of(&out)].concat();
    let first = fs::read(built(&press, &options).0).unwrap();
    let left = press.left();
    assert_eq!(left.len(), 10, "{left:?}");
    let (image, _) = built(&press, &options);
    assert!(fs::read(&image).unwrap() == first);
    assert_eq!(press.left(), left);
    assert_eq!(shown(&image, "/o/beside").text, "beside");
    for name in left.iter().filter(|name| *name != "out/beside") {
        let name = name.strip_prefix("out/").unwrap();
        assert!(is_absent(&image, &format!("/o/{name}")), "{name}");
    }
}

/// Bug: `extract -o OVERLAY --force --overlay OVERLAY` replaced what it read.
#[test]
fn what_is_extracted_takes_the_place_of_nothing_that_is_put_in() {
    let press = press();
    let tar = press.input("over.tar");
    fs::write(&tar, layer_tar(&[("a", b"a")])).unwrap();
    let over = lay(&press.input("over"), &[(b"f", "precious")]);
    let root = lay(&press.input("root"), &[(b"f", "precious"), (b"g", "g")]);
    let extract = |image: &Path, option: &str, source: &Path, target: &Path, path: &str| {
        let mut command = press.command("extract");
        command.arg(image).arg(path).arg("--force");
        command.arg("-o").arg(target).arg(option).arg(source);
        press.run(&mut command)
    };
    let says = ["expected an output other than the image itself and what is put in"];
    let before = fs::read(&tar).unwrap();
    extract(&press.image(), "--overlay", &tar, &tar, "/").failed(5, &says);
    assert!(fs::read(&tar).unwrap() == before);
    // As a name in a directory.
    let named = lay(&press.input("x"), &[(b"etc/hosts", "")]).join("etc/hosts");
    fs::copy(&tar, &named).unwrap();
    extract(&press.image(), "--overlay", &named, &press.input("x"), "/").failed(5, &says);
    assert!(fs::read(&named).unwrap() == before);
    let file = over.join("f");
    extract(&press.image(), "--overlay", &over, &file, "/etc/f").failed(5, &says);
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    let image = PathBuf::from(format!("rootfs:{}", root.display()));
    extract(&image, "--overlay", &over, &root.join("f"), "/g").failed(5, &says);
    assert_eq!(fs::read(root.join("f")).unwrap(), b"precious");
}
