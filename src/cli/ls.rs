//! `layerpress ls`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::attributes::ShownNode;
use super::names::Names;
use super::rows::{Row, columns, long};
use super::tell::json_text;
use super::view::{Outcome, open};
use crate::error::Error;
use crate::limits::Limits;
use crate::listing::Kind;
use crate::view::{Follow, Found, MAX_DEPTH, Node, View, join};

/// What is typed after `ls`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct LsArguments {
    /// The filesystem image
    #[arg(value_name = "IMG")]
    image: PathBuf,
    /// Directories or other names in it
    #[arg(value_name = "PATH", default_value = "/")]
    paths: Vec<OsString>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    choice: Choice,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// How names are shown.
#[derive(Debug, Clone, Copy, Args)]
pub struct Format {
    /// Mode, links, owner, size or device numbers, time in UTC, and where links lead
    #[arg(short)]
    pub long: bool,
    /// Sizes as in 1.5K
    #[arg(short = 'h', long)]
    pub human_readable: bool,
    /// Inode numbers
    #[arg(short, long)]
    pub inode: bool,
    /// Blocks taken, in units of 1 KiB
    #[arg(short, long)]
    pub size: bool,
    /// Users and groups as numbers, which they always are; with -l
    #[arg(short, long)]
    pub numeric_uid_gid: bool,
    /// A letter behind names: / for directories, @ links, * programs, | FIFOs, = sockets
    #[arg(short = 'F', long)]
    pub classify: bool,
    /// One name a line [default: where standard output is no terminal]
    #[arg(short = '1')]
    pub one: bool,
    /// Print a JSON object for each name, with everything, one a line
    #[arg(long)]
    pub json: bool,
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
pub fn run(arguments: &LsArguments) -> anyhow::Result<()> {
    let view = open(&arguments.image)?;
    let mut lister = Lister {
        view: &view,
        format: arguments.format,
        choice: arguments.choice,
        names: Names::for_stdout(),
        output: BufWriter::new(io::stdout().lock()),
        outcome: Outcome::default(),
        has_written: false,
        entered: BTreeSet::new(),
        names_left: Limits::default().max_entries,
    };
    match lister.run(&arguments.paths) {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        Err(error) => return Err(Error::io("cannot write to standard output", error).into()),
        Ok(()) => {}
    }
    lister.outcome.finish()
}

struct Lister<'a> {
    view: &'a View,
    format: Format,
    choice: Choice,
    names: Names,
    output: BufWriter<io::StdoutLock<'static>>,
    outcome: Outcome,
    has_written: bool,
    entered: BTreeSet<u32>,
    names_left: u64,
}

/// A directory to be listed: where, what it is called, and how deep.
struct ToDo {
    found: Found,
    title: Vec<u8>,
    depth: usize,
}

