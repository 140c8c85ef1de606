//! A server on this machine that answers each question by its path, on a connection of its own.

use std::io::{BufRead, BufReader, Write};
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
    pub path: String,
    is_head: bool,
}

impl Asked {
    /// The rest of it is read, too.
    fn read(stream: &TcpStream) -> Self {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let request = lines.next().unwrap_or_default();
        lines.find(String::is_empty);
        Self {
            path: request.split(' ').nth(1).unwrap_or_default().to_owned(),
            is_head: request.starts_with("HEAD "),
        }
    }

    /// Answers. The other side may have seen enough.
    pub fn answer(&self, stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        let _ = stream.write_all(head.as_bytes());
        if !self.is_head {
            let _ = stream.write_all(body);
        }
    }
}
