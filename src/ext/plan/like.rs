//! A filesystem laid out: in a size of its own, or in an earlier one's, with whatever keeps its place.

use std::num::NonZeroU32;

use super::demand::{Demand, Measured};
use super::earlier::Earlier;
use super::geometry::{FormatRequest, Geometry};
use super::inode_numbers::InodeNumbers;
use super::likeness::{Layout, WhyFresh};
use super::outgrown::Outgrown;
use super::placement::{Placed, Wanted};
use super::size::{self, Room, Sized};
use super::size_policy::SizePolicy;
use crate::error::{Error, Result};
use crate::ext::profile::{JournalSize, Kind, Profile};
use crate::tree::Tree;

/// What decides on a layout besides the tree.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The kind.
    pub profile: &'a Profile,
    /// The size.
    pub size: SizePolicy,
    /// Free inodes and the journal.
    pub room: Room,
    /// The filesystem whose places are to be kept.
    pub earlier: Option<&'a Earlier>,
    /// Whether its size is not wanted.
    pub size_given: bool,
}

/// A size, and what keeps its place in it.
#[derive(Debug)]
pub struct Laid {
    /// The kind, with a journal or without one.
    pub profile: Profile,
    /// The size.
    pub sized: Sized,
    /// Who keeps a place of an earlier filesystem; nobody where there is none, or where what is
    /// left between them is no room for all else.
    pub placed: Option<Placed>,
    /// Whether the size is the earlier filesystem's, where there is one.
    pub layout: Option<Layout>,
}

impl Laid {
    /// Lays a tree's filesystem out.
    ///
    /// # Errors
    /// See [`size::choose`].
    pub fn out(
        asked: Asked<'_>,
        tree: &Tree,
        numbers: &InodeNumbers,
        measured: &Measured,
    ) -> Result<Self> {
        let profile = asked.profile;
        let Measured { demand, maps, .. } = measured;
        let Some(earlier) = asked.earlier else {
            return Ok(Self {
                profile: *profile,
                sized: size::choose(profile, asked.size, demand, maps, asked.room)?,
                placed: None,
                layout: None,
            });
        };
        let wanted = Wanted {
            map: profile.block_map,
            tree,
            numbers,
            measured,
            earlier,
        };
        let kept = match asked.size_given {
            true => Err(WhyFresh::Given),
            false => like(earlier).map_err(WhyFresh::Unlike),
        };
        let (why, outgrown) = match kept {
            Ok(like) => match like.laid(&wanted) {
                Ok(laid) => return Ok(laid),
                Err(why) => {
                    let LikeEarlier {
                        profile,
                        request,
                        geometry,
                    } = &like;
                    let before = Outgrown::of(earlier, profile, request, geometry);
                    (why, Some(before))
                }
            },
            Err(why) => (why, None),
        };
        let profile = outgrown.as_ref().map_or(profile, |before| &before.profile);
        let chosen = |spare: u64| {
            let demand = Demand {
                data_blocks: demand.data_blocks + spare,
                ..demand.clone()
            };
            match &outgrown {
                Some(before) => before.size(asked.size, &demand, maps),
                None => size::choose(profile, asked.size, &demand, maps, asked.room),
            }
        };
        let mut laid = Self {
            profile: *profile,
            sized: chosen(0)?,
            placed: None,
            layout: None,
        };
        // Between what is kept, extents may be in more pieces than where all is placed anew.
        for spare in SPARE_BLOCKS {
            let Ok(sized) = chosen(spare) else { break };
            let positions = sized.geometry.positions(profile);
            let inodes = sized.geometry.inodes();
            let placed = positions.and_then(|positions| wanted.placed_in(&positions, inodes));
            if let Some(placed) = placed {
                laid.sized = Sized {
                    maps: placed.placement.maps,
                    ..sized
                };
                laid.placed = Some(placed);
                break;
            }
        }
        let note = outgrown.and_then(|before| before.note(&why, &laid.sized, demand));
        if let Some(note) = note {
            let before = laid.sized.note.take();
            laid.sized.note =
                Some(before.map_or(note.clone(), |before| format!("{before}; {note}")));
        }
        laid.layout = Some(Layout::Fresh(why));
        Ok(laid)
    }
}

/// Blocks that are tried to be left for more maps than all placed anew would need.
const SPARE_BLOCKS: [u64; 5] = [0, 16, 128, 1024, 8192];

/// What gives the sizes of an earlier filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikeEarlier {
    /// The kind, with a journal or without one.
    pub profile: Profile,
    /// What mke2fs is asked for.
    pub request: FormatRequest,
    /// What it makes, which has the earlier one's numbers.
    pub geometry: Geometry,
}

