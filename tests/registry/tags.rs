//! `layerpress tags`.

use super::http::answer;
use super::proxy::{Fault, Proxy};
use super::pull::Puller;
use super::push::Repository;
use super::registry_server::{Access, PASSWORD, Registry, Setup, USER};
use super::support::archive::{TestImage, layer_tar};
use super::support::run::Ended;
use super::token_server::TokenServer;

const NAME: &str = "some/app";

fn tags(puller: &Puller, at: impl std::fmt::Display, options: &[&str]) -> Ended {
    let reference = format!("docker://{at}/{NAME}");
    let mut command = puller.command(&["tags", &reference, "--retry=1", "--timeout=2"]);
    puller.press.run(command.args(options))
}

/// A registry with a few tags of one image.
fn registry() -> Option<Registry> {
    let registry = Registry::plain()?;
    let layout = TestImage::new([layer_tar(&[("a", b"")])]).layout("1");
    let repository = Repository::new(registry.address, NAME);
    for tag in ["1", "latest", "1.2-beta_3", "10"] {
        repository.push(&layout, tag);
    }
    Some(registry)
}

#[test]
fn tags_are_listed_a_line_each_or_as_json() {
    let Some(registry) = registry() else {
        return;
    };
    let puller = Puller::new();
    let ended = tags(&puller, registry.address, &[]);
    assert_eq!(ended.succeeded(), "1\n1.2-beta_3\n10\nlatest\n");
    let ended = tags(&puller, registry.address, &["--json"]);
    let told: serde_json::Value = serde_json::from_str(ended.succeeded()).unwrap();
    let expected = serde_json::json!(["1", "1.2-beta_3", "10", "latest"]);
    assert_eq!(told["tags"], expected, "{told}");
    assert!(told.to_string().contains(NAME), "{told}");
}

#[test]
fn tags_need_a_repository_without_a_tag() {
    let puller = Puller::new();
    for (reference, word) in [
        ("docker://localhost/app:1", "repository"),
        (
            &format!("docker://localhost/app@sha256:{}", "0".repeat(64)),
            "repository",
        ),
        ("oci:/tmp", "registry"),
        ("docker://", "registry"),
    ] {
        let ended = puller.press.run(&mut puller.command(&["tags", reference]));
        assert!(
            [2, 5].contains(&ended.code()),
            "{reference}: {}",
            ended.stderr
        );
        assert!(ended.stderr.contains(word), "{reference}: {}", ended.stderr);
    }
}

#[test]
fn tags_of_what_is_not_there_or_closed_are_an_error() {
    let (Some(registry), Some(tokens)) = (registry(), TokenServer::start()) else {
        return;
    };
    let puller = Puller::new();
    let mut absent = puller.command(&["tags", &format!("docker://{}/absent", registry.address)]);
    puller.press.run(&mut absent).failed(3, &["absent"]);
    let setup = Setup {
        access: Access::Token(&tokens),
        storage: Some(registry.storage()),
        ..Setup::default()
    };
    let closed = Registry::start(setup).unwrap();
    tags(&puller, closed.address, &[]).failed(3, &["--creds"]);
    let creds = format!("--creds={USER}:{PASSWORD}");
    assert!(
        tags(&puller, closed.address, &[&creds])
            .succeeded()
            .contains("latest\n")
    );
}

/// A page of tags with what follows it.
fn page(tags: &[&str], link: Option<&str>) -> Fault {
    let body = serde_json::json!({ "name": NAME, "tags": tags }).to_string();
    let link = link.map(|link| format!("<{link}>; rel=\"next\""));
    let headers: Vec<_> = link.iter().map(|link| ("Link", &link[..])).collect();
    Fault::Answer(answer("200 OK", &headers, body.as_bytes()))
}

#[test]
fn all_pages_are_read_however_their_links_are_written() {
    let Some(registry) = registry() else {
        return;
    };
    let puller = Puller::new();
    let proxy = Proxy::before(registry.address);
    let list = format!("/v2/{NAME}/tags/list");
    for link in [
        format!("{list}?last=b&n=2"),
        format!("http://{}{list}?last=b&n=2", proxy.address()),
        "list?last=b&n=2".to_owned(),
        "?last=b&n=2".to_owned(),
    ] {
        proxy.mend();
        proxy.always(
            "last=b",
            page(&["c", "d"], Some(&format!("{list}?last=d&n=2"))),
        );
        proxy.always("last=d", page(&["e"], None));
        proxy.always("tags/list", page(&["a", "b"], Some(&link)));
        let ended = tags(&puller, proxy.address(), &[]);
        assert_eq!(ended.succeeded(), "a\nb\nc\nd\ne\n", "{link}");
    }
    // However the link is written.
    for link in [
        format!("<{list}?last=b>"),
        format!("<{list}?last=b>; rel=\"next last\""),
        format!("{list}?last=b; rel=\"next\""),
        format!("<http://x/y>; rel=help, <{list}?last=b>;rel=NEXT"),
    ] {
        proxy.mend();
        proxy.always("last=b", page(&["c"], None));
        let body = br#"{"tags":["a",null,"b"]}"#;
        let first = answer("200 OK", &[("Link", &link)], body);
        proxy.always("tags/list", Fault::Answer(first));
        let ended = tags(&puller, proxy.address(), &[]);
        assert_eq!(ended.succeeded(), "a\nb\nc\n", "{link}");
    }
    // Some registries say null where there are none.
    proxy.mend();
    let null = answer("200 OK", &[], b"{\"name\": \"x\", \"tags\": null}");
    proxy.always("tags/list", Fault::Answer(null));
    assert_eq!(tags(&puller, proxy.address(), &[]).succeeded(), "");
}

