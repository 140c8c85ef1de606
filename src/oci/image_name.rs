//! Image names as docker completes them, and as they may be shown.

use std::borrow::Cow;

use super::Digest;

/// The full form of a docker image name: `alpine` is `docker.io/library/alpine:latest`,
/// `heroku/heroku:24` is `docker.io/heroku/heroku:24`, and a name with a host stays as it is
/// but for the tag `latest`.
///
/// The name is completed, not checked: it serves comparison only.
pub fn full_image_name(name: &str) -> String {
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (host, path),
        _ => ("docker.io", name),
    };
    let host = if host == "index.docker.io" {
        "docker.io"
    } else {
        host
    };
    let library = if host == "docker.io" && !path.contains('/') {
        "library/"
    } else {
        ""
    };
    let last = path.rsplit('/').next().unwrap_or(path);
    let tag = if last.contains([':', '@']) {
        ""
    } else {
        ":latest"
    };
    format!("{host}/{library}{path}{tag}")
}

/// What names say of an image: its repository without the host and docker's `library/`, and its tag,
/// each from the first name that says so. A name without `/` and `:` is a tag alone, as layouts have
/// them in `org.opencontainers.image.ref.name`.
pub fn repository_and_tag(names: &[String]) -> (Option<&str>, Option<&str>) {
    let split = |name: &'_ str| -> (Option<usize>, Option<usize>) {
        let end = name.find('@').unwrap_or(name.len());
        let last = name[..end].rfind('/').map_or(0, |slash| slash + 1);
        let colon = name[last..end].find(':').map(|colon| last + colon);
        match colon {
            Some(colon) => (Some(colon), Some(colon + 1)),
            None if last == 0 && end == name.len() => (None, Some(0)),
            None => (Some(end), None),
        }
    };
    let repository = names.iter().find_map(|name| {
        let path = &name[..split(name).0?];
        let path = match path.split_once('/') {
            Some((host, path)) if is_host(host) => path,
            _ => path,
        };
        Some(path.strip_prefix("library/").unwrap_or(path))
    });
    let tag = names.iter().find_map(|name| {
        let start = split(name).1?;
        let end = name.find('@').unwrap_or(name.len());
        name.get(start..end)
    });
    let said = |word: &&str| !word.is_empty();
    (repository.filter(said), tag.filter(said))
}

/// A name as somebody typed it, without what is secret in it if it was meant as a URL: a name and
/// password before the host, and a query, which may be a signature.
pub fn without_login(name: &str) -> Cow<'_, str> {
    // The one thing that belongs behind an @.
    let (text, digest) = match name.rsplit_once('@') {
        Some((text, digest)) if digest.parse::<Digest>().is_ok() => name.split_at(text.len()),
        _ => (name, ""),
    };
    let (scheme, rest) = match text.find("://") {
        Some(at) => text.split_at(at + 3),
        None => ("", text),
    };
    let is_url = !scheme.is_empty();
    let (login, rest) = match rest.rsplit_once('@') {
        Some((login, host)) if is_url || is_login(login, host) => (Some(login), host),
        _ => (None, rest),
    };
    let end = if is_url { rest.find(['?', '#']) } else { None };
    if login.is_none() && end.is_none() {
        return Cow::Borrowed(name);
    }
    let hidden = login.map_or("", |_| "…@");
    let cut = end.map_or("", |_| "…");
    let shown = &rest[..end.unwrap_or(rest.len())];
    Cow::Owned(format!("{scheme}{hidden}{shown}{cut}{digest}"))
}

/// Whether what is around an @ is a name with a password, and a host.
fn is_login(login: &str, host: &str) -> bool {
    login.contains(':') && !login.contains('/') && host.contains(['/', '.'])
}

/// The first component names a host when it could not be a user's name on docker.io.
pub(super) fn is_host(component: &str) -> bool {
    component == "localhost"
        || component.contains(['.', ':'])
        || component.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_completed_as_docker_does() {
        for (name, full) in [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3", "docker.io/library/alpine:3"),
            ("heroku/heroku:24", "docker.io/heroku/heroku:24"),
            ("docker.io/heroku/heroku:24", "docker.io/heroku/heroku:24"),
            ("docker.io/alpine", "docker.io/library/alpine:latest"),
            (
                "index.docker.io/library/alpine",
                "docker.io/library/alpine:latest",
            ),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
            ("ghcr.io/a/b:1.0", "ghcr.io/a/b:1.0"),
            ("a/b/c", "docker.io/a/b/c:latest"),
        ] {
            assert_eq!(full_image_name(name), full);
        }
    }

    #[test]
    fn names_say_a_repository_and_a_tag_or_one_of_them_or_neither() {
        let digest = format!("@sha256:{}", "a".repeat(64));
        let pinned = format!("docker.io/library/debian{digest}");
        let both = format!("ghcr.io/a/b:1{digest}");
        for (names, repository, tag) in [
            (
                &["docker.io/library/debian:12"][..],
                Some("debian"),
                Some("12"),
            ),
            (
                &["debian:12", "debian:bookworm"],
                Some("debian"),
                Some("12"),
            ),
            (&["localhost:5000/a/b:1.0"], Some("a/b"), Some("1.0")),
            (&["localhost:5000/a/b"], Some("a/b"), None),
            (&["heroku/heroku:24"], Some("heroku/heroku"), Some("24")),
            (&[&pinned], Some("debian"), None),
            (&[&both], Some("a/b"), Some("1")),
            (&["24"], None, Some("24")),
            (
                &["24", "docker.io/heroku/heroku:24-build"],
                Some("heroku/heroku"),
                Some("24"),
            ),
            (&[""], None, None),
            (&[":"], None, None),
            (&[], None, None),
        ] {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(repository_and_tag(&names), (repository, tag), "{names:?}");
        }
    }

    /// A URL with a password and a signature in it, typed where an image's name was expected, stood in
    /// the error whole (found by typing what curl takes).
    #[test]
    fn what_is_secret_in_a_name_that_was_meant_as_a_url_is_not_shown() {
        let digest = format!("@sha256:{}", "a".repeat(64));
        let pinned = format!("ghcr.io/a/b{digest}");
        for name in ["debian:12", "out/a:1", "dir:tag@x", "a@b/c", &pinned] {
            assert_eq!(without_login(name), name);
        }
        let both = format!("docker://u:secret@h.io/a{digest}");
        let shown = format!("docker://…@h.io/a{digest}");
        for (name, shown) in [
            (
                "https://u:se/cr@et@h.io/a.tar?sig=secret",
                "https://…@h.io/a.tar…",
            ),
            ("https://secret@h/a", "https://…@h/a"),
            ("https://h/a?secret", "https://h/a…"),
            ("https://h/a#secret", "https://h/a…"),
            ("u:secret@h.io/a", "…@h.io/a"),
            ("u:secret@h.io", "…@h.io"),
            ("u:secret@localhost/a", "…@localhost/a"),
            (&both, &shown),
        ] {
            assert_eq!(without_login(name), shown);
        }
    }
}
