//! Root filesystems into filesystem images: through a tar and the whole pipeline, or from the tree
//! on, and the judges of what comes out.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerpress::Result;
use layerpress::ext::{
    Birth, Earlier, Ext, Identity, JournalSize, Kind, Plan, PlanOptions, Profile, Room, SizePolicy,
    ToolPaths, Tools, verify,
};
use layerpress::filesystem::Filesystem;
use layerpress::finish::FinishOptions;
use layerpress::layers::{Changeset, Contents, Entry, LayerSummary};
use layerpress::listing::compare;
use layerpress::oci::DiffId;
use layerpress::pipeline::{
    self, Built, FilesystemRequest, ImageRequest, LikeRequest, OutputRequest,
};
use layerpress::progress::Silent;
use layerpress::region::FileRegion;
use layerpress::tree::{FlattenOptions, Recipe, Tree, flatten};
use layerpress::units::Timestamp;

use super::oracles;
use super::rootfs::Rootfs;
use super::second_reader;
use super::tarball::write_tar;

/// The hash seed of every test's filesystem, so that names that collide can be looked for.
pub const HASH_SEED: [u8; 16] = *b"layerpress seed!";

/// The UUID of every test's filesystem.
pub const UUID: [u8; 16] = *b"layerpress uuid!";

/// What of a filesystem the tests vary.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub kind: Kind,
    pub size: SizePolicy,
    pub room: Room,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            size: SizePolicy::default(),
            room: Room {
                free_inodes: 0,
                journal: JournalSize::Auto,
            },
        }
    }
}

impl Wanted {
    pub fn kind(kind: Kind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    pub fn size(size: SizePolicy) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }
}

/// A filesystem image with all that it was made from.
pub struct Pressed {
    pub directory: tempfile::TempDir,
    pub rootfs: Rootfs,
    pub tree: Tree,
    pub contents: Contents,
    pub plan: Plan,
    /// Everything warned of, a line for each kind.
    pub warnings: Vec<String>,
}

/// The request for a tar of a root filesystem or any other image.
pub fn image_request(reference: &str, work_dir: &Path) -> ImageRequest {
    ImageRequest::new(reference.parse().unwrap(), work_dir)
        .with_jobs(NonZeroUsize::MIN)
        .with_file_flags(true)
}

fn filesystem_request(wanted: Wanted) -> FilesystemRequest {
    let mut request = FilesystemRequest::default()
        .with_kind(wanted.kind)
        .with_size(wanted.size)
        .with_uuid(UUID)
        .with_hash_seed(HASH_SEED)
        .with_made_seconds(1_700_000_000);
    request.room = wanted.room;
    request
}

pub fn tool_paths() -> ToolPaths {
    ToolPaths {
        search_path: std::env::var_os("PATH"),
        ..ToolPaths::default()
    }
}

/// Writes a tar and lets the whole pipeline make an image of it, its own checks left to the test.
pub fn press_with(rootfs: &Rootfs, wanted: Wanted) -> Result<Pressed> {
    press_requested(rootfs, &filesystem_request(wanted))
}

/// The same laid out like an earlier image.
pub fn press_like(rootfs: &Rootfs, wanted: Wanted, earlier: &Path) -> Result<Pressed> {
    let like = LikeRequest::new(earlier);
    press_requested(rootfs, &filesystem_request(wanted).with_like(like))
}

/// The same with the earlier image's hash seed.
pub fn press_without_seed(rootfs: &Rootfs, wanted: Wanted, earlier: &Path) -> Result<Pressed> {
    let mut request = filesystem_request(wanted).with_like(LikeRequest::new(earlier));
    request.identity.hash_seed = None;
    press_requested(rootfs, &request)
}

fn press_requested(rootfs: &Rootfs, request: &FilesystemRequest) -> Result<Pressed> {
    let directory = tempfile::tempdir().unwrap();
    let tar = directory.path().join("rootfs.tar");
    write_tar(rootfs, &tar);
    let built = pipeline::build(
        &image_request(&format!("rootfs:{}", tar.display()), directory.path()),
        request,
        &OutputRequest::new(directory.path().join("image.img"))
            .with_tools(tool_paths())
            .with_finish(FinishOptions {
                fsck: false,
                ..FinishOptions::default()
            }),
        &Silent,
    )?;
    let Built {
        tree,
        plan,
        warnings,
        ..
    } = built;
    let tars = vec![FileRegion::whole(File::open(&tar).unwrap()).unwrap()];
    let contents = Contents::of_layers(tars);
    let warnings = warnings.lines().collect();
    Ok(Pressed {
        directory,
        rootfs: rootfs.clone(),
        tree,
        contents,
        plan,
        warnings,
    })
}

/// The same with everything as it is by default.
pub fn press(rootfs: &Rootfs) -> Pressed {
    press_with(rootfs, Wanted::default()).unwrap()
}

/// A tree without a tar, for content that would take long to hash.
pub fn tree_of(rootfs: &Rootfs) -> Result<(Tree, Contents)> {
    let tar = tempfile::tempfile().unwrap();
    let entries = rootfs.entries(&tar);
    let tree = tree_of_entries(entries)?;
    let tars = [FileRegion::whole(tar).unwrap()];
    Ok((tree, Contents::of_layers(tars)))
}

