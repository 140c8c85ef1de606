//! What is put in behind the layers, from elsewhere than the image: read under the same limits, and
//! told in a form that the tree can apply.

use std::sync::Arc;

use super::budget::{Budget, Used};
use super::verifying::Unchanged;
use super::{Changeset, LayerSummary, Layers};
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::limits::Limits;
use crate::region::{Content, FileRegion};
use crate::tar::{Entry, EntryKind, InPlace, Passage, Reader, Xattr};
use crate::units::{FileFlags, Timestamp};
use crate::warnings::Warnings;

/// Something that is put in.
#[derive(Debug, Clone)]
pub struct PutIn {
    /// Where it is from, for messages: an option and its value.
    pub name: String,
    /// What it is.
    pub put: Put,
}

/// What is put in.
#[derive(Debug, Clone)]
pub enum Put {
    /// A tar, applied as a layer is.
    Tar {
        /// What it says.
        changeset: Changeset,
        /// Where in the tree its root is, a path without a slash before it.
        at: Box<[u8]>,
        /// Which of the put-ins' regions its contents are in.
        region: u32,
    },
    /// Names that are made one after the other.
    Names {
        /// The names.
        made: Arc<Vec<Made>>,
        /// Whether one takes the place of what has it but is not of its kind: a directory's by a
        /// file, a file's by a directory. That is warned of, else refused.
        replaces: bool,
    },
}

/// A name that is made in the tree.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its path from the root, without a slash before or behind it; the root's own is empty.
    pub path: Box<[u8]>,
    /// What it is. A hard link's target is the path of a name that was made before.
    pub kind: EntryKind,
    /// Which of the put-ins' regions a file's content is in.
    pub region: u32,
    /// Permission, setuid, setgid and sticky bits: `0o7777` at most.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time; where there is none the time of what has none of its own.
    pub mtime: Option<Timestamp>,
    /// Extended attributes, sorted by name, each name once.
    pub xattrs: Box<[Xattr]>,
    /// What chattr sets.
    pub file_flags: FileFlags,
    /// Of a directory: what becomes of one that is there.
    pub existing: Existing,
}

/// What becomes of a directory that is there where one is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays as it is.
    Kept,
    /// It gets this one's attributes.
    Set,
    /// It gets this one's mode, and its owner where that is so; it keeps its time.
    Changed {
        /// Whether the owner was told, too.
        owner: bool,
    },
    /// Whatever has the name stays, be it a directory or not.
    Spared,
}

/// Reads what is put in behind layers, and hangs it behind them.
#[derive(Debug)]
pub struct PutInReader<'a> {
    limits: &'a Limits,
    /// Of the layers and what was put in before, and of what is being read.
    used: [Used; 2],
    regions: Vec<FileRegion>,
    put_in: Vec<PutIn>,
    warnings: Warnings,
    watched: Vec<Unchanged>,
}

/// A tar that was read.
#[derive(Debug)]
pub struct PutInTar {
    /// Its entries in its order.
    pub entries: Vec<Entry>,
    /// Which of the put-ins' regions their contents are in.
    pub region: u32,
    /// The tar's length.
    tar_bytes: u64,
}

struct Counted<'a>(&'a Budget<'a>);

impl Passage for Counted<'_> {
    fn pass(&self, bytes: u64) -> Result<()> {
        self.0.add_tar_bytes(bytes)
    }
}

impl<'a> PutInReader<'a> {
    /// Behind these layers, and charged for what they have used of the limits.
    pub fn behind(layers: &Layers, limits: &'a Limits) -> Self {
        let base = Used::default();
        for changeset in &layers.changesets {
            let summary = &changeset.layer;
            base.add(
                summary.entry_count,
                summary.tar_bytes,
                changeset.index_bytes(),
            );
        }
        Self {
            limits,
            used: [base, Used::default()],
            regions: Vec::new(),
            put_in: Vec::new(),
            warnings: Warnings::default(),
            watched: Vec::new(),
        }
    }

    /// Reads a tar and keeps it.
    ///
    /// # Errors
    /// [`Error::BadImage`] for what is no tar or goes beyond a limit, [`Error::Unsupported`] for what
    /// no tree can hold, [`Error::Io`].
    pub fn tar(&mut self, tar: FileRegion) -> Result<PutInTar> {
        let entries = self.entries(&tar)?;
        Ok(PutInTar {
            entries,
            tar_bytes: tar.length_bytes,
            region: self.keep(tar),
        })
    }

