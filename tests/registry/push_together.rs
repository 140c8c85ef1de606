//! Pushes that change one tag at the same time.

use std::collections::BTreeSet;
use std::process::Stdio;

use serde_json::Value;

use super::artifact::sha256;
use super::artifact_stand::{ArtifactStand, NAME};
use super::http::answer;
use super::proxy::Fault;
use super::push_places::stand;

const PLATFORMS: [&str; 8] = [
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/riscv64",
    "linux/s390x",
    "linux/ppc64le",
    "linux/386",
    "linux/loong64",
];

fn digests(index: &Value) -> BTreeSet<String> {
    let entries = index["manifests"].as_array().unwrap().iter();
    let digest = |entry: &Value| entry["digest"].as_str().unwrap().to_owned();
    entries.map(digest).collect()
}

/// Each read the index, and wrote it with its own entry: what another had written meanwhile was gone, and
/// nobody was told.
#[test]
fn of_eight_pushes_at_once_into_one_index_none_is_lost() {
    let Some(stand) = stand() else {
        return;
    };
    for round in 0..20 {
        let tag = format!("together{round}");
        let running: Vec<_> = PLATFORMS
            .iter()
            .enumerate()
            .map(|(number, platform)| {
                let option = format!("--platform={platform}");
                let mut options = vec![&option[..], "--jobs=1"];
                // A cache is where they meet, and none is needed for it.
                if number % 2 == 0 {
                    options.push("--no-cache");
                }
                let mut push = stand.push(&tag, &options);
                push.stdout(Stdio::piped()).stderr(Stdio::piped());
                push.spawn().unwrap()
            })
            .collect();
        let pushed = running.into_iter().map(|running| {
            let ended = running.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr);
            assert!(ended.status.success(), "{said}");
            let summary: Value = serde_json::from_slice(&ended.stdout).unwrap();
            summary["manifest_digest"].as_str().unwrap().to_owned()
        });
        let pushed: BTreeSet<_> = pushed.collect();
        assert_eq!(pushed.len(), PLATFORMS.len());
        assert_eq!(digests(&stand.manifest(&tag)), pushed, "{tag}");
    }
    assert_eq!(locks_left(&stand), 0);
}

fn locks_left(stand: &ArtifactStand) -> usize {
    let locks = stand.puller.home().join(".cache/layerpress/locks");
    std::fs::read_dir(locks).unwrap().count()
}

/// A disk that is full or not for writing had a push fail when all segments were sent.
#[test]
fn where_no_lock_can_be_made_nobody_is_waited_for_and_the_push_succeeds() {
    let Some(stand) = stand() else {
        return;
    };
    stand.pushes("1", &[]);
    let name = format!("{}/{NAME}:2", stand.proxy.address());
    let lock = format!("tag-{}", sha256(name.as_bytes()));
    let locks = stand.puller.home().join(".cache/layerpress/locks");
    // What has its name cannot be opened as one.
    std::fs::create_dir(locks.join(lock)).unwrap();
    let mut push = stand.puller.command(&["push"]);
    push.arg(&stand.image).arg(format!("docker://{name}"));
    push.args(["--segment-size=256K", "--json", "--progress=plain"]);
    let ended = stand.puller.press.run(&mut push);
    stand.done(&ended);
    let told = "other pushes are not waited for: cannot make the lock ";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let manifests = ["1", "2"].map(|tag| stand.get(&format!("manifests/{tag}")));
    assert!(manifests[0].is_some() && manifests[0] == manifests[1]);
}

/// Another host's push does not wait for ours. It read the index before ours was written, and writes its
/// own after that: ours is put again.
#[test]
fn an_entry_that_another_host_took_out_of_the_index_is_put_again() {
    let Some(stand) = stand() else {
        return;
    };
    stand.pushes("1", &["--platform=linux/arm64"]);
    let without = stand.get("manifests/1").unwrap();
    let media = [("Content-Type", "application/vnd.oci.image.index.v1+json")];
    let on = format!("GET /v2/{NAME}/manifests/1");
    // What the tag means, what the index is: as they are. What came of it: without the entry.
    let nothing = Fault::Header("X-Nothing", String::new());
    stand.proxy.fault(&on, 2, nothing);
    let old = answer("200 OK", &media, &without);
    stand.proxy.fault(&on, 1, Fault::Answer(old));
    stand.proxy.seen();
    stand.pushes("1", &["--platform=linux/amd64"]);
    assert_eq!(stand.proxy.faults_left(), 0);
    let puts = stand.proxy.count("PUT", "/manifests/1");
    assert_eq!(puts, 2);
    assert_eq!(digests(&stand.manifest("1")).len(), 2);
}

/// A tag that became something else while the segments were sent: what is there would be lost.
#[test]
fn what_a_tag_came_to_mean_meanwhile_is_not_lost() {
    let Some(stand) = stand() else {
        return;
    };
    stand.pushes("2", &["--platform=linux/arm64"]);
    let index = stand.get("manifests/2");
    // At the first look there is nothing yet.
    let on = format!("GET /v2/{NAME}/manifests/2");
    let nothing = answer("404 Not Found", &[], b"{}");
    stand.proxy.fault(&on, 1, Fault::Answer(nothing.clone()));
    let ended = stand.puller.press.run(&mut stand.push("2", &[]));
    ended.failed(5, &["found an index of filesystems for linux/arm64"]);
    assert_eq!(stand.get("manifests/2"), index);
    assert_eq!(stand.proxy.faults_left(), 0);
    // The other way round: a filesystem of no known platform in place of nothing.
    stand.pushes("3", &[]);
    let alone = stand.get("manifests/3");
    let on = format!("GET /v2/{NAME}/manifests/3");
    stand.proxy.fault(&on, 1, Fault::Answer(nothing));
    let options = ["--platform=linux/arm64"];
    let ended = stand.puller.press.run(&mut stand.push("3", &options));
    ended.failed(5, &["found a filesystem for an unknown platform"]);
    assert_eq!(stand.get("manifests/3"), alone);
}

/// Who asks for what it is not finds nothing of it in the registry.
#[test]
fn another_digest_than_the_one_asked_for_is_found_before_anything_is_sent() {
    let Some(stand) = stand() else {
        return;
    };
    let other = format!("sha256:{}", "0".repeat(64));
    let at = format!("docker://{}/private/none@{other}", stand.proxy.address());
    stand.proxy.seen();
    let ended = stand.puller.press.run(&mut stand.push_at(&at, &[]));
    ended.failed(5, &["expected a filesystem whose manifest is sha256:000"]);
    let asked = stand.proxy.seen();
    assert!(
        asked
            .iter()
            .all(|seen| seen.method == "GET" && seen.path == "/v2/"),
        "{asked:?}"
    );
}
