//! TLS and its absence, and proxies on the way.

use super::forward_proxy::ForwardProxy;
use super::pull::layers;
use super::push::Repository;
use super::registry_server::{Registry, Setup};
use super::stand::{NAME, Stand};
use super::support::archive::TestImage;
use super::tls::Authority;

fn image() -> TestImage {
    TestImage::new(layers(5, 1))
}

/// A stand whose registry, without the reverse proxy, speaks TLS.
fn with_tls(authority: &Authority, client_certificates: bool) -> Option<(Stand, String)> {
    let setup = Setup {
        tls: Some(authority),
        client_certificates,
        ..Setup::default()
    };
    let stand = Stand::with(image(), setup)?;
    let reference = Repository::new(stand.registry().address, NAME).reference("1");
    Some((stand, reference))
}

fn option(name: &str, path: std::path::PathBuf) -> String {
    format!("{name}={}", path.display())
}

#[test]
fn an_unknown_authority_is_refused_with_what_helps_and_that_helps() {
    let (Some(authority), Some(other)) = (Authority::new(), Authority::new()) else {
        return;
    };
    let Some((stand, reference)) = with_tls(&authority, false) else {
        return;
    };
    let puller = &stand.puller;
    let words = ["certificate", "--ca-cert", "--tls-verify=false"];
    puller.fails(&reference, &[], 3, &words);
    let wrong = option("--ca-cert", other.certificate());
    puller.fails(&reference, &[&wrong], 3, &["certificate"]);
    let right = option("--ca-cert", authority.certificate());
    for options in [&right[..], "--tls-verify=false"] {
        puller.forget();
        assert!(puller.pulled(&reference, &[options]) == stand.expected);
    }
    // The same by name; and one that the certificate does not have.
    let named = reference.replace("127.0.0.1", "localhost");
    assert!(puller.pulled(&named, &[&right]) == stand.expected);
    let wrong_name = reference.replace("127.0.0.1", "127.0.0.2");
    let ended = puller.press.run(&mut puller.build(&wrong_name, &[&right]));
    puller.has_failed(&ended, 9, &["127.0.0.2"]);
    // Files that are not what they should be.
    for (path, code) in [
        (authority.directory().join("absent.pem"), 3),
        (authority.server_key(), 5),
    ] {
        let name = path.display().to_string();
        puller.fails(&reference, &[&option("--ca-cert", path)], code, &[&name]);
    }
}

#[test]
fn a_client_certificate_is_shown_where_it_is_asked_for() {
    let Some(authority) = Authority::new() else {
        return;
    };
    let Some((stand, reference)) = with_tls(&authority, true) else {
        return;
    };
    let trusting = option("--ca-cert", authority.certificate());
    let certificate = option("--client-cert", authority.client_certificate());
    let key = option("--client-key", authority.client_key());
    let puller = &stand.puller;
    puller.fails(&reference, &[&trusting], 3, &["--client-cert"]);
    let all = [&trusting[..], &certificate, &key];
    assert!(puller.pulled(&reference, &all) == stand.expected);
    let insecure = ["--tls-verify=false", &certificate, &key];
    puller.forget();
    assert!(puller.pulled(&reference, &insecure) == stand.expected);
    puller.fails(&reference, &all[..2], 5, &["--client-key"]);
    let alone = puller
        .press
        .run(&mut puller.build(&reference, &[&trusting, &key]));
    assert_eq!(alone.code(), 2, "{}", alone.stderr);
    // Both in one file.
    let both = authority.directory().join("both.pem");
    let parts = [authority.client_certificate(), authority.client_key()];
    let parts = parts.map(|path| std::fs::read(path).unwrap());
    std::fs::write(&both, parts.concat()).unwrap();
    let both = option("--client-cert", both);
    assert!(puller.pulled(&reference, &[&trusting, &both]) == stand.expected);
    let wrong_key = option("--client-key", authority.server_key());
    let options = [&trusting[..], &certificate, &wrong_key];
    let ended = puller.press.run(&mut puller.build(&reference, &options));
    assert_ne!(ended.code(), 0);
    puller.has_failed(&ended, ended.code(), &["key"]);
}

