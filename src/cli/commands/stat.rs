//! `layerpress stat`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;

use crate::cli::opened::{Outcome, open};
use crate::cli::shown::attributes::{ShownNode, flags_text, full_text, mode_text, xattr_text};
use crate::cli::shown::names::Names;
use crate::cli::tell::{json_text, print_as_it_is};
use crate::error::escape_text;
use crate::limits::Limits;
use crate::listing::{Attribute, Kind};
use crate::units::InodeNumber;
use crate::view::{Follow, Found, Step, View};

/// What is typed after `stat`.
#[derive(Debug, Args)]
pub struct StatArguments {
    /// The filesystem image
    #[arg(value_name = "IMG")]
    image: PathBuf,
    /// Names in it
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<OsString>,
    /// Follow links
    #[arg(short = 'L', long)]
    dereference: bool,
    /// Print a JSON object for each name, one a line
    #[arg(long)]
    json: bool,
}

/// Tells everything about the names given.
pub fn run(arguments: &StatArguments) -> anyhow::Result<()> {
    let view = open(&arguments.image)?;
    let follow = if arguments.dereference {
        Follow::Always
    } else {
        Follow::Never
    };
    let mut outcome = Outcome::default();
    let mut found = Vec::new();
    let mut lookups = view.lookups();
    for path in &arguments.paths {
        match lookups.find(path.as_bytes(), follow) {
            Ok(one) => found.push(one),
            Err(error) => outcome.take(Err(error)),
        }
    }
    drop(lookups);
    let names = other_names(&view, &found)?;
    for one in &found {
        let names = names.get(&one.node.number).map(|names| &names[..]);
        match tell(&view, one, names, arguments.json) {
            Ok(text) => print_as_it_is(&text)?,
            Err(error) => outcome.take(Err(error.in_entry(&one.path))),
        }
    }
    outcome.finish()
}

/// All names of those inodes that have several.
fn other_names(view: &View, found: &[Found]) -> crate::Result<BTreeMap<InodeNumber, Vec<Vec<u8>>>> {
    let shares =
        |found: &&Found| found.node.kind != Kind::Directory && found.node.links_count() > 1;
    let shared = found.iter().filter(shares);
    let mut names: BTreeMap<_, Vec<_>> = shared
        .map(|found| (found.node.number, Vec::new()))
        .collect();
    if names.is_empty() {
        return Ok(names);
    }
    // What is unreadable elsewhere is not what was asked for.
    let mut left_bytes = Limits::default().max_index_bytes;
    for step in view.walk(view.lookup(b"/", Follow::Never)?) {
        if let Step::Entry(found) = step
            && let Some(names) = names.get_mut(&found.node.number)
        {
            // Deep directories give names of many bytes to any number of links.
            left_bytes = left_bytes
                .checked_sub(found.path.len() as u64)
                .ok_or_else(|| crate::Error::unsupported("the names take more than 2 GiB"))?;
            names.push(found.path);
        }
    }
    Ok(names)
}

fn tell(
    view: &View,
    found: &Found,
    names: Option<&[Vec<u8>]>,
    json: bool,
) -> crate::Result<String> {
    let node = &found.node;
    let target = match node.kind {
        Kind::Symlink => Some(view.target(node)?),
        _ => None,
    };
    let xattrs = view.xattrs(node)?;
    if json {
        let shown = ShownNode::new(&found.path, node, target.as_deref(), &xattrs, names);
        let text = serde_json::to_string(&shown)
            .map_err(|error| crate::Error::Mismatch(format!("cannot make JSON: {error}")))?;
        return Ok(format!("{}\n", json_text(&text)));
    }
    let text = text(view, found, target.as_deref(), &xattrs, names);
    Ok(escape_text(&text).into_owned())
}

fn text(
    view: &View,
    found: &Found,
    target: Option<&[u8]>,
    xattrs: &[Attribute],
    names: Option<&[Vec<u8>]>,
) -> String {
    let node = &found.node;
    // Quoted wherever it goes: the form is for people.
    let quoted = |name: &[u8]| String::from_utf8_lossy(&Names::Quoted.show(name)).into_owned();
    let absolute = |path: &[u8]| quoted(&[b"/", path].concat());
    let arrow = target.map_or_else(String::new, |target| format!(" -> {}", quoted(target)));
    let device = node.device().map_or_else(String::new, |(major, minor)| {
        format!("  Device type: {major},{minor}")
    });
    let kind = match node.kind {
        Kind::Regular if node.size_bytes() == 0 => "regular empty file",
        Kind::Regular => "regular file",
        Kind::Directory => "directory",
        Kind::Symlink => "symbolic link",
        Kind::CharacterDevice => "character special file",
        Kind::BlockDevice => "block special file",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
    };
    let mut lines = vec![
        format!("  File: {}{arrow}", absolute(&found.path)),
        format!(
            "  Size: {:<15} Blocks: {:<10} IO Block: {:<6} {kind}",
            node.size_bytes(),
            node.sectors(),
            view.block_bytes(),
        ),
        format!(
            " Inode: {:<15} Links: {:<11} Flags: {}{device}",
            node.number.0,
            node.links_count(),
            flags_text(node.flags())
        ),
        format!(
            "Access: ({:04o}/{})  Uid: {}  Gid: {}",
            node.mode(),
            mode_text(node.kind, node.mode()),
            node.uid(),
            node.gid()
        ),
        format!("Access: {}", full_text(node.atime())),
        format!("Modify: {}", full_text(node.mtime())),
        format!("Change: {}", full_text(node.ctime())),
        format!(
            " Birth: {}",
            node.crtime().map_or_else(|| "-".to_owned(), full_text)
        ),
    ];
    lines.extend(
        xattrs
            .iter()
            .map(|xattr| format!(" Xattr: {}", xattr_text(xattr))),
    );
    lines.extend(
        names
            .unwrap_or_default()
            .iter()
            .map(|name| format!("  Name: {}", absolute(name))),
    );
    lines.push(String::new());
    lines.join("\n")
}
