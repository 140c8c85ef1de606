//! Patterns of paths, as a shell has them.

use std::collections::BTreeSet;

use globset::{Candidate, GlobBuilder, GlobMatcher};
use rustix::io::Errno;

use super::lookup::Lookups;
use super::node::Found;
use crate::error::{Error, Result, escape_path};
use crate::limits::Limits;
use crate::listing::{Kind, join};
use crate::view::{Follow, MAX_DEPTH};

/// What was typed, and the paths it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expansion {
    /// A path, there or not.
    Path(Vec<u8>),
    /// What a pattern matches, ascending by the paths' bytes; never nothing.
    Matches(Vec<Vec<u8>>),
}

impl Expansion {
    /// The paths.
    pub fn into_paths(self) -> Vec<Vec<u8>> {
        match self {
            Self::Path(path) => vec![path],
            Self::Matches(paths) => paths,
        }
    }
}

/// Whether a path has letters that a shell takes for a pattern.
pub fn is_pattern(path: &[u8]) -> bool {
    path.iter().any(|byte| b"*?[{".contains(byte))
}

/// A component of a pattern.
enum Component {
    /// A name as it stands.
    Name(Vec<u8>),
    /// What matches.
    Glob(GlobMatcher, bool),
    /// `**`: directories, any number of them.
    AnyDepth,
}

/// The paths that something typed stands for: itself where it has nothing of a pattern or is there as
/// it stands, else what it matches. `*`, `?`, `[…]` and `{…,…}` match within a name, `**` any number of
/// directories; names that begin with a dot are matched where the pattern's own begins so. Links on
/// the way are followed, but not by `**`.
///
/// # Errors
/// [`Error::Io`] where a pattern matches nothing, [`Error::Unsupported`] where it is none, and what
/// a damaged directory on the way gives.
pub fn expand(lookups: &mut Lookups<'_>, typed: &[u8]) -> Result<Expansion> {
    if !is_pattern(typed) || lookups.find(typed, Follow::Never).is_ok() {
        return Ok(Expansion::Path(typed.to_vec()));
    }
    let components = components(typed)?;
    let mut matching = Matching {
        lookups,
        components: &components,
        is_absolute: typed.starts_with(b"/"),
        directories_only: typed.ends_with(b"/"),
        entered: BTreeSet::new(),
        names_left: Limits::default().max_entries,
        spent_bytes: 0,
        paths: BTreeSet::new(),
    };
    matching.run()?;
    if matching.paths.is_empty() {
        let shown = typed.strip_prefix(b"/").unwrap_or(typed);
        let what = format!("nothing matches /{}", escape_path(shown));
        return Err(Error::io(what, Errno::NOENT.into()));
    }
    Ok(Expansion::Matches(matching.paths.into_iter().collect()))
}

fn components(typed: &[u8]) -> Result<Vec<Component>> {
    let names = typed
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty());
    names
        .map(|name| {
            if name == b"**" {
                return Ok(Component::AnyDepth);
            }
            if !is_pattern(name) {
                return Ok(Component::Name(name.to_vec()));
            }
            let refused = |why: String| {
                Error::unsupported(format!(
                    "/{}: expected a pattern, found {why}",
                    escape_path(typed.strip_prefix(b"/").unwrap_or(typed))
                ))
            };
            let text = std::str::from_utf8(name).map_err(|_| refused("no UTF-8".to_owned()))?;
            let glob = GlobBuilder::new(text)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| refused(error.kind().to_string()))?;
            Ok(Component::Glob(
                glob.compile_matcher(),
                text.starts_with('.'),
            ))
        })
        .collect()
}

struct Matching<'l, 'a, 'c> {
    lookups: &'l mut Lookups<'a>,
    components: &'c [Component],
    is_absolute: bool,
    directories_only: bool,
    /// Directories, with the component that was looked for in them: none is looked through twice.
    entered: BTreeSet<(u32, usize)>,
    names_left: u64,
    spent_bytes: u64,
    paths: BTreeSet<Vec<u8>>,
}