impl LikeEarlier {
    /// Lays a tree out in the earlier filesystem's sizes, if it fits.
    fn laid(&self, wanted: &Wanted<'_>) -> Result<Laid, WhyFresh> {
        let Self {
            profile,
            request,
            geometry,
        } = self;
        let demand = &wanted.measured.demand;
        if demand.inodes > geometry.free_inodes {
            return Err(WhyFresh::TooSmall {
                what: "inodes",
                needed: demand.inodes.into(),
                free: geometry.free_inodes.into(),
            });
        }
        let too_small = || WhyFresh::TooSmall {
            what: "blocks",
            needed: demand.blocks(),
            free: geometry.free_blocks.into(),
        };
        let positions = geometry.positions(profile).ok_or_else(too_small)?;
        let placed = wanted.placed_in(&positions, geometry.inodes());
        let placed = placed.ok_or_else(too_small)?;
        Ok(Laid {
            profile: *profile,
            sized: Sized {
                file_bytes: geometry.size_bytes(),
                request: *request,
                geometry: geometry.clone(),
                maps: placed.placement.maps,
                note: None,
            },
            placed: Some(placed),
            layout: Some(Layout::Kept),
        })
    }
}

/// Refuses an earlier filesystem of another kind: nothing of it would be in its place.
///
/// # Errors
/// [`Error::Unsupported`], which names the option.
pub fn expect_kind(kind: Kind, earlier: Kind) -> Result<()> {
    if kind == earlier {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "expected an earlier filesystem of the kind that is made, {kind}, found {earlier}: --fs {earlier} makes one like it"
    )))
}

/// What mke2fs has to be asked for to make the earlier filesystem's sizes.
///
/// # Errors
/// What it would make otherwise, as a sentence.
pub fn like(earlier: &Earlier) -> Result<LikeEarlier, String> {
    let Earlier {
        kind,
        blocks,
        inodes,
        journal_blocks,
        reserved_descriptor_blocks,
        ..
    } = earlier;
    let unlike = |what: &str| format!("mke2fs is not asked for {what} here");
    // ext3 without a journal is ext2.
    let wanted = match (journal_blocks, kind) {
        (0, Kind::Ext4) => JournalSize::None,
        _ => JournalSize::Auto,
    };
    let profile = Profile::of(*kind, wanted).map_err(|error| error.to_string())?;
    let by_itself = profile.journal(wanted, *blocks);
    let journal = match by_itself {
        Some(journal) if journal.blocks == *journal_blocks => wanted,
        _ if journal_blocks.is_multiple_of(BLOCKS_PER_MEBIBYTE) => {
            JournalSize::Mebibytes(journal_blocks / BLOCKS_PER_MEBIBYTE)
        }
        _ => return Err(unlike(&format!("a journal of {journal_blocks} blocks"))),
    };
    let profile = Profile::of(*kind, journal).map_err(|error| error.to_string())?;
    let by_itself = FormatRequest {
        blocks: *blocks,
        inodes: *inodes,
        journal,
        reserved_descriptor_blocks: None,
    };
    // Where mke2fs keeps as many by itself it is not asked.
    let kept_by_itself =
        Geometry::at_best(&profile, by_itself).map(|made| made.reserved_descriptor_blocks_per_copy);
    let request = FormatRequest {
        reserved_descriptor_blocks: match kept_by_itself == Some(*reserved_descriptor_blocks) {
            true => None,
            false => NonZeroU32::new(*reserved_descriptor_blocks),
        },
        ..by_itself
    };
    let geometry = Geometry::of(&profile, request)
        .ok_or_else(|| unlike(&format!("a filesystem of {blocks} blocks, {inodes} inodes and a journal of {journal_blocks} blocks, with {reserved_descriptor_blocks} kept for growing")))?;
    for (what, earlier, made) in [
        ("blocks", *blocks, geometry.blocks),
        ("inodes", *inodes, geometry.inodes()),
        (
            "blocks of the journal",
            *journal_blocks,
            geometry.journal_blocks,
        ),
        (
            "blocks kept behind the descriptors for growing",
            *reserved_descriptor_blocks,
            geometry.reserved_descriptor_blocks_per_copy,
        ),
    ] {
        if earlier != made {
            return Err(format!(
                "the earlier filesystem has {earlier} {what}, mke2fs makes {made} here"
            ));
        }
    }
    Ok(LikeEarlier {
        profile,
        request,
        geometry,
    })
}

const BLOCKS_PER_MEBIBYTE: u32 = 256;
