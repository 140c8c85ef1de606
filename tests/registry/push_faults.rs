//! Pushes to a registry that fails now and then, or refuses.

use std::time::Duration;

use super::artifact_stand::{ArtifactStand, NAME, read, sent};
use super::http::answer;
use super::proxy::Fault;
use super::registry_server::{Access, PASSWORD, Setup, USER};
use super::support::archive::digest;
use super::token_server::TokenServer;

const POST: &str = "POST /v2/private/fs/blobs/uploads/";
const PUT_BLOB: &str = "PUT /v2/private/fs/blobs/uploads/";
const PUT_MANIFEST: &str = "PUT /v2/private/fs/manifests/1";
const HEAD: &str = "HEAD /v2/private/fs/blobs/";

fn status(text: &str) -> Fault {
    Fault::Answer(answer(text, &[], b"{}"))
}

#[test]
fn what_fails_and_may_pass_is_tried_again_and_nothing_is_sent_twice_that_arrived() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let whole = stand.pushes("1", &[]);
    let later = Fault::Answer(answer(
        "429 Too Many Requests",
        &[("Retry-After", "1")],
        b"",
    ));
    for (round, (on, fault)) in [
        (POST, status("503 Service Unavailable")),
        (POST, later.clone()),
        (POST, Fault::LostAnswer),
        (PUT_BLOB, status("500 Internal Server Error")),
        (PUT_BLOB, status("502 Bad Gateway")),
        (PUT_BLOB, later),
        // The upload is forgotten, or was changed on the way.
        (PUT_BLOB, status("404 Not Found")),
        (PUT_BLOB, status("416 Range Not Satisfiable")),
        (PUT_BLOB, status("400 Bad Request")),
        (PUT_BLOB, Fault::CutUploadAfter(0)),
        (PUT_BLOB, Fault::CutUploadAfter(100_000)),
        (PUT_BLOB, Fault::LostAnswer),
        (PUT_MANIFEST, status("503 Service Unavailable")),
        // What another push is writing was read by halves.
        (PUT_MANIFEST, status("400 Bad Request")),
        (PUT_MANIFEST, Fault::CutUploadAfter(100)),
        (PUT_MANIFEST, Fault::LostAnswer),
        (HEAD, status("500 Internal Server Error")),
        (HEAD, status("404 Not Found")),
        (HEAD, Fault::Late(Duration::from_millis(50))),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("private/fs{round}");
        let on = on.replace(NAME, &name);
        stand.proxy.fault(&on, 1, fault.clone());
        stand.proxy.seen();
        let at = format!("docker://{}/{name}:1", stand.proxy.address());
        let ended = stand
            .puller
            .press
            .run(&mut stand.push_at(&at, &["--retry=2"]));
        let pushed = stand.done(&ended);
        let told = format!("{on} {fault:?}");
        assert_eq!(stand.proxy.faults_left(), 0, "{told}");
        assert_eq!(
            pushed["manifest_digest"], whole["manifest_digest"],
            "{told}"
        );
        let bytes = super::artifact_stand::get(stand.registry.address, &name, "manifests/1");
        assert_eq!(digest(&bytes.unwrap()), whole["manifest_digest"], "{told}");
        // What had arrived is found there, and not sent once more.
        let arrived =
            matches!(fault, Fault::LostAnswer) && on.starts_with("PUT") && on.contains("blobs");
        let puts = stand.proxy.seen();
        let puts = puts
            .iter()
            .filter(|seen| seen.method == "PUT" && seen.path.contains("/blobs/"));
        let blobs = usize::try_from(whole["pushed"]["blobs"].as_u64().unwrap()).unwrap();
        let again = on.starts_with("PUT") && on.contains("blobs") && !arrived;
        assert_eq!(puts.count(), blobs + usize::from(again), "{told}");
        assert_eq!(
            pushed["already_there"]["blobs"],
            u64::from(arrived),
            "{told}"
        );
    }
}

#[test]
fn a_registry_that_stays_in_trouble_is_given_up_and_the_next_push_goes_on() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    // A third of the segments arrives.
    stand
        .proxy
        .fault(PUT_BLOB, 3, Fault::Header("X-Nothing", String::new()));
    stand
        .proxy
        .always(PUT_BLOB, status("503 Service Unavailable"));
    stand.fails(
        &["--retry=1", "--jobs=1"],
        9,
        &[
            "cannot push the blob sha256:",
            "503 Service Unavailable",
            "tried 2 times",
        ],
    );
    stand.proxy.mend();
    stand
        .proxy
        .always(PUT_MANIFEST, status("503 Service Unavailable"));
    stand.fails(
        &["--retry=1"],
        9,
        &["cannot push the manifest to http", "503", "tried 2 times"],
    );
    stand.proxy.mend();
    let pushed = stand.pushes("1", &[]);
    assert_eq!(pushed["pushed"]["blobs"], 0);
    assert!(sent(&stand.proxy.seen(), "PUT").0 > 0);
    assert!(stand.assembled("1") == read(&stand.image));
}

