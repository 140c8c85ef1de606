//! What stands before a name's first colon: a transport of another tool's, or one of ours mistyped.

use std::path::Path;

use strsim::osa_distance;

use super::reference::Transport;
use crate::error::{Error, Result, escape_path};
use crate::oci::without_login;

/// What other tools, and URLs, begin with.
const FOREIGN: [&str; 19] = [
    "archive",
    "containerd",
    "dir",
    "docker-dir",
    "file",
    "ftp",
    "http",
    "https",
    "image",
    "local",
    "oras",
    "ostree",
    "path",
    "podman",
    "sif",
    "squashfs",
    "stdin",
    "tar",
    "tarball",
];

/// What our transports are called elsewhere, or may be thought to be called.
const MEANT: [(&str, Meant); 20] = [
    ("oci-layout", Meant::Own(Transport::Oci)),
    ("oci-dir", Meant::Own(Transport::Oci)),
    ("oci-directory", Meant::Own(Transport::Oci)),
    ("oci-image", Meant::Own(Transport::Oci)),
    ("ocidir", Meant::Own(Transport::Oci)),
    ("oci-tar", Meant::Own(Transport::OciArchive)),
    ("oci-file", Meant::Own(Transport::OciArchive)),
    ("docker-save", Meant::Own(Transport::DockerArchive)),
    ("docker-load", Meant::Own(Transport::DockerArchive)),
    ("docker-tar", Meant::Own(Transport::DockerArchive)),
    ("docker-image", Meant::Own(Transport::DockerDaemon)),
    ("docker-engine", Meant::Own(Transport::DockerDaemon)),
    ("daemon", Meant::Own(Transport::DockerDaemon)),
    ("podman-daemon", Meant::Own(Transport::DockerDaemon)),
    ("docker-export", Meant::Own(Transport::RootFs)),
    ("docker-container", Meant::Own(Transport::RootFs)),
    ("rootfs-dir", Meant::Own(Transport::RootFs)),
    ("rootfs-tar", Meant::Own(Transport::RootFs)),
    ("docker-registry", Meant::Own(Transport::Docker)),
    ("containers-storage", Meant::Storage),
];

/// What transports of ours and others' begin with; no image that docker itself looks after does.
const FAMILIES: [&str; 5] = ["oci-", "docker-", "rootfs-", "podman-", "containers-"];

/// A transport that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meant {
    Own(Transport),
    /// podman's own, which is not read.
    Storage,
    /// Another tool's, whose files are named by their paths here.
    ByPath,
}

/// Refuses what begins with another tool's transport, or with one of ours mistyped; what stands behind
/// it and `exists` is told.
pub(super) fn check_transport(text: &str, exists: impl Fn(&Path) -> bool) -> Result<()> {
    let Some((word, rest)) = text.split_once(':') else {
        return check_lone_transport(text);
    };
    let is_word = !word.is_empty()
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_+".contains(&byte));
    let lower = word.to_ascii_lowercase();
    if !is_word || lower == "localhost" {
        return Ok(());
    }
    // No image's name has it, so that what stands before is meant as a transport.
    let has_slashes = rest.starts_with("//");
    // A path keeps the slash that it begins with, where `//` belongs to the transport.
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let is_here = || !path.is_empty() && exists(Path::new(path));
    let shown = without_login(path);
    let shown = escape_path(shown.as_bytes());
    let refused = |help: String| {
        let here = match is_here() {
            true => format!(" ({shown} is here)"),
            false => String::new(),
        };
        Err(Error::unsupported(format!(
            "no such file, and no transport is called {word}:; {help}{here}"
        )))
    };
    let rest = without_login(rest.trim_start_matches('/'));
    let rest = escape_path(rest.as_bytes());
    if lower == "docker" {
        // An image of docker's own is called so, too.
        let image = rest.split('/').next_back().unwrap_or_default();
        return refused(format!(
            "docker://{rest} and docker-daemon:{rest} are in a registry and a daemon, docker://docker:{image} is docker's own image"
        ));
    }
    if ["http", "https", "ftp"].contains(&lower.as_str()) {
        return refused(
            "`curl -L URL | layerpress build -` reads what is downloaded, docker://HOST/NAME is in a registry"
                .to_owned(),
        );
    }
    if has_slashes && osa_distance(&lower, "docker") <= 2 {
        return refused(format!("the nearest is docker://{rest}"));
    }
    let first = rest.split_once('/').map(|(first, _)| first);
    let is_port = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let has_port = first.is_some_and(is_port) && !has_slashes;
    match nearest(&lower, has_port) {
        Some(Meant::Own(Transport::Docker)) => {
            return refused(format!("the nearest is docker://{rest}"));
        }
        Some(Meant::Own(transport)) => {
            return refused(format!("the nearest is {}:{shown}", transport.name()));
        }
        Some(Meant::Storage) => {
            return refused(format!(
                "the nearest is containers-storage:, which is not read: `skopeo copy containers-storage:{shown} oci:DIRECTORY` brings the image out of it"
            ));
        }
        Some(Meant::ByPath) => {
            return refused(format!(
                "a file or a directory is named by its path alone, {shown}"
            ));
        }
        None => {}
    }
    if has_slashes {
        return refused(format!("docker://{rest} is in a registry"));
    }
    // Behind any colon but a port's there is no slash.
    let is_path = rest.contains('/') && !has_port;
    if is_path && is_here() {
        return refused("a file or a directory is named by its path alone".to_owned());
    }
    Ok(())
}

