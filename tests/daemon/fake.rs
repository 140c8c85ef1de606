//! What daemons do wrong, are made to do wrong, or might do wrong on purpose.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use rustix::process::Signal;

use super::support::archive::{TestImage, layer_tar};
use super::support::changeset::daemon::Daemon;
use super::support::fake_daemon::{FakeDaemon, pass_on, send};
use super::support::oracles::is_root_with;
use super::support::run::Press;
use super::{address, build, image};

/// An image as a daemon saves it, and its ID.
fn saved(image: &TestImage) -> (Vec<u8>, String) {
    let press = Press::new();
    image.classic_archive(&["app:1"]).write_tar(&press.image());
    let id = super::support::archive::digest(image.config().to_string().as_bytes());
    (fs::read(press.image()).unwrap(), id)
}

/// A daemon that knows one image and sends it as `get` does.
fn daemon(id: String, get: impl Fn(&mut UnixStream) + Send + Sync + 'static) -> FakeDaemon {
    FakeDaemon::start(move |path, stream| match path {
        "/_ping" => send(stream, "200 OK", b"OK"),
        "/images/app:1/json" => send(stream, "200 OK", format!(r#"{{"Id":"{id}"}}"#).as_bytes()),
        _ => {
            assert_eq!(path, format!("/images/{id}/get"));
            get(stream);
        }
    })
}

/// Sends an image in chunks, as daemons do, and ends that as it should be.
fn send_chunked(stream: &mut UnixStream, bytes: &[u8]) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in bytes.chunks(10_000) {
        let _ = write!(stream, "{:x}\r\n", chunk.len());
        let _ = stream.write_all(chunk);
        let _ = stream.write_all(b"\r\n");
    }
    let _ = stream.write_all(b"0\r\n\r\n");
}

#[test]
fn the_fake_is_good_enough_to_build_from() {
    let (bytes, id) = saved(&image());
    let fake = daemon(id, move |stream| send_chunked(stream, &bytes));
    let press = Press::new();
    build(&press, &fake.address(), "app:1").succeeded();
    let bytes = super::take_output(&press);
    image()
        .classic_archive(&["app:1"])
        .write_tar(&press.image());
    assert!(bytes == super::built_of(&press, press.image().to_str().unwrap()));
}

#[test]
fn an_id_may_be_that_of_the_manifest_as_in_dockers_containerd_store() {
    let files = image().modern_archive("app:1");
    let index: serde_json::Value = serde_json::from_slice(&files.0["index.json"]).unwrap();
    let id = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let tar = files.tar();
    let fake = daemon(id, move |stream| send_chunked(stream, &tar));
    let press = Press::new();
    build(&press, &fake.address(), "app:1").succeeded();
    let bytes = super::take_output(&press);
    files.write_tar(&press.image());
    assert!(bytes == super::built_of(&press, press.image().to_str().unwrap()));
}

#[test]
fn another_image_than_the_one_asked_for_is_refused() {
    let other = TestImage::new([layer_tar(&[("other", b"image")])]);
    let ((bytes, _), (_, id)) = (saved(&other), saved(&image()));
    let wanted = id.clone();
    let fake = daemon(id, move |stream| send_chunked(stream, &bytes));
    let press = Press::new();
    let ended = build(&press, &fake.address(), "app:1");
    ended.failed(3, &["docker-daemon:app:1: no image has the ID", &wanted]);
    assert!(press.left().is_empty());
}

#[test]
fn a_stream_that_breaks_off_is_an_error_wherever_it_does() {
    let (bytes, id) = saved(&image());
    let whole = bytes.len();
    for (how, keep) in [
        ("chunks", 0),
        ("chunks", 700),
        ("chunks", whole),
        ("length", whole - 1),
    ] {
        let bytes = bytes.clone();
        let fake = daemon(id.clone(), move |stream| {
            let head = match how {
                "chunks" => format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", bytes.len()),
                _ => format!("Content-Length: {}\r\n\r\n", bytes.len()),
            };
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}").as_bytes());
            let _ = stream.write_all(&bytes[..keep]);
        });
        let press = Press::new();
        let ended = build(&press, &fake.address(), "app:1");
        let expected = [
            "cannot read docker-daemon:app:1",
            "before the image was whole",
        ];
        ended.failed(3, &expected);
        assert!(press.left().is_empty(), "{how} {keep}");
    }
    // As HTTP/1.0 does it, only the tar tells where it ends.
    let fake = daemon(id, move |stream| {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
        let _ = stream.write_all(&bytes[..whole / 2]);
    });
    let press = Press::new();
    build(&press, &fake.address(), "app:1")
        .failed(4, &["docker-daemon:app:1", "the tar ends at byte"]);
    assert!(press.left().is_empty());
}

