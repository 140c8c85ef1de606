use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// More than any answer takes, and asking all the time meanwhile.
const TEST: Patience = Patience {
    answer: Duration::from_secs(600),
    silence: Duration::from_millis(1),
};

const ID: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A daemon that answers a request's path as `answer` does.
struct Fake {
    _directory: tempfile::TempDir,
    host: Host,
}

impl Fake {
    fn start(answer: impl Fn(&str, &mut UnixStream) + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || {
                    let path = requested(&stream);
                    answer(&path, &mut stream);
                });
            }
        });
        Self {
            _directory: directory,
            host: Host::Unix(path),
        }
    }
}

fn requested(stream: &UnixStream) -> String {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap().unwrap();
    assert!(lines.any(|line| line.unwrap().is_empty()));
    request.split(' ').nth(1).unwrap().to_owned()
}

fn send(stream: &mut UnixStream, body: &str) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes()).unwrap();
}

/// What every call before the last is answered.
fn introduce(path: &str, stream: &mut UnixStream) {
    match path {
        "/_ping" => send(stream, "OK"),
        _ => send(stream, &format!(r#"{{"Id":"{ID}"}}"#)),
    }
}

#[test]
fn a_daemon_that_is_long_silent_but_lives_is_waited_for_before_and_within_its_answer() {
    let pings = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&pings);
    let fake = Fake::start(move |path, stream| {
        if path == "/_ping" {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        if !path.ends_with("/get") {
            return introduce(path, stream);
        }
        assert_eq!(path, format!("/images/{ID}/get"));
        // However long it takes.
        let asked_again = || {
            let before = counted.load(Ordering::SeqCst);
            while counted.load(Ordering::SeqCst) < before + 2 {
                std::thread::yield_now();
            }
        };
        asked_again();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        stream.write_all(b"3\r\nab").unwrap();
        asked_again();
        stream.write_all(b"c\r\n").unwrap();
        asked_again();
        stream.write_all(b"0\r\n\r\n").unwrap();
    });
    let client = Client::connect_within(&fake.host, TEST, ADDRESS).unwrap();
    let mut saved = client.save("app", None).unwrap();
    let mut text = String::new();
    saved.tar.read_to_string(&mut text).unwrap();
    assert_eq!(
        (text.as_str(), saved.id.unwrap().to_string().as_str()),
        ("abc", ID)
    );
    assert!(pings.load(Ordering::SeqCst) >= 7);
}

#[test]
fn a_daemon_that_answers_nothing_any_more_is_given_up() {
    let is_dead = Arc::new(AtomicU32::new(0));
    let dies = Arc::clone(&is_dead);
    let fake = Fake::start(move |path, stream| {
        if path.ends_with("/get") {
            dies.store(1, Ordering::SeqCst);
        }
        if dies.load(Ordering::SeqCst) == 0 {
            return introduce(path, stream);
        }
        // The connection ends without an answer, this one not before the other side has ended it.
        if path.ends_with("/get") {
            let _ = stream.read(&mut [0]);
        }
    });
    let client = Client::connect_within(&fake.host, TEST, ADDRESS).unwrap();
    let error = client.save("app", None).map(drop).unwrap_err().to_string();
    assert!(
        error.contains("nothing came for 1ms, and the daemon does not answer"),
        "{error}"
    );
}

#[test]
fn a_daemon_that_never_answers_is_not_waited_for_forever() {
    let fake = Fake::start(|_, stream| {
        let _ = stream.read(&mut [0]);
    });
    let patience = Patience {
        answer: Duration::from_millis(50),
        ..TEST
    };
    let connected = Client::connect_within(&fake.host, patience, ADDRESS);
    let error = connected.map(drop).unwrap_err().to_string();
    assert!(error.contains("no answer within 50ms"), "{error}");
}
