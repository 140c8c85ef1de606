//! Where a registry leads an upload, and what goes there.

use std::io::{self, BufReader, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use super::artifact_stand::{ArtifactStand, NAME, get, read};
use super::http::{Head, Server, answer};
use super::proxy::Fault;
use super::registry_server::{Access, PASSWORD, Registry, Setup, USER};
use super::tls::Authority;

const POST: &str = "POST /v2/private/fs/blobs/uploads/";
const PUT_BLOB: &str = "PUT /v2/private/fs/blobs/uploads/";

/// A storage service that takes whatever it gets, says so, and keeps what it was shown.
struct Storage {
    server: Server,
    heads: Arc<Mutex<Vec<(Head, usize)>>>,
}

impl Storage {
    fn start(answered: &'static str) -> Self {
        let heads = Arc::new(Mutex::default());
        let record: Arc<Mutex<Vec<(Head, usize)>>> = Arc::clone(&heads);
        let server = Server::start(move |client, _| -> io::Result<()> {
            let mut reader = BufReader::new(client);
            while let Some(head) = Head::read(&mut reader)? {
                if head.get("Expect").is_some() {
                    reader
                        .get_mut()
                        .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                }
                let mut body = vec![0; usize::try_from(head.length().unwrap_or(0)).unwrap()];
                reader.read_exact(&mut body)?;
                record.lock().unwrap().push((head, body.len()));
                reader.get_mut().write_all(&answer(answered, &[], b""))?;
            }
            Ok(())
        });
        Self { server, heads }
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// What came, and how many bytes; forgotten then.
    fn seen(&self) -> Vec<(Head, usize)> {
        std::mem::take(&mut self.heads.lock().unwrap())
    }
}

fn location(place: &str) -> Fault {
    Fault::Header("Location", place.to_owned())
}

fn creds() -> String {
    format!("--creds={USER}:{PASSWORD}")
}

/// A registry that wants a password, so that there is something to be stolen.
fn stand(tls: Option<&Authority>) -> Option<ArtifactStand> {
    let setup = Setup {
        access: Access::Password,
        tls,
        ..Setup::default()
    };
    ArtifactStand::with(setup, &[])
}

#[test]
fn another_server_is_shown_no_credentials_by_location_or_redirect() {
    let Some(stand) = stand(None) else {
        return;
    };
    let storage = Storage::start("201 Created");
    let elsewhere = storage.address();
    // The same address by another name is another server, too.
    let named = format!("localhost:{}", stand.proxy.address().port());
    for (on, fault) in [
        (
            POST,
            location(&format!("http://{elsewhere}/bucket/x?signature=s")),
        ),
        (POST, location(&format!("//{elsewhere}/bucket/x"))),
        (PUT_BLOB, Fault::ToHost(elsewhere.to_string())),
        (
            PUT_BLOB,
            Fault::ToHostWith(elsewhere.to_string(), "&signature=s".to_owned()),
        ),
    ] {
        stand.proxy.mend();
        stand.proxy.always(on, fault.clone());
        storage.seen();
        stand.proxy.seen();
        let ended = stand
            .puller
            .press
            .run(&mut stand.push("1", &[&creds(), "--jobs=2", "--retry=1"]));
        // All went elsewhere, and the registry that knows nothing of it refuses the manifest.
        ended.failed(3, &["cannot push the manifest"]);
        let seen = storage.seen();
        assert!(seen.len() > 8, "{fault:?}");
        for (head, bytes) in seen {
            assert_eq!(head.word(0), "PUT");
            assert_eq!(head.get("Authorization"), None, "{fault:?}");
            assert!(head.word(1).contains("digest=sha256"), "{}", head.start);
            assert!(bytes > 0);
        }
        let shown = stand.proxy.seen();
        assert!(
            shown
                .iter()
                .any(|seen| seen.authorization.as_deref() == Some("Basic"))
        );
    }
    stand.proxy.mend();
    stand.proxy.always(
        POST,
        location(&format!("http://{named}/v2/{NAME}/blobs/uploads/x?y=z")),
    );
    stand.proxy.seen();
    let ended = stand
        .puller
        .press
        .run(&mut stand.push("1", &[&creds(), "--retry=0"]));
    assert_eq!(ended.code(), 3, "{}", ended.stderr);
    let puts = stand.proxy.seen();
    let mut puts = puts.iter().filter(|seen| seen.method == "PUT").peekable();
    assert!(puts.peek().is_some());
    assert!(puts.all(|seen| seen.host == named && seen.authorization.is_none()));
}

#[test]
fn a_location_that_leads_nowhere_is_refused_and_its_secrets_are_not_told() {
    let Some(stand) = stand(None) else {
        return;
    };
    for (place, word) in [
        ("ftp://files.test/x", "ftp://files.test"),
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("http://user:secret@h.test/", "h.test"),
        ("http://h.test:99999/", "h.test:99999"),
        ("http://", "http://"),
        // Plain HTTP to others is nothing that was asked for.
        (
            "http://h.test/upload?signature=secret",
            "leads an upload to plain HTTP, http://h.test/upload",
        ),
    ] {
        stand.proxy.mend();
        stand.proxy.always(POST, location(place));
        let ended = stand
            .puller
            .press
            .run(&mut stand.push("1", &[&creds(), "--retry=3"]));
        ended.failed(3, &["cannot push the blob", word]);
        assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    }
    let none = answer("202 Accepted", &[], b"");
    stand.proxy.mend();
    stand.proxy.always(POST, Fault::Answer(none));
    let ended = stand.puller.press.run(&mut stand.push("1", &[&creds()]));
    ended.failed(
        3,
        &["expected an http: or https: URL to send it to, found nothing"],
    );
    let puts = stand.proxy.seen();
    assert!(puts.iter().all(|seen| seen.method != "PUT"));
}

#[test]
fn a_redirect_that_would_change_an_upload_into_a_question_is_refused() {
    let Some(stand) = stand(None) else {
        return;
    };
    // What was sent before is there, and not sent again.
    let stages = [POST, PUT_BLOB, "PUT /v2/private/fs/manifests/"];
    for on in stages {
        for status in ["301 Moved Permanently", "302 Found", "303 See Other"] {
            stand.proxy.mend();
            let led = answer(status, &[("Location", "/v2/elsewhere")], b"");
            stand.proxy.always(on, Fault::Answer(led));
            let ended = stand.puller.press.run(&mut stand.push("1", &[&creds()]));
            ended.failed(3, &["redirected an upload"]);
        }
    }
    // Round in a circle.
    stand.proxy.mend();
    let circle = answer("307 Temporary Redirect", &[("Location", "?again")], b"");
    stand.proxy.always(
        "POST /v2/private/round/blobs/uploads/",
        Fault::Answer(circle),
    );
    let elsewhere = format!("docker://{}/private/round:1", stand.proxy.address());
    let mut round = stand.push_at(&elsewhere, &[&creds()]);
    let ended = stand.puller.press.run(&mut round);
    ended.failed(3, &["redirected more than 10 times"]);
}

/// A registry that is asked by TLS answers with a place, or a redirect, of plain HTTP: even on this
/// machine, and whatever options say.
#[test]
fn an_upload_never_goes_from_tls_to_plain_http() {
    let Some(authority) = Authority::new() else {
        return;
    };
    let Some(stand) = stand(None) else {
        return;
    };
    let storage = Storage::start("201 Created");
    let place = format!("http://{}/bucket", storage.address());
    let led = [("Location", &place[..])];
    for (post, put) in [
        (answer("202 Accepted", &led, b""), Vec::new()),
        (answer("307 Temporary Redirect", &led, b""), Vec::new()),
        (
            answer("202 Accepted", &[("Location", "/v2/x")], b""),
            answer("308 Permanent Redirect", &led, b""),
        ),
    ] {
        let front = super::tls::Front::start(&authority, move |head| match head.word(0) {
            "POST" => post.clone(),
            "PUT" => put.clone(),
            "GET" if head.word(1) == "/v2/" => answer("200 OK", &[], b"{}"),
            _ => answer("404 Not Found", &[], b"{}"),
        });
        let at = format!("docker://{}/{NAME}:1", front.address());
        let ca = format!("--ca-cert={}", authority.certificate().display());
        for options in [&[&ca[..]][..], &["--tls-verify=false"]] {
            let ended = stand.puller.press.run(&mut stand.push_at(&at, options));
            ended.failed(3, &["leads an upload to plain HTTP"]);
        }
    }
    assert!(storage.seen().is_empty());
}

#[test]
fn a_location_may_be_a_path_or_a_url_of_the_registry_itself() {
    for relative_urls in [false, true] {
        let setup = Setup {
            access: Access::Password,
            relative_urls,
            ..Setup::default()
        };
        let Some(stand) = ArtifactStand::with(setup, &[]) else {
            return;
        };
        let pushed = stand.pushes("1", &[&creds()]);
        assert!(pushed["pushed"]["blobs"].as_u64().unwrap() > 8);
        let everybody = Setup {
            storage: Some(stand.registry.storage()),
            ..Setup::default()
        };
        let open = Registry::start(everybody).unwrap();
        let bytes = get(open.address, NAME, "manifests/1").unwrap();
        let manifest = serde_json::from_slice(&bytes).unwrap();
        let blob = |digest: &str| get(open.address, NAME, &format!("blobs/{digest}"));
        assert!(super::artifact_stand::assembled(&manifest, blob) == read(&stand.image));
    }
}