#[test]
fn pages_in_a_circle_and_links_that_are_none_end_in_an_error() {
    let Some(registry) = registry() else {
        return;
    };
    let puller = Puller::new();
    let proxy = Proxy::before(registry.address);
    let list = format!("/v2/{NAME}/tags/list");
    // A page that is its own next, and two that follow each other.
    for pages in [1, 2] {
        proxy.mend();
        let back = if pages == 1 { "last=b" } else { "last=d" };
        proxy.always("last=b", page(&["c", "d"], Some(&format!("{list}?{back}"))));
        proxy.always("last=d", page(&["a", "b"], Some(&format!("{list}?last=b"))));
        proxy.always(
            "tags/list",
            page(&["a", "b"], Some(&format!("{list}?last=b"))),
        );
        proxy.seen();
        let ended = tags(&puller, proxy.address(), &[]);
        assert!([3, 4].contains(&ended.code()), "{}", ended.stderr);
        ended.failed(ended.code(), &["where it has been"]);
        assert!(proxy.gets("tags/list") < 10);
    }
    // What is no link might have been the next page.
    for link in [
        "<a; rel=next",
        "<ftp://u:hunter2@x/>; rel=next",
        "<http://h:99999/?hunter2>",
    ] {
        proxy.mend();
        let body = br#"{"tags":["a"]}"#;
        proxy.always(
            "tags/list",
            Fault::Answer(answer("200 OK", &[("Link", link)], body)),
        );
        let ended = tags(&puller, proxy.address(), &[]);
        ended.failed(3, &["the list"]);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

/// Behind a gateway a registry knows neither its own name nor that TLS is spoken. An address of another
/// host was refused; its path is asked for where the list began, and nobody else is shown credentials.
#[test]
fn a_list_goes_on_at_the_registry_that_was_asked_whatever_it_calls_itself() {
    let Some(registry) = registry() else {
        return;
    };
    let puller = Puller::new();
    let proxy = Proxy::before(registry.address);
    let elsewhere = Proxy::before(registry.address);
    let list = format!("/v2/{NAME}/tags/list");
    for origin in [
        format!("http://{}", elsewhere.address()),
        format!("https://{}", proxy.address()),
        "https://registry.internal:5000".to_owned(),
        format!("//{}", elsewhere.address()),
    ] {
        proxy.mend();
        proxy.always("last=b", page(&["c"], None));
        proxy.always(
            "tags/list",
            page(&["a", "b"], Some(&format!("{origin}{list}?last=b"))),
        );
        let creds = format!("--creds={USER}:{PASSWORD}");
        let ended = tags(&puller, proxy.address(), &[&creds]);
        assert_eq!(ended.succeeded(), "a\nb\nc\n", "{origin}");
        assert!(elsewhere.seen().is_empty());
    }
}

/// Pages without end had no end, as long as each had an address of its own (found by a red team).
#[test]
fn an_endless_list_ends_in_an_error() {
    let Some(registry) = registry() else {
        return;
    };
    let puller = Puller::new();
    let proxy = Proxy::before(registry.address);
    let long = "x".repeat(200);
    proxy.always("tags/list", page(&[&long], None));
    tags(&puller, proxy.address(), &[]).failed(3, &["at most 128 bytes", "found one of 200"]);
}

#[test]
fn lists_that_are_none_and_tags_that_are_none_are_an_error() {
    let Some(registry) = registry() else {
        return;
    };
    let puller = Puller::new();
    let proxy = Proxy::before(registry.address);
    for body in [
        &b"<html>"[..],
        b"",
        b"[]",
        b"{\"tags\": 1}",
        b"{\"tags\": [1]}",
    ] {
        proxy.mend();
        proxy.always("tags/list", Fault::Answer(answer("200 OK", &[], body)));
        let ended = tags(&puller, proxy.address(), &[]);
        let told = String::from_utf8_lossy(body).into_owned();
        assert!([3, 4].contains(&ended.code()), "{told}: {}", ended.stderr);
        ended.failed(ended.code(), &["tags"]);
    }
    proxy.mend();
    // It would move a terminal's cursor.
    proxy.always("tags/list", page(&["a\x1b[2Jb"], None));
    let ended = tags(&puller, proxy.address(), &[]);
    assert!(!ended.stdout.contains('\x1b') && !ended.stderr.contains('\x1b'));
    proxy.mend();
    proxy.always("tags/list", Fault::Endless);
    let ended = tags(&puller, proxy.address(), &[]);
    assert!([3, 4].contains(&ended.code()), "{}", ended.stderr);
}