#[test]
fn what_a_registry_refuses_is_told_with_what_helps() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let coded = |text: &str, code: &str| {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"of the test"}}]}}"#);
        Fault::Answer(answer(text, &[], body.as_bytes()))
    };
    for (on, fault, words) in [
        (
            POST,
            coded("405 Method Not Allowed", "UNSUPPORTED"),
            &["of the test", "read only"][..],
        ),
        (
            POST,
            coded("403 Forbidden", "DENIED"),
            &["403 Forbidden: of the test", "--creds"],
        ),
        (
            POST,
            coded("401 Unauthorized", "UNAUTHORIZED"),
            &["401 Unauthorized", "--creds"],
        ),
        (
            POST,
            coded("404 Not Found", "NAME_UNKNOWN"),
            &["404 Not Found: of the test"],
        ),
        (
            PUT_BLOB,
            coded("413 Request Entity Too Large", "SIZE_INVALID"),
            &["413", "a smaller --segment-size"],
        ),
        (
            PUT_BLOB,
            coded("400 Bad Request", "DIGEST_INVALID"),
            &["400 Bad Request: of the test"],
        ),
        (
            PUT_BLOB,
            Fault::Header(
                "Docker-Content-Digest",
                format!("sha256:{}", "1".repeat(64)),
            ),
            &[
                "expected the registry to have stored sha256:",
                "found sha256:111",
            ],
        ),
        (
            PUT_MANIFEST,
            coded("400 Bad Request", "MANIFEST_INVALID"),
            &[
                "cannot push the manifest",
                "of the test",
                "may not take artifacts",
            ],
        ),
        (
            PUT_MANIFEST,
            coded("413 Request Entity Too Large", "SIZE_INVALID"),
            &["413", "a larger --segment-size"],
        ),
        (
            PUT_MANIFEST,
            coded("401 Unauthorized", "DENIED"),
            &["401 Unauthorized", "--creds"],
        ),
    ] {
        stand.proxy.mend();
        stand.proxy.always(on, fault);
        stand.fails(&["--retry=2"], 3, words);
    }
    // What it says that it stored under the tag is another's: the tag is there, and the push has failed.
    stand.proxy.mend();
    let other = format!("sha256:{}", "1".repeat(64));
    stand
        .proxy
        .always(PUT_MANIFEST, Fault::Header("Docker-Content-Digest", other));
    let ended = stand.puller.press.run(&mut stand.push("1", &[]));
    ended.failed(3, &["expected the registry to have stored sha256:"]);
}

#[test]
fn who_may_read_and_not_push_is_told_so_before_any_segment_is_sent() {
    let Some(tokens) = TokenServer::start() else {
        return;
    };
    let setup = Setup {
        access: Access::Token(&tokens),
        ..Setup::default()
    };
    let Some(stand) = ArtifactStand::with(setup, &[]) else {
        return;
    };
    // Everybody may pull there.
    let at = format!("docker://{}/public/fs:1", stand.proxy.address());
    let ended = stand
        .puller
        .press
        .run(&mut stand.push_at(&at, &["--anonymous"]));
    ended.failed(3, &["401 Unauthorized", "--creds-file FILE"]);
    assert_eq!(sent(&stand.proxy.seen(), "PUT"), (0, 0));
    // A token that has expired is renewed, and the bytes sent again.
    tokens.lifetime(0);
    let creds = format!("--creds={USER}:{PASSWORD}");
    let ended = stand.puller.press.run(&mut stand.push_at(&at, &[&creds]));
    ended.failed(3, &["401 Unauthorized", "may not push to"]);
    tokens.lifetime(300);
    let refused = answer(
        "401 Unauthorized",
        &[(
            "WWW-Authenticate",
            &format!(
                "Bearer realm=\"{}\",service=\"registry-of-the-test\"",
                tokens.realm()
            ),
        )],
        b"",
    );
    stand
        .proxy
        .fault("PUT /v2/public/fs/blobs/", 1, Fault::Answer(refused));
    let ended = stand
        .puller
        .press
        .run(&mut stand.push_at(&at, &[&creds, "--jobs=1"]));
    stand.done(&ended);
    assert_eq!(stand.proxy.faults_left(), 0);
}

/// A server that refuses before it has read all may end the connection before it is heard. The second
/// time it is asked first.
#[test]
fn a_refusal_in_the_middle_of_the_bytes_is_heard_the_second_time() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    stand.proxy.fault(PUT_BLOB, 1, Fault::CutUploadAfter(1000));
    let too_large = answer("413 Request Entity Too Large", &[], b"");
    stand.proxy.always(PUT_BLOB, Fault::Answer(too_large));
    stand.fails(
        &["--jobs=1", "--retry=2"],
        3,
        &["413", "a smaller --segment-size"],
    );
}
