//! What is looked for in the tokens.

use std::collections::{BTreeMap, BTreeSet};

use super::paths;
use super::sources::{Source, shipped_tokens};
use super::tokens::Token;

/// A room and the rooms it may use.
pub type Room = (&'static str, &'static [&'static str]);

const MAX_LINES: usize = 500;

/// Names of what the crate's root gives again, with the room they come from.
const AGAIN: [(&str, &str); 2] = [("Error", "error"), ("Result", "error")];

/// Everything that breaks the table or a rule, each with its place.
pub fn violations(rooms: &[Room], sources: &[Source]) -> BTreeSet<String> {
    let table: BTreeMap<_, _> = rooms.iter().copied().collect();
    let mut found = out_of_order(rooms);
    let mut seen_rooms = BTreeSet::new();
    let mut seen_uses = BTreeSet::new();
    for source in sources {
        let module = source.module();
        let tokens = shipped_tokens(source);
        let room = module.first().copied().unwrap_or("");
        // The crate's root only declares the rooms and gives two names again.
        if source.path.ends_with("/lib.rs") || source.path.ends_with("/main.rs") {
            found.extend(deeds(source, "root", &tokens));
            continue;
        }
        seen_rooms.insert(room.to_owned());
        let Some(allowed) = table.get(room) else {
            found.insert(format!(
                "{}: the room {room} is not in the table",
                source.path
            ));
            continue;
        };
        for inside in insides(&tokens, &module, sources) {
            found.insert(format!("{}: {room} reaches into {inside}", source.path));
        }
        for other in other_commands(&tokens, &module) {
            found.insert(format!("{}: a command uses {other}", source.path));
        }
        for used in uses(&tokens, &module) {
            if used == room {
                continue;
            }
            if !allowed.contains(&used.as_str()) {
                found.insert(format!("{}: {room} may not use {used}", source.path));
            }
            seen_uses.insert((room.to_owned(), used));
        }
        found.extend(deeds(source, room, &tokens));
    }
    for (room, allowed) in rooms {
        if !seen_rooms.contains(*room) {
            found.insert(format!("the table has a room {room} that does not exist"));
        }
        for used in *allowed {
            if !seen_uses.contains(&((*room).to_owned(), (*used).to_owned())) {
                found.insert(format!(
                    "{room} no longer uses {used}, as the table lets it"
                ));
            }
        }
    }
    found
}

/// Rooms use what stands above them, so that no two use each other.
fn out_of_order(rooms: &[Room]) -> BTreeSet<String> {
    let mut above = BTreeSet::new();
    let mut found = BTreeSet::new();
    for (room, allowed) in rooms {
        for used in allowed.iter().filter(|used| !above.contains(*used)) {
            found.insert(format!(
                "the table lets {room} use {used}, which does not stand above it"
            ));
        }
        if !above.insert(*room) {
            found.insert(format!("the table has {room} twice"));
        }
    }
    found
}

/// The rooms that a file names.
fn uses(tokens: &[Token], module: &[&str]) -> BTreeSet<String> {
    let paths = paths::of(tokens, module).into_iter();
    paths
        .filter_map(|path| path.into_iter().next())
        .map(room_of)
        .collect()
}

/// Wings, which show outside what stands in their own module and no more.
const WINGS: [&str; 1] = ["ext"];

/// The modules of other wings that a file names.
fn insides(tokens: &[Token], module: &[&str], sources: &[Source]) -> BTreeSet<String> {
    let reaches = |path: &paths::Path| {
        let [wing, inner, ..] = path.as_slice() else {
            return None;
        };
        let is_module = |source: &Source| source.module().starts_with(&[wing, inner]);
        let is_inside = WINGS.contains(&wing.as_str())
            && module.first() != Some(&wing.as_str())
            && sources.iter().any(is_module);
        is_inside.then(|| format!("{wing}::{inner}"))
    };
    paths::of(tokens, module)
        .iter()
        .filter_map(reaches)
        .collect()
}

/// The other commands that a command's file names: what two share is on a floor below.
fn other_commands(tokens: &[Token], module: &[&str]) -> BTreeSet<String> {
    let ["cli", "commands", own, ..] = module else {
        return BTreeSet::new();
    };
    let other = |path: paths::Path| match path.as_slice() {
        [room, floor, other, ..] if room == "cli" && floor == "commands" && other != own => {
            Some(other.clone())
        }
        _ => None,
    };
    paths::of(tokens, module)
        .into_iter()
        .filter_map(other)
        .collect()
}

fn follows_path(tokens: &[Token], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|token| token == "::")
}

fn room_of(name: Token) -> String {
    let again = AGAIN.iter().find(|(again, _)| *again == name);
    again.map_or(name, |(_, room)| (*room).to_owned())
}

/// The name that a path goes on with, or all the names of a group in braces.
fn first_names(tokens: &[Token]) -> Vec<Token> {
    match tokens.first().map(String::as_str) {
        Some("{") => {}
        Some(name) => return vec![name.to_owned()],
        None => return Vec::new(),
    }
    let mut names = Vec::new();
    let mut depth = 0;
    let mut is_start = false;
    for token in tokens {
        match token.as_str() {
            "{" => {
                depth += 1;
                is_start = depth == 1;
            }
            "}" => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            "," => is_start = depth == 1,
            name => {
                if is_start {
                    names.push(name.to_owned());
                }
                is_start = false;
            }
        }
    }
    names
}

/// What is done only here: files or rooms, with what they may do.
const EXCEPTIONS: [(&str, &str); 10] = [
    ("src/main.rs", "std::process::ExitCode"),
    ("src/cli/command_line.rs", "std::process::ExitCode"),
    // The only place that has the program's streams.
    ("src/cli/tell.rs", "stdout"),
    ("src/cli/tell.rs", "stderr"),
    // Loop devices have no safe interface; it holds the proofs.
    ("src/mount/loop_device.rs", "unsafe"),
    // Ends the process from the thread that hears the signals.
    ("src/cli/signals.rs", "std::process::exit"),
    // Makes the hidden name differ from other processes'.
    ("src/partial_file/hidden_name.rs", "std::process::id"),
    ("src/cache/partial.rs", "std::process::id"),
    // Which directories PATH names, given as a value; and the machine the program is made for.
    ("src/command/find.rs", "std::env::split_paths"),
    ("src/oci/platform.rs", "std::env::consts"),
];

/// Those who use the network, and what they have in common.
const NETWORK: [&str; 3] = ["network", "registry", "daemon"];

/// What is forbidden outside of one room, and what everywhere.
fn deeds(source: &Source, room: &str, tokens: &[Token]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut tell = |what: &str| {
        if !EXCEPTIONS.contains(&(source.path.as_str(), what)) {
            found.insert(format!("{}: {what} is not for {room}", source.path));
        }
    };
    for (parent, name) in std_paths(tokens) {
        let is_allowed = match parent.as_str() {
            "process" => room == "command",
            "env" => room == "cli",
            "net" => NETWORK.contains(&room),
            _ => true,
        };
        if !is_allowed {
            tell(&format!("std::{parent}::{name}"));
        }
    }
    for (at, token) in tokens.iter().enumerate() {
        let next = |ahead: usize| tokens.get(at + ahead).map_or("", String::as_str);
        match token.as_str() {
            "unsafe" | "todo" | "unimplemented" | "dbg" if token == "unsafe" || next(1) == "!" => {
                tell(token);
            }
            // They panic where nobody reads or the disk is full, and what is mounted stays then.
            "print" | "println" | "eprint" | "eprintln" if next(1) == "!" => tell(token),
            // A child's pipes are fields and methods, the process's own a function.
            "stdout" | "stderr"
                if next(1) == "(" && next(2) == ")" && at > 0 && tokens[at - 1] != "." =>
            {
                tell(token);
            }
            // How long a program may take is no time of day.
            "Instant" if room != "cli" && room != "command" => tell(token),
            "SystemTime" if room != "cli" => tell(token),
            // The network, whichever way it is brought in.
            "ureq" | "rustls" if next(1) == "::" && !NETWORK.contains(&room) => tell(token),
            // Those look into the environment for a directory.
            "tempfile" if next(1) == "::" && !matches!(next(2), "tempfile_in" | "{") => {
                tell(&format!("tempfile::{}", next(2)));
            }
            _ => {}
        }
    }
    found
}

/// The guarded modules of the standard library and the names that are used of them, however they
/// are brought in: `std::env::var`, `use std::{env, process}`, `env::var`.
fn std_paths(tokens: &[Token]) -> BTreeSet<(String, String)> {
    const GUARDED: [&str; 3] = ["process", "env", "net"];
    let mut found = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = |back: usize| at.checked_sub(back).map_or("", |at| &tokens[at]);
        // `rustix::process` and the like are others.
        let is_std = match before(1) {
            "::" => matches!(before(2), "std" | "os" | "unix"),
            "." | "fn" | "mod" | "let" | "$" => false,
            _ => true,
        };
        if GUARDED.contains(&token.as_str()) && is_std && follows_path(tokens, at) {
            for name in first_names(&tokens[at + 2..]) {
                found.insert((token.clone(), name));
            }
        }
    }
    found
}

/// Files that no one wants to read to their end.
pub fn too_long(sources: &[Source]) -> BTreeSet<String> {
    sources
        .iter()
        .map(|source| (&source.path, source.text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| format!("{path}: {lines} lines, at most {MAX_LINES}"))
        .collect()
}
