//! A reverse proxy before a registry that does wrong as it is told, and keeps a record of what it
//! was asked.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::http::{self, Head, Reader, Server, Standing};

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    /// With its query.
    pub path: String,
    pub range: Option<String>,
    pub host: String,
    /// The scheme of its `Authorization`, if it had one.
    pub authorization: Option<String>,
    /// The length of its body.
    pub sent_bytes: u64,
}

/// What goes wrong with an answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection ends after so many bytes of the body.
    CutAfter(u64),
    /// Nothing comes any more after so many bytes of the body, the connection stays.
    SilentAfter(u64),
    /// So many bytes a second.
    Slow(u64),
    /// Nothing comes for so long, then all is well.
    Late(Duration),
    /// These bytes in place of an answer; then the connection ends.
    Answer(Vec<u8>),
    /// Another value of a header.
    Header(&'static str, String),
    /// Redirects to the same path at another host.
    ToHost(String),
    /// The same, with this query.
    ToHostWith(String, String),
    /// The byte at this place of the body is another.
    WrongByte(u64),
    /// A whole body and its true length, but so many bytes are missing at the end.
    Shorter(u64),
    /// The same with so many zero bytes too many.
    Longer(u64),
    /// `Content-Length` says so much more (or less) than the body has.
    WrongLength(i64),
    /// A chunked body that begins right and has no end.
    Endless,
    /// The whole blob whatever range was asked for.
    WithoutRange,
    /// The connection ends after so many bytes of the request's body; nothing is passed on.
    CutUploadAfter(u64),
    /// The request's body is taken at so many bytes a second.
    SlowUpload(u64),
    /// The request is passed on, and the connection ends in place of its answer.
    LostAnswer,
    /// HTTP/1.0 without a length: the end of the connection is the end of the body.
    OldHttp,
    /// The same, but the end comes after so many bytes.
    OldHttpCutAfter(u64),
}

/// A fault for the next `times` requests whose method and path contain `on`.
#[derive(Debug)]
struct Rule {
    on: String,
    times: usize,
    fault: Fault,
}

#[derive(Debug)]
struct State {
    upstream: SocketAddr,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
}

#[derive(Debug)]
pub struct Proxy {
    server: Server,
    state: Arc<State>,
}

impl Proxy {
    /// Passes everything on, until faults are added.
    pub fn before(upstream: SocketAddr) -> Self {
        let state = Arc::new(State {
            upstream,
            rules: Mutex::default(),
            seen: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        let server = Server::start(move |client, standing| serving.serve(client, standing));
        Self { server, state }
    }

    /// Lets the next `times` requests whose `METHOD PATH` contains `on` go wrong. The earliest rule
    /// that still has times left is the one.
    pub fn fault(&self, on: impl Into<String>, times: usize, fault: Fault) -> &Self {
        let on = on.into();
        let rule = Rule { on, times, fault };
        self.state.rules.lock().unwrap().push(rule);
        self
    }

    /// The same from now on.
    pub fn always(&self, on: impl Into<String>, fault: Fault) -> &Self {
        self.fault(on, usize::MAX, fault)
    }

    /// Takes all faults back.
    pub fn mend(&self) {
        self.state.rules.lock().unwrap().clear();
    }

    /// How often rules are still to be used, those without an end aside.
    pub fn faults_left(&self) -> usize {
        let rules = self.state.rules.lock().unwrap();
        let left = rules.iter().map(|rule| rule.times);
        left.filter(|times| *times != usize::MAX).sum()
    }

    /// The requests until now, which are then forgotten.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.seen.lock().unwrap())
    }

    /// How many bodies of `path` (a part of it) were asked for until now.
    pub fn gets(&self, path: &str) -> usize {
        let seen = self.state.seen.lock().unwrap();
        let gets = |seen: &&Seen| seen.method == "GET" && seen.path.contains(path);
        seen.iter().filter(gets).count()
    }

    /// How many requests of a method there were for `path` (a part of it) until now.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let seen = self.state.seen.lock().unwrap();
        let of_it = |seen: &&Seen| seen.method == method && seen.path.contains(path);
        seen.iter().filter(of_it).count()
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }
}

