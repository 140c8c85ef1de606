//! `--manifest`: all that is known of a build, in a file beside its output.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::document::{Document, DocumentKind, Made};
use super::like::EarlierFile;
use super::output::OutputRequest;
use super::request::{FilesystemRequest, ImageRequest};
use crate::edits::Edits;
use crate::error::{Error, Result, escape_path};
use crate::ext::{Ext, Figures, JournalSize, Kind, Layout, Likeness, SizePolicy, Tally, uuid_text};
use crate::filesystem::Filesystem;
use crate::finish::{FinishedVerity, VerityPlace};
use crate::manifest::{
    Blocks, Counts, Inodes, Manifest, ManifestFile, ManifestFilesystem, ManifestImage,
    ManifestLayer, ManifestLike, ManifestTally, ManifestVerity, Proofs, Requested, RequestedVerity,
    SCHEMA, Start, Versions,
};
use crate::tree::{NodeKind, Tree};
use crate::units::{BLOCK_SIZE, ByteSize, Date};

/// The document that `--manifest` writes beside an output.
#[derive(Debug)]
pub struct ManifestDocument {
    requested: Requested,
}

impl ManifestDocument {
    /// Of a build that is asked for so.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the edits cannot be told as JSON.
    pub fn new(
        image: &ImageRequest,
        filesystem: &FilesystemRequest,
        output: &OutputRequest,
    ) -> Result<Self> {
        Ok(Self {
            requested: requested(image, filesystem, output)?,
        })
    }
}

/// What is asked for, as far as the bytes of what is made depend on it: a manifest of the same
/// request tells the same.
///
/// # Errors
/// [`Error::Mismatch`] where the edits cannot be told as JSON.
pub fn requested(
    image: &ImageRequest,
    filesystem: &FilesystemRequest,
    output: &OutputRequest,
) -> Result<Requested> {
    let identity = &filesystem.identity;
    let size = match filesystem.size {
        SizePolicy::Percent(percent) => format!("{percent}%"),
        SizePolicy::Fit => "fit".to_owned(),
        SizePolicy::FitPlus(ByteSize(bytes)) => format!("+{bytes}"),
        SizePolicy::Exact(ByteSize(bytes)) => bytes.to_string(),
    };
    let journal = match (filesystem.kind, filesystem.room.journal) {
        (Kind::Ext2, _) | (_, JournalSize::None) => "none".to_owned(),
        (_, JournalSize::Auto) => "auto".to_owned(),
        (_, JournalSize::Mebibytes(size)) => format!("{size}M"),
    };
    let verity = output.finish.verity.as_ref();
    let compress = output.finish.compress.as_ref();
    Ok(Requested {
        filesystem_type: filesystem.kind.to_string(),
        size,
        free_inodes: filesystem.room.free_inodes,
        journal,
        uuid: identity.uuid.map(uuid_text),
        hash_seed: identity.hash_seed.map(uuid_text),
        label: identity.label.clone(),
        source_date_epoch: identity.made_seconds,
        file_flags: image.open.file_flags,
        verity: verity.map(|verity| RequestedVerity {
            own_file: matches!(verity.place, VerityPlace::File(_)),
            salt: verity.salt.to_string(),
        }),
        compress: compress.map(|compress| compress.encoding.to_string()),
        compress_only: compress.is_some_and(|compress| compress.only),
        edits: told(&image.edits)?,
    })
}

/// The edits as a document has them, with nothing of where things are on the host.
fn told(edits: &Edits) -> Result<serde_json::Map<String, serde_json::Value>> {
    let mut edits = edits.clone();
    let name = |path: &Path| path.file_name().map(PathBuf::from).unwrap_or_default();
    for overlay in &mut edits.overlay {
        overlay.source = name(&overlay.source);
    }
    for add in &mut edits.add {
        add.source = name(&add.source);
    }
    match serde_json::to_value(&edits) {
        Ok(serde_json::Value::Object(edits)) => Ok(edits),
        Ok(_) => Err(no_json("expected an object of edits, found none")),
        Err(error) => Err(no_json(&error.to_string())),
    }
}

fn no_json(why: &str) -> Error {
    Error::Mismatch(format!("cannot make JSON: {why}"))
}

impl Document for ManifestDocument {
    fn kind(&self) -> DocumentKind {
        DocumentKind::Manifest
    }

