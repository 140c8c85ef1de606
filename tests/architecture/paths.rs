//! Where the paths in a source lead: to which module, through what others give again.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::{Source, shipped_tokens};
use super::tokens::Token;

/// A module or an item, by its names from the crate's root.
pub type Path = Vec<String>;

/// Every path that begins with `crate`, `super` or `self`, from the crate's root, each name of a
/// group in braces as a path of its own.
pub fn of(tokens: &[Token], module: &[&str]) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    let mut here: Path = module.iter().map(|name| (*name).to_owned()).collect();
    let mut braces = 0;
    // How many braces are open around each inner module.
    let mut modules = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "mod" if tokens.get(at + 2).is_some_and(|token| token == "{") => {
                modules.push(braces);
                here.push(tokens[at + 1].clone());
            }
            "{" => braces += 1,
            "}" => {
                braces -= 1;
                if modules.last() == Some(&braces) {
                    modules.pop();
                    here.pop();
                }
            }
            "crate" | "super" | "self" if is_start(tokens, at) => {
                let mut start = if tokens[at] == "crate" {
                    Vec::new()
                } else {
                    here.clone()
                };
                while tokens[at] != "crate" && tokens.get(at + 2).is_some_and(|t| t == "super") {
                    start.pop();
                    at += 2;
                }
                if tokens[at] == "super" {
                    start.pop();
                }
                expand(&tokens[at + 2..], &start, &mut found);
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn is_start(tokens: &[Token], at: usize) -> bool {
    let follows = tokens.get(at + 1).is_some_and(|token| token == "::");
    let is_within = at > 0 && tokens[at - 1] == "::";
    follows && !is_within
}

/// Adds what a path or a group of paths names; gives how many tokens it takes.
fn expand(tokens: &[Token], start: &[String], found: &mut BTreeSet<Path>) -> usize {
    let mut path = start.to_vec();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token == "{" {
            at += 1;
            while tokens.get(at).is_some_and(|token| token != "}") {
                at += expand(&tokens[at..], &path, found).max(1);
                // Another name for it.
                while tokens.get(at).is_some_and(|t| t != "," && t != "}") {
                    at += 1;
                }
                if tokens.get(at).is_some_and(|token| token == ",") {
                    at += 1;
                }
            }
            return at + 1;
        }
        if token != "self" {
            path.push(token.clone());
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            break;
        }
        at += 1;
    }
    found.insert(path);
    at
}

/// The modules of a crate and the names that they give again.
pub struct Modules {
    modules: BTreeSet<Path>,
    again: BTreeMap<Path, Path>,
}

impl Modules {
    pub fn of(sources: &[Source]) -> Self {
        let owned =
            |source: &Source| -> Path { source.module().into_iter().map(str::to_owned).collect() };
        let modules: BTreeSet<Path> = sources.iter().map(owned).collect();
        let mut again = BTreeMap::new();
        for source in sources {
            let module = owned(source);
            let tokens = shipped_tokens(source);
            let mut braces = 0;
            for (at, token) in tokens.iter().enumerate() {
                match token.as_str() {
                    "{" => braces += 1,
                    "}" => braces -= 1,
                    _ => {}
                }
                // What inner modules and functions bring in is theirs.
                if token != "use" || braces > 0 {
                    continue;
                }
                // `use child::Name;` in the module that declares the child.
                let mut paths = BTreeSet::new();
                let names = &tokens[at + 1..];
                match names.first().map(String::as_str) {
                    Some("crate" | "super" | "self") => {
                        let statement = names.split(|token| token == ";").next().unwrap_or(names);
                        paths = self::of(statement, &source.module());
                    }
                    Some(_) => {
                        expand(names, &module, &mut paths);
                        paths.retain(|path| modules.contains(&path[..=module.len()]));
                    }
                    None => {}
                }
                for path in paths {
                    if let Some(name) = path.last() {
                        let mut named = module.clone();
                        named.push(name.clone());
                        if named != path {
                            again.insert(named, path);
                        }
                    }
                }
            }
        }
        Self { modules, again }
    }

    /// The module that says what a path leads to.
    pub fn defining(&self, path: &[String]) -> Path {
        let mut path = path.to_vec();
        // Nothing is given again through more modules than there are.
        for _ in 0..=self.again.len() {
            let length = (0..=path.len())
                .rev()
                .find(|length| self.modules.contains(&path[..*length]))
                .unwrap_or(0);
            let Some(name) = path.get(..=length) else {
                break;
            };
            let Some(elsewhere) = self.again.get(name) else {
                path.truncate(length);
                break;
            };
            let rest = path.split_off(length + 1);
            path = elsewhere.clone();
            path.extend(rest);
        }
        path
    }
}
