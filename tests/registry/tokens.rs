//! Bearer tokens that end too soon, or are none.

use std::time::Duration;

use super::http::answer;
use super::proxy::Fault;
use super::pull::layers;
use super::registry_server::{PASSWORD, USER};
use super::stand::Stand;
use super::support::archive::TestImage;
use super::token_server::TokenServer;

fn creds() -> String {
    format!("--creds={USER}:{PASSWORD}")
}

fn stand() -> Option<(TokenServer, Stand)> {
    let tokens = TokenServer::start()?;
    let stand = Stand::with_tokens(TestImage::new(layers(3, 2)), &tokens)?;
    Some((tokens, stand))
}

#[test]
fn a_token_that_ends_before_the_pull_does_is_replaced() {
    let Some((tokens, stand)) = stand() else {
        return;
    };
    tokens.lifetime(1);
    // The first answer takes longer than the token is good, then it breaks off.
    let blob = &stand.blobs[1].digest;
    stand
        .proxy
        .fault(
            format!("GET /v2/sample/blobs/{}", stand.config),
            1,
            Fault::Late(Duration::from_millis(1_500)),
        )
        .fault(
            format!("GET /v2/sample/blobs/{blob}"),
            1,
            Fault::CutAfter(900_000),
        );
    stand.pulls(&[&creds()]);
    assert_eq!(stand.proxy.faults_left(), 0);
    let asked = tokens.asked();
    assert!(asked.len() >= 2, "{asked:?}");
    assert!(asked.iter().all(|asked| asked.password == Some(true)));
    // What was on its way when the connection broke may be lost.
    let seen = stand.proxy.seen();
    let continued = seen.iter().any(|seen| {
        seen.path.contains(blob)
            && seen
                .range
                .as_deref()
                .is_some_and(|range| !range.starts_with("bytes=0-"))
    });
    assert!(continued, "{seen:?}");
}

#[test]
fn a_token_may_be_called_as_oauth_calls_it() {
    let Some((tokens, stand)) = stand() else {
        return;
    };
    tokens.like_oauth();
    stand.pulls(&[&creds()]);
}

#[test]
fn an_answer_that_is_no_token_is_an_error_that_names_the_token_server() {
    let Some((tokens, stand)) = stand() else {
        return;
    };
    let realm = tokens.realm();
    let json = [("Content-Type", "application/json")];
    let huge = format!("{{\"token\": \"{}\"}}", "x".repeat(32 << 20));
    for (what, bytes) in [
        ("html", answer("200 OK", &[], b"<html>log in first</html>")),
        ("no token", answer("200 OK", &json, b"{\"a\": 1}")),
        ("empty", answer("200 OK", &json, b"{\"token\": \"\"}")),
        ("null", answer("200 OK", &json, b"{\"token\": null}")),
        ("a number", answer("200 OK", &json, b"{\"token\": 7}")),
        (
            "a second header",
            answer("200 OK", &json, b"{\"token\": \"a\\r\\nX-Evil: 1\"}"),
        ),
        ("huge", answer("200 OK", &json, huge.as_bytes())),
        ("nothing", Vec::new()),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        (
            "an endless redirect",
            answer("302 Found", &[("Location", &realm)], b""),
        ),
        (
            "forbidden",
            answer("403 Forbidden", &[], b"rate limit or ban"),
        ),
    ] {
        tokens.answer_instead(Some(bytes));
        let started = std::time::Instant::now();
        let options = [&creds()[..], "--retry=1"];
        let ended = stand
            .puller
            .press
            .run(&mut stand.puller.build(&stand.reference, &options));
        assert!(
            [3, 4, 5, 9].contains(&ended.code()),
            "{what}: {}",
            ended.stderr
        );
        let server = realm
            .strip_prefix("http://")
            .unwrap()
            .strip_suffix("/token")
            .unwrap();
        stand.puller.has_failed(&ended, ended.code(), &[server]);
        assert!(started.elapsed() < Duration::from_secs(30), "{what}");
    }
    tokens.answer_instead(Some(answer("503 Service Unavailable", &[], b"")));
    stand
        .puller
        .fails(&stand.reference, &[&creds(), "--retry=1"], 9, &["503"]);
    tokens.answer_instead(None);
    stand.pulls(&[&creds()]);
}

#[test]
fn credentials_are_not_sent_to_a_realm_that_is_no_address() {
    let Some((_tokens, stand)) = stand() else {
        return;
    };
    for realm in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "nonsense",
        "http://",
        "",
    ] {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"s\"");
        let bytes = answer("401 Unauthorized", &[("WWW-Authenticate", &challenge)], b"");
        stand.proxy.mend();
        stand.proxy.always("/v2/", Fault::Answer(bytes));
        let ended = stand
            .puller
            .press
            .run(&mut stand.puller.build(&stand.reference, &[&creds()]));
        assert!(
            [3, 4, 5, 9].contains(&ended.code()),
            "{realm}: {}",
            ended.stderr
        );
        stand
            .puller
            .has_failed(&ended, ended.code(), &["token server"]);
    }
    // Challenges of a kind nobody knows, or none at all.
    for headers in [&[("WWW-Authenticate", "Negotiate")][..], &[]] {
        stand.proxy.mend();
        stand.proxy.always(
            "/v2/",
            Fault::Answer(answer("401 Unauthorized", headers, b"")),
        );
        let ended = stand
            .puller
            .press
            .run(&mut stand.puller.build(&stand.reference, &[&creds()]));
        stand.puller.has_failed(&ended, 3, &["401"]);
    }
}
