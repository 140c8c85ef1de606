//! A real dockerd, through its socket, over TCP and over TLS.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::support::changeset::daemon::Daemon;
use super::support::oracles::{is_root_with, succeed};
use super::support::run::Press;
use super::{address, build, built_of, image, take_output};

/// Starts a daemon that also listens at a free port, and gives the port.
fn start_at_a_port(options: &[&str]) -> (Daemon, u16) {
    // Someone else may take the port just then.
    let started = (0..5).map(|_| {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut all: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
        all.extend(["--host".to_owned(), format!("tcp://127.0.0.1:{port}")]);
        Daemon::dockerd("vfs", &all).map(|daemon| (daemon, port))
    });
    let mut reasons = Vec::new();
    for started in started {
        match started {
            Ok(started) => return started,
            Err(reason) => reasons.push(reason),
        }
    }
    panic!("{reasons:?}");
}

fn load(daemon: &Daemon, press: &Press, names: &[&str]) {
    image().classic_archive(names).write_tar(&press.image());
    let archive = press.image();
    daemon
        .run(&["load", "-i", archive.to_str().unwrap()])
        .unwrap();
}

#[test]
fn an_image_of_dockerd_becomes_the_same_filesystem_as_its_archive() {
    if !is_root_with(&["dockerd", "docker"]) {
        return;
    }
    let daemon = Daemon::dockerd("vfs", &[]).unwrap();
    let press = Press::new();
    // Asked for without its tag, docker would save all of these.
    load(
        &daemon,
        &press,
        &["app:latest", "app:1", "localhost:5000/other/app:v2"],
    );
    fs::write(press.input("flat.tar"), &image().layers[0]).unwrap();
    let flat = press.input("flat.tar");
    daemon
        .run(&["import", flat.to_str().unwrap(), "app:flat"])
        .unwrap();
    let expected = built_of(&press, &format!("{}:app:1", press.image().display()));
    let host = address(&Daemon::socket(daemon.work()));
    let id = daemon
        .run(&["inspect", "--format", "{{.Id}}", "app:1"])
        .unwrap();
    let id = id.trim();
    for name in [
        "app:1",
        "app",
        "docker.io/library/app",
        "localhost:5000/other/app:v2",
        id,
        id.strip_prefix("sha256:").unwrap(),
        &id[7..19],
    ] {
        build(&press, &host, name).succeeded();
        assert!(take_output(&press) == expected, "{name}");
    }
    build(&press, &host, "app:flat").succeeded();
    assert!(take_output(&press) != expected);

    // The option counts before the variable, and other commands know both.
    let nowhere = "unix:///nonexistent/socket";
    for command in ["inspect", "plan"] {
        let mut command = press.command(command);
        command
            .args(["docker-daemon:app:1", "--json"])
            .env("DOCKER_HOST", nowhere);
        let ended = press.run(command.args(["--docker-host", &host]));
        let told: serde_json::Value = serde_json::from_str(ended.succeeded()).unwrap();
        assert!(told.to_string().contains("docker-daemon:app:1"), "{told}");
    }
    let archive = format!("{}:app:1", press.image().display());
    let mut command = press.command("diff");
    command.args(["docker-daemon:app:1", &archive, "--docker-host", &host]);
    press.run(&mut command).succeeded();

    // The socket is root's.
    let mut command = std::process::Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args([
            super::support::run::LAYERPRESS,
            "inspect",
            "docker-daemon:app:1",
        ])
        .args(["--docker-host", &host]);
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(daemon.work(), open).unwrap();
    let ended = press.run(&mut command);
    ended.failed(
        3,
        &["Permission denied", "members of its group", "--docker-host"],
    );

    let ended = build(&press, &host, "nothing:1");
    ended.failed(3, &["no image nothing:1", "docker pull"]);
    assert!(press.left().is_empty());
}

#[test]
fn dockerd_is_also_reached_over_tcp() {
    if !is_root_with(&["dockerd", "docker"]) {
        return;
    }
    // Without TLS it warns and waits unless told that it is meant.
    let (daemon, port) = start_at_a_port(&["--tls=false"]);
    let press = Press::new();
    load(&daemon, &press, &["app:1"]);
    let expected = built_of(&press, press.image().to_str().unwrap());
    build(&press, &format!("tcp://127.0.0.1:{port}"), "app:1").succeeded();
    assert!(take_output(&press) == expected);
    let mut command = press.command("build");
    // Proxies are for the web.
    command
        .args(["docker-daemon:app:1", "--docker-host"])
        .arg(format!("tcp://localhost:{port}/"))
        .env("http_proxy", "http://127.0.0.1:1")
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1");
    press.add_directories(&mut command);
    press.run(&mut command).succeeded();
    assert!(take_output(&press) == expected);
}