#[test]
fn a_real_daemon_that_is_cut_off_is_an_error_and_whole_it_is_not() {
    if !is_root_with(&["podman"]) {
        return;
    }
    let real = super::podman::start();
    let press = Press::new();
    let noise: Vec<u8> = (0..3_000_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    let image = TestImage::new([layer_tar(&[("noise", &noise)])]);
    image
        .classic_archive(&["localhost/app:1"])
        .write_tar(&press.image());
    super::podman::load(&real, &press.image());
    let socket = Daemon::socket(real.work());
    for (limit, is_whole) in [(1 << 40, true), (2_000_000, false), (300, false)] {
        let socket = socket.clone();
        let cutting = FakeDaemon::start(move |path, stream| {
            let limit = if path.ends_with("/get") {
                limit
            } else {
                1 << 40
            };
            pass_on(&socket, path, stream, limit);
        });
        let ended = build(&press, &cutting.address(), "localhost/app:1");
        if is_whole {
            ended.succeeded();
            super::take_output(&press);
        } else {
            ended.failed(3, &["cannot read docker-daemon:localhost/app:1"]);
        }
        assert!(press.left().is_empty());
    }
}

#[test]
fn an_endless_stream_ends_at_the_limit() {
    let (_, id) = saved(&image());
    let fake = daemon(id, |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = [&b"10000\r\n"[..], &vec![0; 0x10000], b"\r\n"].concat();
        while stream.write_all(&chunk).is_ok() {}
    });
    let press = Press::new();
    let mut command = press.command("build");
    command.args(["docker-daemon:app:1", "--max-bytes", "10000000"]);
    command.args(["--docker-host", &fake.address()]);
    press.add_directories(&mut command);
    press
        .run(&mut command)
        .failed(4, &["docker-daemon:app:1", "--max-bytes"]);
    assert!(press.left().is_empty());
}

#[test]
fn answers_that_are_none_are_errors_that_name_the_daemon() {
    let (_, id) = saved(&image());
    let inspected = |answer: &'static [u8]| {
        FakeDaemon::start(move |path, stream| match path {
            "/_ping" => send(stream, "200 OK", b"OK"),
            _ => drop(stream.write_all(answer)),
        })
    };
    let says = |answer: &'static str| {
        FakeDaemon::start(move |_, stream| drop(stream.write_all(answer.as_bytes())))
    };
    let endless = FakeDaemon::start(|path, stream| {
        if path == "/_ping" {
            return send(stream, "200 OK", b"OK");
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"Id\":\"");
        while stream.write_all(&[b'0'; 1 << 16]).is_ok() {}
    });
    for (fake, words) in [
        (says("220 mail.example ESMTP\r\n"), &["cannot reach it"][..]),
        (says(""), &["cannot reach it"]),
        (
            says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            &["cannot reach it", "404"],
        ),
        (
            inspected(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
            &["expected an image's ID"],
        ),
        (
            inspected(b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"Id\":\"../../x\"}"),
            &["expected an image's ID", "../../x"],
        ),
        (
            inspected(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"Id\":"),
            &["expected an image's ID"],
        ),
        (
            inspected(
                b"HTTP/1.1 500 Oh\r\nContent-Length: 29\r\n\r\n{\"message\":\"disk \\u001b[31m\"}",
            ),
            &["status 500", "disk \\x1b[31m"],
        ),
        (
            inspected(
                b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            ),
            &["status 302"],
        ),
        (endless, &["expected an image's ID"]),
    ] {
        let press = Press::new();
        let ended = build(&press, &fake.address(), "app:1");
        let socket = fake.socket.to_str().unwrap().to_owned();
        ended.failed(3, &[words, &[&socket]].concat());
        assert!(press.left().is_empty());
    }
    // It was there a moment ago.
    let fake = daemon(id, |stream| {
        send(stream, "404 Not Found", b"{\"message\":\"No such image\"}")
    });
    build(&Press::new(), &fake.address(), "app:1").failed(3, &["no image app:1"]);
    // Something else than a daemon's answer, with good manners.
    let (_, id) = saved(&image());
    let fake = daemon(id, |stream| send(stream, "200 OK", b"<html>"));
    build(&Press::new(), &fake.address(), "app:1")
        .failed(4, &["docker-daemon:app:1", "no known form"]);
}

