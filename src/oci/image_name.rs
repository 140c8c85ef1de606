//! Image names as docker completes them.

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
}
