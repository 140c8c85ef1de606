//! What of a filesystem is not as the base has it.

use std::collections::BTreeSet;

use super::compared::Comparer;
use super::names::Names;
use crate::error::Result;
use crate::listing::Kind;

/// What a layer must say, by the names' indexes.
#[derive(Debug)]
pub(super) struct Changes {
    /// Whether a name gets an entry.
    pub is_written: Vec<bool>,
    /// What of the base is hidden in a directory.
    pub hidden: Vec<Hidden>,
}

/// What of the base is hidden in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    /// What it had and the filesystem has not, name by name.
    Gone,
    /// All that it had, by one opaque whiteout.
    All,
    /// Nothing is left to be hidden.
    Nothing,
}

impl Changes {
    /// Everything.
    pub fn all(names: &Names<'_>) -> Self {
        let count = names.iter().len();
        Self {
            is_written: vec![true; count],
            hidden: vec![Hidden::Nothing; count],
        }
    }

    /// What differs from the base.
    ///
    /// An inode is written under all its names or under none: a hard link to a file that only lower
    /// layers have fails where each layer is a directory of its own, and so would be two inodes.
    pub fn of(names: &Names<'_>, comparer: &mut Comparer<'_>) -> Result<Self> {
        let mut is_written = vec![false; names.iter().len()];
        // Nodes of the base that stay what they are, under the names that have not been written.
        let mut kept = BTreeSet::new();
        for (name, index) in names.iter().zip(0..) {
            if name.first != index {
                continue;
            }
            let group = names.group(&name.first);
            // A directory's are two, and one for each directory in it.
            let base = name.base.filter(|base| {
                let is_one = group
                    .iter()
                    .all(|other| names.get(*other).base == name.base);
                is_one && (name.kind == Kind::Directory || !kept.contains(base))
            });
            let is_same = match base {
                Some(base) => comparer.is_same(name.inode, base, &|| names.path(index))?,
                None => false,
            };
            if let Some(base) = base.filter(|_| is_same) {
                kept.insert(base);
            }
            for other in group {
                is_written[*other] = !is_same;
            }
        }
        Ok(with_parents(names, is_written))
    }
}

/// Adds the directories above all that is written and hidden. Whoever makes a directory of each
/// layer knows the attributes of those only that have an entry in it.
///
/// A directory becomes opaque where that is shorter: where all that is left in it is written anyway,
/// and more than one whiteout is saved in it and below. The root never does: overlayfs knows no
/// opaque root.
fn with_parents(names: &Names<'_>, mut is_written: Vec<bool>) -> Changes {
    let count = is_written.len();
    let mut whiteouts: Vec<_> = (0..count).map(|index| names.gone(index).len()).collect();
    let mut is_all_written = vec![true; count];
    // Whatever is in a directory comes behind it.
    for index in (0..count).rev() {
        is_written[index] |= whiteouts[index] > 0;
        let parent = names.parent(index);
        if parent != index {
            is_written[parent] |= is_written[index];
            is_all_written[parent] &= is_written[index] && is_all_written[index];
            whiteouts[parent] += whiteouts[index];
        }
    }
    let mut hidden = vec![Hidden::Gone; count];
    for index in 1..count {
        hidden[index] = match hidden[names.parent(index)] {
            Hidden::All | Hidden::Nothing => Hidden::Nothing,
            Hidden::Gone if is_all_written[index] && whiteouts[index] > 1 => Hidden::All,
            Hidden::Gone => Hidden::Gone,
        };
    }
    Changes { is_written, hidden }
}
