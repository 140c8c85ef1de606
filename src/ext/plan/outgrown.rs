//! A size of its own for a tree that an earlier filesystem's size is too small for.
//!
//! It is the rule's, which is that of a build like no other; but nobody who has made room once wants it
//! gone with the version that needed it, so it is no smaller than what leaves an ordinary user as many
//! bytes as were available in the earlier filesystem. Its journal is made as that one's was, and where
//! more inodes had been asked for than mke2fs makes by itself, as many stay free. All of it is counted
//! from what the earlier filesystem's names lead to; what it says of itself is not believed. Where less
//! room is left than this version has grown by, the note tells how to make some, since the next one
//! would get a size of its own again.

use std::collections::BTreeSet;

use super::demand::Demand;
use super::earlier::Earlier;
use super::geometry::{FormatRequest, Geometry, LOST_FOUND_BLOCKS, ROOT_BLOCKS, default_inodes};
use super::likeness::WhyFresh;
use super::map_demand::MapDemand;
use super::placing::count;
use super::size::{self, Room, Sized, not_for_all};
use super::size_policy::SizePolicy;
use crate::error::Result;
use crate::ext::profile::Profile;
use crate::units::{BLOCK_SIZE, ByteSize, InodeNumber};

/// What an earlier filesystem had, and what of it a larger one is to have, too.
#[derive(Debug)]
pub struct Outgrown {
    /// The kind, with a journal or without one.
    pub profile: Profile,
    room: Room,
    /// Blocks that were available to an ordinary user.
    available_blocks: u64,
    /// Blocks that its names lead to.
    used_blocks: u64,
    /// Inodes of theirs.
    used_inodes: u64,
}

impl Outgrown {
    /// What an earlier filesystem had, which mke2fs made of this request or could have made.
    pub fn of(
        earlier: &Earlier,
        profile: &Profile,
        request: &FormatRequest,
        geometry: &Geometry,
    ) -> Self {
        let used_blocks = used_blocks(earlier);
        let own = earlier.nodes.iter();
        let own = own.filter(|node| node.inode >= InodeNumber::FIRST_FREE.0);
        let used_inodes = own.count() as u64;
        let free_blocks = u64::from(geometry.free_blocks).saturating_sub(used_blocks);
        let available_blocks = match earlier.nodes.is_empty() {
            // Nothing is known of it.
            true => 0,
            false => free_blocks.saturating_sub(not_for_all(profile, geometry)),
        };
        let by_itself = FormatRequest {
            inodes: default_inodes(request.blocks),
            ..*request
        };
        let by_itself = Geometry::of(profile, by_itself).map_or(u32::MAX, |made| made.inodes());
        let free_inodes = match geometry.inodes() > by_itself && !earlier.nodes.is_empty() {
            // No more than there are.
            true => u64::from(geometry.free_inodes).saturating_sub(used_inodes) as u32,
            false => 0,
        };
        Self {
            profile: *profile,
            room: Room {
                free_inodes,
                journal: request.journal,
            },
            available_blocks,
            used_blocks,
            used_inodes,
        }
    }

    /// The size for a tree.
    ///
    /// # Errors
    /// See [`size::choose`].
    pub fn size(&self, policy: SizePolicy, demand: &Demand, maps: &MapDemand) -> Result<Sized> {
        let by = |policy| size::choose(&self.profile, policy, demand, maps, self.room);
        let by_rule = by(policy)?;
        if by_rule.available_blocks_after(&self.profile, demand) >= self.available_blocks {
            return Ok(by_rule);
        }
        let as_before = by(SizePolicy::FitPlus(ByteSize(
            self.available_blocks * BLOCK_SIZE,
        )));
        // Where there is none so large, the rule's is.
        Ok(as_before.unwrap_or(by_rule))
    }

    /// What is to be said of the room that is left, where a version that grows as much as this one has
    /// does not find enough of it.
    pub fn note(&self, why: &WhyFresh, sized: &Sized, demand: &Demand) -> Option<String> {
        let WhyFresh::TooSmall { what, .. } = why else {
            return None;
        };
        let needed = demand.with_maps(sized.maps).blocks();
        let grown = needed.saturating_sub(self.used_blocks);
        let grown_inodes = u64::from(demand.inodes).saturating_sub(self.used_inodes);
        let available = sized.available_blocks_after(&self.profile, demand);
        let free_inodes = u64::from(sized.geometry.free_inodes - demand.inodes);
        let mut options = Vec::new();
        if available < grown {
            let mebibytes = (grown * BLOCK_SIZE).div_ceil(1 << 20);
            options.push(format!("--size +{mebibytes}M"));
        }
        if *what == "inodes" && free_inodes < grown_inodes {
            options.push(format!("--free-inodes {grown_inodes}"));
        }
        (!options.is_empty()).then(|| {
            format!(
                "a version that grows as much as this one will not fit into its size either: {} once leaves room for it and those after it",
                options.join(" ")
            )
        })
    }
}

/// Blocks of what mke2fs makes that names lead to.
const MADE_BLOCKS: u64 = (ROOT_BLOCKS + LOST_FOUND_BLOCKS) as u64;

/// All blocks that names lead to, but for those that mke2fs makes.
fn used_blocks(earlier: &Earlier) -> u64 {
    let nodes = earlier.nodes.iter();
    let own = nodes.map(|node| count(&node.data).saturating_add(count(&node.maps)));
    let attributes = earlier.nodes.iter().filter_map(|node| node.attributes);
    let attributes: BTreeSet<u32> = attributes.map(|block| block.0).collect();
    own.fold(attributes.len() as u64, u64::saturating_add)
        .saturating_sub(MADE_BLOCKS)
}
