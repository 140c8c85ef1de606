//! Holds data and a tree against a root hash.
//!
//! A block of the tree is believed where the block above it has its digest, the topmost where the
//! root hash is its digest. What data the rest speak of is not known to be right or wrong, unless
//! all data together give the root hash.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::shape::Shape;
use super::superblock::Superblock;
use super::tree::{Place, Sink, hash, room_for};
use super::{BLOCK_BYTES, BLOCK_LENGTH, DIGEST_BYTES, DIGESTS_IN_BLOCK, RootHash};
use crate::error::Result;
use crate::progress::{Phase, Reporter, Task};

/// A superblock with the tree behind it.
#[derive(Debug)]
pub struct Stored<'a> {
    /// Where the superblock is.
    pub place: Place<'a>,
    /// What it says.
    pub superblock: Superblock,
}

impl<'a> Stored<'a> {
    /// Reads the superblock that should be at a place.
    ///
    /// # Errors
    /// Those of [`Superblock::decode`], [`Error::Io`](crate::Error::Io).
    pub fn read(place: Place<'a>) -> Result<Self> {
        let mut bytes = vec![0; BLOCK_LENGTH];
        let left = place.bytes()?.min(BLOCK_BYTES);
        bytes.truncate(usize::try_from(left).unwrap_or(0));
        place.read(0, &mut bytes)?;
        let superblock = Superblock::decode(&bytes)?;
        Ok(Self { place, superblock })
    }

    /// Fills `buffer` from a block of the tree on.
    fn tree(&self, block: u64, buffer: &mut [u8]) -> Result<()> {
        self.place.read(1 + block, buffer)
    }

    /// Where a block of a level is, in bytes from the file's start.
    pub fn byte_of(&self, level: usize, block: u64) -> u64 {
        let shape = Shape::of(self.superblock.data_blocks);
        self.place.offset_bytes + (1 + shape.first_block(level) + block) * BLOCK_BYTES
    }

    /// The digest of the topmost block, which is the root hash of a sound tree; `None` for a single
    /// data block, which has no tree.
    ///
    /// # Errors
    /// Where the file ends before, and [`Error::Io`](crate::Error::Io).
    pub fn root_hash(&self) -> Result<Option<RootHash>> {
        if self.superblock.data_blocks == 1 {
            return Ok(None);
        }
        let mut block = vec![0; BLOCK_LENGTH];
        self.tree(0, &mut block)?;
        Ok(Some(RootHash(self.superblock.salt.hasher().digest(&block))))
    }
}

/// What was found wrong of one sort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage<T> {
    /// How many there are.
    pub count: u64,
    /// The first of them, ascending, [`Damage::SHOWN`] at most.
    pub first: BTreeSet<T>,
}

impl<T> Default for Damage<T> {
    fn default() -> Self {
        Self {
            count: 0,
            first: BTreeSet::new(),
        }
    }
}

impl<T: Ord> Damage<T> {
    /// How many are named.
    pub const SHOWN: usize = 10;

