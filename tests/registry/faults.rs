//! Whatever a server or a line does wrong: the pull finishes with the right output, or ends with
//! one clear error; and nothing wrong is in the cache afterwards.

use std::time::Duration;

use super::http::answer;
use super::proxy::{Fault, Proxy};
use super::push::Repository;
use super::stand::{NAME, Stand};

/// Short times, few attempts.
const QUICK: [&str; 2] = ["--timeout=1", "--retry=3"];
/// Fewer still, where they are in vain.
const IN_VAIN: [&str; 2] = ["--timeout=1", "--retry=1"];

/// How often a fault happens: fewer times than a pull tries again, or always.
const SOMETIMES: usize = 2;
const ALWAYS: usize = usize::MAX;

/// Pulls afresh with one fault and expects the right output, the fault used up.
#[track_caller]
fn finishes(stand: &Stand, on: &str, times: usize, fault: Fault) {
    stand.proxy.mend();
    stand.proxy.fault(on, times, fault.clone());
    for options in [&QUICK[..], &[QUICK[0], QUICK[1], "--no-cache"]] {
        stand.puller.forget();
        stand.pulls(options);
        assert_eq!(stand.proxy.faults_left(), 0, "{fault:?} on {on}");
    }
}

/// Pulls afresh with one fault that does not end and expects an error; the next pull, without it,
/// succeeds with what the cache has then.
#[track_caller]
fn fails(stand: &Stand, on: &str, fault: Fault, code: i32, words: &[&str]) {
    stand.proxy.mend();
    stand.proxy.always(on, fault);
    for option in ["--jobs=4", "--no-cache"] {
        stand.puller.forget();
        let options = [&IN_VAIN[..], &[option]].concat();
        stand.puller.fails(&stand.reference, &options, code, words);
    }
    stand.puller.forget();
    stand.puller.fails(&stand.reference, &IN_VAIN, code, words);
    stand.proxy.mend();
    stand.pulls(&QUICK);
}

fn status(line: &str, headers: &[(&str, &str)]) -> Fault {
    Fault::Answer(answer(line, headers, b"{\"errors\": []}"))
}

/// Each kind of request.
fn kinds(stand: &Stand) -> [String; 3] {
    [
        format!("GET /v2/{NAME}/manifests/"),
        format!("GET /v2/{NAME}/blobs/{}", stand.config),
        format!("GET /v2/{NAME}/blobs/{}", stand.blobs[2].digest),
    ]
}

#[test]
fn what_passes_is_tried_again() {
    let Some(stand) = Stand::new() else {
        return;
    };
    for on in kinds(&stand) {
        for line in [
            "500 Internal Server Error",
            "502 Bad Gateway",
            "503 Service Unavailable",
            "504 Gateway Timeout",
            "408 Request Timeout",
        ] {
            finishes(&stand, &on, 1, status(line, &[]));
        }
        finishes(&stand, &on, SOMETIMES, Fault::Answer(Vec::new()));
        finishes(&stand, &on, SOMETIMES, Fault::CutAfter(10));
        finishes(&stand, &on, 1, Fault::SilentAfter(10));
        finishes(&stand, &on, 1, Fault::Late(Duration::from_millis(1_600)));
    }
}

#[test]
fn a_rate_limit_is_waited_out_as_the_registry_says() {
    let Some(stand) = Stand::new() else {
        return;
    };
    for on in kinds(&stand) {
        stand.puller.forget();
        let wait = status("429 Too Many Requests", &[("Retry-After", "1")]);
        stand.proxy.fault(&on, 2, wait);
        let mut build = stand.puller.build(&stand.reference, &QUICK);
        let ended = stand.puller.press.run(&mut build);
        assert!(stand.puller.take_output(&ended) == stand.expected);
        assert!(ended.time >= Duration::from_secs(2), "{:?}", ended.time);
        assert_eq!(stand.proxy.faults_left(), 0);
    }
    // Without the header, with one that is none, with one of a time that is over.
    for headers in [
        &[][..],
        &[("Retry-After", "soon")],
        &[("Retry-After", "-5")],
        &[("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT")],
    ] {
        let on = format!("GET /v2/{NAME}/manifests/");
        finishes(&stand, &on, 1, status("429 Too Many Requests", headers));
    }
    // Nobody waits for a year; who asks for that is told to the user.
    let year = status("429 Too Many Requests", &[("Retry-After", "31536000")]);
    fails(&stand, "/manifests/", year, 9, &["429"]);
}

