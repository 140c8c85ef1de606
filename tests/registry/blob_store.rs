//! The kind of store that registries redirect blobs to: it serves the files of a registry's
//! storage, with ranges, and refuses every request that carries credentials, as S3 does for the
//! signed addresses that registries give away.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::http::{self, Head, Server};

#[derive(Debug)]
pub struct BlobStore {
    server: Server,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    storage: PathBuf,
    /// Every request's range, or nothing for a whole blob.
    served: Mutex<Vec<Option<String>>>,
    /// How many came with credentials.
    credentials: Mutex<usize>,
    /// The next so many answers that are longer end after so many bytes.
    cuts: Mutex<(usize, u64)>,
}

impl BlobStore {
    pub fn of(storage: &Path) -> Self {
        let state = Arc::new(State {
            storage: storage.to_owned(),
            served: Mutex::default(),
            credentials: Mutex::default(),
            cuts: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        let server = Server::start(move |client, _| serving.serve(client));
        Self { server, state }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Cuts the next `times` answers that are longer than that after so many bytes.
    pub fn cut(&self, times: usize, after_bytes: u64) {
        *self.state.cuts.lock().unwrap() = (times, after_bytes);
    }

    /// The ranges that were served until now, which are then forgotten.
    pub fn served(&self) -> Vec<Option<String>> {
        std::mem::take(&mut self.state.served.lock().unwrap())
    }

    /// How many requests came with credentials.
    pub fn credentials_seen(&self) -> usize {
        *self.state.credentials.lock().unwrap()
    }
}

impl State {
    fn serve(&self, client: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(client);
        while let Some(request) = Head::read(&mut reader)? {
            let client = reader.get_mut();
            if request.get("Authorization").is_some() {
                *self.credentials.lock().unwrap() += 1;
                client.write_all(&http::answer("400 Bad Request", &[], b"two credentials"))?;
                continue;
            }
            if !self.give(&request, client)? {
                break;
            }
        }
        Ok(())
    }

    /// Whether the connection goes on.
    fn give(&self, request: &Head, client: &mut TcpStream) -> io::Result<bool> {
        let path = request.word(1).split('?').next().unwrap_or_default();
        let path = path.trim_start_matches('/');
        let Ok(mut file) = File::open(self.storage.join(path)) else {
            client.write_all(&http::answer("404 Not Found", &[], b"no such key"))?;
            return Ok(true);
        };
        let range = request.get("Range").map(str::to_owned);
        self.served.lock().unwrap().push(range.clone());
        let length = file.metadata()?.len();
        // `bytes=FIRST-` or `bytes=FIRST-LAST`
        let ends = range.and_then(|range| {
            let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
            let last = last.parse().unwrap_or(length - 1).min(length - 1);
            Some((first.parse::<u64>().ok()?, last))
        });
        let (first, last) = ends.unwrap_or((0, length - 1));
        let mut head = match ends {
            None => Head::new("HTTP/1.1 200 OK", &[]),
            Some(_) => Head::new("HTTP/1.1 206 Partial Content", &[]),
        };
        if ends.is_some() {
            head.set("Content-Range", format!("bytes {first}-{last}/{length}"));
        }
        head.set("Content-Length", last + 1 - first);
        head.write(client)?;
        if request.word(0) == "HEAD" {
            return Ok(true);
        }
        file.seek(SeekFrom::Start(first))?;
        let mut bytes = last + 1 - first;
        let cut = {
            let mut cuts = self.cuts.lock().unwrap();
            let cut = cuts.0 > 0 && cuts.1 < bytes;
            cuts.0 -= usize::from(cut);
            cut.then_some(cuts.1)
        };
        bytes = bytes.min(cut.unwrap_or(u64::MAX));
        io::copy(&mut file.take(bytes), client)?;
        Ok(cut.is_none())
    }
}
