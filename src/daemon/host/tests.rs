use super::super::context::tests::write;
use super::*;
use crate::progress::Silent;
use std::path::Path;

const HINT: &str = "(--docker-host and DOCKER_HOST name it)";

fn parse(text: &str) -> Result<Host> {
    Host::parse(text, None, HINT)
}

fn tcp(authority: &str) -> Host {
    Host::Tcp {
        authority: authority.to_owned(),
        tls: None,
    }
}

#[test]
fn addresses_are_read_as_docker_reads_them() {
    for (text, host) in [
        ("unix:///run/x y.sock", Host::Unix("/run/x y.sock".into())),
        ("unix://", Host::Unix(DOCKER_SOCKET.into())),
        ("/run/x.sock", Host::Unix("/run/x.sock".into())),
        ("tcp://127.0.0.1:2375", tcp("127.0.0.1:2375")),
        ("tcp://build-1.example/", tcp("build-1.example:2375")),
        ("tcp://[::1]:99", tcp("[::1]:99")),
        ("tcp://[::1]", tcp("[::1]:2375")),
        ("localhost:2376", tcp("localhost:2376")),
        ("h", tcp("h:2375")),
    ] {
        assert_eq!(parse(text).unwrap(), host, "{text}");
    }
    let tls = Some(Tls::of_directory(Path::new("/certs")));
    assert_eq!(
        Host::parse("tcp://h", tls.clone(), HINT).unwrap(),
        Host::Tcp {
            authority: "h:2376".to_owned(),
            tls
        }
    );
}

#[test]
fn other_addresses_are_refused_with_what_is_expected() {
    for text in [
        "unix://relative",
        "tcp://",
        "tcp://:2375",
        "tcp://h:99999",
        "tcp://h/path",
        "tcp://user@h",
        "tcp://::1",
        "tcp://[::g]",
        "fd://",
        "npipe:////./pipe/docker_engine",
        "http://h",
        "me@h:2375",
        "unix:/run/x.sock",
        ":2375",
        "",
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(
            error.contains(text) && error.contains("--docker-host"),
            "{error}"
        );
    }
    let error = parse("ssh://me@host").unwrap_err().to_string();
    assert!(
        error.contains("ssh -nNT -L") && error.contains(" me@host`"),
        "{error}"
    );
    for text in [
        "tcp://me:secret@h:1",
        "ssh://me:secret@h",
        "me:secret@h",
        "ssh://me:se@cret@h",
        "tcp://…@h/?t=secret",
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(
            !error.contains("secret") && !error.contains("cret@"),
            "{error}"
        );
        assert!(error.contains("…@h"), "{error}");
    }
}

#[test]
fn without_an_address_and_a_context_the_usual_sockets_are_tried_in_their_order() {
    let options = DaemonOptions {
        runtime_dir: Some("/run/user/1".into()),
        ..DaemonOptions::default()
    };
    let sockets = [
        DOCKER_SOCKET,
        "/run/user/1/docker.sock",
        "/run/user/1/podman/podman.sock",
        PODMAN_SOCKET,
    ];
    let sockets = Meant::FirstOf(sockets.iter().map(PathBuf::from).collect());
    assert_eq!(meant(&options, &Silent).unwrap(), sockets);
}

/// Contexts were not known, and another daemon's image was taken without a word (found by the set-ups of
/// rootless docker, Docker Desktop and colima).
#[test]
fn of_contexts_and_addresses_the_one_that_docker_would_take_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["typed", "usual", "current"] {
        let meta = format!(r#"{{"Endpoints":{{"docker":{{"Host":"unix:///{name}"}}}}}}"#);
        write(directory.path(), name, &meta);
    }
    write(directory.path(), "empty", r#"{"Endpoints":{"docker":{}}}"#);
    let config = directory.path().join("config.json");
    std::fs::write(&config, r#"{"currentContext":"current"}"#).unwrap();
    let text = |text: &str| Some(text.to_owned()).filter(|text| text != "-");
    let ask = |context: &str, host: &str, usual: &str| {
        let options = DaemonOptions {
            context: text(context),
            host: text(host),
            usual_context: text(usual),
            config_directory: Some(directory.path().to_owned()),
            ..DaemonOptions::default()
        };
        meant(&options, &Silent).map(|meant| match meant {
            Meant::One(Host::Unix(path), _) => path.display().to_string(),
            Meant::One(other, _) => format!("{other:?}"),
            Meant::FirstOf(_) => "sockets".to_owned(),
        })
    };
    for (context, host, usual, expected) in [
        ("typed", "-", "-", "/typed"),
        ("typed", "unix:///host", "usual", "/typed"),
        ("-", "unix:///host", "usual", "/host"),
        ("default", "unix:///host", "usual", "/host"),
        ("default", "-", "usual", "sockets"),
        ("-", "-", "usual", "/usual"),
        ("", "", "usual", "/usual"),
        ("-", "-", "default", "sockets"),
        ("-", "-", "-", "/current"),
        ("-", "-", "", "/current"),
        ("empty", "-", "-", "sockets"),
    ] {
        let found = ask(context, host, usual).unwrap();
        assert_eq!(found, expected, "{context} {host} {usual}");
    }
    for (context, usual, words) in [
        ("absent", "-", ["absent", "--docker-context"]),
        ("-", "absent", ["absent", "DOCKER_CONTEXT"]),
    ] {
        let told = ask(context, "-", usual).unwrap_err().to_string();
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
    }
    write(
        directory.path(),
        "far",
        r#"{"Endpoints":{"docker":{"Host":"ssh://me@far"}}}"#,
    );
    std::fs::write(&config, r#"{"currentContext":"far"}"#).unwrap();
    let told = ask("-", "-", "-").unwrap_err().to_string();
    for word in [
        "ssh -nNT -L",
        "context far",
        "currentContext",
        "config.json",
    ] {
        assert!(told.contains(word), "{told}");
    }
    // What cannot be understood is no context, as to docker, and a warning.
    std::fs::write(&config, "{").unwrap();
    assert_eq!(ask("-", "-", "-").unwrap(), "sockets");
}
