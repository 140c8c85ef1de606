//! Filesystems, their layers, and what these show upon a base.

use std::fs::File;
use std::io::{BufWriter, Read, Seek};
use std::path::Path;

use layerpress::Result;
use layerpress::export::{Base, Exported, LayerOptions, write_layer};
use layerpress::ext::{self, Ext};
use layerpress::filesystem::{Filesystem, expected_listing};
use layerpress::layers::{Changeset, Contents, Entry, LayerSummary};
use layerpress::limits::Limits;
use layerpress::listing::{Kind, Line, Listing, compare};
use layerpress::progress::Silent;
use layerpress::region::FileRegion;
use layerpress::tar::Reader;
use layerpress::tree::{FlattenOptions, Tree, flatten};
use layerpress::units::LOST_FOUND;
use layerpress::view::View;

use crate::support::press::{self, Pressed, Wanted};
use crate::support::rootfs::Rootfs;

pub const KEEPING_FLAGS: LayerOptions = LayerOptions { file_flags: true };

/// A root filesystem as what an image shows.
pub struct Image {
    pub tree: Tree,
    pub contents: Contents,
    /// Its only layer.
    pub entries: Vec<Entry>,
    pub tar: File,
}

impl Image {
    pub fn of(rootfs: &Rootfs) -> Self {
        let tar = tempfile::tempfile().unwrap();
        let entries = rootfs.entries(&tar);
        let contents = [FileRegion::whole(tar.try_clone().unwrap()).unwrap()];
        Self {
            tree: press::tree_of_entries(entries.clone()).unwrap(),
            contents: Contents::of_layers(contents),
            entries,
            tar,
        }
    }

    /// What a layer shows by itself.
    pub fn of_layer(layer: &Layer) -> Self {
        let entries = layer.entries();
        Self {
            tree: press::tree_of_entries(entries.clone()).unwrap(),
            contents: Contents::of_layers([layer.region()]),
            entries,
            tar: layer.tar.try_clone().unwrap(),
        }
    }

    pub fn base(&self) -> Base<'_> {
        Base::of::<Ext>(&self.tree, &self.contents)
    }

    /// What a filesystem can show of it.
    pub fn listing(&self) -> Listing {
        expected_listing(Ext::normalise, &self.tree, &self.contents, &Silent).unwrap()
    }
}

/// A layer's tar, and what was told of it.
pub struct Layer {
    pub tar: File,
    pub exported: Exported,
}

impl Layer {
    pub fn of(image: &Path, base: Option<&Base<'_>>, options: &LayerOptions) -> Result<Self> {
        let mut tar = tempfile::tempfile().unwrap();
        let view = View::open(image)?;
        let mut output = BufWriter::new(&mut tar);
        let exported = write_layer(&view, base, options, &mut output, &Silent)?;
        drop(output);
        assert_eq!(tar.metadata().unwrap().len(), exported.tar_bytes);
        assert_eq!(exported.tar_bytes % 10_240, 0);
        Ok(Self { tar, exported })
    }

    pub fn region(&self) -> FileRegion {
        FileRegion::whole(self.tar.try_clone().unwrap()).unwrap()
    }

    pub fn entries(&self) -> Vec<Entry> {
        let limits = Limits::default();
        let region = self.region();
        let mut reader = Reader::in_place(&region, &limits);
        let mut entries = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            entries.push(entry);
        }
        assert_eq!(reader.finish().unwrap().lines().count(), 0);
        entries
    }

    /// Its entries' names in their order.
    pub fn names(&self) -> Vec<String> {
        let entries = self.entries().into_iter();
        entries
            .map(|entry| String::from_utf8(entry.path.into_vec()).unwrap())
            .collect()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut tar = self.tar.try_clone().unwrap();
        tar.rewind().unwrap();
        let mut bytes = Vec::new();
        tar.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// What it shows upon a base, or by itself.
    pub fn shown(&self, base: Option<&Image>) -> Listing {
        let mut changesets = Vec::new();
        let mut tars = Vec::new();
        if let Some(base) = base {
            changesets.push(changeset(base.entries.clone(), false));
            tars.push(FileRegion::whole(base.tar.try_clone().unwrap()).unwrap());
        }
        changesets.push(changeset(self.entries(), true));
        tars.push(self.region());
        let options = FlattenOptions {
            file_flags: true,
            ..FlattenOptions::default()
        };
        let tree = flatten(changesets, &options, &Silent).unwrap();
        assert_eq!(tree.warnings.lines().collect::<Vec<_>>(), [""; 0]);
        let contents = Contents::of_layers(tars);
        let listing = expected_listing(Ext::normalise, &tree, &contents, &Silent).unwrap();
        // Nothing is in it that a filesystem cannot hold, which this would not see.
        let own = u32::from(base.is_some());
        tree.for_each_path(|path, id, node| {
            if tree.layer_of(id) != own {
                return Ok(());
            }
            let line = listing.find(path).unwrap();
            let attributes = &node.attributes;
            assert_eq!(line.mtime, Some(attributes.mtime));
            assert_eq!(line.file_flags, Some(attributes.file_flags));
            let xattrs = line.xattrs.as_ref().unwrap();
            assert_eq!(xattrs.len(), attributes.xattrs.len());
            Ok::<_, ()>(())
        })
        .unwrap();
        listing
    }
}

fn changeset(entries: Vec<Entry>, whiteouts: bool) -> Changeset {
    Changeset {
        layer: LayerSummary {
            diff_id: None,
            digest: None,
            media_type: None,
            stored_bytes: 0,
            tar_bytes: 0,
            entry_count: entries.len() as u64,
        },
        entries: entries.into(),
        whiteouts,
    }
}

pub fn pressed(rootfs: &Rootfs, kind: ext::Kind) -> Pressed {
    press::press_tree(rootfs, Wanted::kind(kind)).unwrap()
}

/// Asserts that a layer shows what was expected upon a base, or by itself, but for `lost+found`: that
/// of mke2fs is left out where the base has none, whoever made it, and is the filesystem's where the
/// base has one.
pub fn expect_same(mut expected: Listing, layer: &Layer, base: Option<&Image>) {
    let found = layer.shown(base);
    let had_it = base.is_some_and(|base| base.listing().find(LOST_FOUND).is_some());
    let has_it = expected.find(LOST_FOUND).is_some();
    let mut count = |by: i64| {
        let root = expected.lines_mut().next().unwrap();
        let count = root.link_count.unwrap();
        root.link_count = Some(u32::try_from(i64::from(count) + by).unwrap());
    };
    if layer.exported.left_out_lost_found {
        assert!(!had_it);
        if has_it {
            count(-1);
            let line = expected.remove(LOST_FOUND).unwrap();
            assert_eq!((line.mode, line.link_count), (Some(0o700), Some(2)));
        }
    } else if had_it && !has_it {
        count(1);
        expected.insert(Line {
            kind: Some(Kind::Directory),
            mode: Some(0o700),
            link_count: Some(2),
            ..Line::unknown(LOST_FOUND)
        });
    }
    let differences = compare(&expected, &found);
    let shown: Vec<_> = differences.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}
