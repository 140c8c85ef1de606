//! What servers answer, and what programs say that know passwords.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{LETTERS, expect_clean, is_told, poison, poisoned};
use crate::support::archive::{TestImage, layer_tar};
use crate::support::fake_daemon::{FakeDaemon, send};
use crate::support::run::Press;

/// Answers every request with what it is told at the time; what it is asked for decides nothing.
struct Server {
    port: u16,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer: Arc<Mutex<Vec<u8>>> = Arc::default();
        let answers = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut lines = BufReader::new(&stream).lines();
                while lines
                    .next()
                    .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
                {}
                let _ = stream.write_all(&answers.lock().unwrap());
            }
        });
        Self { port, answer }
    }

    fn answers(&self, status: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut answer = format!("HTTP/1.1 {status}\r\n").into_bytes();
        for (name, value) in headers {
            answer.extend(format!("{name}: {value}\r\n").bytes());
        }
        answer.extend(
            format!(
                "Content-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            )
            .bytes(),
        );
        answer.extend(body);
        *self.answer.lock().unwrap() = answer;
    }
}

/// What a header can have in it.
fn header_poison() -> String {
    let kept = |letter: &char| !letter.is_ascii_control() || *letter == '\t';
    LETTERS.chars().filter(kept).collect()
}

/// Runs everything that asks a registry; in how many answers something of poison was told.
fn ask(press: &Press, server: &Server, what: &str) -> usize {
    let mut told = 0;
    let image = format!("docker://127.0.0.1:{}/a:1", server.port);
    let repository = format!("docker://127.0.0.1:{}/a", server.port);
    for (command, name) in [
        ("inspect --progress=json", &image),
        ("inspect -v", &image),
        ("tags", &repository),
        ("tags --json", &repository),
    ] {
        let mut words = command.split(' ');
        let mut line = press.command(words.next().unwrap());
        line.args(words)
            .args(["--no-cache", "--retry=0", "--timeout=5"]);
        let ended = press.run(alone(press, &mut line).arg(name));
        expect_clean(&format!("{what}: {command}"), &ended);
        told += usize::from(is_told(&ended));
        if command == "tags --json" && ended.code() == 0 {
            crate::json(&ended.stdout);
        }
    }
    told
}

/// Without anybody's credentials.
fn alone<'a>(press: &Press, command: &'a mut Command) -> &'a mut Command {
    for name in [
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "DOCKER_CONFIG",
        "REGISTRY_AUTH_FILE",
    ] {
        command.env_remove(name);
    }
    command.env("HOME", press.root())
}

#[test]
fn no_answer_of_a_registry_acts_on_the_terminal() {
    let (press, server, poison) = (Press::new(), Server::start(), poison());
    let mut told = 0;
    let errors = json!({ "errors": [{ "code": "X", "message": "no", "detail": { "a": "b" } }] });
    for status in ["400", "401", "403", "404", "429", "500"] {
        for body in poisoned(&errors) {
            server.answers(status, &[], body.to_string().as_bytes());
            told += ask(&press, &server, &format!("{status} {body}"));
        }
        let reason = format!("{status} {}", header_poison());
        server.answers(&reason, &[("Content-Type", "text/html")], poison.as_bytes());
        told += ask(&press, &server, &reason);
    }
    let own = format!("http://127.0.0.1:{}", server.port);
    let header = header_poison();
    for challenge in [
        format!("Bearer realm=\"{own}/{header}\",service=\"{header}\",scope=\"{header}\""),
        format!("Bearer realm=\"{header}\""),
        format!("Basic realm=\"{header}\""),
        format!("{header} realm=\"x\""),
    ] {
        for body in [
            json!({ "token": poison }),
            json!({ "details": poison }),
            json!(poison),
        ] {
            let body = body.to_string();
            server.answers(
                "401 No",
                &[("WWW-Authenticate", &challenge)],
                body.as_bytes(),
            );
            told += ask(&press, &server, &challenge);
        }
    }
    for place in [
        format!("{own}/{header}"),
        header.clone(),
        format!("{header}://x/"),
    ] {
        server.answers("307 There", &[("Location", &place), ("Link", &place)], b"");
        told += ask(&press, &server, &place);
    }
    assert!(told > 50, "{told}");
}