impl State {
    fn serve(&self, client: TcpStream, standing: &Standing) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut reader = BufReader::new(client);
        loop {
            let request = match Head::read(&mut reader) {
                Ok(Some(request)) => request,
                // As servers say to who greets them in TLS.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let no = http::answer("400 Bad Request", &[], b"not HTTP");
                    return reader.get_mut().write_all(&no);
                }
                other => return other.map(drop),
            };
            if !self.answer(request, &mut reader, standing)? {
                break;
            }
        }
        Ok(())
    }

    /// Answers one request; whether the connection goes on.
    fn answer(&self, request: Head, reader: &mut Reader, standing: &Standing) -> io::Result<bool> {
        let fault = self.note(&request);
        let client = reader.get_mut();
        match fault {
            Some(Fault::Answer(bytes)) => return client.write_all(&bytes).map(|()| false),
            Some(Fault::ToHost(host)) => {
                redirect(client, &host, request.word(1), "")?;
                return pass_over_body(&request, reader).map(|()| true);
            }
            Some(Fault::ToHostWith(host, query)) => {
                redirect(client, &host, request.word(1), &query)?;
                return pass_over_body(&request, reader).map(|()| true);
            }
            Some(Fault::Late(time)) => standing.keep_silent(client, time),
            _ => {}
        }
        let mut sent = vec![0; usize::try_from(request.length().unwrap_or(0)).unwrap()];
        if request.get("Expect").is_some() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        match fault {
            Some(Fault::CutUploadAfter(bytes)) => {
                let bytes = usize::try_from(bytes).unwrap().min(sent.len());
                reader.read_exact(&mut sent[..bytes])?;
                return Ok(false);
            }
            Some(Fault::SlowUpload(bytes_per_second)) => {
                let each = usize::try_from(bytes_per_second.div_ceil(100)).unwrap();
                for piece in sent.chunks_mut(each) {
                    reader.read_exact(piece)?;
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            _ => reader.read_exact(&mut sent)?,
        }
        let client = reader.get_mut();
        let mut onward = request.clone();
        if matches!(fault, Some(Fault::WithoutRange)) {
            onward.remove("Range");
        }
        onward.remove("Expect");
        let (head, body) = http::send(self.upstream, &onward, &sent)?;
        if matches!(fault, Some(Fault::LostAnswer)) {
            return Ok(false);
        }
        let has_body = request.word(0) != "HEAD" && !matches!(head.status(), 204 | 304);
        Relay {
            client,
            standing,
            fault,
        }
        .pass_on(head, has_body.then_some(body))
    }

    fn note(&self, request: &Head) -> Option<Fault> {
        let own = |name: &str| request.get(name).map(str::to_owned);
        self.seen.lock().unwrap().push(Seen {
            method: request.word(0).to_owned(),
            path: request.word(1).to_owned(),
            range: own("Range"),
            host: own("Host").unwrap_or_default(),
            sent_bytes: request.length().unwrap_or(0),
            authorization: own("Authorization")
                .map(|value| value.split(' ').next().unwrap_or_default().to_owned()),
        });
        let line = format!("{} {}", request.word(0), request.word(1));
        let mut rules = self.rules.lock().unwrap();
        let rule = rules
            .iter_mut()
            .find(|rule| rule.times > 0 && line.contains(&rule.on))?;
        if rule.times != usize::MAX {
            rule.times -= 1;
        }
        Some(rule.fault.clone())
    }
}

/// An answer on its way to the client.
struct Relay<'a> {
    client: &'a mut TcpStream,
    standing: &'a Standing,
    fault: Option<Fault>,
}

