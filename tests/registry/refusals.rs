//! Questions that registries and their stores refuse, though another would do.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fake_registry::{FakeRegistry, NAME, layout};
use super::http::{Head, answer};
use super::pull::{Puller, layers};
use super::support::archive::{Files, TestImage};

fn files() -> Files {
    layout(TestImage::new(layers(6, 1)))
}

fn is_head(request: &Head) -> bool {
    request.word(0) == "HEAD"
}

/// What a build of the layout gives.
fn expected(puller: &Puller, files: &Files) -> Vec<u8> {
    puller.pulled(&puller.layout("layout", files), &[])
}

/// HEAD asks only whether the manifest is in the cache already. Refused with a 403 or a 503 it ended the
/// pull (registries that redirect to addresses signed for GET).
#[test]
fn where_head_is_refused_in_whatever_way_get_is_asked() {
    let files = files();
    let puller = Puller::new();
    let expected = expected(&puller, &files);
    let plain = |status: &'static str| answer(status, &[], b"");
    let mut answers: Vec<_> = [
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "405 Method Not Allowed",
        "406 Not Acceptable",
        "410 Gone",
        "415 Unsupported Media Type",
        "500 Internal Server Error",
        "501 Not Implemented",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
        "418 I'm a teapot",
        "200 OK",
    ]
    .map(plain)
    .into();
    answers.push(Vec::new());
    answers.push(b"SSH-2.0\r\n".to_vec());
    for location in [
        "ftp://x/",
        "http://h.test/",
        "/v2/again",
        "https://h:99999/",
    ] {
        answers.push(answer(
            "307 Temporary Redirect",
            &[("Location", location)],
            b"",
        ));
    }
    for answered in answers {
        let told = String::from_utf8_lossy(&answered).into_owned();
        let registry = FakeRegistry::start(&files, move |request| {
            (is_head(request) || request.word(1) == "/v2/again").then(|| answered.clone())
        });
        puller.forget();
        let ended = puller
            .press
            .run(&mut puller.build(&registry.reference(), &["--retry=0"]));
        assert_eq!(ended.code(), 0, "{told}: {}", ended.stderr);
        assert!(puller.take_output(&ended) == expected, "{told}");
        let asked = registry.asked();
        let heads = asked.iter().filter(|head| is_head(head)).count();
        assert!((1..=12).contains(&heads), "{told}: {heads}");
    }
}

#[test]
fn head_is_not_followed_by_get_where_the_door_is_shut_or_too_often_was_asked() {
    let files = files();
    for (status, headers, words) in [
        (
            "401 Unauthorized",
            &[("WWW-Authenticate", "Basic realm=x")][..],
            &["401", "--creds"][..],
        ),
        (
            "429 Too Many Requests",
            &[("Retry-After", "100000")],
            &["429"],
        ),
    ] {
        let registry = FakeRegistry::start(&files, move |request| {
            is_head(request).then(|| answer(status, headers, b""))
        });
        // Who asks too often may ask again.
        let code = if status.starts_with("429") { 9 } else { 3 };
        Puller::new().fails(&registry.reference(), &["--retry=1"], code, words);
        let asked = registry.asked();
        let gets = asked
            .iter()
            .filter(|head| head.word(1).contains("manifests"));
        assert!(gets.map(|head| head.word(0)).all(|method| method == "HEAD"));
    }
}

/// The layout's largest blob.
fn largest(files: &Files) -> (String, Vec<u8>) {
    let blobs = files
        .0
        .iter()
        .filter(|(path, _)| path.starts_with("blobs/"));
    let (path, bytes) = blobs.max_by_key(|(_, bytes)| bytes.len()).unwrap();
    let digest = path.strip_prefix("blobs/").unwrap().replace('/', ":");
    (digest, bytes.clone())
}

/// A blob whose answer breaks off, and whose rest is refused: 400, 403 and 501 ended the pull.
#[test]
fn where_a_part_is_refused_the_whole_is_asked_for() {
    let files = files();
    let puller = Puller::new();
    let expected = expected(&puller, &files);
    let (digest, bytes) = largest(&files);
    for status in [
        "400 Bad Request",
        "403 Forbidden",
        "404 Not Found",
        "405 Method Not Allowed",
        "412 Precondition Failed",
        "416 Range Not Satisfiable",
        "500 Internal Server Error",
        "501 Not Implemented",
    ] {
        let (digest, bytes) = (digest.clone(), bytes.clone());
        let times = AtomicUsize::new(0);
        let registry = FakeRegistry::start(&files, move |request| {
            if !request.word(1).ends_with(&digest) {
                return None;
            }
            if request.get("Range").is_some() {
                return Some(answer(status, &[], b"<Error/>"));
            }
            let is_first = times.fetch_add(1, Ordering::SeqCst) == 0;
            // Of a wrong length: the client waits for more, and the connection ends after the next.
            is_first.then(|| cut(&bytes))
        });
        puller.forget();
        let options = ["--retry=3", "--timeout=1", "--no-cache"];
        assert!(
            puller.pulled(&registry.reference(), &options) == expected,
            "{status}"
        );
        let asked = registry.asked();
        let parts = asked.iter().filter(|head| head.get("Range").is_some());
        assert_eq!(parts.count(), 1, "{status}");
    }
}