#[test]
fn sockets_and_addresses_that_lead_nowhere_are_told() {
    let press = Press::new();
    let absent = press.input("absent");
    build(&press, &address(&absent), "app")
        .failed(3, &["absent", "is it running?", "--docker-host"]);
    let file = press.input("file");
    fs::write(&file, "").unwrap();
    build(&press, &address(&file), "app").failed(3, &["is it running?"]);
    build(&press, "tcp://127.0.0.1:1", "app").failed(9, &["tcp://127.0.0.1:1", "refused"]);
    build(&press, "ssh://me@host", "app").failed(5, &["ssh -nNT -L"]);
    build(&press, "npipe:////x", "app").failed(5, &["expected unix:///PATH"]);
    build(&press, "unix:///x", "one two").failed(5, &["several images"]);
    build(&press, "unix:///x", "../../containers").failed(5, &["expected an image's name"]);
    build(&press, "tcp://u:hunter2@h:1", "app").failed(5, &["expected unix:///PATH", "…@h:1"]);
    // Sockets are found without being named: the user's own here.
    let fake = FakeDaemon::start(|_, stream| send(stream, "503 Busy", b"{}"));
    let directory = fake.socket.parent().unwrap();
    fs::create_dir(directory.join("podman")).unwrap();
    fs::rename(&fake.socket, directory.join("podman/podman.sock")).unwrap();
    if fs::exists("/var/run/docker.sock").unwrap() {
        return super::support::oracles::skip("there is a docker daemon on this machine");
    }
    let mut command = press.command("inspect");
    command
        .arg("docker-daemon:app")
        .env("XDG_RUNTIME_DIR", directory)
        .env("DOCKER_HOST", "");
    press
        .run(&mut command)
        .failed(3, &["podman/podman.sock", "503"]);
    assert!(press.left().is_empty());
}