impl Relay<'_> {
    /// Whether the connection goes on.
    fn pass_on(&mut self, mut head: Head, body: Option<Reader>) -> io::Result<bool> {
        let true_length = head.length().unwrap_or(0);
        let has_no_length = head.length().is_none();
        head.remove("Connection");
        let mut goes_on = true;
        let mut sent_bytes = true_length;
        // Its end is in it, and the connection's is behind it.
        if self.fault.is_none() && head.get("Transfer-Encoding").is_some() {
            head.set("Connection", "close");
            goes_on = false;
            sent_bytes = u64::MAX;
        }
        let said = |bytes: u64| bytes.to_string();
        match &self.fault {
            Some(Fault::Header(name, value)) => head.set(name, value),
            Some(Fault::Shorter(missing)) => {
                sent_bytes = true_length.saturating_sub(*missing);
                head.set("Content-Length", said(sent_bytes));
            }
            Some(Fault::Longer(more)) => head.set("Content-Length", said(true_length + more)),
            Some(Fault::WrongLength(more)) => {
                head.set(
                    "Content-Length",
                    said(true_length.saturating_add_signed(*more)),
                );
                goes_on = false;
            }
            Some(Fault::Endless) => {
                head.remove("Content-Length");
                head.set("Transfer-Encoding", "chunked");
            }
            Some(Fault::OldHttp | Fault::OldHttpCutAfter(_)) => {
                head.start = head.start.replacen("HTTP/1.1", "HTTP/1.0", 1);
                head.remove("Content-Length");
                goes_on = false;
            }
            _ => {}
        }
        head.write(self.client)?;
        let Some(mut body) = body else {
            return Ok(goes_on);
        };
        match self.fault.clone() {
            Some(Fault::CutAfter(bytes) | Fault::OldHttpCutAfter(bytes)) => {
                self.copy(&mut body, bytes.min(true_length))?;
                goes_on = false;
            }
            Some(Fault::SilentAfter(bytes)) => {
                self.copy(&mut body, bytes.min(true_length))?;
                let minutes = Duration::from_secs(300);
                self.standing.keep_silent(self.client, minutes);
                goes_on = false;
            }
            Some(Fault::Slow(bytes_per_second)) => {
                self.trickle(&mut body, true_length, bytes_per_second)?;
            }
            Some(Fault::WrongByte(at)) => {
                self.copy(&mut body, at.min(true_length))?;
                let mut byte = [0];
                if at < true_length {
                    body.read_exact(&mut byte)?;
                    self.client.write_all(&[byte[0] ^ 0x55])?;
                    self.copy(&mut body, true_length - at - 1)?;
                }
            }
            Some(Fault::Longer(more)) => {
                self.copy(&mut body, true_length)?;
                io::copy(&mut io::repeat(0).take(more), self.client)?;
            }
            None | Some(Fault::Header(..)) if has_no_length => {
                // In chunks, or to the end of the connection: as it came.
                io::copy(&mut body, self.client)?;
                goes_on = head.get("Transfer-Encoding").is_some();
            }
            Some(Fault::Endless) => {
                self.chunks(body.take(true_length).chain(io::repeat(0)))?;
                goes_on = false;
            }
            _ => self.copy(&mut body, sent_bytes)?,
        }
        Ok(goes_on)
    }

    fn copy(&mut self, body: &mut Reader, bytes: u64) -> io::Result<()> {
        io::copy(&mut body.take(bytes), self.client).map(drop)
    }

    fn trickle(&mut self, body: &mut Reader, bytes: u64, bytes_per_second: u64) -> io::Result<()> {
        let tick = Duration::from_millis(10);
        let mut left = bytes;
        while left > 0 && self.standing.is_up() {
            let now = left.min(bytes_per_second.div_ceil(100));
            self.copy(body, now)?;
            left -= now;
            std::thread::sleep(tick);
        }
        Ok(())
    }

    /// Chunks until nobody wants them any more, or a gigabyte has gone by.
    fn chunks(&mut self, mut body: impl Read) -> io::Result<()> {
        let mut chunk = vec![0; 32 << 10];
        for _ in 0..32 << 10 {
            body.read_exact(&mut chunk)?;
            self.client
                .write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
            self.client.write_all(&chunk)?;
            self.client.write_all(b"\r\n")?;
            if !self.standing.is_up() {
                break;
            }
        }
        Ok(())
    }
}

/// Reads what comes behind a request that is answered already; who asks first sends nothing then.
fn pass_over_body(request: &Head, reader: &mut Reader) -> io::Result<()> {
    let length = match request.get("Expect") {
        Some(_) => 0,
        None => request.length().unwrap_or(0),
    };
    io::copy(&mut reader.take(length), &mut io::sink()).map(drop)
}

/// Says that it is at another host.
fn redirect(client: &mut TcpStream, host: &str, path: &str, query: &str) -> io::Result<()> {
    let location = format!("http://{host}{path}{query}");
    let head = [("Location", &location[..])];
    client.write_all(&http::answer("307 Temporary Redirect", &head, b""))
}
