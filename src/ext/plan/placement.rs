//! Where everything goes in a filesystem that is laid out like an earlier one: who keeps a place, and
//! what is free for all else.
//!
//! A pure function of the tree, the earlier filesystem's places and the free blocks of the new empty
//! one. Whoever comes first in the tree's order has a place; what cannot be had is placed anew:
//!
//! ```text
//! inode        the same path of the same type keeps its number
//! blocks       where there are as many as before; all of them, or none
//! maps         as far as needed; those of extents only with what they map
//! attributes   the first of those who share a block and can have theirs
//! ```
//!
//! All else takes the first free blocks, those that became free among them, in the order of
//! [`Regions`].

use std::ops::Range;

use super::block_map::map_blocks;
use super::claims::Claims;
use super::counterparts::counterparts;
use super::demand::{Measured, made};
use super::earlier::{Earlier, EarlierNode};
use super::flex_positions::FreePositions;
use super::free_runs::{Cursor, FreeRuns};
use super::inode_numbers::InodeNumbers;
use super::kept_blocks::KeptBlocks;
use super::likeness::Figures;
use super::map_demand::{Made, MapBlocks};
use super::placing::{Content, Placing, count};
use super::regions::Regions;
use crate::ext::profile::BlockMap;
use crate::tree::{NodeId, NodeKind, Tree};
use crate::units::{BlockNumber, InodeNumber};

/// Who keeps which place, and where all else goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The free blocks that nobody keeps.
    pub free: FreeRuns,
    /// Where what is placed anew goes, by its place among those.
    pub regions: Regions,
    /// The block of each set of attributes that keeps its own, by the set's place in
    /// [`super::XattrBlocks::sharers`].
    pub attributes: Vec<Option<BlockNumber>>,
    /// All blocks of maps, kept or not.
    pub maps: MapBlocks,
    data: Runs,
    kept_maps: Runs,
}

/// Runs of blocks for each node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Runs {
    runs: Vec<Range<u32>>,
    /// Where each node's end in `runs`.
    ends: Vec<u32>,
}

impl Runs {
    fn push(&mut self, runs: impl IntoIterator<Item = Range<u32>>) {
        self.runs.extend(runs);
        // No more than there are blocks.
        self.ends.push(self.runs.len() as u32);
    }

    fn of(&self, id: NodeId) -> &[Range<u32>] {
        let index = id.index();
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.runs[start as usize..self.ends[index] as usize]
    }
}

/// What a placement is made for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// How files are mapped.
    pub map: BlockMap,
    /// The tree.
    pub tree: &'a Tree,
    /// Its nodes' inodes where nobody keeps any.
    pub numbers: &'a InodeNumbers,
    /// What it needs.
    pub measured: &'a Measured,
    /// Where places are kept from.
    pub earlier: &'a Earlier,
}

/// A placement with what comes of it.
#[derive(Debug)]
pub struct Placed {
    /// Where everything goes.
    pub placement: Placement,
    /// Each node's inode.
    pub numbers: InodeNumbers,
    /// How much of it stays where it was.
    pub figures: Figures,
}

impl Placement {
    /// The blocks of a node's content that stay, in the order of the file; without those that mke2fs
    /// has made.
    pub fn kept_data(&self, id: NodeId) -> &[Range<u32>] {
        self.data.of(id)
    }

    /// The blocks of a node's map that stay, in the order in which they are asked for.
    pub fn kept_maps(&self, id: NodeId) -> &[Range<u32>] {
        self.kept_maps.of(id)
    }
}

