//! A token server as the distribution project's token specification describes it: it checks the
//! password, the service and the scope, and signs what docker-registry verifies.

use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::http::{self, Head, Server};
use super::registry_server::{PASSWORD, USER};
use super::support::oracles::program;

pub const SERVICE: &str = "registry-of-the-test";
pub const ISSUER: &str = "issuer-of-the-test";

/// Repositories below this may be pulled from without a password.
pub const PUBLIC: &str = "public/";

/// The registry goes on believing a token for so long after its end.
const LEEWAY_SECONDS: u64 = 60;

/// A request for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub service: String,
    pub scopes: Vec<String>,
    /// Whether it came with the right password; `None` without any.
    pub password: Option<bool>,
}

#[derive(Debug)]
struct State {
    directory: tempfile::TempDir,
    asked: Mutex<Vec<Asked>>,
    lifetime_seconds: Mutex<u64>,
    /// Tokens until now, so that each is another.
    given: AtomicUsize,
    /// What is answered in place of a token.
    instead: Mutex<Option<Vec<u8>>>,
    /// The name of the field that holds the token.
    field: Mutex<&'static str>,
}

#[derive(Debug)]
pub struct TokenServer {
    server: Server,
    state: Arc<State>,
}

impl TokenServer {
    /// `None`, after saying so, where openssl is not installed.
    pub fn start() -> Option<Self> {
        program("openssl")?;
        let directory = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"])
            .args(["-days", "30", "-subj", "/CN=token-server"])
            .args(["-keyout", "key.pem", "-out", "certificate.pem"])
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let state = Arc::new(State {
            directory,
            asked: Mutex::default(),
            lifetime_seconds: Mutex::new(300),
            given: AtomicUsize::new(0),
            instead: Mutex::default(),
            field: Mutex::new("token"),
        });
        let serving = Arc::clone(&state);
        let server = Server::start(move |client, _| serving.serve(client));
        Some(Self { server, state })
    }

    /// Where tokens are to be had.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.server.address)
    }

    /// What the registry verifies tokens with.
    pub fn certificate(&self) -> PathBuf {
        self.state.certificate()
    }

    /// The requests until now, which are then forgotten.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.asked.lock().unwrap())
    }

    /// How long tokens are good from now on.
    pub fn lifetime(&self, seconds: u64) {
        *self.state.lifetime_seconds.lock().unwrap() = seconds;
    }

    /// Answers these bytes from now on.
    pub fn answer_instead(&self, answer: Option<Vec<u8>>) {
        *self.state.instead.lock().unwrap() = answer;
    }

    /// Calls the token `access_token`, as OAuth does.
    pub fn like_oauth(&self) {
        *self.state.field.lock().unwrap() = "access_token";
    }
}

impl State {
    fn certificate(&self) -> PathBuf {
        self.directory.path().join("certificate.pem")
    }

    fn serve(&self, client: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(client);
        while let Some(request) = Head::read(&mut reader)? {
            let answer = self.answer(&request);
            reader.get_mut().write_all(&answer)?;
            // What is answered instead may be no HTTP.
            if self.instead.lock().unwrap().is_some() {
                break;
            }
        }
        Ok(())
    }

    fn answer(&self, request: &Head) -> Vec<u8> {
        let (path, query) = request.word(1).split_once('?').unwrap_or_default();
        if request.word(0) != "GET" || path != "/token" {
            return http::answer("404 Not Found", &[], b"");
        }
        let parameters: Vec<_> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name, decode(value)))
            .collect();
        let all = |wanted: &str| -> Vec<String> {
            let found = parameters.iter().filter(|(name, _)| *name == wanted);
            found.map(|(_, value)| value.clone()).collect()
        };
        let asked = Asked {
            service: all("service").concat(),
            scopes: all("scope"),
            password: request.get("Authorization").map(is_right),
        };
        self.asked.lock().unwrap().push(asked.clone());
        if let Some(instead) = &*self.instead.lock().unwrap() {
            return instead.clone();
        }
        if asked.service != SERVICE {
            return http::answer("400 Bad Request", &[], b"unknown service");
        }
        if asked.password == Some(false) {
            let body = json!({ "details": "incorrect username or password" });
            return http::answer("401 Unauthorized", &[], body.to_string().as_bytes());
        }
        let granted: Vec<_> = asked
            .scopes
            .iter()
            .flat_map(|scope| scope.split(' '))
            .filter_map(|scope| grant(scope, asked.password.is_some()))
            .collect();
        self.token(&granted)
    }

    fn token(&self, granted: &[Value]) -> Vec<u8> {
        let lifetime = *self.lifetime_seconds.lock().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = now.as_secs();
        let pem = std::fs::read_to_string(self.certificate()).unwrap();
        let der: String = pem.lines().filter(|line| !line.contains("-----")).collect();
        let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [der] });
        let claims = json!({
            "iss": ISSUER, "sub": USER, "aud": SERVICE, "jti": self.given.fetch_add(1, Ordering::Relaxed).to_string(),
            "iat": now - LEEWAY_SECONDS, "nbf": now - LEEWAY_SECONDS,
            "exp": now + lifetime - LEEWAY_SECONDS, "access": granted,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = sign(self.directory.path(), signed.as_bytes());
        let mut body = json!({ "expires_in": lifetime });
        let field = *self.field.lock().unwrap();
        body[field] = json!(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)));
        let json = [("Content-Type", "application/json")];
        http::answer("200 OK", &json, body.to_string().as_bytes())
    }
}

/// Everything for who has the password, pulling what is public for everybody.
fn grant(scope: &str, is_user: bool) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let actions: Vec<_> = actions
        .split(',')
        .filter(|action| is_user || (*action == "pull" && name.starts_with(PUBLIC)))
        .collect();
    Some(json!({ "type": kind, "name": name, "actions": actions }))
}

fn is_right(authorization: &str) -> bool {
    let decoded = authorization
        .strip_prefix("Basic ")
        .and_then(|encoded| STANDARD.decode(encoded).ok());
    decoded.is_some_and(|found| found == format!("{USER}:{PASSWORD}").as_bytes())
}

fn sign(directory: &Path, bytes: &[u8]) -> Vec<u8> {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign", "key.pem"])
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = openssl.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// Undoes `%41` and `+` of a query.
fn decode(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let digits = std::str::from_utf8(&digits).unwrap_or("0");
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or(0));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
