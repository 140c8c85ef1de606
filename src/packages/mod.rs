//! Which packages a root filesystem says it has installed: dpkg's and apk's lists, out of a tree or
//! out of a filesystem.
//!
//! ```text
//! root (a tree's files, a filesystem's) → dpkg (stanza), apk → the list → changes (two lists)
//! ```
//!
//! Nothing here trusts the lists: what is read is bounded, links lead nowhere but into the root, and
//! what makes no sense is kept as it stands or left out, and counted either way.

mod apk;
mod changes;
mod dpkg;
mod root;
mod stanza;

pub use changes::{PackageChange, changes};
pub use root::{FilesystemRoot, Looked, Root, TreeRoot};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, escape_path, is_unprintable};
use crate::warnings::Warnings;

/// Bytes of all lists together; of a distribution's whole archive they would be fewer.
const MAX_BYTES: u64 = 64 << 20;

/// Packages of all lists together.
const MAX_PACKAGES: usize = 1 << 18;

/// Bytes of a package's name, of its version and of its architecture.
const MAX_FIELD_BYTES: usize = 1024;

/// An installed package. Packages are in order by the bytes of name, architecture and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name, as `libc6`.
    pub name: String,
    /// Its version, as the list has it; empty where that has none.
    pub version: String,
    /// Its architecture, as `amd64`, `all` or `x86_64`; empty where the list has none.
    pub arch: String,
}

impl Package {
    fn order(&self) -> (&str, &str, &str) {
        (&self.name, &self.arch, &self.version)
    }
}

/// A list that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Whose it is: `dpkg` or `apk`.
    pub format: &'static str,
    /// Where it is, without a leading `/`.
    pub path: String,
    /// How many installed packages it has.
    pub packages: u64,
}

/// What is installed, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    /// The packages, ascending, each once.
    pub packages: Vec<Package>,
    /// The lists that they are of.
    pub databases: Vec<Database>,
    /// What was not read, and what made no sense.
    pub warnings: Warnings,
    /// Whether there is more that was not read: that nothing differs is not known then.
    pub is_part: bool,
}

/// Lists of others, which are named and not read: each by the files that tell of it.
const UNREAD: [(&str, &[&str]); 2] = [
    (
        "packages in the database of rpm are not listed: it is not read",
        &[
            "var/lib/rpm/rpmdb.sqlite",
            "var/lib/rpm/Packages.db",
            "var/lib/rpm/Packages",
            "usr/lib/sysimage/rpm/rpmdb.sqlite",
            "usr/lib/sysimage/rpm/Packages.db",
            "usr/lib/sysimage/rpm/Packages",
        ],
    ),
    (
        "packages in the database of pacman are not listed: it is not read",
        &["var/lib/pacman/local"],
    ),
];

impl Packages {
    /// Reads all lists of a root filesystem.
    ///
    /// # Errors
    /// [`Error::BadImage`] where the way to a list goes round or the filesystem is damaged there,
    /// [`Error::Unsupported`] for lists larger than any are, and read errors.
    pub fn read(root: &mut dyn Root) -> Result<Self> {
        let mut reading = Reading {
            root,
            found: Self::default(),
            bytes_left: MAX_BYTES,
            is_read: Vec::new(),
        };
        dpkg::read(&mut reading)?;
        apk::read(&mut reading)?;
        for (what, paths) in UNREAD {
            for path in paths {
                // That it is there is all that is asked of it.
                if !matches!(reading.root.look(path.as_bytes(), 0)?, Looked::Absent) {
                    reading.found.warnings.count(what, path.as_bytes());
                    reading.found.is_part = true;
                    break;
                }
            }
        }
        let mut found = reading.found;
        if found.databases.is_empty() && !found.is_part {
            found.warnings.count(
                "no list of packages is known here",
                b"neither var/lib/dpkg/status nor lib/apk/db/installed is a file",
            );
        }
        found
            .packages
            .sort_by(|one, other| one.order().cmp(&other.order()));
        let before = found.packages.len();
        found.packages.dedup();
        for _ in found.packages.len()..before {
            found
                .warnings
                .count("a package is listed twice", b"the list of packages");
        }
        Ok(found)
    }

