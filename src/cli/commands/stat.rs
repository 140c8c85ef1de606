//! `layerpress stat`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use crate::cli::arguments::{LookArguments, OutputArguments, path_inside};
use crate::cli::progress;
use crate::cli::shown::attributes::{
    ShownNode, flags_text, full_text, layer_digest, mode_text, xattr_text,
};
use crate::cli::shown::names::Names;
use crate::cli::shown::schemas;
use crate::cli::tell::{Outcome, print, printed};
use crate::error::{Error, Result};
use crate::listing::{Attribute, Kind};
use crate::look::{Found, Inside, Lookups, Step, expand};
use crate::pipeline::{self, LayerName, Limits};
use crate::view::Follow;

/// What is typed after `stat`.
#[derive(Debug, Args)]
pub struct StatArguments {
    /// A filesystem image, or a container image as build takes it
    #[arg(value_name = "IMG|IMAGE")]
    image: OsString,
    /// Names in it, or patterns as a shell has them (in quotes, '/etc/*.conf')
    #[arg(value_name = "PATH", required = true, value_parser = path_inside())]
    paths: Vec<OsString>,
    /// Follow links
    #[arg(short = 'L', long)]
    dereference: bool,
    /// Print a JSON object for each name, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    look: LookArguments,
}

/// Tells everything about the names given.
pub fn run(arguments: &StatArguments, output: &OutputArguments) -> Result<()> {
    let request = arguments.look.request(&arguments.image, None)?;
    let interior = pipeline::look(&request, &*progress::looking(output))?;
    let inside = interior.inside();
    let follow = if arguments.dereference {
        Follow::Always
    } else {
        Follow::Never
    };
    let mut outcome = Outcome::of(output);
    let mut found = Vec::new();
    let mut lookups = Lookups::of(inside);
    for typed in &arguments.paths {
        let paths = match expand(&mut lookups, typed.as_bytes()) {
            Ok(expansion) => expansion.into_paths(),
            Err(error) => {
                outcome.take(Err(error));
                continue;
            }
        };
        for path in paths {
            match lookups.find(&path, follow) {
                Ok(one) => found.push(one),
                Err(error) => outcome.take(Err(error)),
            }
        }
    }
    drop(lookups);
    let names = other_names(inside, &found)?;
    for one in &found {
        let names = names.get(&one.node.number).map(|names| &names[..]);
        let node = &one.node;
        let read = || {
            let is_link = node.kind == Kind::Symlink;
            let target = is_link.then(|| inside.target(node)).transpose()?;
            Ok((target, inside.xattrs(node)?))
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
            let shown = shown.of_layer(interior.layer(node.layer));
            printed(|page| page.json_line(schemas::STAT, &shown))?;
        } else {
            let layer = interior.has_layers().then(|| interior.layer(node.layer));
            print(&text(inside, one, (target, &xattrs), names, layer))?;
        }
    }
    outcome.finish()
}

/// All names of those inodes that have several.
fn other_names(inside: Inside<'_>, found: &[Found]) -> Result<BTreeMap<u32, Vec<Vec<u8>>>> {
    let shares = |found: &&Found| found.node.kind != Kind::Directory && found.node.links > 1;
    let shared = found.iter().filter(shares);
    let mut names: BTreeMap<_, Vec<_>> = shared
        .map(|found| (found.node.number, Vec::new()))
        .collect();
    if names.is_empty() {
        return Ok(names);
    }
    // What is unreadable elsewhere is not what was asked for.
    let mut left_bytes = Limits::default().max_index_bytes;
    for step in inside.walk(Lookups::of(inside).find(b"/", Follow::Never)?) {
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
    inside: Inside<'_>,
    found: &Found,
    (target, xattrs): (Option<&[u8]>, &[Attribute]),
    names: Option<&[Vec<u8>]>,
    layer: Option<Option<LayerName>>,
) -> String {
    let node = &found.node;
    // Quoted wherever it goes: the form is for people.
    let quoted = |name: &[u8]| String::from_utf8_lossy(&Names::Quoted.show(name)).into_owned();
    let absolute = |path: &[u8]| quoted(&[b"/", path].concat());
    let arrow = target.map_or_else(String::new, |target| format!(" -> {}", quoted(target)));
    let device = node.device.map_or_else(String::new, |(major, minor)| {
        format!("  Device type: {major},{minor}")
    });
    let kind = match node.kind {
        Kind::Regular if node.size_bytes == 0 => "regular empty file",
        Kind::Regular => "regular file",
        Kind::Directory => "directory",
        Kind::Symlink => "symbolic link",
        Kind::CharacterDevice => "character special file",
        Kind::BlockDevice => "block special file",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
    };
    let inode = node.inode.as_deref();
    let stored = inode.map(|inode| &inode.stored);
    let time = |time: Option<_>| time.map_or_else(|| "-".to_owned(), full_text);
    let mut lines = vec![
        format!("  File: {}{arrow}", absolute(&found.path)),
        format!(
            "  Size: {:<15} Blocks: {:<10} IO Block: {:<6} {kind}",
            node.size_bytes,
            node.sectors,
            inside.block_bytes(),
        ),
        format!(
            " Inode: {:<15} Links: {:<11} Flags: {}{device}",
            inode.map_or_else(|| "-".to_owned(), |inode| inode.number.to_string()),
            node.links,
            flags_text(node)
        ),
        format!(
            "Access: ({:04o}/{})  Uid: {}  Gid: {}",
            node.mode,
            mode_text(node.kind, node.mode),
            node.uid,
            node.gid
        ),
        format!("Access: {}", time(stored.map(|stored| stored.atime))),
        format!("Modify: {}", full_text(node.mtime)),
        format!("Change: {}", time(stored.map(|stored| stored.ctime))),
        format!(" Birth: {}", time(stored.and_then(|stored| stored.crtime))),
    ];
    lines.extend(layer.map(|layer| match layer {
        Some(layer) => {
            let digest = layer_digest(&layer).unwrap_or_default();
            format!(" Layer: {} {digest}", layer.index)
        }
        None => " Layer: none, put in behind the layers".to_owned(),
    }));
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
