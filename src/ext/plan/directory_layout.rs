//! Packing a directory's names into blocks: one block, or an index of hashes over many.
//!
//! The same packing counts (while planning) and is written out (while populating).

use crate::error::{Error, Result};
use crate::ext::profile::{DirectoryForm, Profile};
use crate::ondisk::directory_entry::{DOT_ENTRIES_BYTES, entry_bytes};
use crate::ondisk::directory_index::IndexEntry;
use crate::ondisk::hash::{NameHash, half_md4};

/// Where each name of a directory goes. Names are told by their position in the list given.
#[derive(Debug, PartialEq, Eq)]
pub enum DirectoryLayout {
    /// `.`, `..` and the names in the order given; each element is where a block's names end.
    Linear(Vec<u32>),
    /// A root block, interior blocks if the root does not suffice, then leaves.
    Indexed(IndexedLayout),
}

/// A directory with an index.
#[derive(Debug, PartialEq, Eq)]
pub struct IndexedLayout {
    /// The names in the order of their hashes.
    pub order: Vec<u32>,
    /// For each leaf, where its names end in `order` and what the index calls it.
    pub leaves: Vec<Leaf>,
    form: DirectoryForm,
}

/// A block of names in an indexed directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Where its names end in [`IndexedLayout::order`].
    pub end: u32,
    /// Its lowest hash, plus 1 where the leaf before ends with the same hash.
    pub hash: u32,
}

impl DirectoryLayout {
    /// Packs names: one block if they fit, an index otherwise. `indexed` is false only for a
    /// directory that must stay linear.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for more names than an index of two levels can hold.
    pub fn of(
        profile: &Profile,
        names: &[&[u8]],
        hash_seed: [u32; 4],
        indexed: bool,
    ) -> Result<Self> {
        let names_bytes = profile.directory.names_bytes();
        let mut ends = Vec::new();
        let mut used = DOT_ENTRIES_BYTES;
        for (index, name) in (0..).zip(names) {
            if used + entry_bytes(name.len()) > names_bytes {
                if indexed {
                    return IndexedLayout::of(profile, names, hash_seed).map(Self::Indexed);
                }
                ends.push(index);
                used = 0;
            }
            used += entry_bytes(name.len());
        }
        ends.push(names.len() as u32);
        Ok(Self::Linear(ends))
    }

    /// The index, see [`IndexedLayout::index`]; empty where there is none.
    pub fn index(&self) -> (Vec<IndexEntry>, Vec<Vec<IndexEntry>>) {
        match self {
            Self::Linear(_) => Default::default(),
            Self::Indexed(layout) => layout.index(),
        }
    }

    /// Blocks of the directory, those of its map aside.
    pub fn blocks(&self) -> u32 {
        match self {
            Self::Linear(ends) => ends.len() as u32,
            Self::Indexed(layout) => 1 + layout.nodes() + layout.leaves.len() as u32,
        }
    }
}

impl IndexedLayout {
    fn of(profile: &Profile, names: &[&[u8]], hash_seed: [u32; 4]) -> Result<Self> {
        Self::hashed_by(profile, names, |name| half_md4(name, hash_seed))
    }

    /// The same by any hash, which is asked for once for each name.
    fn hashed_by(
        profile: &Profile,
        names: &[&[u8]],
        mut hash: impl FnMut(&[u8]) -> NameHash,
    ) -> Result<Self> {
        let form = profile.directory;
        let names_bytes = form.names_bytes();
        let mut hashed: Vec<_> = (0..)
            .zip(names)
            .map(|(index, name): (u32, _)| (hash(name), index))
            .collect();
        hashed.sort_unstable();
        let mut leaves: Vec<Leaf> = Vec::new();
        let mut used = 0;
        let mut hash = hashed.first().map_or(0, |(hash, _)| hash.major);
        let bytes = |&(_, index): &(_, u32)| entry_bytes(names[index as usize].len());
        let mut end = 0_u32;
        // Names of one hash stay together where a leaf can hold them: a reader then needs one.
        for run in hashed.chunk_by(|one, other| one.0.major == other.0.major) {
            let run_hash = run[0].0.major;
            let run_bytes: usize = run.iter().map(bytes).sum();
            if used > 0 && used + run_bytes > names_bytes {
                leaves.push(Leaf { end, hash });
                (used, hash) = (0, run_hash);
            }
            for name in run {
                if used + bytes(name) > names_bytes {
                    leaves.push(Leaf { end, hash });
                    (used, hash) = (0, run_hash | 1);
                }
                used += bytes(name);
                end += 1;
            }
        }
        leaves.push(Leaf { end, hash });
        if leaves.len() > form.leaves_max() {
            return Err(Error::unsupported(format!(
                "expected at most {} blocks of names in a directory, found {}: a directory index of {} has two levels",
                form.leaves_max(),
                leaves.len(),
                profile.kind
            )));
        }
        let order = hashed.into_iter().map(|(_, index)| index).collect();
        Ok(Self {
            order,
            leaves,
            form,
        })
    }

    /// Interior blocks between the root and the leaves.
    pub fn nodes(&self) -> u32 {
        if self.leaves.len() <= self.form.root_entries_max {
            0
        } else {
            self.leaves.len().div_ceil(self.form.node_entries_max) as u32
        }
    }