#[test]
fn plain_http_is_for_the_loopback_or_asked_for() {
    let Some(stand) = Stand::of(image()) else {
        return;
    };
    let proxy = ForwardProxy::to(stand.plain().address);
    let elsewhere = format!("docker://registry.test/{NAME}:1");
    let pull = |options: &[&str]| {
        let mut command = stand.puller.build(&elsewhere, options);
        command.env("HTTP_PROXY", proxy.url());
        command.env("HTTPS_PROXY", proxy.url());
        stand.puller.press.run(&mut command)
    };
    // The proxy gives a tunnel to a registry that does not speak TLS, and that is all it is asked.
    let ended = pull(&["--retry=0"]);
    stand
        .puller
        .has_failed(&ended, 3, &["registry.test", "--plain-http"]);
    let asked = proxy.asked();
    let tunnels_only = asked.iter().all(|line| line == "CONNECT registry.test:443");
    assert!(tunnels_only, "{asked:?}");
    let ended = pull(&["--plain-http"]);
    assert!(stand.puller.take_output(&ended) == stand.expected);
    let asked = proxy.asked();
    // By tunnels, too.
    let through = asked.iter().all(|line| line == "CONNECT registry.test:80");
    assert!(through && !asked.is_empty(), "{asked:?}");
}

#[test]
fn proxies_of_the_environment_are_used_but_for_those_it_excepts() {
    let Some(authority) = Authority::new() else {
        return;
    };
    let Some((stand, _)) = with_tls(&authority, false) else {
        return;
    };
    let proxy = ForwardProxy::to(stand.registry().address);
    let elsewhere = format!("docker://registry.test/{NAME}:1");
    let trusting = option("--ca-cert", authority.certificate());
    let pull = |reference: &str, variables: &[(&str, &str)]| {
        stand.puller.forget();
        let mut command = stand.puller.build(reference, &[&trusting, "--retry=0"]);
        command.envs(variables.iter().copied());
        stand.puller.press.run(&mut command)
    };
    let url = proxy.url();
    for name in ["HTTPS_PROXY", "https_proxy"] {
        let ended = pull(&elsewhere, &[(name, &url)]);
        assert!(stand.puller.take_output(&ended) == stand.expected);
        let asked = proxy.asked();
        assert!(!asked.is_empty() && asked.iter().all(|line| line == "CONNECT registry.test:443"));
    }
    // That of plain HTTP is not for HTTPS, and excepted names are looked up, in vain.
    for variables in [
        &[("HTTP_PROXY", &url[..])][..],
        &[("HTTPS_PROXY", &url), ("NO_PROXY", "registry.test")],
        &[("HTTPS_PROXY", &url), ("no_proxy", "a.example, .test")],
        &[("HTTPS_PROXY", &url), ("NO_PROXY", "*")],
    ] {
        let ended = pull(&elsewhere, variables);
        stand.puller.has_failed(&ended, 9, &["registry.test"]);
        assert!(proxy.asked().is_empty());
    }
    // The loopback is never on the other side of a proxy.
    let near = Repository::new(stand.registry().address, NAME).reference("1");
    let ended = pull(&near, &[("HTTPS_PROXY", &url), ("HTTP_PROXY", &url)]);
    assert!(stand.puller.take_output(&ended) == stand.expected);
    assert!(proxy.asked().is_empty());
    // A proxy that is not there, and one that is none.
    let dead = super::http::Server::start(|_, _| Ok(()));
    let dead = format!("http://{}", dead.address);
    let ended = pull(&elsewhere, &[("HTTPS_PROXY", &dead)]);
    stand.puller.has_failed(&ended, 9, &["registry.test"]);
    let ended = pull(&elsewhere, &[("HTTPS_PROXY", "nonsense://x y")]);
    assert!([3, 5].contains(&ended.code()), "{}", ended.stderr);
    stand
        .puller
        .has_failed(&ended, ended.code(), &["HTTPS_PROXY"]);
}

#[test]
fn where_nobody_listens_the_error_comes_at_once_and_says_where() {
    let Some(registry) = Registry::plain() else {
        return;
    };
    let address = registry.address;
    drop(registry);
    let puller = super::pull::Puller::new();
    let reference = Repository::new(address, NAME).reference("1");
    puller.fails(
        &reference,
        &["--retry=0"],
        9,
        &[&address.to_string(), "refused"],
    );
}
