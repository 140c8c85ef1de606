//! Choosing the size: a rule, a fitted minimum, or what the user says.

use crate::error::{Error, Result};
use crate::ext::plan::demand::Demand;
use crate::ext::plan::geometry::{FormatRequest, Geometry, SYSTEM_INODES, default_inodes};
use crate::ext::plan::map_demand::{MapBlocks, MapDemand};
use crate::ext::plan::size_policy::{SizePolicy, below_min, too_large};
use crate::ext::profile::{BlockMap, JournalSize, Profile};
use crate::ondisk::superblock::kept_by_kernel;
use crate::units::{BLOCK_SIZE, ByteSize, thousands};

/// What besides the tree decides on a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Inodes to stay free.
    pub free_inodes: u32,
    /// The journal.
    pub journal: JournalSize,
}

/// A size with what mke2fs makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sized {
    /// The file's length in bytes; more than the filesystem's where mke2fs drops its tail.
    pub file_bytes: u64,
    /// What mke2fs is asked for.
    pub request: FormatRequest,
    /// What it makes.
    pub geometry: Geometry,
    /// Blocks that map the tree's files and directories in it.
    pub maps: MapBlocks,
    /// What is to be told: why it is larger than was said, or what of it stays unused.
    pub note: Option<String>,
}

impl Sized {
    /// Free blocks once what it was found for is in.
    pub fn free_blocks_after(&self, demand: &Demand) -> u64 {
        u64::from(self.geometry.free_blocks) - demand.with_maps(self.maps).blocks()
    }

    /// Blocks that an ordinary user may take then.
    pub fn available_blocks_after(&self, profile: &Profile, demand: &Demand) -> u64 {
        self.free_blocks_after(demand)
            .saturating_sub(not_for_all(profile, &self.geometry))
    }
}

/// Free blocks that no ordinary user gets: root's, and those that the kernel keeps.
pub(super) fn not_for_all(profile: &Profile, geometry: &Geometry) -> u64 {
    let kept = match profile.block_map {
        BlockMap::Indirect => 0,
        BlockMap::Extents => kept_by_kernel(geometry.blocks.into()),
    };
    u64::from(geometry.reserved_blocks) + kept
}

/// Finds the size by a policy.
///
/// # Errors
/// [`Error::TooSmall`] where an exact size cannot hold the tree, [`Error::Unsupported`] where no
/// size can.
pub fn choose(
    profile: &Profile,
    policy: SizePolicy,
    demand: &Demand,
    maps: &MapDemand,
    room: Room,
) -> Result<Sized> {
    let needed_inodes = u64::from(demand.inodes) + u64::from(room.free_inodes);
    if needed_inodes > INODES_MAX {
        return Err(Error::unsupported(format!(
            "expected at most {INODES_MAX} inodes to be needed, found {needed_inodes}: the image's and those of --free-inodes"
        )));
    }
    let search = Search {
        profile,
        demand: &demand.with_maps(maps.at_least()),
        maps,
        room,
    };
    match policy {
        SizePolicy::Fit => search.smallest(0, 0),
        SizePolicy::FitPlus(free) => search.smallest(0, free.0.div_ceil(BLOCK_SIZE)),
        SizePolicy::Percent(percent) => search.percent(percent),
        SizePolicy::Exact(size) => search.exact(size),
    }
}

/// Inodes that a tree and the wish for free ones may need; no size is looked for beyond. ext
/// counts them in 32 bits, and every size that might do would be tried. A large filesystem has
/// more of itself.
const INODES_MAX: u64 = 1 << 28;

struct Search<'a> {
    profile: &'a Profile,
    /// With as few blocks of maps as there can be.
    demand: &'a Demand,
    maps: &'a MapDemand,
    room: Room,
}

