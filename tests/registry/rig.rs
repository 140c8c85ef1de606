//! The servers of these tests themselves, with skopeo and curl as clients.

use std::process::Command;
use std::time::{Duration, Instant};

use super::blob_store::BlobStore;
use super::forward_proxy::ForwardProxy;
use super::proxy::{Fault, Proxy};
use super::pull::sample;
use super::push::{Repository, busybox, has_skopeo, skopeo, skopeo_plain};
use super::registry_server::{Access, PASSWORD, Registry, Setup, USER};
use super::support::archive::{Compression, TestImage, digest};
use super::support::oracles::{program, run};
use super::tls::Authority;
use super::token_server::{PUBLIC, TokenServer};

/// What curl gives for a path, with its exit code.
fn curl(options: &[&str], url: &str) -> (i32, Vec<u8>) {
    let output = run("curl", [&["-s", "-g"], options, &[url]].concat());
    (output.status.code().unwrap(), output.stdout)
}

fn creds() -> String {
    format!("{USER}:{PASSWORD}")
}

/// A registry with the sample, a proxy before it, and the sample's largest blob.
fn rig() -> Option<(Registry, Proxy, String, Vec<u8>)> {
    program("curl")?;
    let registry = Registry::plain()?;
    let image = TestImage {
        compression: Compression::None,
        ..sample()
    };
    Repository::new(registry.address, "sample").push(&image.layout("1"), "1");
    let proxy = Proxy::before(registry.address);
    let blob = image.layers[1].clone();
    let url = format!(
        "http://{}/v2/sample/blobs/{}",
        proxy.address(),
        digest(&blob)
    );
    Some((registry, proxy, url, blob))
}

#[test]
fn skopeo_pushes_and_pulls_with_each_kind_of_access() {
    if !has_skopeo() {
        return;
    }
    let Some(tokens) = TokenServer::start() else {
        return;
    };
    for access in [Access::Everybody, Access::Password, Access::Token(&tokens)] {
        let setup = Setup {
            access,
            ..Setup::default()
        };
        let Some(registry) = Registry::start(setup) else {
            return;
        };
        let at = format!("docker://{}/public/busybox:1", registry.address);
        skopeo_plain(&busybox(), &at, &["--dest-creds", &creds()]);
        let to = tempfile::tempdir().unwrap();
        let to = format!("dir:{}", to.path().display());
        skopeo(
            &at,
            &to,
            &["--src-tls-verify=false", "--src-creds", &creds()],
        );
    }
    assert!(tokens.asked().iter().any(|asked| {
        asked.password == Some(true) && asked.scopes.iter().any(|scope| scope.contains(PUBLIC))
    }));
}

#[test]
fn passwords_scopes_and_services_are_checked() {
    let (Some(tokens), Some(_)) = (TokenServer::start(), program("curl")) else {
        return;
    };
    let ask = |options: &[&str], query: &str| {
        let url = format!("{}?{query}", tokens.realm());
        let write = ["-o", "/dev/null", "-w", "%{http_code}"];
        let (_, said) = curl(&[&write, options].concat(), &url);
        String::from_utf8(said).unwrap()
    };
    let right = "service=registry-of-the-test&scope=repository%3Aprivate%2Fa%3Apull";
    assert_eq!(ask(&[], right), "200");
    assert_eq!(ask(&["-u", &creds()], right), "200");
    assert_eq!(ask(&["-u", "alice:wrong"], right), "401");
    assert_eq!(ask(&[], "service=other&scope=repository:a:pull"), "400");
    let asked = tokens.asked();
    let passwords: Vec<_> = asked.iter().map(|asked| asked.password).collect();
    assert_eq!(passwords, [None, Some(true), Some(false), None]);
    assert_eq!(asked[0].scopes, ["repository:private/a:pull"]);
    // A token without a grant does not open the registry.
    let setup = Setup {
        access: Access::Token(&tokens),
        ..Setup::default()
    };
    let Some(registry) = Registry::start(setup) else {
        return;
    };
    let status = |options: &[&str], name: &str| {
        let (_, body) = curl(options, &format!("{}?{right}", tokens.realm()));
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let bearer = format!(
            "Authorization: Bearer {}",
            answer["token"].as_str().unwrap()
        );
        let write = ["-o", "/dev/null", "-w", "%{http_code}", "-H", &bearer];
        let url = format!("http://{}/v2/{name}/tags/list", registry.address);
        String::from_utf8(curl(&write, &url).1).unwrap()
    };
    assert_eq!(status(&[], "private/a"), "401");
    assert_eq!(status(&["-u", &creds()], "private/a"), "404");
    assert_eq!(status(&["-u", &creds()], "private/b"), "401");
    // It is believed until its end, and not after it.
    tokens.lifetime(0);
    assert_eq!(status(&["-u", &creds()], "private/a"), "401");
}