    /// The index: what the root holds, and what each interior block holds.
    pub fn index(&self) -> (Vec<IndexEntry>, Vec<Vec<IndexEntry>>) {
        let first_leaf = 1 + self.nodes();
        let leaves: Vec<_> = (first_leaf..)
            .zip(&self.leaves)
            .map(|(block, leaf)| IndexEntry {
                hash: leaf.hash,
                block,
            })
            .collect();
        if self.nodes() == 0 {
            return (leaves, Vec::new());
        }
        let nodes = leaves.chunks(self.form.node_entries_max);
        let nodes: Vec<_> = nodes.map(<[_]>::to_vec).collect();
        let root = (1..)
            .zip(&nodes)
            .map(|(block, node)| IndexEntry {
                hash: node[0].hash,
                block,
            })
            .collect();
        (root, nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout_of(profile: &Profile, names: &[Vec<u8>], indexed: bool) -> DirectoryLayout {
        let names: Vec<_> = names.iter().map(Vec::as_slice).collect();
        DirectoryLayout::of(profile, &names, [1, 2, 3, 4], indexed).unwrap()
    }

    fn layout(names: &[Vec<u8>]) -> DirectoryLayout {
        layout_of(&Profile::EXT3, names, true)
    }

    fn numbered(count: usize, length: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|index| format!("{index:0length$}").into_bytes())
            .collect()
    }

    #[test]
    fn one_block_is_full_to_its_last_byte_before_there_is_an_index() {
        // 4072 bytes after the dots: 254 entries of 16 bytes, and 8 bytes left.
        assert_eq!(
            layout(&numbered(254, 8)),
            DirectoryLayout::Linear(vec![254])
        );
        let more = layout(&numbered(255, 8));
        assert!(matches!(more, DirectoryLayout::Indexed(_)));
        assert_eq!(more.blocks(), 2);
        assert_eq!(layout(&[]), DirectoryLayout::Linear(vec![0]));
    }

    #[test]
    fn names_leave_room_for_a_tail_where_the_profile_has_one() {
        let with_tail = Profile {
            directory: DirectoryForm {
                tail_bytes: 12,
                ..Profile::EXT3.directory
            },
            ..Profile::EXT3
        };
        // 4060 bytes after the dots: 253 entries of 16 bytes and 12 bytes left, in which one of
        // four letters fits and one of five does not.
        let mut names = numbered(253, 8);
        names.push(b"four".to_vec());
        assert_eq!(layout_of(&with_tail, &names, true).blocks(), 1);
        names[253].push(b'5');
        assert!(layout_of(&with_tail, &names, true).blocks() > 1);
        assert_eq!(layout(&names).blocks(), 1);
    }

    #[test]
    fn a_directory_kept_linear_goes_on_in_further_blocks() {
        let layout = layout_of(&Profile::EXT3, &numbered(600, 8), false);
        assert_eq!(layout, DirectoryLayout::Linear(vec![254, 510, 600]));
    }

    #[test]
    fn leaves_ascend_and_hold_every_name_once() {
        let names = numbered(300_000, 200);
        let DirectoryLayout::Indexed(layout) = layout(&names) else {
            panic!("expected an index");
        };
        assert!(layout.nodes() > 1);
        let mut order = layout.order.clone();
        order.sort_unstable();
        assert!(order.into_iter().eq(0..300_000));
        assert!(
            layout
                .leaves
                .is_sorted_by(|one, next| one.hash < next.hash && one.end < next.end)
        );
        assert_eq!(layout.leaves.last().unwrap().end, 300_000);
        let (root, nodes) = layout.index();
        assert_eq!(
            nodes.iter().map(Vec::len).sum::<usize>(),
            layout.leaves.len()
        );
        assert_eq!(root[1].hash, nodes[1][0].hash);
        let first_leaf = nodes[0][0].block;
        assert_eq!(first_leaf as usize, 1 + nodes.len());
    }

    #[test]
    fn names_of_one_hash_share_a_leaf_or_are_marked_as_going_on() {
        // The same name many times stands for names that collide; the format does not mind here.
        let mut names = numbered(16, 248);
        names.extend(vec![vec![b'c'; 248]; 10]);
        let DirectoryLayout::Indexed(few) = layout(&names) else {
            panic!()
        };
        let collided = half_md4(&[b'c'; 248], [1, 2, 3, 4]).major;
        assert!(few.leaves.iter().all(|leaf| leaf.hash != collided | 1));
        names.extend(vec![vec![b'c'; 248]; 10]);
        let DirectoryLayout::Indexed(many) = layout(&names) else {
            panic!()
        };
        assert!(many.leaves.iter().any(|leaf| leaf.hash == collided | 1));
    }

    #[test]
    fn names_that_all_hash_alike_take_no_more_leaves_than_names_that_do_not() {
        let names = numbered(20_000, 40);
        let names: Vec<_> = names.iter().map(Vec::as_slice).collect();
        for profile in [Profile::EXT3, Profile::EXT4] {
            let mut asked = 0;
            let alike = IndexedLayout::hashed_by(&profile, &names, |name| {
                asked += 1;
                NameHash {
                    major: 0x1234_5678,
                    minor: half_md4(name, [1, 2, 3, 4]).minor,
                }
            });
            let alike = alike.unwrap();
            assert_eq!(asked, names.len());
            // 85 entries of 48 bytes in a block.
            assert_eq!(alike.leaves.len(), names.len().div_ceil(85));
            assert!(alike.leaves.is_sorted_by_key(|leaf| leaf.end));
            // The first is found by the hash; each of the others says that it goes on.
            assert_eq!(alike.leaves[0].hash, 0x1234_5678);
            let on = &alike.leaves[1..];
            assert!(on.iter().all(|leaf| leaf.hash == 0x1234_5679));
            let mut order = alike.order;
            order.sort_unstable();
            assert!(order.into_iter().eq(0..20_000));
            let DirectoryLayout::Indexed(apart) = layout_of(&profile, &numbered(20_000, 40), true)
            else {
                panic!("expected an index");
            };
            assert!(alike.leaves.len() <= apart.leaves.len());
        }
    }
}