    fn tells_of_files(&self) -> bool {
        true
    }

    fn bytes(&self, made: &Made<'_>) -> Result<Vec<u8>> {
        let json = self.manifest(made)?.to_bytes();
        json.map_err(|error| no_json(&error.to_string()))
    }
}

impl ManifestDocument {
    fn manifest(&self, made: &Made<'_>) -> Result<Manifest> {
        let request_sha256 = self.requested.sha256();
        let start = Start::from(&made.image.config.config);
        let verity = made.filesystem.verity.as_ref();
        Ok(Manifest {
            schema: SCHEMA.to_owned(),
            image: told_image(made),
            request: self.requested.clone(),
            request_sha256: request_sha256.map_err(|error| no_json(&error.to_string()))?,
            recipe_digest: made.names.recipe_digest.to_string(),
            edits_digest: made.names.edits_digest.as_ref().map(ToString::to_string),
            put_in_digest: made.put_in_digest.map(ToString::to_string),
            like: made.earlier.zip(made.plan.likeness.as_ref()).map(like),
            start,
            output: output(made)?,
            filesystem: filesystem(made),
            counts: counts(made.tree),
            verity: verity.map(|verity| told_verity(verity, &made.filesystem.path)),
            proofs: Proofs {
                e2fsck: made.proofs.fsck,
                verify: made.proofs.verify,
                verity: made.proofs.verity.is_some(),
            },
            files: files(made)?,
            versions: Versions {
                layerpress: env!("CARGO_PKG_VERSION").to_owned(),
                e2fsprogs: made.e2fsprogs.to_owned(),
            },
        })
    }
}

fn told_image(made: &Made<'_>) -> ManifestImage {
    let image = made.image;
    let chain_id = made.names.chain_id.to_string();
    let layer = |(index, layer): (usize, &crate::source::LayerBlob)| ManifestLayer {
        index: index as u64 + 1,
        digest: layer.digest.as_ref().map(ToString::to_string),
        // Nobody states that of a flat tar, which is the only layer: its chain ID is the same.
        diff_id: layer
            .diff_id
            .known()
            .map_or_else(|| chain_id.clone(), |diff_id| diff_id.0.to_string()),
    };
    ManifestImage {
        reference: image.full_name(),
        image_id: image.config_digest.as_ref().map(ToString::to_string),
        manifest_digest: image.manifest_digest.as_ref().map(ToString::to_string),
        platform: image.platform.as_ref().map(ToString::to_string),
        created: image.created.map(|created| {
            let fraction = match created.nanoseconds {
                0 => String::new(),
                nanoseconds => format!(".{nanoseconds:09}"),
            };
            format!("{}{fraction}Z", Date::of(created.seconds))
        }),
        layers: image.layers.iter().enumerate().map(layer).collect(),
        chain_id,
    }
}

fn like((earlier, likeness): (&EarlierFile, &Likeness)) -> ManifestLike {
    let (layout, fresh_because) = match &likeness.layout {
        Layout::Kept => ("kept", None),
        Layout::Fresh(why) => ("fresh", Some(why.to_string())),
    };
    let tally = |Tally { inodes, blocks }| ManifestTally { inodes, blocks };
    let Figures {
        kept,
        moved,
        new,
        resized_inodes,
        split_files,
        runs,
        fresh_runs,
        // What a plan's advice is made of.
        in_place_blocks: _,
        fresh_in_place_blocks: _,
    } = likeness.figures;
    ManifestLike {
        sha256: earlier.sha256.clone(),
        layout: layout.to_owned(),
        fresh_because,
        left_out_names: earlier.left_out,
        kept: tally(kept),
        moved: tally(moved),
        new: tally(new),
        resized_inodes,
        split_files,
        runs,
        fresh_runs,
    }
}

/// The file with the filesystem.
///
/// # Errors
/// [`Error::Mismatch`] where it was not hashed.
fn output(made: &Made<'_>) -> Result<ManifestFile> {
    let finished = made.filesystem;
    let name = name_of(&finished.path);
    let sha256 = finished.sha256.as_ref();
    let sha256 = sha256.ok_or_else(|| Error::Mismatch(format!("{name} was not hashed")))?;
    Ok(ManifestFile {
        size_bytes: finished.file_bytes,
        sha256: sha256.digest().to_owned(),
        name,
    })
}

