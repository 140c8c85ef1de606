//! Something in a daemon's place: it answers as it is told, or passes on what a real one answers.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Listens until the test program ends.
pub struct FakeDaemon {
    _directory: tempfile::TempDir,
    pub socket: PathBuf,
}

impl FakeDaemon {
    /// Answers each request, by its path, on a connection of its own.
    pub fn start(answer: impl Fn(&str, &mut UnixStream) + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let answer = Arc::clone(&answer);
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let path = requested(&stream);
                    answer(&path, &mut stream);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self {
            _directory: directory,
            socket,
        }
    }

    /// For `DOCKER_HOST`.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

/// The path that is asked for; the rest of the request is read.
fn requested(stream: &UnixStream) -> String {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap().unwrap();
    assert!(lines.any(|line| line.unwrap().is_empty()));
    let mut words = request.split(' ');
    assert_eq!(words.next(), Some("GET"));
    words.next().unwrap().to_owned()
}

/// An answer of a known length.
pub fn send(stream: &mut UnixStream, status: &str, body: &[u8]) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
    // The other side may have seen enough.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

/// Passes a request on to a real daemon and the first `limit` bytes of its answer back.
pub fn pass_on(real: &Path, path: &str, stream: &mut UnixStream, limit: u64) {
    let mut upstream = UnixStream::connect(real).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    upstream.write_all(request.as_bytes()).unwrap();
    let _ = io::copy(&mut upstream.take(limit), stream);
}