/// A home whose docker has a context for the daemon, in use or not.
fn home_with_context(press: &Press, name: &str, address: &str, config: &str) -> PathBuf {
    let docker = press.root().join("home/.docker");
    let id = super::support::archive::digest(name.as_bytes());
    let id = id.strip_prefix("sha256:").unwrap();
    let meta = docker.join("contexts/meta").join(id);
    fs::create_dir_all(&meta).unwrap();
    let text = format!(r#"{{"Name":"{name}","Endpoints":{{"docker":{{"Host":"{address}"}}}}}}"#);
    fs::write(meta.join("meta.json"), text).unwrap();
    fs::write(docker.join("config.json"), config).unwrap();
    press.root().join("home")
}

#[test]
fn the_daemon_of_dockers_context_is_asked_and_one_that_is_none_is_told() {
    let (bytes, id) = saved(&image());
    let fake = daemon(id, move |stream| send_chunked(stream, &bytes));
    let build = |config: &str, variables: &[(&str, &str)], options: &[&str]| {
        let press = Press::new();
        let home = home_with_context(&press, "work", &fake.address(), config);
        let mut command = press.command("build");
        command
            .args(["docker-daemon:app:1"])
            .args(options)
            .env("HOME", home)
            .env_remove("DOCKER_HOST")
            .envs(variables.iter().copied());
        press.add_directories(&mut command);
        press.run(&mut command)
    };
    let in_use = r#"{"currentContext":"work"}"#;
    build(in_use, &[], &[]).succeeded();
    build("{}", &[("DOCKER_CONTEXT", "work")], &[]).succeeded();
    build("{}", &[], &["--docker-context=work"]).succeeded();
    let elsewhere = ("DOCKER_HOST", "unix:///nowhere/docker.sock");
    build("{}", &[elsewhere], &["--docker-context", "work"]).succeeded();
    build(in_use, &[elsewhere], &[]).failed(3, &["/nowhere/docker.sock"]);
    build(in_use, &[("DOCKER_CONTEXT", "other")], &[]).failed(
        3,
        &[
            "no docker context other",
            "DOCKER_CONTEXT",
            "docker context ls",
        ],
    );
    build("{}", &[], &["--docker-context=other"]).failed(3, &["other", "--docker-context"]);
    build(r#"{"currentContext":"gone"}"#, &[], &[]).failed(3, &["gone", "currentContext"]);
    // Nobody listens where a context leads: what named it is told, and no address where that is no help.
    let press = Press::new();
    let home = home_with_context(&press, "work", "unix:///nowhere/s", in_use);
    for (options, words, is_helped) in [
        (
            &[][..],
            "the docker context work says so, which currentContext",
            true,
        ),
        (
            &["--docker-context=work"],
            "which --docker-context names",
            false,
        ),
    ] {
        let mut command = press.command("build");
        command.arg("docker-daemon:app:1").args(options);
        command.env("HOME", &home).env_remove("DOCKER_HOST");
        press.add_directories(&mut command);
        let ended = press.run(&mut command);
        ended.failed(3, &["/nowhere/s", words]);
        let is_told = ended.stderr.contains("--docker-host");
        assert_eq!(is_told, is_helped, "{}", ended.stderr);
    }
    let both = ["--docker-context=work", "--docker-host=unix:///x"];
    assert_eq!(build("{}", &[], &both).code(), 2);
}

/// The first socket that was there was the only one, also where it was nobody's any more or a link to
/// nothing.
#[test]
fn a_socket_that_leads_nowhere_is_passed_over_and_told() {
    if fs::exists("/var/run/docker.sock").unwrap() {
        return super::support::oracles::skip("there is a docker daemon on this machine");
    }
    let (bytes, id) = saved(&image());
    let fake = daemon(id, move |stream| send_chunked(stream, &bytes));
    let directory = fake.socket.parent().unwrap();
    fs::create_dir(directory.join("podman")).unwrap();
    fs::rename(&fake.socket, directory.join("podman/podman.sock")).unwrap();
    let first = directory.join("docker.sock");
    let build = |runtime: &Path| {
        let press = Press::new();
        let mut command = press.command("build");
        command
            .arg("docker-daemon:app:1")
            .env("XDG_RUNTIME_DIR", runtime)
            .env("HOME", press.root())
            .env_remove("DOCKER_HOST");
        press.add_directories(&mut command);
        press.run(&mut command)
    };
    let made: [(&str, &dyn Fn()); 4] = [
        ("nobody listens", &|| {
            drop(UnixListener::bind(&first).unwrap())
        }),
        ("a link to nothing", &|| {
            symlink("/nowhere/x", &first).unwrap()
        }),
        ("docker.sock", &|| symlink("docker.sock", &first).unwrap()),
        ("nobody listens", &|| fs::write(&first, "").unwrap()),
    ];
    for (word, make) in made {
        make();
        let ended = build(directory);
        ended.succeeded();
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
        assert!(ended.stderr.contains("podman.sock"), "{}", ended.stderr);
        fs::remove_file(&first).unwrap();
    }
    let empty = tempfile::tempdir().unwrap();
    symlink("/nowhere", empty.path().join("docker.sock")).unwrap();
    let ended = build(empty.path());
    ended.failed(
        3,
        &[
            "a link to nothing",
            "podman/podman.sock (absent)",
            "--docker-context",
        ],
    );
}

/// What a daemon with several platforms said of one that is not whole was told as `it has no image`.
#[test]
fn a_platform_is_asked_for_where_the_api_knows_it_and_else_the_daemons_words_are_told() {
    let (bytes, id) = saved(&image());
    let of_version = |version: &'static str| {
        let (bytes, id) = (bytes.clone(), id.clone());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&asked);
        let fake = FakeDaemon::start(move |path, stream| {
            if path == "/_ping" {
                let head = format!("HTTP/1.1 200 OK\r\nApi-Version: {version}\r\n");
                let _ = stream.write_all(format!("{head}Content-Length: 2\r\n\r\nOK").as_bytes());
                return;
            }
            record.lock().unwrap().push(path.to_owned());
            let has_platform = path.contains("platform=");
            if path.contains("/json") {
                // The containerd store's: of all platforms together, where it is not asked for one.
                let of_all = format!("sha256:{}", "1".repeat(64));
                let id = if version == "1.48" { &of_all } else { &id };
                send(stream, "200 OK", format!(r#"{{"Id":"{id}"}}"#).as_bytes());
            } else if has_platform || version == "1.41" {
                send_chunked(stream, &bytes);
            } else {
                let words = br#"{"message":"unable to create manifests file: NotFound: content"}"#;
                send(stream, "404 Not Found", words);
            }
        });
        (fake, asked)
    };
    let platform = "platform=%7B%22architecture%22%3A%22amd64%22%2C%22os%22%3A%22linux%22%7D";
    for (version, of_json, of_get) in [
        ("1.41", false, false),
        ("1.48", false, true),
        ("1.51", true, true),
    ] {
        let (fake, asked) = of_version(version);
        let press = Press::new();
        let mut command = press.command("build");
        command
            .args(["docker-daemon:app:1", "--platform=linux/amd64"])
            .args(["--docker-host", &fake.address()]);
        press.add_directories(&mut command);
        press.run(&mut command).succeeded();
        let asked: Vec<_> = asked
            .lock()
            .unwrap()
            .iter()
            .map(|path| path.contains(platform))
            .collect();
        assert_eq!(asked, [of_json, of_get], "{version}");
    }
    let (fake, _) = of_version("1.51");
    let press = Press::new();
    let ended = build(&press, &fake.address(), "app:1");
    ended.failed(3, &["unable to create manifests file", "--platform"]);
    assert!(!ended.stderr.contains("has no image"), "{}", ended.stderr);
}

#[test]
fn a_signal_ends_the_wait_for_a_daemon_and_nothing_is_left() {
    let (bytes, id) = saved(&image());
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let (asked, is_asked) = mpsc::channel();
        let (asked, bytes) = (Mutex::new(asked), bytes.clone());
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let fake = daemon(id.clone(), move |stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let _ = write!(stream, "{:x}\r\n", bytes.len());
            let _ = stream.write_all(&bytes[..bytes.len() / 2]);
            asked.lock().unwrap().send(()).unwrap();
            while !over.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
        });
        let press = Press::new();
        let mut command = press.command("build");
        command.args(["docker-daemon:app:1", "--docker-host", &fake.address()]);
        press.add_directories(&mut command);
        let running = press.start(&mut command);
        is_asked.recv_timeout(Duration::from_secs(60)).unwrap();
        let id = rustix::process::Pid::from_child(&running.child);
        rustix::process::kill_process(id, signal).unwrap();
        let ended = running.end_within(Duration::from_secs(90));
        is_over.store(true, Ordering::SeqCst);
        let expected = (signal != Signal::KILL).then(|| 128 + signal.as_raw());
        assert_eq!(ended.status.code(), expected, "{}", ended.stderr);
        assert!(press.left().is_empty());
    }
}