/// The tree of a layer with these entries, of which no name is a whiteout.
pub fn tree_of_entries(entries: Vec<Entry>) -> Result<Tree> {
    let changeset = Changeset {
        layer: LayerSummary {
            diff_id: None,
            digest: None,
            media_type: None,
            stored_bytes: 0,
            tar_bytes: 0,
            entry_count: entries.len() as u64,
        },
        entries: entries.into(),
        whiteouts: false,
    };
    let options = FlattenOptions {
        default_time: Timestamp::from_seconds(1_700_000_000),
        file_flags: true,
        ..FlattenOptions::default()
    };
    flatten(vec![changeset], &options, &Silent)
}

/// Plans a tree's filesystem.
pub fn plan(tree: &Tree, wanted: Wanted) -> Result<Plan> {
    plan_like(tree, wanted, None)
}

/// The same laid out like an earlier filesystem.
pub fn plan_like(tree: &Tree, wanted: Wanted, earlier: Option<Earlier>) -> Result<Plan> {
    let made = Timestamp::from_seconds(1_700_000_000);
    let birth = Birth {
        hash_seed: HASH_SEED,
        ..Birth::at(made)
    };
    let options = PlanOptions {
        profile: Profile::of(wanted.kind, wanted.room.journal)?,
        size: wanted.size,
        room: wanted.room,
        birth,
        earlier: earlier.map(Arc::new),
        size_given: false,
    };
    Ext::plan(tree, &options)
}

/// Formats and populates as planned, without proof.
pub fn write(tree: &Tree, contents: &Contents, plan: &Plan, image: &Path) -> Result<()> {
    let tools = Tools::find(&tool_paths(), false, false, &Silent)?;
    let taken = &mut |_: &_| {};
    let populated = Ext::write(plan, tree, contents, &tools, image, taken, &Silent)?;
    let sealed = Ext::seal(populated, &identity(), &Silent)?;
    sealed.partial.persist()
}

/// What every filesystem is called that is pressed from the tree on.
pub fn identity() -> Identity {
    let diff_id = DiffId(format!("sha256:{:064}", 0).parse().unwrap());
    Identity {
        uuid: UUID,
        ..Identity::of_recipe(&Recipe::of_layers(&[diff_id]))
    }
}

/// From the tree on, without a tar.
pub fn press_tree(rootfs: &Rootfs, wanted: Wanted) -> Result<Pressed> {
    press_tree_like(rootfs, wanted, None)
}

/// The same laid out like an earlier filesystem.
pub fn press_tree_like(
    rootfs: &Rootfs,
    wanted: Wanted,
    earlier: Option<Earlier>,
) -> Result<Pressed> {
    let directory = tempfile::tempdir().unwrap();
    let (tree, contents) = tree_of(rootfs)?;
    let plan = plan_like(&tree, wanted, earlier)?;
    write(&tree, &contents, &plan, &directory.path().join("image.img"))?;
    let warnings = plan.warnings.lines().collect();
    Ok(Pressed {
        directory,
        rootfs: rootfs.clone(),
        tree,
        contents,
        plan,
        warnings,
    })
}

impl Pressed {
    pub fn image(&self) -> PathBuf {
        self.directory.path().join("image.img")
    }

    /// What debugfs prints for a command.
    pub fn debugfs(&self, command: &str) -> String {
        oracles::debugfs(&self.image(), &[command])
    }

    /// Lets every judge look: e2fsck, our own read-back, debugfs and ext4-view beside it, the
    /// counts of the superblock, and as root the kernel, held against what was written down.
    pub fn judged(self) -> Self {
        self.checked();
        self.read_back();
        self.seen_by_the_kernel();
        self
    }

    /// e2fsck finds nothing, every checksum is right, and the filesystem is as full as planned.
    pub fn checked(&self) {
        oracles::e2fsck_clean(&self.image());
        if second_reader::has_checksums(&self.image()) {
            second_reader::recompute(&self.image()).clean();
        }
        let superblock = superblock(&self.image());
        assert_eq!(
            (
                superblock["Free blocks"],
                u64::from(self.plan.free_inodes_after())
            ),
            (self.plan.free_blocks_after(), superblock["Free inodes"]),
        );
    }

    /// The read-back finds nothing.
    pub fn read_back(&self) {
        let debugfs = oracles::required("debugfs");
        let report = verify(&self.image(), &self.tree, &self.contents, &debugfs, &Silent);
        report.unwrap().into_result().unwrap();
    }

    /// The kernel shows what was written down.
    pub fn seen_by_the_kernel(&self) {
        if !oracles::is_root() {
            oracles::skip("only root mounts");
            return;
        }
        let mut seen = oracles::kernel_listing(&self.image());
        // The build's own note, also in a `lost+found` of the image's.
        seen.leave_out_attribute(b"lost+found", layerpress::ondisk::xattr::CHAIN_ID_XATTR);
        let differences = compare(&self.rootfs.expected(), &seen);
        let shown: Vec<_> = differences
            .iter()
            .take(10)
            .map(ToString::to_string)
            .collect();
        assert!(
            differences.is_empty(),
            "{} differences: {shown:#?}",
            differences.len()
        );
    }
}

/// The counts that dumpe2fs shows of an image.
pub fn superblock(image: &Path) -> std::collections::BTreeMap<String, u64> {
    let arguments = [std::ffi::OsStr::new("-h"), image.as_os_str()];
    let text = String::from_utf8(oracles::succeed("dumpe2fs", arguments)).unwrap();
    text.lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        })
        .collect()
}

/// Bytes that a file takes of the host's disk.
pub fn host_bytes(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(&File::open(path).unwrap().metadata().unwrap()) * 512
}