/// A whole blob's head, with half of it.
fn cut(bytes: &[u8]) -> Vec<u8> {
    let mut cut = Vec::new();
    write!(
        cut,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        bytes.len()
    )
    .unwrap();
    cut.extend(&bytes[..bytes.len() / 2]);
    cut
}

/// Redirects are good for a time. One that was over ended the pull.
#[test]
fn a_way_that_is_no_longer_good_is_asked_for_anew_once() {
    let files = files();
    let puller = Puller::new();
    let expected = expected(&puller, &files);
    let (digest, _) = largest(&files);
    for status in [
        "400 Bad Request",
        "403 Forbidden",
        "404 Not Found",
        "410 Gone",
    ] {
        for (stale, is_good) in [(1, true), (usize::MAX, false)] {
            // The store: the same blobs, but for the first ways to it.
            let store = FakeRegistry::start(&files, move |request| {
                let (_, way) = request.word(1).split_once("way=")?;
                let way: usize = way.parse().unwrap();
                (way < stale).then(|| answer(status, &[], b"<Error/>"))
            });
            let address = store.address();
            let ways = AtomicUsize::new(0);
            let blob = format!("/v2/{NAME}/blobs/{digest}");
            let registry = FakeRegistry::start(&files, move |request| {
                let way = (request.word(1) == blob).then(|| ways.fetch_add(1, Ordering::SeqCst))?;
                let location = format!("http://{address}{blob}?way={way}");
                Some(answer(
                    "307 Temporary Redirect",
                    &[("Location", &location)],
                    b"",
                ))
            });
            puller.forget();
            let options = ["--retry=0", "--no-cache"];
            if is_good {
                assert!(
                    puller.pulled(&registry.reference(), &options) == expected,
                    "{status}"
                );
            } else {
                let ended = puller
                    .press
                    .run(&mut puller.build(&registry.reference(), &options));
                let code = ended.code();
                assert!([3, 4].contains(&code), "{status}: {}", ended.stderr);
                puller.has_failed(&ended, code, &[&digest]);
                assert_eq!(store.asked().len(), 2, "{status}");
            }
        }
    }
}

/// It was told that user name or password are wrong, which nobody had asked for.
#[test]
fn credentials_that_no_challenge_asks_for_are_not_called_wrong() {
    let files = files();
    for (challenge, known) in [
        (None, "found none"),
        (Some("Negotiate"), "found 'Negotiate'"),
        (Some("Bearer service=x"), "found 'Bearer service=x'"),
    ] {
        let registry = FakeRegistry::start(&files, move |_| {
            let headers = challenge.map(|challenge| ("WWW-Authenticate", challenge));
            Some(answer("401 Unauthorized", headers.as_slice(), b"{}"))
        });
        let options = ["--creds=u:p", "--retry=0"];
        let ended = Puller::new().fails(
            &registry.reference(),
            &options,
            3,
            &["were not sent", "Basic", known],
        );
        assert!(!ended.stderr.contains("wrong"), "{}", ended.stderr);
        let asked = registry.asked();
        assert!(asked.iter().all(|head| head.get("Authorization").is_none()));
    }
}

#[test]
fn whoever_is_logged_in_is_not_told_to_log_in() {
    let files = files();
    for (creds, is_advised) in [("--anonymous", true), ("--creds=u:p", false)] {
        let registry = FakeRegistry::start(&files, move |request| {
            let is_let_in = is_advised || request.get("Authorization").is_some();
            Some(match is_let_in {
                true => answer("429 Too Many Requests", &[], b""),
                false => answer(
                    "401 Unauthorized",
                    &[("WWW-Authenticate", "Basic realm=x")],
                    b"",
                ),
            })
        });
        let options = [creds, "--retry=0"];
        let ended = Puller::new().fails(&registry.reference(), &options, 9, &["429"]);
        let advised = ended.stderr.contains("docker login");
        assert_eq!(advised, is_advised, "{}", ended.stderr);
    }
}

/// One field of another type lost all of them.
#[test]
fn a_reason_is_told_whatever_stands_beside_it() {
    let files = files();
    for body in [
        r#"{"errors":[{"code":"DENIED","message":"the words"}]}"#,
        r#"{"errors":[{"code":5,"message":"the words","detail":{}}]}"#,
        r#"{"errors":[{"code":"the words","message":""}]}"#,
        r#"{"errors":null,"message":"the words"}"#,
        r#"{"errors":[null],"message":"the words"}"#,
        r#"{"details":{},"error_description":"the words"}"#,
    ] {
        let registry = FakeRegistry::start(&files, move |_| {
            Some(answer("403 Forbidden", &[], body.as_bytes()))
        });
        Puller::new().fails(&registry.reference(), &["--retry=0"], 3, &["the words"]);
    }
}
