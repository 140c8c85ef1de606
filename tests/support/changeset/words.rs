//! The language of the corpus; `fixtures/INDEX.md` describes it.

use std::collections::BTreeMap;

use layerpress::layers::Device;
use layerpress::units::Timestamp;

use super::DEFAULT_TIME;

/// One case: layers, and what they must show.
#[derive(Debug)]
pub struct Case {
    /// File, line and name, for messages.
    pub name: String,
    pub layers: Vec<Layer>,
    pub expected: Expected,
    pub warning: Option<String>,
    /// Engines, of these perhaps some versions alone, and why they show something else.
    differs: Vec<(String, Versions, String)>,
}

/// Versions of an engine by the first number that they have.
#[derive(Debug)]
enum Versions {
    All,
    Before(u32),
    From(u32),
}

impl Case {
    /// Why this version of an engine shows something else, where it does.
    pub fn why_differs(&self, engine: &str, version: u32) -> Option<&str> {
        let of_it = |(name, versions, _): &&(String, Versions, String)| {
            name == engine
                && match versions {
                    Versions::All => true,
                    Versions::Before(first) => version < *first,
                    Versions::From(first) => version >= *first,
                }
        };
        self.differs
            .iter()
            .find(of_it)
            .map(|(.., why)| why.as_str())
    }
}

/// Which engine, and versions, `ENGINE-differs`, `…-before-N` or `…-from-N` is about.
fn engine_of(word: &str) -> Option<(String, Versions)> {
    let (engine, versions) = word.split_once("-differs")?;
    let number = |from: &str| versions.strip_prefix(from)?.parse().ok();
    let versions = match (number("-before-"), number("-from-")) {
        (Some(first), _) => Versions::Before(first),
        (_, Some(first)) => Versions::From(first),
        _ if versions.is_empty() => Versions::All,
        _ => return None,
    };
    let is_engine = ["umoci", "docker", "containerd"].contains(&engine);
    is_engine.then(|| (engine.to_owned(), versions))
}

#[derive(Debug)]
pub enum Expected {
    /// The names, and whether the root's own line is among them.
    Listing(Vec<Item>),
    /// Refused with these words.
    Error(String),
}

#[derive(Debug, Default, Clone)]
pub struct Layer {
    pub whiteouts: bool,
    pub items: Vec<Item>,
}

/// One line: an entry of a layer, or a name of what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub path: Vec<u8>,
    pub kind: ItemKind,
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Timestamp,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKind {
    File(Vec<u8>),
    Directory,
    Symlink(Vec<u8>),
    /// In a layer: the target; in a listing: the first of the node's names.
    Link(Vec<u8>),
    Character(Device),
    Block(Device),
    Fifo,
}

impl Item {
    /// An item with the attributes a line has when it names none.
    pub fn new(path: &[u8], kind: ItemKind) -> Self {
        Self {
            path: path.to_vec(),
            mode: match kind {
                ItemKind::Directory => 0o755,
                ItemKind::Symlink(_) => 0o777,
                _ => 0o644,
            },
            kind,
            uid: 0,
            gid: 0,
            mtime: Timestamp::from_seconds(1_000_000_000),
            xattrs: BTreeMap::new(),
        }
    }
}

/// Reads a file of cases; panics with file and line where it cannot.
pub fn cases(text: &str, file: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut in_layer = false;
    for (number, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", number + 1);
        let tokens = tokens(line.trim(), &place);
        let Some(word) = tokens.first().map(|word| String::from_utf8_lossy(word)) else {
            continue;
        };
        if word == "case" {
            cases.push(Case {
                name: format!("{place}: {}", text_of(&tokens, 1, &place)),
                layers: Vec::new(),
                expected: Expected::Listing(Vec::new()),
                warning: None,
                differs: Vec::new(),
            });
            continue;
        }
        let case = cases
            .last_mut()
            .unwrap_or_else(|| panic!("{place}: expected a case first"));
        match &*word {
            "layer" | "flat-layer" => {
                in_layer = true;
                case.layers.push(Layer {
                    whiteouts: word == "layer",
                    items: Vec::new(),
                });
            }
            "expect" => in_layer = false,
            "expect-error" => case.expected = Expected::Error(text_of(&tokens, 1, &place)),
            "expect-warning" => case.warning = Some(text_of(&tokens, 1, &place)),
            word if engine_of(word).is_some() => {
                let (engine, versions) = engine_of(word).unwrap();
                let why = text_of(&tokens, 1, &place);
                case.differs.push((engine, versions, why));
            }
            _ => {
                let item = item(&tokens, &place);
                match (&mut case.expected, in_layer) {
                    (_, true) => case.layers.last_mut().unwrap().items.push(item),
                    (Expected::Listing(items), false) => items.push(item),
                    _ => panic!("{place}: expected an error or a listing, found both"),
                }
            }
        }
    }
    cases
}