fn filesystem(made: &Made<'_>) -> ManifestFilesystem {
    let plan = made.plan;
    let geometry = &plan.sized.geometry;
    let (available, reserved) = (
        plan.available_blocks_after(),
        geometry.reserved_blocks.into(),
    );
    ManifestFilesystem {
        r#type: plan.profile.kind.to_string(),
        size_bytes: geometry.size_bytes(),
        available_bytes: available * BLOCK_SIZE,
        reserved_bytes: u64::from(geometry.reserved_blocks) * BLOCK_SIZE,
        block_bytes: BLOCK_SIZE,
        blocks: Blocks {
            total: geometry.blocks.into(),
            available,
            reserved,
        },
        inodes: Inodes {
            total: geometry.inodes().into(),
            free: plan.free_inodes_after().into(),
        },
        journal_bytes: u64::from(geometry.journal_blocks) * BLOCK_SIZE,
        uuid: uuid_text(made.names.identity.uuid),
        hash_seed: uuid_text(plan.birth.hash_seed),
        label: plan.birth.label.clone(),
    }
}

fn counts(tree: &Tree) -> Counts {
    let mut counts = Counts {
        entries: tree.name_count(),
        ..Counts::default()
    };
    for (_, node) in tree.nodes() {
        let names = match &node.kind {
            NodeKind::Regular(file) => {
                counts.files += 1;
                counts.content_bytes += file.content.size_bytes;
                counts.setuid_files += u64::from(node.attributes.mode & 0o4000 != 0);
                counts.setgid_files += u64::from(node.attributes.mode & 0o2000 != 0);
                node.link_count
            }
            NodeKind::Directory(_) => {
                counts.directories += 1;
                1
            }
            NodeKind::Symlink(_) => {
                counts.symlinks += 1;
                node.link_count
            }
            NodeKind::CharacterDevice(_) => {
                counts.character_devices += 1;
                node.link_count
            }
            NodeKind::BlockDevice(_) => {
                counts.block_devices += 1;
                node.link_count
            }
            NodeKind::Fifo => {
                counts.fifos += 1;
                node.link_count
            }
        };
        counts.hard_links += u64::from(names).saturating_sub(1);
        if node.attributes.xattrs.is_empty() {
            continue;
        }
        // As far as the filesystem keeps them.
        let kept = Ext::normalise(b"", node, None).xattrs.unwrap_or_default();
        let has =
            |names: &[&[u8]]| u64::from(kept.iter().any(|xattr| names.contains(&&*xattr.name)));
        counts.files_with_capabilities += has(&[b"security.capability"]);
        counts.entries_with_acls += has(&[b"system.posix_acl_access", b"system.posix_acl_default"]);
        counts.entries_with_xattrs += u64::from(!kept.is_empty());
    }
    counts
}

fn told_verity(verity: &FinishedVerity, output: &Path) -> ManifestVerity {
    ManifestVerity {
        root_hash: verity.root_hash.to_string(),
        salt: verity.salt.to_string(),
        file: name_of(verity.file.as_deref().unwrap_or(output)),
        hash_offset_bytes: verity.hash_offset_bytes,
        data_blocks: verity.data_blocks,
        hash_blocks: verity.tree_blocks,
    }
}

/// All files that are written before this one.
///
/// # Errors
/// [`Error::Mismatch`] where one was not hashed.
fn files(made: &Made<'_>) -> Result<Vec<ManifestFile>> {
    let written = &made.filesystem.files;
    let mut files = Vec::with_capacity(written.len());
    for file in written {
        let name = name_of(&file.path);
        let sha256 = file.sha256.as_ref();
        let sha256 = sha256.ok_or_else(|| Error::Mismatch(format!("{name} was not hashed")))?;
        files.push(ManifestFile {
            size_bytes: file.size_bytes,
            sha256: sha256.digest().to_owned(),
            name,
        });
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    let names: BTreeSet<_> = files.iter().map(|file| &file.name).collect();
    if names.len() < files.len() {
        return Err(Error::unsupported(
            "--manifest: expected files of different names, found two of one name in different directories",
        ));
    }
    Ok(files)
}

/// A file's name without the path to it.
fn name_of(path: &Path) -> String {
    escape_path(path.file_name().unwrap_or_default().as_bytes())
}
