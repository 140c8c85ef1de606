//! A server on this machine that answers each question by its path, on a connection of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// Listens until the test program ends; `HOST:PORT`.
pub fn serve(answer: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let asked = Asked::read(&stream);
                answer(&asked, &mut stream);
            });
        }
    });
    address
}

/// A question.
pub struct Asked {
    pub method: String,
    pub path: String,
    pub body: Vec<u8>,
}

impl Asked {
    /// The rest of it is read, too.
    fn read(stream: &TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let mut lines = reader.by_ref().lines().map_while(Result::ok);
        let request = lines.next().unwrap_or_default();
        let headers: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        let length = headers.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse().ok()).flatten()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        let _ = reader.read_exact(&mut body);
        let word = |index| request.split(' ').nth(index).unwrap_or_default().to_owned();
        Self {
            method: word(0),
            path: word(1),
            body,
        }
    }

    /// Answers. The other side may have seen enough.
    pub fn answer(&self, stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        let _ = stream.write_all(head.as_bytes());
        if self.method != "HEAD" {
            let _ = stream.write_all(body);
        }
    }
}
