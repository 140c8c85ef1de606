//! A cache under a umask that takes everything from its own owner.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use super::stand::Stand;
use super::support::oracles::{is_root_with, skip};
use super::support::run::{LAYERPRESS, started_by_hand};

const NOBODY: u32 = 65534;

/// It was made of directories with no mode at all, and the next run could not look into them.
#[test]
fn a_cache_is_its_users_alone_and_his_to_use_whatever_the_umask() {
    if !is_root_with(&["setpriv"]) {
        return skip("not root with setpriv: another user cannot be taken");
    }
    let Some(stand) = Stand::new() else {
        return;
    };
    let root = stand.puller.press.root();
    let program = root.join("layerpress");
    stand.puller.press.install(Path::new(LAYERPRESS), &program);
    fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
    for umask in ["777", "077"] {
        let own = root.join(umask);
        fs::create_dir(&own).unwrap();
        chown(&own, Some(NOBODY), Some(NOBODY)).unwrap();
        let pull = || {
            let mut command = started_by_hand("setpriv");
            command.env_clear().env("HOME", &own).env("TMPDIR", &own);
            command.env("PATH", std::env::var_os("PATH").unwrap());
            command.args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--",
                "sh",
            ]);
            command.args(["-c", "umask \"$0\" && exec \"$@\"", umask]);
            command
                .arg(&program)
                .args(["build", &stand.reference, "--size=fit", "-o"]);
            command
                .arg(own.join("fs.img"))
                .arg("--cache-dir")
                .arg(own.join("a/cache"));
            stand.puller.press.run(&mut command).succeeded();
            fs::set_permissions(own.join("fs.img"), Permissions::from_mode(0o600)).unwrap();
            assert!(
                fs::read(own.join("fs.img")).unwrap() == stand.expected,
                "{umask}"
            );
        };
        pull();
        let mode = |name: &str| fs::metadata(own.join(name)).unwrap().mode() & 0o7777;
        for name in ["a", "a/cache", "a/cache/blobs", "a/cache/blobs/sha256"] {
            assert_eq!(mode(name), 0o700, "{umask}: {name}");
        }
        let blobs = fs::read_dir(own.join("a/cache/blobs/sha256")).unwrap();
        let modes: Vec<_> = blobs
            .map(|blob| blob.unwrap().metadata().unwrap().mode() & 0o777)
            .collect();
        assert!(
            !modes.is_empty() && modes.iter().all(|mode| *mode == 0o600),
            "{modes:?}"
        );
        // What was fetched is found.
        stand.proxy.seen();
        pull();
        let again = stand.proxy.seen();
        let is_blob = |path: &str| path.contains("/blobs/");
        assert!(again.iter().all(|seen| !is_blob(&seen.path)), "{umask}");
    }
}