impl Wanted<'_> {
    /// Places everything in an empty filesystem of so many inodes; `None` where it has no room.
    pub fn placed_in(&self, positions: &FreePositions, inodes: u32) -> Option<Placed> {
        let nodes = self.tree.nodes().len();
        let was = counterparts(self.tree, self.earlier);
        let mut claims = Claims::new(&positions.free, inodes);
        let mut kept_numbers = vec![None; nodes];
        let mut attributes = vec![None; self.measured.xattr_blocks.sharers.len()];
        let mut offered = vec![false; attributes.len()];
        let (mut data, mut kept_maps) = (Runs::default(), Runs::default());
        for content in self.contents(positions) {
            let index = content.id.index();
            let was = was[index].map(|was| &self.earlier.nodes[was as usize]);
            let Some(was) = was else {
                data.push([]);
                kept_maps.push([]);
                continue;
            };
            if content.made.is_empty() && claims.inode(was.inode) {
                kept_numbers[index] = Some(InodeNumber(was.inode));
            }
            let runs = content.had(was).filter(|runs| claims.blocks(runs));
            let is_kept = runs.is_some();
            data.push(runs.unwrap_or_default());
            if content.blocks > 0 && (is_kept || self.map == BlockMap::Indirect) {
                let maps = self.maps_needed(&content, data.of(content.id))?;
                kept_maps.push(claimed_maps(&mut claims, was, maps));
            } else {
                kept_maps.push([]);
            }
            let own = self.measured.xattr_blocks.of_node.get(&content.id);
            if let (Some(&own), Some(block)) = (own, was.attributes) {
                let place = &mut attributes[own as usize];
                offered[own as usize] = true;
                if place.is_none() && claims.block(block) {
                    *place = Some(block);
                }
            }
        }
        let mut placement = Placement {
            free: claims.into_free(),
            regions: Regions::default(),
            attributes,
            maps: MapBlocks::default(),
            data,
            kept_maps,
        };
        let walked = self.walked(positions, &placement.free, Some(&placement), &was)?;
        (placement.regions, placement.maps) = (walked.regions.clone(), walked.maps);
        // Where a fresh layout would lie; it may need more or less room.
        let fresh = self.walked(positions, &positions.free, None, &was);
        let numbers = self.numbers.keeping(&kept_numbers);
        let figures = self.figures(
            self.contents(positions),
            &placement,
            &kept_numbers,
            &offered,
            &was,
            (&walked, fresh.as_ref()),
        );
        Some(Placed {
            placement,
            numbers,
            figures,
        })
    }

    /// What each node has in blocks, in the tree's order.
    fn contents<'p>(
        &'p self,
        positions: &'p FreePositions,
    ) -> impl Iterator<Item = Content<'p>> + 'p {
        let mut directories = self.measured.directory_blocks.iter();
        self.tree.nodes().map(move |(id, node)| {
            let directory_blocks = match node.kind {
                NodeKind::Directory(_) => directories.next().copied().unwrap_or(0),
                _ => 0,
            };
            let made: &[BlockNumber] = match made(id, self.numbers) {
                Some((Made::Root, _)) => &positions.root,
                Some((Made::LostFound, _)) => &positions.lost_found,
                None => &[],
            };
            Content::of(id, node, directory_blocks, made)
        })
    }

    /// How many blocks map a content, whose own that are kept lie there.
    fn maps_needed(&self, content: &Content<'_>, kept: &[Range<u32>]) -> Option<u64> {
        let made = content.made_runs();
        let mut sink = Placing {
            made: KeptBlocks::new(&made),
            data: KeptBlocks::new(kept),
            ..Placing::new(None)
        };
        map_blocks(self.map, &content.ranges, &mut sink).ok()?;
        Some(sink.map_blocks)
    }

    /// Hands out blocks as they will be when all is written, region by region.
    fn walked(
        &self,
        positions: &FreePositions,
        free: &FreeRuns,
        placement: Option<&Placement>,
        was: &[Option<u32>],
    ) -> Option<Walked> {
        let mut walked = Walked {
            taken: vec![0; self.tree.nodes().len()],
            runs: vec![0; self.tree.nodes().len()],
            ..Walked::default()
        };
        let mut regions = Regions::default();
        let mut cursor = free.cursor(0);
        for content in self.contents(positions).filter(|one| one.is_directory) {
            let was = self.was(was, &content);
            walked.maps.directories +=
                self.walk(&content, (placement, was), &mut cursor, &mut walked)?;
        }
        regions.directories = 0..cursor.place();
        let sets = self.measured.xattr_blocks.sharers.len();
        let kept = placement.map_or(0, |placement| placement.attributes.iter().flatten().count());
        let end = cursor.place() + (sets - kept) as u64;
        regions.attributes = cursor.place()..end;
        regions.maps = end..end;
        if self.map == BlockMap::Indirect {
            let kept = placement.map_or(0, |placement| count(&placement.kept_maps.runs));
            regions.maps.end += self.measured.maps.at_least().all() - kept;
        }
        let mut cursor = free.cursor(regions.maps.end);
        for content in self.contents(positions).filter(|one| !one.is_directory) {
            let was = self.was(was, &content);
            walked.maps.files += self.walk(&content, (placement, was), &mut cursor, &mut walked)?;
        }
        regions.data = regions.maps.end..cursor.place();
        walked.regions = regions;
        (walked.regions.blocks() <= free.count()).then_some(walked)
    }

    /// The blocks that an earlier node had for a content.
    fn was(&self, was: &[Option<u32>], content: &Content<'_>) -> &[Range<u32>] {
        let was = was[content.id.index()].map(|was| &*self.earlier.nodes[was as usize].data);
        // Nothing is believed of what cannot be.
        was.filter(|runs| !runs.iter().any(Range::is_empty))
            .unwrap_or_default()
    }

    /// The same for one node; gives the blocks of its map.
    fn walk(
        &self,
        content: &Content<'_>,
        (placement, was): (Option<&Placement>, &[Range<u32>]),
        cursor: &mut Cursor<'_>,
        walked: &mut Walked,
    ) -> Option<u64> {
        if content.blocks == 0 {
            return Some(0);
        }
        let made = content.made_runs();
        let kept = |of: fn(&Placement, NodeId) -> &[Range<u32>]| {
            KeptBlocks::new(placement.map_or(&[], |placement| of(placement, content.id)))
        };
        let mut sink = Placing {
            made: KeptBlocks::new(&made),
            data: kept(Placement::kept_data),
            maps: kept(Placement::kept_maps),
            was: KeptBlocks::new(was),
            maps_apart: self.map == BlockMap::Indirect,
            ..Placing::new(Some(cursor))
        };
        map_blocks(self.map, &content.ranges, &mut sink).ok()?;
        walked.taken[content.id.index()] = sink.taken;
        walked.runs[content.id.index()] = sink.runs;
        walked.in_place += sink.in_place;
        Some(sink.map_blocks)
    }

    fn figures<'p>(
        &self,
        contents: impl Iterator<Item = Content<'p>>,
        placement: &Placement,
        kept_numbers: &[Option<InodeNumber>],
        offered: &[bool],
        was: &[Option<u32>],
        (walked, fresh): (&Walked, Option<&Walked>),
    ) -> Figures {
        let mut figures = Figures {
            in_place_blocks: walked.in_place,
            fresh_in_place_blocks: fresh.map_or(0, |fresh| fresh.in_place),
            ..Figures::default()
        };
        for content in contents {
            let id = content.id;
            let index = id.index();
            let made_blocks = content.made.len() as u64;
            let kept_data = count(placement.kept_data(id));
            let has_its_blocks = kept_data + made_blocks == content.blocks;
            let had = was[index].map(|was| count(&self.earlier.nodes[was as usize].data));
            let has_its_inode = !content.made.is_empty() || kept_numbers[index].is_some();
            let stays = has_its_inode && has_its_blocks && had == Some(content.blocks);
            figures.kept.blocks += kept_data + count(placement.kept_maps(id));
            let placed_anew = match had {
                None => &mut figures.new,
                Some(_) => &mut figures.moved,
            };
            placed_anew.blocks += walked.taken[index];
            match stays {
                true => figures.kept.inodes += 1,
                false => placed_anew.inodes += 1,
            }
            figures.resized_inodes += u64::from(had.is_some_and(|had| had != content.blocks));
            if !content.is_directory && content.blocks > 0 {
                let fresh_runs = fresh.map_or(1, |fresh| fresh.runs[index]);
                figures.runs += walked.runs[index];
                figures.fresh_runs += fresh_runs;
                figures.split_files += u64::from(walked.runs[index] > fresh_runs);
            }
        }
        for (kept, &offered) in placement.attributes.iter().zip(offered) {
            let tally = match (kept, offered) {
                (Some(_), _) => &mut figures.kept,
                (None, true) => &mut figures.moved,
                (None, false) => &mut figures.new,
            };
            tally.blocks += 1;
        }
        figures
    }
}

/// What walking all nodes gave.
#[derive(Debug, Default)]
struct Walked {
    regions: Regions,
    maps: MapBlocks,
    /// Blocks that each node takes from the free ones, but for those of maps that lie apart.
    taken: Vec<u64>,
    /// In how many runs each node's content lies.
    runs: Vec<u64>,
    /// Blocks of contents that lie where they lay.
    in_place: u64,
}

/// The first of an earlier node's blocks of maps, as many as are needed and as far as they can be had.
fn claimed_maps(claims: &mut Claims, was: &EarlierNode, needed: u64) -> Vec<Range<u32>> {
    let mut left = needed;
    let mut kept = Vec::new();
    for run in was.maps.iter().filter(|run| !run.is_empty()) {
        if left == 0 {
            break;
        }
        // No more than the run has.
        let count = left.min(u64::from(run.end - run.start)) as u32;
        let wanted = run.start..run.start + count;
        if claims.blocks(std::slice::from_ref(&wanted)) {
            left -= u64::from(count);
            kept.push(wanted);
        }
    }
    kept
}
