//! `layerpress ls`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use clap::{ArgAction, Args};

use crate::cli::arguments::{LookArguments, NO_HEADING, OutputArguments, path_inside};
use crate::cli::progress;
use crate::cli::shown::attributes::ShownNode;
use crate::cli::shown::names::Names;
use crate::cli::shown::rows::{Format, Row, columns, long, taken};
use crate::cli::shown::schemas;
use crate::cli::tell::{self, Outcome, Page, printed};
use crate::error::{Error, Result};
use crate::listing::{Kind, join};
use crate::look::{Found, Inside, Lookups, Node, expand};
use crate::pipeline::{self, Interior, Limits};
use crate::view::{Follow, MAX_DEPTH};

/// What is typed after `ls`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct LsArguments {
    /// A filesystem image, or a container image as build takes it
    #[arg(value_name = "IMG|IMAGE")]
    image: OsString,
    /// Directories or other names in it, or patterns as a shell has them (in quotes, '/etc/*.conf')
    #[arg(value_name = "PATH", default_value = "/", value_parser = path_inside())]
    paths: Vec<OsString>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    choice: Choice,
    /// Print help
    #[arg(long, action = ArgAction::Help, help_heading = NO_HEADING)]
    help: Option<bool>,
    #[command(flatten)]
    look: LookArguments,
}

/// Which names are shown, in which order.
#[derive(Debug, Clone, Copy, Args)]
struct Choice {
    /// Also names that begin with a dot, and . and ..
    #[arg(short, long)]
    all: bool,
    /// Also names that begin with a dot
    #[arg(short = 'A', long)]
    almost_all: bool,
    /// Directories themselves, not what is in them
    #[arg(short, long)]
    directory: bool,
    /// Directories in directories, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Newest first
    #[arg(short = 't')]
    by_time: bool,
    /// Largest first
    #[arg(short = 'S')]
    by_size: bool,
    /// The other way round
    #[arg(short, long)]
    reverse: bool,
}

/// Lists names.
pub fn run(arguments: &LsArguments, output: &OutputArguments) -> Result<()> {
    let request = arguments.look.request(&arguments.image, None)?;
    let interior = pipeline::look(&request, &*progress::looking(output))?;
    if arguments.format.layer && !interior.has_layers() {
        return Err(Error::unsupported(
            "--layer tells an image's layers, and this is a filesystem: it has none",
        ));
    }
    let mut outcome = Outcome::of(output);
    printed(|page| {
        let lister = Lister {
            interior: &interior,
            inside: interior.inside(),
            lookups: Lookups::of(interior.inside()),
            format: arguments.format,
            choice: arguments.choice,
            names: Names::for_terminal(tell::has_terminal()),
            page,
            outcome: &mut outcome,
            has_written: false,
            entered: BTreeSet::new(),
            names_left: Limits::default().max_entries,
        };
        lister.run(&arguments.paths)
    })?;
    outcome.finish()
}

struct Lister<'a> {
    interior: &'a Interior,
    inside: Inside<'a>,
    lookups: Lookups<'a>,
    format: Format,
    choice: Choice,
    names: Names,
    page: &'a mut Page,
    outcome: &'a mut Outcome,
    has_written: bool,
    entered: BTreeSet<u32>,
    names_left: u64,
}

/// A directory that is listed.
struct Directory {
    node: Node,
    path: Vec<u8>,
    title: Vec<u8>,
    /// How far below what was asked for.
    depth: usize,
}

/// A directory to be listed below another. Only its name is held, for a directory that is deep and
/// holds many would have its own path in memory as often.
struct Below {
    parent: Rc<Directory>,
    name: Vec<u8>,
    node: Node,
}

impl Below {
    /// The directory, and what `..` is in it.
    fn directory(self) -> (Directory, Found) {
        let Self { parent, name, node } = self;
        let slash: &[u8] = if parent.title.ends_with(b"/") {
            b""
        } else {
            b"/"
        };
        let directory = Directory {
            node,
            path: join(&parent.path, &name),
            title: [&parent.title[..], slash, &name].concat(),
            depth: parent.depth + 1,
        };
        let parent = Found {
            path: parent.path.clone(),
            node: parent.node.clone(),
        };
        (directory, parent)
    }
}