    /// The list as JSON, `[{"name":…,"version":…,"arch":…}]` with a line for each package.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where it cannot be written as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let lines: Vec<_> = self
            .packages
            .iter()
            .map(|package| serde_json::to_string(package).map(|line| format!("  {line}")))
            .collect::<Result<_, _>>()
            .map_err(|error| Error::Mismatch(format!("cannot make JSON: {error}")))?;
        Ok(match lines.is_empty() {
            true => b"[]\n".to_vec(),
            false => format!("[\n{}\n]\n", lines.join(",\n")).into_bytes(),
        })
    }
}

/// A root filesystem whose lists are being read.
struct Reading<'a> {
    root: &'a mut dyn Root,
    found: Packages,
    bytes_left: u64,
    /// The files that were read: several paths may lead to one.
    is_read: Vec<u64>,
}

impl Reading<'_> {
    /// The bytes of a list; nothing where there is none, or where it was read by another path.
    fn list(&mut self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.root.look(path.as_bytes(), self.bytes_left)? {
            Looked::File { id, bytes } if !self.is_read.contains(&id) => {
                self.is_read.push(id);
                self.bytes_left -= bytes.len() as u64;
                Ok(Some(bytes))
            }
            Looked::File { .. } | Looked::Absent => Ok(None),
            Looked::TooLarge { size_bytes } => Err(Error::unsupported(format!(
                "expected lists of packages of at most {MAX_BYTES} bytes together, found one of {size_bytes} bytes"
            ))
            .in_entry(path.as_bytes())),
            Looked::Directory(_) | Looked::Other => {
                let what = "a list of packages is no regular file and is not read";
                self.leave_out(what, path);
                Ok(None)
            }
        }
    }

    /// Begins to add packages of a list.
    fn begin(&mut self, format: &'static str, path: &str) {
        self.found.databases.push(Database {
            format,
            path: path.to_owned(),
            packages: 0,
        });
    }

    /// Adds a package to the list that was begun last.
    fn add(&mut self, path: &str, [name, version, arch]: [&[u8]; 3]) -> Result<()> {
        let fields = [name, version, arch];
        if fields.iter().any(|field| field.len() > MAX_FIELD_BYTES) {
            self.leave_out("a package's name, version or architecture is longer than 1024 bytes, and it is left out", path);
            return Ok(());
        }
        if version.is_empty() {
            self.warn("a package has no version", path);
        }
        if self.found.packages.len() >= MAX_PACKAGES {
            let problem = format!("expected at most {MAX_PACKAGES} packages, found more");
            return Err(Error::unsupported(problem).in_entry(path.as_bytes()));
        }
        let mut is_text = true;
        let mut text = |field: &[u8]| match std::str::from_utf8(field) {
            Ok(text) if !text.contains(is_unprintable) => text.to_owned(),
            _ => {
                is_text = false;
                escape_path(field)
            }
        };
        let package = Package {
            name: text(name),
            version: text(version),
            arch: text(arch),
        };
        if !is_text {
            self.warn("a package's name, version or architecture is no printable text, and is shown escaped", path);
        }
        self.found.packages.push(package);
        if let Some(database) = self.found.databases.last_mut() {
            database.packages += 1;
        }
        Ok(())
    }

    /// Warns of what is not on the list and may be installed nevertheless.
    fn leave_out(&mut self, what: &'static str, path: &str) {
        self.warn(what, path);
        self.found.is_part = true;
    }

    fn warn(&mut self, what: &'static str, path: &str) {
        self.found.warnings.count(what, path.as_bytes());
    }
}

#[cfg(test)]
mod tests;
