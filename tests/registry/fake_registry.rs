//! A registry in memory that answers as it is told, and otherwise as it should. It keeps the heads of
//! all requests.

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use super::http::{self, Head, Server};
use super::support::archive::{Compression, Files, TestImage, digest};

type Answer = dyn Fn(&Head) -> Option<Vec<u8>> + Send + Sync;

pub struct FakeRegistry {
    server: Server,
    asked: Arc<Mutex<Vec<Head>>>,
}

/// The repository; the image's tag is `1`.
pub const NAME: &str = "team/app";

/// What is served, compressed with gzip.
pub fn layout(image: TestImage) -> Files {
    TestImage {
        compression: Compression::Gzip,
        ..image
    }
    .layout("1")
}

impl FakeRegistry {
    /// Serves the image; `answer` goes first.
    pub fn start(
        layout: &Files,
        answer: impl Fn(&Head) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let asked = Arc::new(Mutex::default());
        let (record, layout, answer) = (Arc::clone(&asked), layout.clone(), Arc::new(answer));
        let server = Server::start(move |client, _| serve(client, &layout, &*answer, &record));
        Self { server, asked }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub fn reference(&self) -> String {
        format!("docker://{}/{NAME}:1", self.address())
    }

    /// The requests until now, which are then forgotten.
    pub fn asked(&self) -> Vec<Head> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// The layout's manifest.
pub fn manifest(layout: &Files) -> Vec<u8> {
    let index: serde_json::Value = serde_json::from_slice(&layout.0["index.json"]).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    layout.0[&format!("blobs/{}", digest.replace(':', "/"))].clone()
}

fn serve(
    client: TcpStream,
    layout: &Files,
    answer: &Answer,
    record: &Mutex<Vec<Head>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(client);
    while let Some(request) = Head::read(&mut reader)? {
        record.lock().unwrap().push(request.clone());
        let own = answer(&request);
        // An empty answer is none: the connection ends.
        let is_end = own.as_ref().is_some_and(Vec::is_empty);
        let mut bytes = own.unwrap_or_else(|| served(&request, layout));
        if request.word(0) == "HEAD" {
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            bytes.truncate(end.map_or(0, |end| end + 4));
        }
        reader.get_mut().write_all(&bytes)?;
        if is_end {
            break;
        }
    }
    Ok(())
}

fn served(request: &Head, layout: &Files) -> Vec<u8> {
    let path = request.word(1).split('?').next().unwrap_or_default();
    let in_repository = path.strip_prefix(&format!("/v2/{NAME}/"));
    let bytes = match in_repository.and_then(|path| path.split_once('/')) {
        None if path == "/v2/" => return http::answer("200 OK", &[], b"{}"),
        Some(("manifests", "1")) => Some(manifest(layout)),
        Some((_, digest)) => layout
            .0
            .get(&format!("blobs/{}", digest.replace(':', "/")))
            .cloned(),
        None => None,
    };
    match bytes {
        Some(bytes) => {
            let digest = digest(&bytes);
            let headers = [
                ("Docker-Content-Digest", &digest[..]),
                ("Content-Type", super::support::archive::OCI_MANIFEST),
            ];
            http::answer("200 OK", &headers, &bytes)
        }
        None => http::answer("404 Not Found", &[], b"{}"),
    }
}