#[test]
fn tls_is_checked_on_both_sides() {
    let (Some(authority), Some(_)) = (Authority::new(), program("curl")) else {
        return;
    };
    for client_certificates in [false, true] {
        let setup = Setup {
            tls: Some(&authority),
            client_certificates,
            ..Setup::default()
        };
        let Some(registry) = Registry::start(setup) else {
            return;
        };
        let url = format!("https://{}/v2/", registry.address);
        let path = |path: std::path::PathBuf| path.display().to_string();
        let ca = path(authority.certificate());
        let (certificate, key) = (
            path(authority.client_certificate()),
            path(authority.client_key()),
        );
        let trusting = ["--cacert", &ca];
        let known = ["--cert", &certificate, "--key", &key];
        assert_eq!(curl(&[], &url).0, 60);
        let is_open = curl(&trusting, &url) == (0, b"{}".to_vec());
        assert_eq!(is_open, !client_certificates);
        let both = [&trusting[..], &known].concat();
        assert_eq!(curl(&both, &url), (0, b"{}".to_vec()));
    }
}

#[test]
fn the_proxy_does_each_wrong_that_it_is_told() {
    let Some((_registry, proxy, url, blob)) = rig() else {
        return;
    };
    let size = blob.len();
    let get = |options: &[&str]| curl(options, &url);
    assert_eq!(get(&[]), (0, blob.clone()));
    let next = |fault: Fault| {
        proxy.mend();
        proxy.fault("GET /v2/sample/blobs/", 1, fault);
    };
    next(Fault::CutAfter(1_000_000));
    assert_eq!(get(&[]), (18, blob[..1_000_000].to_vec()));
    next(Fault::SilentAfter(1_000));
    assert_eq!(get(&["-m", "0.5"]), (28, blob[..1_000].to_vec()));
    next(Fault::Late(Duration::from_millis(800)));
    assert_eq!(get(&["-m", "0.5"]), (28, Vec::new()));
    next(Fault::Slow(1 << 20));
    assert_eq!(get(&["-m", "0.5"]).0, 28);
    next(Fault::WrongByte(7));
    let (_, wrong) = get(&[]);
    let differs = |index: &usize| wrong[*index] != blob[*index];
    assert_eq!((0..size).filter(differs).collect::<Vec<_>>(), [7]);
    next(Fault::Shorter(10));
    assert_eq!(get(&[]), (0, blob[..size - 10].to_vec()));
    next(Fault::Longer(10));
    assert_eq!(get(&[]), (0, [&blob[..], &[0; 10]].concat()));
    next(Fault::WrongLength(10));
    assert_eq!(get(&[]), (18, blob.clone()));
    next(Fault::WrongLength(-10));
    assert_eq!(get(&[]), (0, blob[..size - 10].to_vec()));
    next(Fault::Endless);
    assert_eq!(get(&["-m", "0.5"]).0, 28);
    next(Fault::OldHttp);
    assert_eq!(get(&[]), (0, blob.clone()));
    next(Fault::OldHttpCutAfter(5));
    assert_eq!(get(&[]), (0, blob[..5].to_vec()));
    assert_eq!(get(&["-r", "3-"]), (0, blob[3..].to_vec()));
    next(Fault::WithoutRange);
    assert_eq!(get(&["-r", "3-"]), (0, blob.clone()));
    next(Fault::Header("Content-Range", "bytes 0-1/2".to_owned()));
    assert!(String::from_utf8_lossy(&get(&["-I"]).1).starts_with("HTTP/1.1 200"));
    assert_eq!(proxy.faults_left(), 1);
    next(Fault::Answer(super::http::answer("503 X", &[], b"no")));
    assert_eq!(get(&["-f"]).0, 22);
    let elsewhere = Proxy::before(proxy.address());
    next(Fault::ToHost(format!(
        "localhost:{}",
        elsewhere.address().port()
    )));
    elsewhere.seen();
    let (_, there) = get(&["-L", "--location-trusted", "-u", "a:b"]);
    assert!(there == blob);
    let seen = elsewhere.seen();
    assert_eq!(seen[0].authorization.as_deref(), Some("Basic"));
    assert!(seen[0].host.starts_with("localhost:"));
    let ranges: Vec<_> = proxy
        .seen()
        .into_iter()
        .filter_map(|seen| seen.range)
        .collect();
    assert_eq!(ranges, ["bytes=3-", "bytes=3-"]);
}

