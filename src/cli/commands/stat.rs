//! `layerpress stat`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;

use crate::cli::arguments::OutputArguments;
use crate::cli::progress;
use crate::cli::shown::attributes::{ShownNode, flags_text, full_text, mode_text, xattr_text};
use crate::cli::shown::names::Names;
use crate::cli::shown::schemas;
use crate::cli::tell::{Outcome, print, printed};
use crate::error::{Error, Result};
use crate::listing::{Attribute, Kind};
use crate::pipeline::{self, Limits};
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
pub fn run(arguments: &StatArguments, output: &OutputArguments) -> Result<()> {
    let view = pipeline::open(&arguments.image, &*progress::reporter(output))?;
    let follow = if arguments.dereference {
        Follow::Always
    } else {
        Follow::Never
    };
    let mut outcome = Outcome::of(output);
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
        let node = &one.node;
        let read = || {
            let is_link = node.kind == Kind::Symlink;
            let target = is_link.then(|| view.target(node)).transpose()?;
            Ok((target, view.xattrs(node)?))
        };
        let (target, xattrs) = match read() {
            Ok(read) => read,
            Err(error) => {
                outcome.take(Err(Error::in_entry(error, &one.path)));
                continue;
            }
        };
        let target = target.as_deref();
        if arguments.json {
            let shown = ShownNode::new(&one.path, node, target, &xattrs, names);
            printed(|page| page.json_line(schemas::STAT, &shown))?;
        } else {
            print(&text(&view, one, target, &xattrs, names))?;
        }
    }
    outcome.finish()
}

/// All names of those inodes that have several.
fn other_names(view: &View, found: &[Found]) -> Result<BTreeMap<InodeNumber, Vec<Vec<u8>>>> {
    let shares =
        |found: &&Found| found.node.kind != Kind::Directory && found.node.stored.links_count > 1;
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
                .ok_or_else(|| Error::unsupported("the names take more than 2 GiB"))?;
            names.push(found.path);
        }
    }
    Ok(names)
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
        Kind::Regular if node.stored.size_bytes == 0 => "regular empty file",
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
            node.stored.size_bytes,
            node.sectors,
            view.block_bytes(),
        ),
        format!(
            " Inode: {:<15} Links: {:<11} Flags: {}{device}",
            node.number.0,
            node.stored.links_count,
            flags_text(node)
        ),
        format!(
            "Access: ({:04o}/{})  Uid: {}  Gid: {}",
            node.mode(),
            mode_text(node.kind, node.mode()),
            node.stored.uid,
            node.stored.gid
        ),
        format!("Access: {}", full_text(node.stored.atime)),
        format!("Modify: {}", full_text(node.stored.mtime)),
        format!("Change: {}", full_text(node.stored.ctime)),
        format!(
            " Birth: {}",
            node.stored.crtime.map_or_else(|| "-".to_owned(), full_text)
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