impl Lister<'_> {
    fn run(&mut self, paths: &[OsString]) -> io::Result<()> {
        // As GNU: a link to a directory is that directory, unless it is itself what is asked for.
        let lstat = self.choice.directory || self.format.long || self.format.classify;
        let mut files = Vec::new();
        let mut to_do = Vec::new();
        for path in paths {
            let path = path.as_bytes();
            let found = self.view.lookup(path, Follow::Never).map(|found| {
                if found.node.kind != Kind::Symlink || lstat {
                    return found;
                }
                // One that leads nowhere is shown as it is.
                match self.view.lookup(path, Follow::Always) {
                    Ok(target) if target.node.kind == Kind::Directory => target,
                    _ => found,
                }
            });
            match found {
                Ok(found) if found.node.kind == Kind::Directory && !self.choice.directory => {
                    to_do.push(ToDo {
                        found,
                        title: path.to_vec(),
                        depth: 0,
                    });
                }
                Ok(found) => files.push((path.to_vec(), found.path, found.node)),
                Err(error) => self.outcome.take(Err(error)),
            }
        }
        if !files.is_empty() {
            self.write_names(files)?;
        }
        let titles = paths.len() > 1 || self.choice.recursive;
        to_do.reverse();
        while let Some(next) = to_do.pop() {
            self.directory(next, titles, &mut to_do)?;
        }
        self.output.flush()
    }

    fn directory(&mut self, this: ToDo, titles: bool, to_do: &mut Vec<ToDo>) -> io::Result<()> {
        let names = match self.enter(&this) {
            Ok(names) => names,
            Err(error) => {
                self.outcome.take(Err(error.in_entry(&this.found.path)));
                return Ok(());
            }
        };
        if titles && !self.format.json {
            if self.has_written {
                self.output.write_all(b"\n")?;
            }
            let mut title = self.names.show(&this.title);
            title.extend(b":\n");
            self.output.write_all(&title)?;
        }
        if self.format.long && !self.format.json {
            let sectors: u64 = names.iter().map(|(_, _, node)| node.sectors()).sum();
            writeln!(self.output, "total {}", sectors.div_ceil(2))?;
        }
        self.has_written = true;
        let mut below = Vec::new();
        if self.choice.recursive {
            for (name, path, node) in &names {
                if node.kind == Kind::Directory && !matches!(&name[..], b"." | b"..") {
                    let slash: &[u8] = if this.title.ends_with(b"/") {
                        b""
                    } else {
                        b"/"
                    };
                    below.push(ToDo {
                        found: Found {
                            path: path.clone(),
                            node: node.clone(),
                        },
                        title: [&this.title[..], slash, name].concat(),
                        depth: this.depth + 1,
                    });
                }
            }
        }
        to_do.extend(below.into_iter().rev());
        self.write_names(names)
    }

    /// The names to be shown of a directory, in order; what of them cannot be read is told.
    fn enter(&mut self, this: &ToDo) -> crate::Result<Vec<Named>> {
        let node = &this.found.node;
        if this.depth >= MAX_DEPTH {
            return Err(Error::bad_image(format!(
                "more than {MAX_DEPTH} directories deep"
            )));
        }
        if !self.entered.insert(node.number.0) && this.depth > 0 {
            return Err(Error::bad_image(format!(
                "inode {} is a directory that was listed by another name",
                node.number
            )));
        }
        let entries = self.view.read_dir(node)?;
        let left = self.names_left.checked_sub(entries.len() as u64);
        self.names_left = left.ok_or_else(|| {
            Error::unsupported(format!("more than {} names", Limits::default().max_entries))
        })?;
        let mut names = Vec::new();
        if self.choice.all {
            names.push((b".".to_vec(), this.found.path.clone(), node.clone()));
            let parent = [b"/", &this.found.path[..], b"/.."].concat();
            let parent = self.view.lookup(&parent, Follow::Never)?;
            names.push((b"..".to_vec(), parent.path, parent.node));
        }
        for entry in entries {
            if entry.name.starts_with(b".") && !self.choice.all && !self.choice.almost_all {
                continue;
            }
            let path = join(&this.found.path, &entry.name);
            match self.view.node(entry.inode) {
                Ok(node) => names.push((entry.name.into(), path, node)),
                Err(error) => self.outcome.take(Err(error.in_entry(&path))),
            }
        }
        Ok(names)
    }

    fn write_names(&mut self, mut names: Vec<Named>) -> io::Result<()> {
        if self.choice.by_time {
            names.sort_by_key(|(_, _, node)| std::cmp::Reverse(node.mtime()));
        } else if self.choice.by_size {
            names.sort_by_key(|(_, _, node)| std::cmp::Reverse(node.size_bytes()));
        }
        if self.choice.reverse {
            names.reverse();
        }
        let format = self.format;
        if format.json {
            for (_, path, node) in &names {
                self.write_json(path, node)?;
            }
            return Ok(());
        }
        let rows: Vec<Row> = names
            .into_iter()
            .map(|(name, path, node)| {
                let target = self.target(&path, &node);
                Row::new(format, self.names, &name, &node, target.as_deref())
            })
            .collect();
        let text = if format.long {
            long(&rows)
        } else {
            let is_wide = io::stdout().is_terminal() && !format.one;
            columns(&rows, is_wide.then(terminal_columns))
        };
        self.has_written = true;
        self.output.write_all(&text)
    }

    fn target(&mut self, path: &[u8], node: &Node) -> Option<Vec<u8>> {
        if node.kind != Kind::Symlink || !(self.format.long || self.format.json) {
            return None;
        }
        match self.view.target(node) {
            Ok(target) => Some(target),
            Err(error) => {
                self.outcome.take(Err(error.in_entry(path)));
                None
            }
        }
    }

    fn write_json(&mut self, path: &[u8], node: &Node) -> io::Result<()> {
        let target = self.target(path, node);
        let xattrs = match self.view.xattrs(node) {
            Ok(xattrs) => xattrs,
            Err(error) => {
                self.outcome.take(Err(error.in_entry(path)));
                Box::default()
            }
        };
        let shown = ShownNode::new(path, node, target.as_deref(), &xattrs, None);
        let text = json_text(&serde_json::to_string(&shown)?);
        writeln!(self.output, "{text}")
    }
}

/// A name as it is shown, its path, its inode.
type Named = (Vec<u8>, Vec<u8>, Node);

/// How wide the terminal is: what COLUMNS says, or what the terminal does.
fn terminal_columns() -> usize {
    let said = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    let measured = || {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then(|| usize::from(size.ws_col))
    };
    said.or_else(measured).unwrap_or(80)
}
