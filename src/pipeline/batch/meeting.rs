//! Outputs of several images that would meet.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::BatchItem;
use crate::error::{Error, Result, escape_path};
use crate::finish::OutputName;
use crate::pinned::{Identity, identity_at};
use crate::pipeline::claimed::FileName;
use crate::source::{Place, input_files, input_tree};

/// Every file that was told of, and of which item of the list it is.
#[derive(Debug, Default)]
pub(super) struct Written {
    files: BTreeMap<FileName, (usize, PathBuf)>,
    /// Names with words that their images have yet to say, with the image and its platform.
    open: BTreeMap<(PathBuf, String, String), usize>,
    /// Files that are read, and the first item for which they are.
    read: HashMap<Identity, usize>,
    /// Directories of which everything is read, and all items for which it is: what an item writes in
    /// its own is left out there, but not where another reads it.
    trees: BTreeMap<PathBuf, BTreeSet<usize>>,
    /// Filesystems that others are laid out like, and for which items. One may take such a place
    /// itself if it is the only one.
    earlier: HashMap<Identity, BTreeSet<usize>>,
}

impl Written {
    /// Takes in what is read for an item, of which nothing may be replaced; of a place that was `seen`
    /// not once more.
    pub(super) fn spare(&mut self, index: usize, item: &BatchItem, seen: &mut BTreeSet<String>) {
        let image = &item.image;
        // What is not there fails by itself, and alone.
        if let Ok(place) = Place::within(&image.reference, &image.open.reach) {
            if seen.insert(format!("{place:?}")) {
                for file in input_files(&place) {
                    self.read.entry(file).or_insert(index);
                }
            }
            if let Some(tree) = input_tree(&place) {
                self.trees.entry(tree).or_default().insert(index);
            }
        }
        for path in image.put_in() {
            if let Ok(tree) = path.canonicalize()
                && tree.is_dir()
            {
                self.trees.entry(tree).or_default().insert(index);
            }
        }
        for path in image.put_in().iter().chain(&item.output.spared) {
            if let Some(file) = identity_at(path) {
                self.read.entry(file).or_insert(index);
            }
        }
    }

    /// Takes in the filesystem in `path` that an item is laid out like.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with both, where another item writes it.
    pub(super) fn spare_earlier(&mut self, index: usize, path: &Path) -> Result<()> {
        // What is not there fails by itself, and alone.
        let (Some(file), Ok(path)) = (identity_at(path), path.canonicalize()) else {
            return Ok(());
        };
        self.earlier.entry(file).or_default().insert(index);
        let name = FileName::of(&path)?.without_case();
        match self.files.get(&name).filter(|(other, _)| *other != index) {
            Some((other, written)) => Err(read_and_written(written, *other, index)),
            None => Ok(()),
        }
    }

    /// Takes in what an item writes as far as that is known before its image is read.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(super) fn add_unread(&mut self, index: usize, item: &BatchItem) -> Result<()> {
        let path = &item.output.path;
        // What is no name fails by itself, and alone.
        let (Ok(name), Ok(output)) = (OutputName::parse(path), item.output.clone().filled(None))
        else {
            return Ok(());
        };
        if name.is_whole() {
            return self.add(index, &output.paths());
        }
        let image = &item.image;
        let platform = image.open.platform.as_ref().map(ToString::to_string);
        let key = (
            path.clone(),
            image.reference.to_string(),
            platform.unwrap_or_default(),
        );
        match self.open.insert(key, index) {
            None => Ok(()),
            Some(other) => Err(meet((path, other), (path, index))),
        }
    }

    /// Takes in what an item writes; once more is as good as once. Names that differ in case alone are
    /// one on some filesystems, and so they are here.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with both, where another item writes one of them, by whatever path, or is
    /// read from it.
    pub(super) fn add(&mut self, index: usize, paths: &[PathBuf]) -> Result<()> {
        for path in paths {
            // One that cannot be opened fails by itself, and alone.
            let Ok(name) = FileName::of(path) else {
                continue;
            };
            let (other, before) = self
                .files
                .entry(name.without_case())
                .or_insert_with(|| (index, path.clone()));
            if *other != index {
                return Err(meet((before, *other), (path, index)));
            }
            // An item's own is told by itself, and fails alone.
            let read = identity_at(path).and_then(|file| self.read.get(&file));
            if let Some(other) = read.filter(|other| **other != index) {
                return Err(read_and_written(path, index, *other));
            }
            // New ones, too: whether they are read there would depend on which image is made first.
            if let Some(other) = self.reader_of_tree(&name, index) {
                return Err(read_and_written(path, index, other));
            }
            let earlier = identity_at(path).and_then(|file| self.earlier.get(&file));
            let others = earlier.into_iter().flatten();
            if let Some(other) = others.copied().find(|other| *other != index) {
                return Err(read_and_written(path, index, other));
            }
        }
        Ok(())
    }

    /// Another item for which a directory is read that a file lies in.
    fn reader_of_tree(&self, name: &FileName, index: usize) -> Option<usize> {
        let around = name.directory().ancestors();
        let readers = around.filter_map(|tree| self.trees.get(tree)).flatten();
        readers.copied().find(|reader| *reader != index)
    }
}

fn read_and_written(written: &Path, by: usize, reader: usize) -> Error {
    Error::unsupported(format!(
        "expected outputs other than what is read, found {} of image {}, which image {} needs",
        shown(written),
        by + 1,
        reader + 1
    ))
}

fn meet((before, other): (&Path, usize), (path, index): (&Path, usize)) -> Error {
    Error::unsupported(format!(
        "expected outputs that do not meet, found {} of image {} and {} of image {}",
        shown(before),
        other + 1,
        shown(path),
        index + 1
    ))
}

fn shown(path: &Path) -> String {
    escape_path(path.as_os_str().as_bytes())
}