impl Search<'_> {
    fn request(&self, blocks: u32) -> FormatRequest {
        let needed = self
            .demand
            .inodes
            .saturating_add(SYSTEM_INODES)
            .saturating_add(self.room.free_inodes);
        FormatRequest {
            blocks,
            inodes: default_inodes(blocks).max(needed),
            journal: self.room.journal,
            reserved_descriptor_blocks: None,
        }
    }

    /// What mke2fs makes of so many blocks, if the tree fits and `free` blocks stay for everyone;
    /// with the blocks of the tree's maps.
    fn fitting(&self, blocks: u32, free: u64) -> Option<(Geometry, MapBlocks)> {
        let request = self.request(blocks);
        // Where the free blocks are is looked at only if there are enough of them.
        let at_best = Geometry::at_best(self.profile, request)?;
        self.is_enough(&at_best, self.maps.at_least(), free)?;
        let geometry = Geometry::of(self.profile, request)?;
        let maps = self.maps_in(&geometry)?;
        self.is_enough(&geometry, maps, free)?;
        Some((geometry, maps))
    }

    fn is_enough(&self, geometry: &Geometry, maps: MapBlocks, free: u64) -> Option<()> {
        let needed = self.demand.with_maps(maps).blocks();
        let left = u64::from(geometry.free_blocks).checked_sub(needed)?;
        // Free blocks are everybody's only beyond what is kept; without a wish for free ones that
        // does not matter.
        let enough = free == 0 || left >= free + not_for_all(self.profile, geometry);
        enough.then_some(())
    }

    /// The blocks of the tree's maps in a filesystem; `None` where it has no room for them.
    fn maps_in(&self, geometry: &Geometry) -> Option<MapBlocks> {
        match self.profile.block_map {
            BlockMap::Indirect => Some(self.maps.at_least()),
            BlockMap::Extents => {
                let positions = geometry.positions(self.profile)?;
                self.maps.within(&positions, self.demand.xattr_blocks)
            }
        }
    }

    /// The smallest whole size from `from` blocks on that fits. Free space does not grow steadily
    /// with the size (journal and inode tables grow in steps), so sizes are tried one by one from
    /// where the tree could fit at the very best.
    fn smallest(&self, from: u32, free: u64) -> Result<Sized> {
        let wanted = self.demand.blocks().saturating_add(free);
        let mut blocks = from.max(self.profile.min_blocks);
        loop {
            if !self.could_hold(blocks, wanted) {
                blocks = self.next_that_could_hold(blocks, wanted)?;
            }
            if let Some((geometry, maps)) = self.fitting(blocks, free)
                && geometry.is_whole(self.request(blocks))
            {
                return Ok(Sized {
                    file_bytes: geometry.size_bytes(),
                    request: self.request(blocks),
                    geometry,
                    maps,
                    note: None,
                });
            }
            blocks = blocks.checked_add(1).ok_or_else(|| self.needs_too_much())?;
        }
    }

    /// Whether a filesystem of so many blocks could hold `wanted` if its metadata were as small
    /// as can be. Within one journal size it turns from false to true once: what is taken off
    /// never grows by more than one block for each block more.
    fn could_hold(&self, blocks: u32, wanted: u64) -> bool {
        let Some(journal) = self.profile.journal(self.room.journal, blocks) else {
            return false;
        };
        let blocks = u64::from(blocks);
        // Two bitmaps for each group of 32768 blocks; inode tables of one block for 64 blocks by
        // the default rule, or for what is needed.
        let by_default = (blocks * (512 + 2) / 32_768).saturating_sub(1);
        let needed_inodes = u64::from(self.demand.inodes) + u64::from(self.room.free_inodes);
        let by_need = blocks * 2 / 32_768 + needed_inodes / 16;
        let journal_blocks = u64::from(journal.blocks) + u64::from(journal.map_blocks);
        let at_least = journal_blocks + by_default.max(by_need);
        blocks >= wanted.saturating_add(at_least).max(journal.free_blocks_min)
    }

    /// The next number of blocks after which [`Self::could_hold`] is true: within a range of one
    /// journal size it turns from false to true once.
    fn next_that_could_hold(&self, from: u32, wanted: u64) -> Result<u32> {
        let mut low = from;
        for last in self.profile.journal_step_ends() {
            if last < low {
                continue;
            }
            if self.could_hold(last, wanted) {
                let mut high = last;
                while low < high {
                    let middle = low + (high - low) / 2;
                    if self.could_hold(middle, wanted) {
                        high = middle;
                    } else {
                        low = middle + 1;
                    }
                }
                return Ok(high);
            }
            low = last.checked_add(1).ok_or_else(|| self.needs_too_much())?;
        }
        Err(self.needs_too_much())
    }

    fn percent(&self, percent: u32) -> Result<Sized> {
        let disk_usage_bytes = self.demand.disk_usage_bytes;
        let usage_mebibytes = SizePolicy::usage_mebibytes(disk_usage_bytes);
        let asked = SizePolicy::Percent(percent).asked_bytes(disk_usage_bytes);
        let rule_bytes = asked.unwrap_or_default();
        let rule = u32::try_from(rule_bytes / BLOCK_SIZE).map_err(|_| {
            too_large(
                self.profile,
                &format!("{percent} % of {usage_mebibytes} MiB"),
            )
        })?;
        if let Some(sized) = self.holding(rule) {
            return Ok(sized);
        }
        let mut sized = self.smallest(rule, 0)?;
        sized.note = Some(format!(
            "size raised from {} ({percent} % of {usage_mebibytes} MiB) to {}: {}",
            ByteSize(rule_bytes),
            ByteSize(sized.file_bytes),
            self.why_not(rule)
        ));
        Ok(sized)
    }

    /// So many blocks, if the tree fits; what mke2fs drops of them stays unused.
    fn holding(&self, blocks: u32) -> Option<Sized> {
        let (geometry, maps) = self.fitting(blocks, 0)?;
        let request = self.request(blocks);
        let file_bytes = u64::from(blocks) * BLOCK_SIZE;
        let note = (!geometry.is_whole(request)).then(|| {
            format!(
                "the last {} of {} stay unused: mke2fs makes no block group that small",
                ByteSize(file_bytes - geometry.size_bytes()),
                ByteSize(file_bytes)
            )
        });
        Some(Sized {
            file_bytes,
            request,
            geometry,
            maps,
            note,
        })
    }

    fn exact(&self, size: ByteSize) -> Result<Sized> {
        let blocks = u32::try_from(size.0.div_ceil(BLOCK_SIZE))
            .map_err(|_| too_large(self.profile, &format!("{} bytes", size.0)))?;
        if let Some(mut sized) = self.holding(blocks) {
            if sized.file_bytes != size.0 {
                let rounded = format!(
                    "size rounded up from {} to {} bytes: whole blocks of 4 KiB",
                    size.0, sized.file_bytes
                );
                sized.note = Some(match sized.note {
                    Some(note) => format!("{rounded}; {note}"),
                    None => rounded,
                });
            }
            return Ok(sized);
        }
        let needed = self.smallest(blocks, 0)?;
        let smallest = self.smallest(0, 0)?;
        let mut help = format!(
            "{}; --size fit takes the smallest that holds it",
            self.why_not(blocks)
        );
        if smallest.file_bytes < size.0 {
            help.push_str(&format!(", here {}", ByteSize(smallest.file_bytes)));
            let given = Geometry::of(self.profile, self.request(blocks));
            let given_journal = given.map_or(0, |given| given.journal_blocks);
            if smallest.geometry.journal_blocks < given_journal {
                help.push_str(": a larger filesystem has a larger journal");
            }
        }
        Err(Error::TooSmall {
            what: format!("a filesystem of {size} for this image"),
            needed: format!("{} bytes", needed.file_bytes),
            given: format!("{} bytes", size.0),
            help,
        })
    }

    /// What a size lacks, in words.
    fn why_not(&self, blocks: u32) -> String {
        if blocks < self.profile.min_blocks {
            return below_min(self.profile);
        }
        let Some(geometry) = Geometry::of(self.profile, self.request(blocks)) else {
            let journal = match self.profile.features.has_journal() {
                true => " and the journal",
                false => "",
            };
            return format!(
                "mke2fs makes no filesystem of {} blocks with the inodes{journal} needed",
                thousands(blocks.into())
            );
        };
        let journal = match geometry.journal_blocks {
            0 => String::new(),
            blocks => format!(
                "a journal of {} and ",
                ByteSize(u64::from(blocks) * BLOCK_SIZE)
            ),
        };
        let maps = self.maps_in(&geometry).unwrap_or(self.maps.at_least());
        let needed = self.demand.with_maps(maps).blocks();
        format!(
            "{} blocks needed, {} free beside {journal}{} for inodes",
            thousands(needed),
            thousands(geometry.free_blocks.into()),
            ByteSize(u64::from(geometry.inode_table_blocks) * BLOCK_SIZE),
        )
    }

    fn needs_too_much(&self) -> Error {
        let found = "an image, or an image with the free space that was asked for, that needs more";
        too_large(self.profile, found)
    }
}

#[cfg(test)]
#[path = "size_tests.rs"]
mod tests;