    /// The entries of a tar.
    fn entries(&mut self, tar: &FileRegion) -> Result<Vec<Entry>> {
        let limits = self.limits;
        let (entries, warnings) = {
            let budget = self.budget();
            let mut reader = Reader::new(InPlace::new(tar, Counted(&budget)), limits);
            let mut entries = Vec::new();
            while let Some(entry) = reader.next_entry()? {
                budget
                    .add_entry(entry.index_bytes())
                    .map_err(|error| error.in_entry(&entry.path))?;
                entries.push(entry);
            }
            (entries, reader.finish()?)
        };
        self.warnings.merge(warnings);
        Ok(entries)
    }

    /// Keeps a file whose attributes are those of the only entry of a tar; its content is in `bytes`,
    /// as of [`Self::bytes`]. The tar is not kept: each that is takes an open file.
    ///
    /// # Errors
    /// Those of [`Self::tar`] and [`Self::bytes`].
    pub fn file(
        &mut self,
        header: &FileRegion,
        content: &Content,
        bytes: FileRegion,
        watched: Option<&str>,
    ) -> Result<PutInTar> {
        let tar_bytes = bytes.length_bytes;
        let mut entries = self.entries(header)?;
        for entry in &mut entries {
            entry.path = b".".as_slice().into();
            entry.kind = EntryKind::Regular(content.clone());
        }
        Ok(PutInTar {
            entries,
            tar_bytes,
            region: self.bytes(bytes, watched)?,
        })
    }

    /// Keeps bytes that files' contents are in; where they are the file `watched` itself, that must
    /// not change until all layers are verified.
    ///
    /// # Errors
    /// [`Error::BadImage`] beyond a limit, [`Error::Io`].
    pub fn bytes(&mut self, bytes: FileRegion, watched: Option<&str>) -> Result<u32> {
        self.budget().add_tar_bytes(bytes.length_bytes)?;
        if let Some(name) = watched {
            self.watched.push(Unchanged::named(&bytes.file, name)?);
        }
        Ok(self.keep(bytes))
    }

    /// Counts a name that is in no tar.
    ///
    /// # Errors
    /// [`Error::BadImage`] beyond a limit.
    pub fn count(&mut self, path: &[u8]) -> Result<()> {
        self.budget().add_entry(path.len() as u64)
    }

    /// Puts a tar in, its root at this path.
    pub fn put_tar(&mut self, name: String, taken: PutInTar, at: &[u8]) {
        let summary = LayerSummary {
            diff_id: None,
            digest: None,
            media_type: None,
            stored_bytes: taken.tar_bytes,
            tar_bytes: taken.tar_bytes,
            entry_count: taken.entries.len() as u64,
        };
        let put = Put::Tar {
            changeset: Changeset {
                layer: summary,
                entries: Arc::new(taken.entries),
                whiteouts: true,
            },
            at: at.into(),
            region: taken.region,
        };
        self.put_in.push(PutIn { name, put });
    }

    /// Puts names in.
    pub fn put_names(&mut self, name: String, made: Vec<Made>, replaces: bool) {
        let made = Arc::new(made);
        let put = Put::Names { made, replaces };
        self.put_in.push(PutIn { name, put });
    }

    /// What was noticed goes on to who reads the layers.
    pub fn warnings(&mut self) -> &mut Warnings {
        &mut self.warnings
    }

    /// Hangs all of it behind the layers.
    pub fn finish(self, layers: &mut Layers) {
        for file in self.watched {
            layers.verifying.watch(file);
        }
        layers.warnings.merge(self.warnings);
        layers.put_in = self.put_in;
        layers.contents.put_in = self.regions.into();
    }

    /// The next put-in's.
    fn budget(&mut self) -> Budget<'_> {
        let [before, last] = &mut self.used;
        before.take_over(last);
        // Nothing of it is compressed: nothing expands.
        Budget::new(self.limits, &self.used, &[0; 2], 1)
    }

    fn keep(&mut self, region: FileRegion) -> u32 {
        self.regions.push(region);
        // Each takes an open file: there are not as many.
        (self.regions.len() - 1) as u32
    }
}

impl Put {
    /// How much memory it takes beyond its fixed size: see [`Entry::index_bytes`].
    pub fn index_bytes(&self) -> u64 {
        match self {
            Self::Tar { changeset, .. } => changeset.index_bytes(),
            Self::Names { made, .. } => made.iter().map(|made| made.path.len() as u64).sum(),
        }
    }

    /// How many entries it has.
    pub fn entries(&self) -> u64 {
        match self {
            Self::Tar { changeset, .. } => changeset.entries.len() as u64,
            Self::Names { made, .. } => made.len() as u64,
        }
    }
}
