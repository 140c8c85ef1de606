//! The kind of proxy that `HTTP_PROXY` and `HTTPS_PROXY` name: whole addresses in the first line,
//! and tunnels. Every name leads to the one server it is told of.

use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use super::http::{self, Head, Server};

#[derive(Debug)]
pub struct ForwardProxy {
    server: Server,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ForwardProxy {
    pub fn to(upstream: SocketAddr) -> Self {
        let asked = Arc::new(Mutex::default());
        let record = Arc::clone(&asked);
        let server = Server::start(move |client, _| serve(client, upstream, &record));
        Self { server, asked }
    }

    /// What the variables hold.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The method and the address of each request, without the blobs' digests; then forgotten.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn serve(client: TcpStream, upstream: SocketAddr, record: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(client);
    while let Some(mut request) = Head::read(&mut reader)? {
        let (method, target) = (request.word(0).to_owned(), request.word(1).to_owned());
        record.lock().unwrap().push(format!("{method} {target}"));
        if method == "CONNECT" {
            return tunnel(reader, upstream);
        }
        let client = reader.get_mut();
        // An origin's form here is a client that does not know it speaks to a proxy.
        let Some((_, path)) = target
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
        else {
            return client.write_all(&http::answer(
                "400 Bad Request",
                &[],
                b"not a proxy request",
            ));
        };
        request.start = format!("{method} /{path} HTTP/1.1");
        request.remove("Proxy-Connection");
        let (mut head, mut body) = http::send(upstream, &request, b"")?;
        head.remove("Connection");
        head.write(client)?;
        if method != "HEAD" {
            io::copy(&mut body, client)?;
        }
    }
    Ok(())
}

fn tunnel(client: BufReader<TcpStream>, upstream: SocketAddr) -> io::Result<()> {
    let early = client.buffer().to_vec();
    let mut client = client.into_inner();
    let mut server = TcpStream::connect(upstream)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    server.write_all(&early)?;
    let (mut to_server, mut from_client) = (server.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    io::copy(&mut server, &mut client).map(drop)
}
