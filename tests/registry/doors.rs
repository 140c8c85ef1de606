//! Registries that say how to be let in where and how they like.

use super::fake_registry::{FakeRegistry, NAME, layout};
use super::http::{Head, answer};
use super::pull::Puller;
use super::support::archive::{Files, TestImage, layer_tar};

/// `u:p`.
const BASIC: &str = "Basic dTpw";

const CREDS: &[&str] = &["--creds=u:p", "--retry=1"];
const NOBODY: &[&str] = &["--retry=1"];

fn files() -> Files {
    layout(TestImage::new([layer_tar(&[("a", b"x")])]))
}

fn path(request: &Head) -> &str {
    request.word(1).split('?').next().unwrap()
}

/// What follows `name=` in a query, as it was sent.
fn parameters(request: &Head, name: &str) -> Vec<String> {
    let query = request
        .word(1)
        .split_once('?')
        .map_or("", |(_, query)| query);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let own = pairs.filter(|(found, _)| *found == name);
    own.map(|(_, value)| value.to_owned()).collect()
}

/// Who may pass: nobody without a header that is among these.
fn is_let_in(request: &Head) -> bool {
    matches!(request.get("Authorization"), Some(BASIC | "Bearer T"))
}

/// A registry with a token server in it, whose token opens all if it is for the scope.
fn with_tokens(scope: &'static str, challenge: &'static str) -> FakeRegistry {
    FakeRegistry::start(&files(), move |request| {
        if path(request) == "/token" {
            let is_right = parameters(request, "scope") == [scope];
            let token = if is_right { "T" } else { "useless" };
            let body = format!(r#"{{"token":"{token}"}}"#);
            return Some(answer("200 OK", &[], body.as_bytes()));
        }
        if request.get("Authorization") == Some("Bearer T") {
            return None;
        }
        let host = request.get("Host").unwrap();
        let challenge = challenge.replace("HOST", host);
        Some(answer(
            "401 Unauthorized",
            &[("WWW-Authenticate", &challenge)],
            b"{}",
        ))
    })
}

/// The scope of the challenge was asked for, or sent along empty, and the token was useless (registries
/// with one placeholder for all repositories, and with none).
#[test]
fn the_token_is_one_for_the_repository_whatever_the_challenge_names() {
    let own = "repository%3Ateam%2Fapp%3Apull";
    for challenge in [
        r#"Bearer realm="http://HOST/token",service="s""#,
        r#"Bearer realm="http://HOST/token",service="s",scope="""#,
        r#"Bearer realm="http://HOST/token",service="s",scope="repository:user/image:pull""#,
        r#"Bearer realm="http://HOST/token",service="s",scope="registry:catalog:*""#,
        r#"Bearer realm="http://HOST/token",service="s",scope="repository:team/app:pull,push""#,
        r#"Bearer realm="/token",service="s""#,
    ] {
        let registry = with_tokens(own, challenge);
        for options in [CREDS, NOBODY] {
            let puller = Puller::new();
            puller.pulled(&registry.reference(), options);
            let asked = registry.asked();
            let tokens: Vec<_> = asked.iter().filter(|head| path(head) == "/token").collect();
            assert_eq!(tokens.len(), 1, "{challenge}: {tokens:?}");
            assert_eq!(parameters(tokens[0], "service"), ["s"]);
        }
    }
}

#[test]
fn a_token_that_is_not_enough_is_replaced_by_one_for_what_the_registry_names() {
    let theirs = "repository%3Amirror%2Fteam%2Fapp%3Apull";
    let challenge =
        r#"Bearer realm="http://HOST/token",service="s",scope="repository:mirror/team/app:pull""#;
    let registry = with_tokens(theirs, challenge);
    let puller = Puller::new();
    puller.pulled(&registry.reference(), CREDS);
    let asked = registry.asked();
    let tokens = asked.iter().filter(|head| path(head) == "/token").count();
    assert_eq!(tokens, 2);
}

/// A registry that challenges on `/v2/` alone got no credentials, and said that there was nothing.
#[test]
fn a_registry_that_tells_how_to_log_in_on_its_first_page_only_is_asked_there_once() {
    let bearer = r#"Bearer realm="http://HOST/token",service="s""#;
    let start = |status: &'static str, challenge: &'static str| {
        FakeRegistry::start(&files(), move |request| {
            if path(request) == "/token" {
                return Some(answer("200 OK", &[], br#"{"access_token":"T"}"#));
            }
            if is_let_in(request) {
                return None;
            }
            let challenge = challenge.replace("HOST", request.get("Host").unwrap());
            let header = [("WWW-Authenticate", &challenge[..])];
            Some(match path(request) {
                "/v2/" => answer("401 Unauthorized", &header, b"{}"),
                _ => answer(status, &[], b"{}"),
            })
        })
    };
    let pages = |registry: &FakeRegistry| {
        let asked = registry.asked();
        asked.iter().filter(|head| path(head) == "/v2/").count()
    };
    for (status, challenge) in [
        ("404 Not Found", bearer),
        ("403 Forbidden", bearer),
        ("401 Unauthorized", bearer),
        ("404 Not Found", r#"Basic realm="x""#),
        ("403 Forbidden", "Negotiate, Basic realm=x"),
    ] {
        for option in ["--no-cache", "--jobs=4"] {
            let registry = start(status, challenge);
            Puller::new().pulled(&registry.reference(), &[CREDS, &[option]].concat());
            // One more is the question whether TLS is spoken.
            assert!(pages(&registry) <= 2, "{status} {challenge}");
        }
    }
    // Without credentials only a 401 can mean that there is more to be had.
    let registry = start("401 Unauthorized", bearer);
    Puller::new().pulled(&registry.reference(), NOBODY);
    let registry = start("404 Not Found", bearer);
    Puller::new().fails(&registry.reference(), NOBODY, 3, &["no such tag"]);
    assert!(pages(&registry) <= 1);
    // What is not there for somebody either is not there.
    let registry = FakeRegistry::start(&files(), |request| {
        (path(request) != "/v2/").then(|| answer("404 Not Found", &[], b"{}"))
    });
    Puller::new().fails(&registry.reference(), CREDS, 3, &["no such tag"]);
    assert!(pages(&registry) <= 2);
}

/// Bug: a portal's page was a manifest of the page's own digest, with a value expected in its line 1.
#[test]
fn a_page_in_a_manifest_s_place_is_no_manifest() {
    let registry = FakeRegistry::start(&files(), |request| {
        let headers = [("Content-Type", "text/html")];
        let page = b"<html>log in first</html>";
        (path(request) != "/v2/").then(|| answer("200 OK", &headers, page))
    });
    let told = "/manifests/1: expected a manifest as JSON, found something else: expected value";
    Puller::new().fails(&registry.reference(), NOBODY, 4, &[told]);
}

#[test]
fn challenges_of_all_shapes_are_understood() {
    let bearer = r#"Bearer realm="http://HOST/token",service="s",scope="repository:a:pull""#;
    let with_bearer = |before: &str| format!("{before}, {bearer}");
    for (headers, takes) in [
        (vec![with_bearer(r#"Basic realm="x""#)], "Bearer T"),
        (
            vec![r#"Basic realm="x""#.to_owned(), bearer.to_owned()],
            "Bearer T",
        ),
        (vec![format!(r#"{bearer}, Basic realm="x""#)], BASIC),
        (
            vec![r#"Negotiate YIIB/abc==, Basic realm="x""#.to_owned()],
            BASIC,
        ),
        (
            vec!["Negotiate YIIB/abc==".to_owned(), "Basic".to_owned()],
            BASIC,
        ),
        (
            vec![r#"Basic realm="a \"quoted\", comma""#.to_owned()],
            BASIC,
        ),
        (
            vec!["Basic realm=\"Zugang f\u{fc}r alle\"".to_owned()],
            BASIC,
        ),
        (
            vec![with_bearer(
                r#"Digest realm="d", nonce="n=", qop="auth,int""#,
            )],
            "Bearer T",
        ),
        (
            vec!["Bearer realm=http://HOST/token,service=s".to_owned()],
            "Bearer T",
        ),
        (
            vec![r#"Bearer error="invalid", realm="http://HOST/token""#.to_owned()],
            "Bearer T",
        ),
        (vec!["Bearer".to_owned(), with_bearer("NTLM")], "Bearer T"),
    ] {
        let told = format!("{headers:?}");
        let registry = FakeRegistry::start(&files(), move |request| {
            if path(request) == "/token" {
                return Some(answer("200 OK", &[], br#"{"token":"T"}"#));
            }
            if request.get("Authorization") == Some(takes) {
                return None;
            }
            // Latin-1, as headers were once.
            let mut bytes = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n".to_vec();
            for header in &headers {
                let header = header.replace("HOST", request.get("Host").unwrap());
                bytes.extend(b"WWW-Authenticate: ");
                bytes.extend(header.chars().map(|letter| u8::try_from(letter).unwrap()));
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"\r\n");
            Some(bytes)
        });
        let puller = Puller::new();
        let ended = puller
            .press
            .run(&mut puller.build(&registry.reference(), CREDS));
        assert_eq!(ended.code(), 0, "{told}: {}", ended.stderr);
    }
}

/// A realm may have a name and password in it, and a query; it was shown with both.
#[test]
fn no_secret_of_a_realm_or_a_redirect_is_shown() {
    for (header, value) in [
        (
            "WWW-Authenticate",
            r#"Bearer realm="https://u:hunter2@auth.test/t?sig=hunter2""#,
        ),
        (
            "WWW-Authenticate",
            r#"Bearer realm="https://auth.test:99999/t?sig=hunter2""#,
        ),
        ("Location", "https://u:hunter2@store.test/a?sig=hunter2"),
        ("Location", "https://store.test:99999/a?sig=hunter2"),
        ("Location", "http://store.test/a?sig=hunter2"),
    ] {
        let status = if header == "Location" {
            "307 Temporary Redirect"
        } else {
            "401 Unauthorized"
        };
        let registry = FakeRegistry::start(&files(), move |request| {
            (path(request) != "/v2/").then(|| answer(status, &[(header, value)], b""))
        });
        let puller = Puller::new();
        let told = puller.fails(&registry.reference(), &["--retry=0", "-v"], 3, &[]);
        assert!(!told.stderr.contains("hunter2"), "{}", told.stderr);
        assert!(told.stderr.contains(".test"), "{}", told.stderr);
    }
    let ended = Puller::new();
    for typed in ["docker://u:hunter2@h.test/a", "docker://hunter2@h.test/a"] {
        let told = ended.press.run(&mut ended.command(&["tags", typed]));
        assert!(
            told.code() != 0 && !told.stderr.contains("hunter2"),
            "{}",
            told.stderr
        );
    }
}

#[test]
fn types_are_accepted_on_a_line_each() {
    let registry = FakeRegistry::start(&files(), |_| None);
    Puller::new().pulled(&registry.reference(), &[]);
    let asked = registry.asked();
    let manifests: Vec<_> = asked
        .iter()
        .filter(|head| path(head).starts_with(&format!("/v2/{NAME}/manifests/")))
        .collect();
    assert!(!manifests.is_empty());
    for head in manifests {
        let lines = head.headers.iter();
        let lines: Vec<_> = lines
            .filter(|(name, _)| name.eq_ignore_ascii_case("accept"))
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains(',')), "{lines:?}");
    }
}
