//! The listing that an image of a tree must show.

use crate::error::{Error, Result};
use crate::layers::{Content, Contents, Data, Device};
use crate::listing::{Attribute, Body, ContentDigest, ContentHasher, Kind, Line, Listing, Owner};
use crate::page_buffer::PageBuffer;
use crate::plan::demand::clamped;
use crate::plan::xattr_placement::kept;
use crate::progress::{Reporter, Unit};
use crate::region::FileRegion;
use crate::tree::{ContentRef, Node, NodeKind, Tree};

/// Bytes read at once while hashing.
const BUFFER_BYTES: usize = 256 << 10;

/// The listing of `tree`, every regular file's content read from the layers and hashed once.
///
/// A directory's size is unknown, being the filesystem's own affair. A time that the plan has moved
/// is expected where it was moved to, an attribute that the plan has dropped is not expected: both
/// with a warning.
///
/// # Errors
/// [`Error::Io`] when a layer cannot be read, [`Error::Mismatch`] when a file's data does not lie
/// within its layer.
pub fn expected_listing(
    tree: &Tree,
    contents: &Contents,
    reporter: &dyn Reporter,
) -> Result<Listing> {
    let digests = digests(tree, contents, reporter)?;
    let mut names = Vec::with_capacity(tree.nodes().len());
    tree.for_each_path(|path, id, node| {
        let line = line(path, node, digests[id.index()]);
        names.push((line, Some(u64::from(id.0))));
        Ok::<_, Error>(())
    })?;
    let mut listing = Listing::new(names);
    super::leave_out_note(&mut listing);
    Ok(listing)
}

fn line(path: &[u8], node: &Node, digest: Option<ContentDigest>) -> Line {
    let attributes = &node.attributes;
    let device = |device: &Device| Body::Device {
        major: device.major,
        minor: device.minor,
    };
    let (kind, size_bytes, body) = match &node.kind {
        NodeKind::Regular(file) => (
            Kind::Regular,
            Some(file.content.size_bytes),
            digest.map_or(Body::Unknown, Body::Content),
        ),
        NodeKind::Directory(_) => (Kind::Directory, None, Body::Nothing),
        NodeKind::Symlink(target) => (
            Kind::Symlink,
            Some(target.len() as u64),
            Body::Target(target.clone()),
        ),
        NodeKind::CharacterDevice(numbers) => (Kind::CharacterDevice, None, device(numbers)),
        NodeKind::BlockDevice(numbers) => (Kind::BlockDevice, None, device(numbers)),
        NodeKind::Fifo => (Kind::Fifo, None, Body::Nothing),
    };
    let mut xattrs: Box<[_]> = attributes
        .xattrs
        .iter()
        .filter(|xattr| kept(&xattr.name, &node.kind).is_ok())
        .map(|xattr| Attribute::new(&xattr.name, &xattr.value))
        .collect();
    xattrs.sort();
    Line {
        kind: Some(kind),
        mode: Some(attributes.mode),
        owner: Some(Owner {
            uid: attributes.uid,
            gid: attributes.gid,
        }),
        mtime: Some(clamped(attributes.mtime)),
        link_count: Some(node.link_count),
        size_bytes,
        xattrs: Some(xattrs),
        body,
        ..Line::unknown(path)
    }
}

fn digests(
    tree: &Tree,
    contents: &Contents,
    reporter: &dyn Reporter,
) -> Result<Vec<Option<ContentDigest>>> {
    let files = || {
        tree.nodes().map(|(_, node)| match &node.kind {
            NodeKind::Regular(file) => Some(file),
            _ => None,
        })
    };
    let total = files()
        .flatten()
        .map(|file| data_bytes(&file.content))
        .sum();
    let meter = reporter.begin("hash the layers' files", Unit::Bytes, Some(total));
    let mut buffer = PageBuffer::new(BUFFER_BYTES);
    let mut unreported = 0;
    let digests = files()
        .map(|file| {
            let Some(file) = file else { return Ok(None) };
            let digest = digest(file, contents, &mut buffer)?;
            unreported += data_bytes(&file.content);
            if unreported >= BUFFER_BYTES as u64 {
                meter.add(std::mem::take(&mut unreported));
            }
            Ok(Some(digest))
        })
        .collect::<Result<_>>()?;
    meter.add(unreported);
    meter.finish("hashed");
    Ok(digests)
}

fn data_bytes(content: &Content) -> u64 {
    match &content.data {
        Data::Contiguous { .. } => content.size_bytes,
        Data::Sparse(extents) => extents.iter().map(|extent| extent.length_bytes).sum(),
    }
}

fn digest(file: &ContentRef, contents: &Contents, buffer: &mut [u8]) -> Result<ContentDigest> {
    let content = &file.content;
    let tar = contents.of(file.origin)?;
    let mut hasher = ContentHasher::default();
    let mut take = |file_offset: u64, tar_offset: u64, length: u64| {
        let region = tar.part(tar_offset, length).ok_or_else(|| {
            Error::Mismatch(format!(
                "{}: {length} bytes at byte {tar_offset} do not lie within it",
                file.origin
            ))
        })?;
        take_in(&mut hasher, file_offset, &region, buffer)
    };
    match &content.data {
        Data::Contiguous { offset_bytes } => take(0, *offset_bytes, content.size_bytes)?,
        Data::Sparse(extents) => {
            for extent in extents {
                take(
                    extent.file_offset_bytes,
                    extent.offset_bytes,
                    extent.length_bytes,
                )?;
            }
        }
    }
    Ok(hasher.finish(content.size_bytes))
}

fn take_in(
    hasher: &mut ContentHasher,
    file_offset: u64,
    region: &FileRegion,
    buffer: &mut [u8],
) -> Result<()> {
    let mut done = 0;
    while done < region.length_bytes {
        let left = region.length_bytes - done;
        let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let piece = &mut buffer[..length];
        region
            .read_exact_at(piece, done)
            .map_err(|error| Error::io("cannot read a layer's tar", error))?;
        hasher
            .data(file_offset.saturating_add(done), piece)
            .map_err(|error| Error::Mismatch(format!("a sparse file's extents: {error}")))?;
        done += length as u64;
    }
    Ok(())
}