#[test]
fn what_does_not_pass_is_an_error_that_says_what_was_answered() {
    let Some(stand) = Stand::new() else {
        return;
    };
    for on in kinds(&stand) {
        fails(
            &stand,
            &on,
            status("503 Service Unavailable", &[]),
            9,
            &["503"],
        );
        fails(&stand, &on, status("418 I'm a teapot", &[]), 3, &["418"]);
        fails(
            &stand,
            &on,
            Fault::Answer(b"SSH-2.0-x\r\n".to_vec()),
            9,
            &[],
        );
        fails(&stand, &on, Fault::Answer(vec![0; 2 << 20]), 9, &[]);
    }
    let blob = &stand.blobs[1].digest;
    let on = format!("GET /v2/{NAME}/blobs/{blob}");
    fails(&stand, &on, status("404 Not Found", &[]), 4, &[blob]);
    fails(&stand, &on, Fault::SilentAfter(0), 9, &["--timeout"]);
    let forbidden = status("403 Forbidden", &[]);
    fails(&stand, "/v2/", forbidden, 3, &["403", NAME]);
}

#[test]
fn wrong_bytes_never_get_into_the_cache() {
    let Some(stand) = Stand::new() else {
        return;
    };
    let blob = stand.blobs[1].clone();
    let [manifest, config, layer] = kinds(&stand);
    let big = format!("GET /v2/{NAME}/blobs/{}", blob.digest);
    for on in [&big, &layer] {
        for at in [0, 1_000_000] {
            // The layer of less is changed in its first byte alone.
            finishes(&stand, on, 1, Fault::WrongByte(at));
        }
    }
    fails(
        &stand,
        &big,
        Fault::WrongByte(2_000_000),
        4,
        &[&blob.digest],
    );
    fails(
        &stand,
        &big,
        Fault::WrongByte(blob.size_bytes - 1),
        4,
        &[&blob.digest],
    );
    fails(&stand, &config, Fault::WrongByte(5), 4, &[&stand.config]);
    fails(&stand, &big, Fault::Shorter(1), 4, &[&blob.digest]);
    fails(&stand, &big, Fault::Longer(1), 4, &[&blob.digest]);
    fails(&stand, &config, Fault::Longer(1), 4, &[&stand.config]);
    fails(&stand, &config, Fault::Shorter(1), 4, &[&stand.config]);
    let mut stand = stand;
    stand.reference = format!("docker://{}/{NAME}@{}", stand.proxy.address(), stand.digest);
    fails(&stand, &manifest, Fault::WrongByte(20), 4, &[&stand.digest]);
    fails(&stand, &manifest, Fault::Shorter(1), 4, &[&stand.digest]);
}

#[test]
fn wrong_lengths_and_old_servers_end_in_the_right_bytes_or_an_error() {
    let Some(stand) = Stand::new() else {
        return;
    };
    let on = format!("GET /v2/{NAME}/blobs/{}", stand.blobs[1].digest);
    finishes(&stand, &on, ALWAYS, Fault::OldHttp);
    finishes(&stand, "GET /v2/", ALWAYS, Fault::OldHttp);
    finishes(&stand, &on, 2, Fault::OldHttpCutAfter(1_000_000));
    // It says that less comes than does: what is missing is asked for.
    finishes(&stand, &on, 1, Fault::WrongLength(-10));
    finishes(&stand, &on, 1, Fault::WrongLength(10));
    fails(
        &stand,
        &on,
        Fault::WrongLength(1 << 40),
        4,
        &[&stand.blobs[1].digest],
    );
}

#[test]
fn a_body_without_an_end_is_cut_off_at_once() {
    let Some(stand) = Stand::new() else {
        return;
    };
    let [manifest, config, layer] = kinds(&stand);
    fails(&stand, &layer, Fault::Endless, 4, &[&stand.blobs[2].digest]);
    fails(&stand, &config, Fault::Endless, 4, &[&stand.config]);
    fails(&stand, &manifest, Fault::Endless, 4, &["manifest"]);
    let huge = answer("200 OK", &[], &vec![b' '; 64 << 20]);
    fails(&stand, &manifest, Fault::Answer(huge), 4, &["manifest"]);
}