impl Matching<'_, '_, '_> {
    fn run(&mut self) -> Result<()> {
        let root = self.lookups.find(b"/", Follow::Always)?;
        let mut to_do = vec![(root, 0)];
        while let Some((found, at)) = to_do.pop() {
            let Some(component) = self.components.get(at) else {
                self.take(found)?;
                continue;
            };
            let Some(directory) = self.directory(&found)? else {
                continue;
            };
            match component {
                Component::Name(name) => {
                    let path = join(&found.path, name);
                    if let Some(next) = self.look(&path)? {
                        to_do.push((next, at + 1));
                    }
                }
                Component::Glob(glob, with_dot) => {
                    for (name, number) in self.names(&directory, at)? {
                        let is_hidden = name.starts_with(b".") && !with_dot;
                        if is_hidden || !glob.is_match_candidate(&Candidate::from_bytes(&name)) {
                            continue;
                        }
                        to_do.push((self.child(&found, &name, number)?, at + 1));
                    }
                }
                Component::AnyDepth => {
                    to_do.push((found.clone(), at + 1));
                    if found.path.split(|&byte| byte == b'/').count() > MAX_DEPTH {
                        return Err(Error::bad_image(format!(
                            "more than {MAX_DEPTH} directories deep"
                        )));
                    }
                    for (name, number) in self.names(&directory, at)? {
                        if name.starts_with(b".") {
                            continue;
                        }
                        let next = self.child(&found, &name, number)?;
                        if next.node.kind == Kind::Directory {
                            to_do.push((next, at));
                        } else if at + 1 == self.components.len() {
                            self.take(next)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// A path that is matched.
    fn take(&mut self, found: Found) -> Result<()> {
        if self.directories_only && self.directory(&found)?.is_none() {
            return Ok(());
        }
        let slash: &[u8] = if self.is_absolute { b"/" } else { b"" };
        let behind: &[u8] = if self.directories_only { b"/" } else { b"" };
        let path = [slash, &found.path, behind].concat();
        if !path.is_empty() {
            self.paths.insert(path);
        }
        Ok(())
    }

    /// The directory that this is or leads to.
    fn directory(&mut self, found: &Found) -> Result<Option<Found>> {
        match found.node.kind {
            Kind::Directory => Ok(Some(found.clone())),
            Kind::Symlink => {
                let target = match self.lookups.find(&found.path, Follow::Always) {
                    Ok(target) => target,
                    Err(Error::Io { .. }) => return Ok(None),
                    Err(error) => return Err(error),
                };
                Ok((target.node.kind == Kind::Directory).then_some(target))
            }
            _ => Ok(None),
        }
    }

    fn look(&mut self, path: &[u8]) -> Result<Option<Found>> {
        match self.lookups.find(path, Follow::Never) {
            Ok(mut found) => {
                // As it was typed, links on the way included.
                found.path = path.to_vec();
                Ok(Some(found))
            }
            Err(Error::Io { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn child(&self, directory: &Found, name: &[u8], number: u32) -> Result<Found> {
        let path = join(&directory.path, name);
        let node = self.lookups.inside().node(number);
        Ok(Found {
            node: node.map_err(|error| error.in_entry(&path))?,
            path,
        })
    }

    /// A directory's names, where they were not looked through for this component before.
    fn names(&mut self, directory: &Found, at: usize) -> Result<Vec<(Box<[u8]>, u32)>> {
        if !self.entered.insert((directory.node.number, at)) {
            return Ok(Vec::new());
        }
        let inside = self.lookups.inside();
        let within = |error: Error| error.in_entry(&directory.path);
        // Directories that share their blocks could go on for ever.
        let (all_bytes, bytes) = inside.directory_bytes(&directory.node);
        self.spent_bytes = self.spent_bytes.saturating_add(bytes);
        if self.spent_bytes > all_bytes.saturating_mul(self.components.len() as u64) {
            return Err(within(Error::bad_image(
                "the directories on the way are larger than the filesystem",
            )));
        }
        let names = inside.read_dir(&directory.node).map_err(within)?;
        let left = self.names_left.checked_sub(names.len() as u64);
        self.names_left = left.ok_or_else(|| {
            Error::unsupported(format!(
                "more than {} names on the way",
                Limits::default().max_entries
            ))
        })?;
        Ok(names)
    }
}