/// A name as it is shown.
struct Named {
    name: Vec<u8>,
    /// Its path, where that is not the directory's and the name.
    path: Option<Vec<u8>>,
    node: Node,
}

impl Named {
    fn path(&self, directory: &[u8]) -> Vec<u8> {
        self.path
            .clone()
            .unwrap_or_else(|| join(directory, &self.name))
    }
}

impl Lister<'_> {
    fn run(mut self, paths: &[OsString]) -> io::Result<()> {
        // As GNU: a link to a directory is that directory, unless it is itself what is asked for.
        let lstat = self.choice.directory || self.format.long || self.format.classify;
        let mut files = Vec::new();
        let mut asked = Vec::new();
        let paths = self.expanded(paths);
        for path in &paths {
            let lookups = &mut self.lookups;
            let found = lookups.find(path, Follow::Never).map(|found| {
                if found.node.kind != Kind::Symlink || lstat {
                    return found;
                }
                // One that leads nowhere is shown as it is.
                match lookups.find(path, Follow::Always) {
                    Ok(target) if target.node.kind == Kind::Directory => target,
                    _ => found,
                }
            });
            match found {
                Ok(found) if found.node.kind == Kind::Directory && !self.choice.directory => {
                    match self.parent(&found) {
                        Ok(parent) => asked.push((found, path, parent)),
                        Err(error) => self.outcome.take(Err(error)),
                    }
                }
                Ok(found) => files.push(Named {
                    name: path.clone(),
                    path: Some(found.path),
                    node: found.node,
                }),
                Err(error) => self.outcome.take(Err(error)),
            }
        }
        if !files.is_empty() {
            self.write_names(b"", files)?;
        }
        let titles = paths.len() > 1 || self.choice.recursive;
        for (found, title, parent) in asked {
            let directory = Directory {
                node: found.node,
                path: found.path,
                title: title.to_vec(),
                depth: 0,
            };
            let mut to_do = Vec::new();
            self.directory(directory, parent, titles, &mut to_do)?;
            while let Some(next) = to_do.pop() {
                let (directory, parent) = next.directory();
                self.directory(directory, Some(parent), titles, &mut to_do)?;
            }
        }
        Ok(())
    }

    /// What was typed, patterns as what they match.
    fn expanded(&mut self, typed: &[OsString]) -> Vec<Vec<u8>> {
        let mut paths = Vec::with_capacity(typed.len());
        for typed in typed {
            match expand(&mut self.lookups, typed.as_bytes()) {
                Ok(expansion) => paths.extend(expansion.into_paths()),
                Err(error) => self.outcome.take(Err(error)),
            }
        }
        paths
    }

    /// The parent of a directory that was asked for, where that is shown.
    fn parent(&mut self, found: &Found) -> Result<Option<Found>> {
        let path = || [b"/", &found.path[..], b"/.."].concat();
        let path = self.choice.all.then(path);
        path.map(|path| self.lookups.find(&path, Follow::Never))
            .transpose()
    }

    fn directory(
        &mut self,
        directory: Directory,
        parent: Option<Found>,
        titles: bool,
        to_do: &mut Vec<Below>,
    ) -> io::Result<()> {
        let names = match self.enter(&directory, parent) {
            Ok(names) => names,
            Err(error) => {
                self.outcome.take(Err(error.in_entry(&directory.path)));
                return Ok(());
            }
        };
        if titles && !self.format.json {
            if self.has_written {
                self.page.text("\n")?;
            }
            let mut title = self.names.show(&directory.title);
            title.extend(b":\n");
            self.page.bytes(&title)?;
        }
        // As GNU: where sizes or blocks are shown.
        if (self.format.long || self.format.size) && !self.format.json {
            // What inodes claim can be more than there are numbers for.
            let sectors = names
                .iter()
                .fold(0_u64, |sum, named| sum.saturating_add(named.node.sectors));
            self.page
                .text(&format!("total {}\n", taken(self.format, sectors)))?;
        }
        self.has_written = true;
        let directory = Rc::new(directory);
        if self.choice.recursive {
            let below = names.iter().filter(|named| {
                named.node.kind == Kind::Directory && !matches!(&named.name[..], b"." | b"..")
            });
            to_do.extend(below.rev().map(|named| Below {
                parent: Rc::clone(&directory),
                name: named.name.clone(),
                node: named.node.clone(),
            }));
        }
        self.write_names(&directory.path, names)
    }

    /// The names to be shown of a directory, in order; what of them cannot be read is told.
    fn enter(&mut self, this: &Directory, parent: Option<Found>) -> Result<Vec<Named>> {
        let node = &this.node;
        if this.depth >= MAX_DEPTH {
            return Err(Error::bad_image(format!(
                "more than {MAX_DEPTH} directories deep"
            )));
        }
        if !self.entered.insert(node.number) && this.depth > 0 {
            return Err(Error::bad_image(format!(
                "inode {} is a directory that was listed by another name",
                node.number
            )));
        }
        let entries = self.inside.read_dir(node)?;
        let left = self.names_left.checked_sub(entries.len() as u64);
        self.names_left = left.ok_or_else(|| {
            Error::unsupported(format!("more than {} names", Limits::default().max_entries))
        })?;
        let mut names = Vec::new();
        if self.choice.all {
            names.push(Named {
                name: b".".to_vec(),
                path: Some(this.path.clone()),
                node: node.clone(),
            });
            names.extend(parent.map(|parent| Named {
                name: b"..".to_vec(),
                path: Some(parent.path),
                node: parent.node,
            }));
        }
        for (name, number) in entries {
            if name.starts_with(b".") && !self.choice.all && !self.choice.almost_all {
                continue;
            }
            match self.inside.node(number) {
                Ok(node) => names.push(Named {
                    name: name.into(),
                    path: None,
                    node,
                }),
                Err(error) => {
                    let path = join(&this.path, &name);
                    self.outcome.take(Err(error.in_entry(&path)));
                }
            }
        }
        Ok(names)
    }

    fn write_names(&mut self, directory: &[u8], mut names: Vec<Named>) -> io::Result<()> {
        if self.choice.by_time {
            names.sort_by_key(|named| std::cmp::Reverse(named.node.mtime));
        } else if self.choice.by_size {
            names.sort_by_key(|named| std::cmp::Reverse(named.node.size_bytes));
        }
        if self.choice.reverse {
            names.reverse();
        }
        let format = self.format;
        if format.json {
            for named in &names {
                self.write_json(&named.path(directory), &named.node)?;
            }
            return Ok(());
        }
        let rows: Vec<Row> = names
            .into_iter()
            .map(|named| {
                let target = self.target(&named, directory);
                let layer = self.interior.layer(named.node.layer);
                Row::new(
                    format,
                    self.names,
                    &named.name,
                    &named.node,
                    (target.as_deref(), layer.as_ref()),
                )
            })
            .collect();
        let text = if format.long {
            long(&rows)
        } else {
            let is_wide = tell::has_terminal() && !format.one;
            columns(&rows, is_wide.then(terminal_columns))
        };
        self.has_written = true;
        self.page.bytes(&text)
    }

    fn target(&mut self, named: &Named, directory: &[u8]) -> Option<Vec<u8>> {
        if named.node.kind != Kind::Symlink || !self.format.long {
            return None;
        }
        let target = self.inside.target(&named.node);
        self.read(target, || named.path(directory))
    }

    /// What was read, or nothing, told by its path.
    fn read<T>(&mut self, read: Result<T>, path: impl Fn() -> Vec<u8>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(error) => {
                self.outcome.take(Err(error.in_entry(&path())));
                None
            }
        }
    }

    fn write_json(&mut self, path: &[u8], node: &Node) -> io::Result<()> {
        let target = match node.kind {
            Kind::Symlink => self.read(self.inside.target(node), || path.to_vec()),
            _ => None,
        };
        let xattrs = self.read(self.inside.xattrs(node), || path.to_vec());
        let xattrs = xattrs.unwrap_or_default();
        let shown = ShownNode::new(path, node, target.as_deref(), &xattrs, None)
            .of_layer(self.interior.layer(node.layer));
        self.page.json_line(schemas::LS, &shown)
    }
}

/// How wide the terminal is: what COLUMNS says, or what the terminal does.
fn terminal_columns() -> usize {
    let said = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    said.or_else(tell::terminal_columns).unwrap_or(80)
}