#[test]
fn redirects_are_followed_to_their_end_if_they_have_one() {
    let Some(stand) = Stand::new() else {
        return;
    };
    let elsewhere = Proxy::before(stand.plain().address);
    let other = format!("localhost:{}", elsewhere.address().port());
    for on in kinds(&stand) {
        finishes(&stand, &on, ALWAYS, Fault::ToHost(other.clone()));
    }
    let loops = Fault::ToHost(stand.proxy.address().to_string());
    let on = format!("GET /v2/{NAME}/blobs/");
    fails(&stand, &on, loops, 3, &["redirect"]);
    for location in [
        "file:///etc/passwd",
        "ftp://localhost/x",
        "gopher:",
        "",
        "http://",
    ] {
        let fault = status("307 Temporary Redirect", &[("Location", location)]);
        fails(&stand, &on, fault, 3, &["redirect"]);
    }
    fails(
        &stand,
        &on,
        status("307 Temporary Redirect", &[]),
        3,
        &["redirect"],
    );
    // Straight away to a host that is not the loopback, without TLS.
    let unsafe_place = Fault::ToHost("registry.test".to_owned());
    fails(
        &stand,
        &on,
        unsafe_place,
        3,
        &["registry.test", "plain HTTP"],
    );
}

/// Storages put names of files into the queries of signed URLs, unescaped, and relative ways with `..`:
/// the first ended the pull, the second went round in a circle (found by what proxies send).
#[test]
fn a_redirect_is_followed_whatever_letters_are_in_it() {
    let Some(stand) = Stand::new() else {
        return;
    };
    let elsewhere = Proxy::before(stand.plain().address);
    let on = format!("GET /v2/{NAME}/blobs/");
    let address = elsewhere.address();
    for name in [
        "a b",
        "\u{e4}\u{9700}",
        "\"a|b\"{}^`<>\\",
        "100%&b[]=1",
        "x#y",
    ] {
        let query = format!("?fn={name}");
        let fault = Fault::ToHostWith(address.to_string(), query);
        finishes(&stand, &on, ALWAYS, fault);
    }
}

#[test]
fn a_manifest_under_another_digest_than_its_header_says_is_refused() {
    let Some(stand) = Stand::new() else {
        return;
    };
    let other = format!("sha256:{}", "0".repeat(64));
    let lie = Fault::Header("Docker-Content-Digest", other.clone());
    fails(&stand, "/manifests/", lie, 4, &[&other, &stand.digest]);
    // What is not even a digest says nothing.
    let nonsense = Fault::Header("Docker-Content-Digest", "none".to_owned());
    finishes(&stand, "/manifests/", ALWAYS, nonsense);
}

#[test]
fn what_is_no_manifest_is_refused() {
    let Some(stand) = Stand::new() else {
        return;
    };
    let oci = "application/vnd.oci.image.manifest.v1+json";
    for (what, media_type, body) in [
        ("a page", "text/html", "<html>log in first</html>"),
        ("nothing", oci, ""),
        ("a list", oci, "[]"),
        ("another schema", oci, "{\"schemaVersion\": 7}"),
        (
            "the first schema",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "{\"schemaVersion\": 1, \"name\": \"a\", \"fsLayers\": []}",
        ),
        ("nested", oci, &"[".repeat(100_000)),
    ] {
        stand.proxy.mend();
        let headers = [("Content-Type", media_type)];
        let page = answer("200 OK", &headers, body.as_bytes());
        stand.proxy.always("/manifests/", Fault::Answer(page));
        let ended = stand
            .puller
            .press
            .run(&mut stand.puller.build(&stand.reference, &QUICK));
        assert!([4, 5].contains(&ended.code()), "{what}: {}", ended.stderr);
        stand.puller.has_failed(&ended, ended.code(), &["manifest"]);
    }
    stand.proxy.mend();
    let absent = Repository::new(stand.proxy.address(), NAME).reference("absent");
    stand
        .puller
        .fails(&absent, &QUICK, 3, &["absent", "layerpress tags"]);
    let absent = Repository::new(stand.proxy.address(), "no/such").reference("1");
    stand.puller.fails(&absent, &QUICK, 3, &["no/such"]);
}