#[test]
fn what_is_silent_ends_with_its_server() {
    let Some((_registry, proxy, url, _)) = rig() else {
        return;
    };
    proxy.always("GET", Fault::SilentAfter(10));
    let mut client = Command::new("curl");
    let mut client = client.args(["-so", "/dev/null", &url]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let started = Instant::now();
    drop(proxy);
    client.wait().unwrap();
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_registry_redirects_to_a_blob_store_that_takes_no_credentials() {
    let (Some(plain), Some(_)) = (Registry::plain(), program("curl")) else {
        return;
    };
    let image = sample();
    Repository::new(plain.address, "sample").push(&image.layout("1"), "1");
    let store = BlobStore::of(plain.storage());
    let base = format!("http://{}", store.address());
    let setup = Setup {
        access: Access::Password,
        blobs_at: Some(&base),
        storage: Some(plain.storage()),
        ..Setup::default()
    };
    let registry = Registry::start(setup).unwrap();
    let blob = &image.layers[1];
    let url = format!(
        "http://{}/v2/sample/blobs/{}",
        registry.address,
        digest(blob)
    );
    let creds = creds();
    let (_, found) = curl(&["-L", "-u", &creds], &url);
    assert!(found == *blob);
    let (_, found) = curl(&["-L", "-u", &creds, "-r", "5-"], &url);
    assert!(found == blob[5..]);
    assert_eq!(store.served(), [None, Some("bytes=5-".to_owned())]);
    assert_eq!(store.credentials_seen(), 0);
    let (_, said) = curl(&["-L", "--location-trusted", "-u", &creds], &url);
    assert_eq!(said, b"two credentials");
    assert_eq!(store.credentials_seen(), 1);
    store.cut(1, 100);
    assert_eq!(curl(&["-L", "-u", &creds], &url).0, 18);
}

#[test]
fn a_forward_proxy_leads_every_name_to_the_registry() {
    let (Some(registry), Some(authority), Some(_)) =
        (Registry::plain(), Authority::new(), program("curl"))
    else {
        return;
    };
    let proxy = ForwardProxy::to(registry.address);
    let through = ["-x", &proxy.url()];
    let answer = (0, b"{}".to_vec());
    assert_eq!(curl(&through, "http://registry.test/v2/"), answer);
    assert_eq!(proxy.asked(), ["GET http://registry.test/v2/"]);
    let setup = Setup {
        tls: Some(&authority),
        ..Setup::default()
    };
    let secure = Registry::start(setup).unwrap();
    let proxy = ForwardProxy::to(secure.address);
    let ca = authority.certificate().display().to_string();
    let through = ["-x", &proxy.url(), "--cacert", &ca];
    assert_eq!(curl(&through, "https://registry.test/v2/"), answer);
    assert_eq!(proxy.asked(), ["CONNECT registry.test:443"]);
    assert_ne!(curl(&through, "https://other.test/v2/"), answer);
}