#[test]
fn no_document_of_a_registry_acts_on_the_terminal() {
    let (press, server) = (Press::new(), Server::start());
    let layout = TestImage::new([layer_tar(&[("a", b"a")])]).layout("1");
    let index: Value = serde_json::from_slice(&layout.0["index.json"]).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    let manifest = &layout.0[&format!("blobs/{}", digest.replace(':', "/"))];
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    let tags = json!({ "name": "a", "tags": ["1", "2"] });
    let header = header_poison();
    let mut told = 0;
    for document in [&index, &manifest, &tags].into_iter().flat_map(poisoned) {
        let types = [document["mediaType"].as_str(), Some(&*header)];
        for kind in types
            .into_iter()
            .flatten()
            .filter(|kind| !kind.contains('\n'))
        {
            let headers = [("Content-Type", kind), ("Docker-Content-Digest", &*header)];
            for headers in [&headers[..1], &headers[..]] {
                server.answers("200 OK", headers, document.to_string().as_bytes());
                told += ask(&press, &server, &document.to_string());
            }
        }
    }
    assert!(told > 10, "{told}");
}

#[test]
fn no_word_of_a_credential_helper_acts_on_the_terminal() {
    let (press, server, poison) = (Press::new(), Server::start(), poison());
    server.answers("401 No", &[("WWW-Authenticate", "Basic realm=\"x\"")], b"");
    std::fs::create_dir(press.root().join(".docker")).unwrap();
    let host = format!("127.0.0.1:{}", server.port);
    let config = press.root().join(".docker/config.json");
    let quoted = poison.replace('\'', "");
    let mut told = 0;
    for (number, said) in [
        format!("printf '%s' '{quoted}' >&2; exit 3"),
        format!("printf '%s' '{quoted}'; exit 1"),
        format!("printf '%s' '{quoted}'"),
        format!("echo '{}'", json!({ "Username": quoted, "Secret": quoted })),
    ]
    .into_iter()
    .enumerate()
    {
        press.script(&format!("docker-credential-h{number}"), &said);
        let helper = json!({ "credHelpers": { &host: format!("h{number}") } });
        std::fs::write(&config, helper.to_string()).unwrap();
        let path = format!(
            "{}:{}",
            press.root().display(),
            std::env::var("PATH").unwrap()
        );
        for command in ["inspect", "inspect --progress=json -v", "build", "tags"] {
            let mut words = command.split(' ');
            let mut line = press.command(words.next().unwrap());
            line.args(words)
                .args(["--no-cache", "--retry=0"])
                .env("PATH", &path);
            match command {
                "tags" => line.arg(format!("docker://{host}/a")),
                _ => line.arg(format!("docker://{host}/a:1")),
            };
            if command == "build" {
                press.add_directories(&mut line);
            }
            let ended = press.run(alone(&press, &mut line));
            expect_clean(&format!("{said}: {command}"), &ended);
            assert_ne!(ended.code(), 0);
            told += usize::from(is_told(&ended));
        }
    }
    assert!(told > 3, "{told}");
    // Their name, and what else is in the file.
    let whole = json!({ "credsStore": "x", "auths": { &host: { "auth": "YTpi" } } });
    for config_text in poisoned(&whole) {
        std::fs::write(&config, config_text.to_string()).unwrap();
        let _ = ask(&press, &server, &config_text.to_string());
    }
}

#[test]
fn no_answer_of_a_daemon_acts_on_the_terminal() {
    let press = Press::new();
    let id = format!("sha256:{}", "a".repeat(64));
    let image = json!({
        "Id": id, "RepoTags": ["a:1"], "Os": "linux", "Architecture": "amd64", "message": "no",
    });
    let mut answers: Vec<_> = poisoned(&image)
        .iter()
        .flat_map(|image| ["200 OK", "404 No", "500 No"].map(|status| (status, image.to_string())))
        .collect();
    let mut told = 0;
    answers.push(("500 No", poison()));
    answers.push(("200 OK", poison()));
    for (status, body) in answers {
        let (sent, saved) = (body.clone(), poison());
        let daemon = FakeDaemon::start(move |path, stream| match path {
            "/_ping" => send(stream, "200 OK", sent.as_bytes()),
            _ if path.ends_with("/json") => send(stream, status, sent.as_bytes()),
            _ => send(stream, status, saved.as_bytes()),
        });
        for command in ["inspect", "inspect --progress=json -v"] {
            let mut words = command.split(' ');
            let mut line = press.command(words.next().unwrap());
            line.args(words).arg("docker-daemon:a:1");
            let ended = press.run(line.env("DOCKER_HOST", daemon.address()));
            expect_clean(&format!("{status} {body}: {command}"), &ended);
            assert_ne!(ended.code(), 0);
            told += usize::from(is_told(&ended));
        }
    }
    assert!(told > 5, "{told}");
}
