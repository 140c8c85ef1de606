//! As much of HTTP/1.1 as the servers, proxies and the pusher of these tests speak: heads, and
//! bodies with a length or chunked or up to the end of the connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A connection, read through a buffer.
pub type Reader = BufReader<TcpStream>;

/// The first line and the headers of a request or an answer.
#[derive(Debug, Clone, Default)]
pub struct Head {
    pub start: String,
    pub headers: Vec<(String, String)>,
}

impl Head {
    pub fn new(start: &str, headers: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            start: start.to_owned(),
            headers: headers.iter().map(own).collect(),
        }
    }

    /// The next head of a connection; `None` at its end.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = || -> io::Result<String> {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            Ok(line)
        };
        let start = line()?.trim_end().to_owned();
        if start.is_empty() {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let line = line()?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
                None => return Ok(Some(Self { start, headers })),
            }
        }
    }

    /// A header's value, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    pub fn remove(&mut self, name: &str) {
        self.headers
            .retain(|(found, _)| !found.eq_ignore_ascii_case(name));
    }

    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.to_string()));
    }

    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        to.write_all(text.as_bytes())
    }

    /// One of the three words of the first line.
    pub fn word(&self, index: usize) -> &str {
        self.start.splitn(3, ' ').nth(index).unwrap_or_default()
    }

    /// An answer's status.
    pub fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or_default()
    }

    /// How many bytes of body follow, where the head says so.
    pub fn length(&self) -> Option<u64> {
        self.get("Content-Length")?.parse().ok()
    }
}

/// An answer with a body and its length, as bytes.
pub fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = Head::new(&format!("HTTP/1.1 {status}"), headers);
    head.set("Content-Length", body.len());
    let mut bytes = Vec::new();
    head.write(&mut bytes).unwrap();
    bytes.extend(body);
    bytes
}

/// Sends one request over a connection of its own; the answer's head, and its body yet to be read.
pub fn send(to: SocketAddr, head: &Head, body: &[u8]) -> io::Result<(Head, Reader)> {
    let mut head = head.clone();
    if head.get("Host").is_none() {
        head.set("Host", to);
    }
    head.set("Connection", "close");
    let mut stream = TcpStream::connect(to)?;
    head.write(&mut stream)?;
    stream.write_all(body)?;
    let mut reader = BufReader::new(stream);
    let answer = Head::read(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((answer, reader))
}

/// The same with the whole body.
pub fn ask(to: SocketAddr, head: &Head, body: &[u8]) -> io::Result<(Head, Vec<u8>)> {
    let (head, mut reader) = send(to, head, body)?;
    let mut bytes = Vec::new();
    match head.length() {
        Some(length) => reader.take(length).read_to_end(&mut bytes)?,
        None => reader.read_to_end(&mut bytes)?,
    };
    Ok((head, bytes))
}

/// A server on a free port of the loopback, a thread for each connection, ended when dropped.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    stopped: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

/// What a connection's thread asks now and then: whether its server still stands.
#[derive(Debug, Clone)]
pub struct Standing(Arc<AtomicBool>);

impl Standing {
    pub fn is_up(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }

    /// Says nothing for so long, or until the server ends or the peer has gone.
    pub fn keep_silent(&self, peer: &TcpStream, time: Duration) {
        let until = std::time::Instant::now() + time;
        let _ = peer.set_read_timeout(Some(Duration::from_millis(20)));
        while self.is_up() && std::time::Instant::now() < until {
            match peer.peek(&mut [0]) {
                Ok(0) => return,
                Ok(_) => std::thread::sleep(Duration::from_millis(20)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
        let _ = peer.set_read_timeout(None);
    }
}

impl Server {
    /// `serve` gets each connection; what goes wrong with one is the peer's affair.
    pub fn start<F>(serve: F) -> Self
    where
        F: Fn(TcpStream, &Standing) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let standing = Standing(Arc::clone(&stopped));
        let serve = Arc::new(serve);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if !standing.is_up() {
                    return;
                }
                let (serve, standing) = (Arc::clone(&serve), standing.clone());
                std::thread::spawn(move || {
                    let closing = stream.try_clone();
                    let _ = serve(stream, &standing);
                    let _ = closing.map(|stream| stream.shutdown(Shutdown::Both));
                });
            }
        });
        Self {
            address,
            stopped,
            accepting: Some(accepting),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}