#[test]
fn dockerd_is_reached_over_tls_with_certificates_on_both_sides_and_not_without() {
    if !is_root_with(&["dockerd", "docker", "openssl"]) {
        return;
    }
    let certificates = tempfile::tempdir().unwrap();
    let at = |name: &str| certificates.path().join(name).to_str().unwrap().to_owned();
    make_certificates(certificates.path());
    let (daemon, port) = start_at_a_port(&[
        "--tlsverify",
        &format!("--tlscacert={}", at("ca.pem")),
        &format!("--tlscert={}", at("server.pem")),
        &format!("--tlskey={}", at("server-key.pem")),
    ]);
    let press = Press::new();
    load(&daemon, &press, &["app:1"]);
    let expected = built_of(&press, press.image().to_str().unwrap());
    let run = |host: String, directory: Option<&str>| {
        let mut command = press.command("build");
        command.args(["docker-daemon:app:1", "--docker-host", &host]);
        command
            .env_remove("DOCKER_TLS_VERIFY")
            .env_remove("DOCKER_CERT_PATH");
        if let Some(directory) = directory {
            command
                .env("DOCKER_TLS_VERIFY", "1")
                .env("DOCKER_CERT_PATH", directory);
        }
        press.add_directories(&mut command);
        press.run(&mut command)
    };
    let host = format!("tcp://127.0.0.1:{port}");
    run(host.clone(), Some(&at(""))).succeeded();
    assert!(take_output(&press) == expected);

    let other = tempfile::tempdir().unwrap();
    let other_path = other.path().to_str().unwrap();
    // A stranger on either side.
    make_certificates(other.path());
    run(host.clone(), Some(other_path)).failed(3, &[&host, "certificate"]);
    fs::copy(at("ca.pem"), other.path().join("ca.pem")).unwrap();
    run(host.clone(), Some(other_path)).failed(3, &[&host]);
    // The certificate is for 127.0.0.1.
    let renamed = format!("tcp://localhost:{port}");
    run(renamed, Some(&at(""))).failed(3, &["certificate"]);
    run(host.clone(), None).failed(3, &[&host]);
    fs::write(other.path().join("key.pem"), "no key").unwrap();
    run(host.clone(), Some(other_path)).failed(5, &["key.pem", "private key"]);
    fs::remove_file(other.path().join("cert.pem")).unwrap();
    run(host.clone(), Some(other_path)).failed(3, &["cert.pem", "No such file"]);
    fs::write(other.path().join("ca.pem"), "no certificate").unwrap();
    run(host, Some(other_path)).failed(5, &["ca.pem", "expected PEM with certificates"]);
    assert!(press.left().is_empty());
}

/// A CA, a server's certificate for 127.0.0.1 and a client's, as docker's manual makes them.
fn make_certificates(directory: &Path) {
    let at = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let request = |more: &[&str]| {
        succeed("openssl", [&["req"], &key[..], more].concat());
    };
    let (ca, ca_key) = (at("ca.pem"), at("ca-key.pem"));
    request(&[
        "-x509",
        "-subj",
        "/CN=test CA",
        "-days",
        "2",
        "-keyout",
        &ca_key,
        "-out",
        &ca,
    ]);
    for (name, key_name, extensions) in [
        (
            "server.pem",
            "server-key.pem",
            "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n",
        ),
        ("cert.pem", "key.pem", "extendedKeyUsage=clientAuth\n"),
    ] {
        let (signing, text) = (at("request"), at("extensions"));
        fs::write(&text, extensions).unwrap();
        request(&[
            "-subj",
            "/CN=test",
            "-keyout",
            &at(key_name),
            "-out",
            &signing,
        ]);
        let sign = [
            "x509",
            "-req",
            "-days",
            "2",
            "-CAcreateserial",
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
        ];
        let files = ["-in", &signing, "-extfile", &text, "-out", &at(name)];
        succeed("openssl", [&sign[..], &files].concat());
    }
}
