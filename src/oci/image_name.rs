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
