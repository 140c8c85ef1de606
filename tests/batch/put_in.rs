//! What is put in from the host's disk, in many images.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::SystemTime;

use super::rig::{Rig, states};
use super::support::archive::layer_tar;
use super::up_to_date::{NONE, all, built};

/// What is read of the host's disk can change without the request: so it is read, too.
#[test]
fn what_puts_in_files_of_the_host_is_built_again_when_these_change() {
    let rig = Rig::new();
    let own = rig.press.input("own");
    let directory = rig.press.input("directory");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("a"), "a").unwrap();
    let tar = rig.press.input("put.tar");
    fs::write(&own, "one").unwrap();
    fs::write(&tar, layer_tar(&[("in-tar", b"1")])).unwrap();
    rig.list(|image, line| match image {
        2 => format!("{line}\t--add {}:/etc/own", own.display()),
        3 => format!("{line}\t--overlay {}:opt", directory.display()),
        4 => format!("{line}\t--overlay {}", tar.display()),
        _ => line,
    });
    built(&rig, &[]);
    assert_eq!(built(&rig, &[]), NONE);
    let before = fs::read(rig.output(2)).unwrap();
    fs::write(&own, "two").unwrap();
    assert_eq!(built(&rig, &[]), [3]);
    assert!(fs::read(rig.output(2)).unwrap() != before);
    for change in [
        &|| fs::write(directory.join("b"), "").unwrap(),
        &|| fs::rename(directory.join("b"), directory.join("c")).unwrap(),
        &|| fs::remove_file(directory.join("c")).unwrap(),
        &|| fs::set_permissions(directory.join("a"), Permissions::from_mode(0o755)).unwrap(),
    ] as [&dyn Fn(); 4]
    {
        change();
        assert_eq!(built(&rig, &[]), [4]);
        assert_eq!(built(&rig, &[]), NONE);
    }
    fs::write(&tar, layer_tar(&[("in-tar", b"2")])).unwrap();
    assert_eq!(built(&rig, &[]), [5]);
    // Times are no part of what is put in, but where they are kept.
    let touch = || {
        let file = File::options().append(true).open(&own).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    };
    touch();
    assert_eq!(built(&rig, &[]), NONE);
    fs::write(&own, "two").unwrap();
    let kept = &["--keep-attributes"][..];
    assert_eq!(built(&rig, kept), all());
    assert_eq!(built(&rig, kept), NONE);
    touch();
    assert_eq!(built(&rig, kept), [3]);
    // What is gone is told by the build.
    fs::remove_file(&own).unwrap();
    rig.build(&["-q", "--size=16M", "--keep-attributes"])
        .failed(3, &["cannot open", "own"]);
}

/// As a build of it alone does: what an earlier run wrote there is no part of what is put in.
#[test]
fn an_output_in_a_directory_that_is_put_in_is_left_out_of_it() {
    let rig = Rig::new();
    let out = rig.press.root().join("out");
    // By a name of its own, which the output's does not tell.
    let manifest = out.join("manifest");
    rig.list(|image, line| match image {
        2 => format!(
            "{line}\t--overlay {}:opt --manifest {}",
            out.display(),
            manifest.display()
        ),
        _ => String::new(),
    });
    let options = ["--progress=none", "--json", "--size=32M"];
    let forced = [&options[..], &["--force"]].concat();
    rig.build(&forced).succeeded();
    let first = fs::read(rig.output(2)).unwrap();
    rig.build(&forced).succeeded();
    assert!(fs::read(rig.output(2)).unwrap() == first);
    let ended = rig.build(&options);
    assert_eq!(states(ended.succeeded()), [(1, "up_to_date".to_owned())]);
}