/// Refuses a transport without anything: no image is called so, but for docker's own.
fn check_lone_transport(text: &str) -> Result<()> {
    let is_name = |transport: &Transport| transport.name() == text;
    if Transport::ALL.iter().any(is_name) {
        return Err(Error::unsupported(format!(
            "no such file, and a transport without an image: expected {text}:…"
        )));
    }
    let is_of_family = FAMILIES.iter().any(|family| text.starts_with(family));
    if is_of_family && !text.contains(['/', '.', '@']) {
        let nearest = match nearest(text, false) {
            Some(Meant::Own(transport)) => {
                format!("the nearest transport is {}:, ", transport.name())
            }
            _ => String::new(),
        };
        return Err(Error::unsupported(format!(
            "no such file, and no image that docker looks after is called so: {nearest}docker://{text} is asked of a registry"
        )));
    }
    Ok(())
}

/// The transport that `word` is, or is a few slips away from.
fn nearest(word: &str, is_host: bool) -> Option<Meant> {
    if FOREIGN.contains(&word) {
        return Some(Meant::ByPath);
    }
    if let Some(own) = mistyped(word) {
        return Some(Meant::Own(own));
    }
    // A host may be called whatever it likes.
    if is_host {
        return None;
    }
    let slips = |(name, _): &&(&str, Meant)| osa_distance(word, name);
    let by_path = FOREIGN.iter().map(|name| (*name, Meant::ByPath));
    let others: Vec<_> = MEANT.into_iter().chain(by_path).collect();
    // Short words are a slip away from images: http from httpd.
    let allowed = |name: &str| match name.len() {
        ..6 => 0,
        6..9 => 1,
        _ => 2,
    };
    let near = others.iter().min_by_key(slips);
    if let Some((_, meant)) = near.filter(|near| slips(near) <= allowed(near.0)) {
        return Some(*meant);
    }
    // Whatever else a family is said to have: the nearest of its own.
    let mut families = FAMILIES.into_iter();
    let family = families.find(|family| word.starts_with(family))?;
    let own = Transport::ALL.map(|transport| (transport.name(), Meant::Own(transport)));
    let all = own.iter().chain(&others);
    let of_family = all.filter(|(name, _)| name.starts_with(family));
    of_family.min_by_key(slips).map(|(_, meant)| *meant)
}