fn item(tokens: &[Vec<u8>], place: &str) -> Item {
    let word = text_of(tokens, 0, place);
    let path = tokens
        .get(1)
        .unwrap_or_else(|| panic!("{place}: expected a path"));
    let mut rest = &tokens[2..];
    let mut argument = || {
        let (argument, others) = rest
            .split_first()
            .unwrap_or_else(|| panic!("{place}: expected more words"));
        rest = others;
        argument.clone()
    };
    let mut arrow = || {
        assert_eq!(argument(), b"->", "{place}");
        argument()
    };
    let (path, kind) = match &*word {
        "file" => (path.clone(), ItemKind::File(argument())),
        "dir" => (path.clone(), ItemKind::Directory),
        "symlink" => (path.clone(), ItemKind::Symlink(arrow())),
        "link" => (path.clone(), ItemKind::Link(arrow())),
        "char" => (
            path.clone(),
            ItemKind::Character(device(&argument(), place)),
        ),
        "block" => (path.clone(), ItemKind::Block(device(&argument(), place))),
        "fifo" => (path.clone(), ItemKind::Fifo),
        "whiteout" => {
            let slash = path.iter().rposition(|byte| *byte == b'/');
            let (directory, name) = path.split_at(slash.map_or(0, |slash| slash + 1));
            (
                [directory, b".wh.", name].concat(),
                ItemKind::File(Vec::new()),
            )
        }
        "opaque" => (
            [path, &b"/.wh..wh..opq"[..]].concat(),
            ItemKind::File(Vec::new()),
        ),
        other => panic!("{place}: unknown word {other}"),
    };
    let mut item = Item::new(&path, kind);
    for attribute in rest {
        set(&mut item, attribute, place);
    }
    item
}

fn set(item: &mut Item, attribute: &[u8], place: &str) {
    let equals = attribute.iter().position(|byte| *byte == b'=');
    let Some(equals) = equals else {
        let word = String::from_utf8_lossy(attribute);
        match &*word {
            "implied" => item.mtime = DEFAULT_TIME,
            mode => {
                item.mode =
                    u16::from_str_radix(mode, 8).unwrap_or_else(|_| panic!("{place}: {mode}"))
            }
        }
        return;
    };
    let (name, value) = (&attribute[..equals], &attribute[equals + 1..]);
    let text = || String::from_utf8(value.to_vec()).unwrap();
    match name {
        b"uid" => item.uid = text().parse().unwrap(),
        b"gid" => item.gid = text().parse().unwrap(),
        b"mtime" => item.mtime = time(&text()),
        _ => {
            item.xattrs.insert(name.to_vec(), value.to_vec());
        }
    }
}

/// Seconds, and after a point exactly nine digits that count forward from them.
fn time(text: &str) -> Timestamp {
    let (seconds, nanoseconds) = text.split_once('.').unwrap_or((text, "000000000"));
    assert_eq!(nanoseconds.len(), 9, "{text}");
    Timestamp {
        seconds: seconds.parse().unwrap(),
        nanoseconds: nanoseconds.parse().unwrap(),
    }
}

fn device(text: &[u8], place: &str) -> Device {
    let text = String::from_utf8_lossy(text);
    let (major, minor) = text
        .split_once(':')
        .unwrap_or_else(|| panic!("{place}: {text}"));
    Device {
        major: major.parse().unwrap(),
        minor: minor.parse().unwrap(),
    }
}

fn text_of(tokens: &[Vec<u8>], index: usize, place: &str) -> String {
    let token = tokens
        .get(index)
        .unwrap_or_else(|| panic!("{place}: expected more words"));
    String::from_utf8(token.clone()).unwrap()
}

/// Words, split at spaces outside quotes, with `\xNN` and `\n` and `\\` understood everywhere.
fn tokens(line: &str, place: &str) -> Vec<Vec<u8>> {
    let mut tokens = Vec::new();
    let mut token: Option<Vec<u8>> = None;
    let mut quoted = false;
    let mut bytes = line.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'#' if token.is_none() => break,
            b'"' => {
                quoted = !quoted;
                token.get_or_insert_default();
            }
            b' ' if !quoted => tokens.extend(token.take()),
            b'\\' => {
                let escaped = match bytes.next() {
                    Some(b'x') => {
                        let digits = [bytes.next(), bytes.next()].map(|digit| digit.unwrap());
                        u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                    }
                    Some(b'n') => b'\n',
                    Some(b'\\') => b'\\',
                    other => panic!("{place}: unknown escape {other:?}"),
                };
                token.get_or_insert_default().push(escaped);
            }
            byte => token.get_or_insert_default().push(byte),
        }
    }
    assert!(!quoted, "{place}: a quote is not closed");
    tokens.extend(token);
    tokens
}