    fn add(&mut self, one: T) {
        self.count += 1;
        self.first.insert(one);
        if self.first.len() > Self::SHOWN {
            self.first.pop_last();
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Proof {
    /// The root hash that the data give.
    pub computed: RootHash,
    /// Whether a sound tree is there and the data are what it was made of, only that both are not of
    /// the root hash that was given: it is another filesystem's.
    pub is_another: bool,
    /// Data blocks that are not what was hashed.
    pub data: Damage<u64>,
    /// Blocks of the tree that are not: level and number in it.
    pub tree: Damage<(usize, u64)>,
    /// Data blocks of which nothing is known, because what speaks of them is damaged.
    pub unproven: u64,
}

impl Proof {
    /// Whether data and tree are what the root hash is of.
    pub fn is_sound(&self) -> bool {
        !self.is_another && self.data.count == 0 && self.tree.count == 0 && self.unproven == 0
    }
}

/// Reads all data and the tree once and holds them against the root hash.
///
/// # Errors
/// [`Error::BadImage`](crate::Error::BadImage) where data or tree end too early,
/// [`Error::Io`](crate::Error::Io). Damage is none.
pub fn prove(
    data: Place<'_>,
    stored: &Stored<'_>,
    root_hash: &RootHash,
    reporter: &dyn Reporter,
) -> Result<Proof> {
    let superblock = &stored.superblock;
    let shape = Shape::of(superblock.data_blocks);
    data.expect(shape.data_blocks())?;
    stored.place.expect(1 + shape.tree_blocks())?;
    let total = shape.data_blocks() * BLOCK_BYTES;
    let meter = reporter.begin(Task::bytes(Phase::Prove, "verity", total));
    let upper = Upper::read(stored, &shape, root_hash)?;
    let found = Mutex::new(Found::default());
    let judge: &Sink<'_> = &|level, block, made| {
        if level == 0 {
            let judged = upper.judge(stored, &shape, block, made)?;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.add(judged);
        } else {
            let there = &upper.levels[level - 1].bytes;
            let pairs = there
                .chunks_exact(BLOCK_LENGTH)
                .zip(made.chunks_exact(BLOCK_LENGTH));
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            for (number, (there, made)) in (0..).zip(pairs) {
                if there != made {
                    found.differing.add((level, number));
                }
            }
        }
        Ok(())
    };
    let computed = hash(data, &shape, &superblock.salt, judge, &*meter)?;
    meter.finish("held against the root hash");
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(found.into_proof(computed, root_hash, &shape, upper.untrusted))
}

/// The levels above level 0.
struct Upper {
    /// From level 1 on.
    levels: Vec<Level>,
    /// Blocks of these levels that are not what the block above says.
    untrusted: Damage<(usize, u64)>,
    root_hash: RootHash,
}

struct Level {
    bytes: Vec<u8>,
    /// Blocks that nothing vouches for.
    untrusted: BTreeSet<u64>,
}

impl Upper {
    fn read(stored: &Stored<'_>, shape: &Shape, root_hash: &RootHash) -> Result<Self> {
        let mut levels = Vec::new();
        for (level, blocks) in shape.levels().iter().enumerate().skip(1) {
            let mut bytes = room_for(*blocks)?;
            stored.tree(shape.first_block(level), &mut bytes)?;
            levels.push(Level {
                bytes,
                untrusted: BTreeSet::new(),
            });
        }
        let mut upper = Self {
            levels,
            untrusted: Damage::default(),
            root_hash: *root_hash,
        };
        let hasher = stored.superblock.salt.hasher();
        for index in (0..upper.levels.len()).rev() {
            let mut untrusted = BTreeSet::new();
            let blocks = upper.levels[index].bytes.chunks_exact(BLOCK_LENGTH);
            for (number, block) in (0..).zip(blocks) {
                match upper.expected(index + 1, number) {
                    Some(digest) if digest == hasher.digest(block) => continue,
                    Some(_) => upper.untrusted.add((index + 1, number)),
                    None => {}
                }
                untrusted.insert(number);
            }
            upper.levels[index].untrusted = untrusted;
        }
        Ok(upper)
    }

    /// The digest that a block of a level is to have; `None` where nothing vouches for it.
    fn expected(&self, level: usize, block: u64) -> Option<[u8; DIGEST_BYTES]> {
        // The levels here begin with the one above level 0.
        let Some(above) = self.levels.get(level) else {
            return Some(self.root_hash.0);
        };
        if above.untrusted.contains(&(block / DIGESTS_IN_BLOCK)) {
            return None;
        }
        let at = usize::try_from(block).ok()? * DIGEST_BYTES;
        above.bytes.get(at..)?.first_chunk().copied()
    }

    /// Holds blocks of level 0 that the data give against those that are there.
    fn judge(&self, stored: &Stored<'_>, shape: &Shape, first: u64, made: &[u8]) -> Result<Found> {
        let mut found = Found::default();
        let mut there = vec![0; made.len()];
        stored.tree(shape.first_block(0) + first, &mut there)?;
        let hasher = stored.superblock.salt.hasher();
        let pairs = there
            .chunks_exact(BLOCK_LENGTH)
            .zip(made.chunks_exact(BLOCK_LENGTH));
        for (number, (there, made)) in (first..).zip(pairs) {
            let data = number * DIGESTS_IN_BLOCK;
            if there != made {
                found.differing.add((0, number));
            }
            match self.expected(0, number) {
                Some(digest) if digest == hasher.digest(there) => {
                    let digests = there.chunks_exact(DIGEST_BYTES);
                    let pairs = (data..).zip(digests.zip(made.chunks_exact(DIGEST_BYTES)));
                    for (block, (there, made)) in pairs {
                        if there != made {
                            found.data.add(block);
                        }
                    }
                    continue;
                }
                Some(_) => found.untrusted.add((0, number)),
                None => {}
            }
            found.unproven += DIGESTS_IN_BLOCK.min(shape.data_blocks() - data);
        }
        Ok(found)
    }
}

/// What was seen, before it is known whether the data are right as a whole.
#[derive(Default)]
struct Found {
    data: Damage<u64>,
    /// Blocks of the tree that are not what the block above says.
    untrusted: Damage<(usize, u64)>,
    /// Blocks of the tree that are not what the data give.
    differing: Damage<(usize, u64)>,
    unproven: u64,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.data.merge(other.data);
        self.untrusted.merge(other.untrusted);
        self.differing.merge(other.differing);
        self.unproven += other.unproven;
    }

    fn into_proof(
        mut self,
        computed: RootHash,
        expected: &RootHash,
        shape: &Shape,
        untrusted: Damage<(usize, u64)>,
    ) -> Proof {
        self.untrusted.merge(untrusted);
        let mut proof = Proof {
            computed,
            is_another: false,
            data: Damage::default(),
            tree: Damage::default(),
            unproven: 0,
        };
        if computed == *expected {
            // Whatever the tree says, the data are right.
            proof.tree = self.differing;
        } else if shape.levels().is_empty() {
            proof.data.add(0);
        } else if self.differing.count == 0 {
            proof.is_another = true;
        } else {
            proof.data = self.data;
            proof.tree = self.untrusted;
            proof.unproven = self.unproven;
        }
        proof
    }
}

impl<T: Ord> Damage<T> {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.first.extend(other.first);
        while self.first.len() > Self::SHOWN {
            self.first.pop_last();
        }
    }
}