/// The one of ours that `word` is a few slips away from.
fn mistyped(word: &str) -> Option<Transport> {
    // Letters put in, left out, changed or swapped with their neighbours.
    let slips = |transport: &Transport| osa_distance(word, transport.name());
    let nearest = Transport::ALL.into_iter().min_by_key(slips)?;
    let name = nearest.name();
    let allowed = match name.len() {
        ..4 => 1,
        4..7 => 2,
        _ => 3,
    };
    // A word that a longer one begins with, as docker-arch.
    let begins = word.len() > 6 && name.starts_with(word);
    (begins || slips(&nearest) <= allowed).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<String> {
        let told = check_transport(text, |_: &Path| false).err()?;
        assert_eq!(told.exit_code(), 5, "{told}");
        Some(told.to_string())
    }

    #[test]
    fn a_mistyped_transport_is_told_the_nearest_and_a_foreign_one_what_is_read() {
        for (typed, help) in [
            ("docker-archiv:b.tar", "docker-archive:b.tar"),
            ("docker-arhcive:b", "docker-archive:b"),
            ("dockerarchive:b", "docker-archive:b"),
            ("docker_archive:b", "docker-archive:b"),
            ("Docker-Archive:b", "docker-archive:b"),
            ("docker-deamon:app", "docker-daemon:app"),
            ("docker-deamon://app", "docker-daemon:app"),
            ("oci-archve:b", "oci-archive:b"),
            ("ociarchive:b", "oci-archive:b"),
            ("OCI:b", "oci:b"),
            ("oic:b", "oci:b"),
            ("root:b", "rootfs:b"),
            ("rootf:b", "rootfs:b"),
            ("rootsf:b", "rootfs:b"),
            ("docker:b", "docker://b"),
            ("docker:/b", "docker://b"),
            ("docker:24", "docker://docker:24"),
            ("DOCKER://b", "docker://b"),
            ("dockr://b", "nearest is docker://b"),
            ("dcoker://h.io/b:1", "nearest is docker://h.io/b:1"),
            ("registry://h.io/b", "docker://h.io/b is in a registry"),
            ("file:b.tar", "by its path alone, b.tar"),
            ("file:///a/b.tar", "by its path alone, /a/b.tar"),
            ("file:/b.tar", "by its path alone, /b.tar"),
            ("rootsf:/a/b", "nearest is rootfs:/a/b"),
            ("oci-archve:/a/b.tar", "nearest is oci-archive:/a/b.tar"),
            ("dir:b", "by its path alone"),
            ("oci-layout:dirr", "nearest is oci:dirr"),
            ("oci-dir:x", "nearest is oci:x"),
            ("oci-layuot:x", "nearest is oci:x"),
            ("oci-tar:x", "nearest is oci-archive:x"),
            ("rootfs-dir:x", "nearest is rootfs:x"),
            ("rootfs-of:x", "nearest is rootfs:x"),
            ("docker-save:x", "nearest is docker-archive:x"),
            ("docker-load:x", "nearest is docker-archive:x"),
            ("docker-image:x", "nearest is docker-daemon:x"),
            ("docker-export:x", "nearest is rootfs:x"),
            ("docker-compose:x", "no transport is called docker-compose:"),
            ("daemon:x", "nearest is docker-daemon:x"),
            ("deamon:x", "nearest is docker-daemon:x"),
            ("podman-daemon:x", "nearest is docker-daemon:x"),
            (
                "containers-storge:x",
                "nearest is containers-storage:, which is not read",
            ),
            (
                "containres-storage:x",
                "skopeo copy containers-storage:x oci:DIRECTORY",
            ),
            ("squashf:x", "by its path alone, x"),
            ("oci-layout", "nearest transport is oci:"),
            (
                "docker-compose",
                "docker://docker-compose is asked of a registry",
            ),
            ("https://example.com/b.tar", "curl"),
            ("docker-archive", "expected docker-archive:"),
            ("rootfs", "expected rootfs:"),
        ] {
            let told = told(typed).unwrap_or_else(|| panic!("{typed} was let through"));
            assert!(told.contains(help), "{told}");
        }
    }

    /// Bug: of `oci-layout:image` and `foo:out/image` it was not said that the file is here.
    #[test]
    fn what_stands_behind_a_transport_that_is_none_is_told_where_it_is_here() {
        for (typed, existing, help) in [
            ("oci-layout:d", "d", "nearest is oci:d (d is here)"),
            ("rootsf:a/b", "a/b", "nearest is rootfs:a/b (a/b is here)"),
            ("foo:a/b", "a/b", "by its path alone (a/b is here)"),
            ("file:///a/b", "/a/b", "alone, /a/b (/a/b is here)"),
        ] {
            let here = |path: &Path| path == Path::new(existing);
            let told = check_transport(typed, here).unwrap_err();
            assert_eq!(told.exit_code(), 5);
            assert!(told.to_string().ends_with(help), "{told}");
            let told = check_transport(typed, |_: &Path| false);
            assert!(!told.is_err_and(|told| told.to_string().contains("is here")));
        }
        for (typed, existing) in [
            ("debian:12", "12"),
            ("registry:5000/x", "5000/x"),
            ("docker-registry:5000/x", "5000/x"),
            ("podman-host:5000/x", "5000/x"),
        ] {
            let here = |path: &Path| path == Path::new(existing);
            check_transport(typed, here).unwrap();
        }
    }

    /// The images that docker looks after, of those at least that are like a transport of somebody.
    #[test]
    fn no_image_of_docker_s_own_is_taken_for_a_transport() {
        for name in [
            "almalinux",
            "alpine",
            "amazonlinux",
            "arangodb",
            "archlinux",
            "bash",
            "buildpack-deps",
            "busybox",
            "caddy",
            "cassandra",
            "centos",
            "chronograf",
            "cirros",
            "clojure",
            "composer",
            "consul",
            "couchdb",
            "crate",
            "dart",
            "debian",
            "drupal",
            "eclipse-temurin",
            "elasticsearch",
            "elixir",
            "erlang",
            "fedora",
            "flink",
            "fluentd",
            "gcc",
            "ghost",
            "golang",
            "gradle",
            "groovy",
            "haproxy",
            "haskell",
            "hello-world",
            "hitch",
            "httpd",
            "influxdb",
            "irssi",
            "jetty",
            "joomla",
            "julia",
            "kapacitor",
            "kong",
            "logstash",
            "mariadb",
            "matomo",
            "maven",
            "memcached",
            "mongo",
            "monica",
            "mysql",
            "nats",
            "neo4j",
            "nextcloud",
            "nginx",
            "node",
            "odoo",
            "oraclelinux",
            "orientdb",
            "percona",
            "perl",
            "photon",
            "php",
            "postgres",
            "python",
            "r-base",
            "rabbitmq",
            "redis",
            "redmine",
            "registry",
            "rethinkdb",
            "rockylinux",
            "ros",
            "ruby",
            "rust",
            "sapmachine",
            "solr",
            "spark",
            "storm",
            "swift",
            "telegraf",
            "tomcat",
            "tomee",
            "traefik",
            "ubuntu",
            "unit",
            "varnish",
            "vault",
            "wordpress",
            "zookeeper",
        ] {
            assert_eq!(told(name), None, "{name}");
            assert_eq!(told(&format!("{name}:1")), None, "{name}");
        }
    }
}
