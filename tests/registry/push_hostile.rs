//! Pushes to registries that lie, and pushes that are interrupted at any moment.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::artifact_stand::{ArtifactStand, NAME, get, read, sent};
use super::fake_registry::FakeRegistry;
use super::http::{Head, answer};
use super::proxy::Fault;
use super::support::archive::{TestImage, digest, layer_tar};
use super::support::moments::{Moments, heeds};

const HEAD: &str = "HEAD /v2/private/fs/blobs/";

/// It has everything, by its own account, whatever it is asked for. Nothing is sent then; the manifest
/// would name what is not there.
#[test]
fn a_registry_that_claims_to_have_every_blob_gets_no_tag() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let lie = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    stand.proxy.always(HEAD, Fault::Answer(lie));
    stand.fails(
        &[],
        3,
        &[
            "cannot push the manifest",
            "the registry said that it has each blob of it",
        ],
    );
    assert_eq!(sent(&stand.proxy.seen(), "POST").0, 0);
    stand.proxy.mend();
    let pushed = stand.pushes("1", &[]);
    assert_eq!(pushed["already_there"]["blobs"], 0);
    assert!(stand.assembled("1") == read(&stand.image));
}

/// What is there by HEAD and by GET is not, and the other way round.
#[test]
fn a_blob_of_another_length_is_none_and_is_sent() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let other = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n".to_vec();
    stand.proxy.always(HEAD, Fault::Answer(other));
    let pushed = stand.pushes("1", &[]);
    assert_eq!(pushed["already_there"]["blobs"], 0);
    stand.proxy.mend();
    assert!(stand.assembled("1") == read(&stand.image));
}

/// The token server gives a token each time, and no token is ever enough.
#[test]
fn a_door_that_no_token_opens_is_asked_a_few_times_and_no_more() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let image = TestImage::new([layer_tar(&[("a", b"a")])]).layout("1");
    let tokens = FakeRegistry::start(&image, |_| {
        Some(answer(
            "200 OK",
            &[],
            br#"{"token":"of-no-use","expires_in":300}"#,
        ))
    });
    let realm = format!("http://{}/token", tokens.address());
    let challenge =
        format!("Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:x:pull,push\"");
    let door = FakeRegistry::start(&image, move |_: &Head| {
        let challenge = [("WWW-Authenticate", &challenge[..])];
        let body = br#"{"errors":[{"code":"UNAUTHORIZED","message":"never"}]}"#;
        Some(answer("401 Unauthorized", &challenge, body))
    });
    let at = format!("docker://{}/private/fs:1", door.address());
    for options in [&["--anonymous"][..], &["--creds=user:password"]] {
        let ended = stand.puller.press.run(&mut stand.push_at(&at, options));
        ended.failed(3, &["401 Unauthorized", "--creds-file FILE"]);
        let ended = stand.puller.press.run(&mut stand.puller.pull(&at, options));
        stand
            .puller
            .has_failed(&ended, 3, &["401 Unauthorized", "--creds-file FILE"]);
    }
    let (asked, given) = (door.asked().len(), tokens.asked().len());
    // A token replaced once for each question, of which there are two at most.
    assert!(asked <= 4 * 8, "{asked}");
    assert!((4..=4 * 6).contains(&given), "{given}");
}

/// Bytes so slow that each keeps the connection: only who waits can say that it is enough.
#[test]
fn an_interrupt_at_any_moment_of_a_push_leaves_no_tag_or_all_and_says_so() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    stand.proxy.always("PUT /v2/", Fault::SlowUpload(8 << 20));
    let options = ["--jobs=2"];
    let expected = stand.pushes("whole", &options);
    let ended = stand.puller.press.run(&mut stand.push_at(
        &format!("docker://{}/{NAME}first:1", stand.proxy.address()),
        &options,
    ));
    stand.done(&ended);
    let mut moments = Moments::over(ended.time, 16);
    let mut interrupted = 0;
    for round in 0.. {
        if !moments.go_on(interrupted >= 12) {
            break;
        }
        let name = format!("{NAME}{round}");
        let at = format!("docker://{}/{name}:1", stand.proxy.address());
        let (signal, code) = [(Signal::INT, 130), (Signal::TERM, 143)][round % 2];
        let mut options = options.to_vec();
        if round % 3 == 0 {
            options.push("--platform=linux/amd64");
        }
        let running = stand.puller.press.start(&mut stand.push_at(&at, &options));
        while !heeds(&running, signal) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let moment = moments.next();
        std::thread::sleep(moment);
        kill_process(Pid::from_child(&running.child), signal).unwrap();
        let ended = running.end_within(Duration::from_secs(60));
        let tag = get(stand.registry.address, &name, "manifests/1");
        if ended.code() == 0 {
            moments.was_too_late(moment);
            assert!(tag.is_some());
        } else {
            assert_eq!(ended.code(), code, "{}", ended.stderr);
            interrupted += 1;
        }
        // Under the name is all or nothing.
        if let Some(bytes) = tag.filter(|_| round % 3 != 0) {
            assert_eq!(digest(&bytes), expected["manifest_digest"]);
        }
        assert!(stand.puller.press.left().is_empty());
        let again = stand.puller.press.run(&mut stand.push_at(&at, &options));
        assert_eq!(
            stand.done(&again)["manifest_digest"],
            expected["manifest_digest"]
        );
    }
    // No lock stays held, and none stays at all.
    let locks = stand.puller.home().join(".cache/layerpress/locks");
    assert_eq!(std::fs::read_dir(locks).unwrap().count(), 0);
}
