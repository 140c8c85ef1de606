//! What a reader of a filesystem should know before relying on what it shows. Told from its superblock
//! alone, in one place for whoever reads one.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{escape_path, shell_word};
use crate::ondisk::superblock::{STATE_CLEAN, STATE_ERRORS, Superblock};

/// What is done with a filesystem as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// Names and contents are shown, or taken out.
    Shown,
    /// It is held against something else.
    Compared,
    /// It is read for what is made of it.
    Read,
    /// An image is made of it.
    Exported,
    /// The file itself is sent, journal and all.
    Pushed,
}

impl Done {
    fn word(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::Compared => "compared",
            Self::Read => "read",
            Self::Exported => "exported",
            Self::Pushed => "pushed",
        }
    }
}

/// A line for each reason why what is done with the filesystem in `path` may not be all that was
/// written to it, or not what it was: changes in its journal, none where they would be needed, errors
/// that were found. Of one that is sent also that its journal is somewhere else.
pub(super) fn doubts(superblock: &Superblock, path: &Path, done: Done) -> Vec<String> {
    let typed = shell_word(path);
    let path = escape_path(path.as_os_str().as_bytes());
    let word = done.word();
    let features = superblock.features;
    let is_elsewhere = features.has_journal() && superblock.journal_inode == 0;
    let device = if is_elsewhere { " -j DEVICE" } else { "" };
    let unclean = if features.needs_recovery() {
        let missing = match done {
            Done::Pushed => {
                "changes that are only in its journal are pushed as they are, and whoever mounts it has to write to it first"
            }
            _ => &format!("changes that are only in its journal are not {word}"),
        };
        Some(format!(
            "{path}: not cleanly unmounted; {missing} (`e2fsck -fp{device} {typed}` writes them to their places)"
        ))
    } else if superblock.state & STATE_CLEAN == 0 {
        Some(format!(
            "{path}: not cleanly unmounted, and no journal has what is missing: a change may be {word} by half (`e2fsck -fy {typed}` mends that)"
        ))
    } else {
        None
    };
    let errors = (superblock.state & STATE_ERRORS != 0).then(|| {
        format!(
            "{path}: errors were found in it and not mended, says its superblock: what is {word} may be damaged (`e2fsck -fy{device} {typed}` mends that)"
        )
    });
    let elsewhere = (is_elsewhere && done == Done::Pushed).then(|| {
        format!(
            "{path}: its journal is on another device and is not pushed: without it nobody can mount what is pulled for writing (`tune2fs -f -O ^has_journal {typed}` makes it do without)"
        )
    });
    [unclean, errors, elsewhere].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ondisk::features::Features;

    fn superblock(state: u16, needs_recovery: bool, journal_inode: u32) -> Superblock {
        let mut superblock = Superblock::decode(&[0; 1024]);
        superblock.state = state;
        superblock.journal_inode = journal_inode;
        superblock.features = Features {
            compat: 0x4,
            incompat: if needs_recovery { 0x4 } else { 0 },
            ..superblock.features
        };
        superblock
    }

    const ALL: [Done; 5] = [
        Done::Shown,
        Done::Compared,
        Done::Read,
        Done::Exported,
        Done::Pushed,
    ];

    #[test]
    fn of_a_clean_filesystem_nobody_is_told_anything() {
        for done in ALL {
            let found = doubts(&superblock(STATE_CLEAN, false, 8), Path::new("a"), done);
            assert_eq!(found, [""; 0]);
        }
    }

    #[test]
    fn whatever_is_done_with_one_that_is_not_is_told_with_the_way_out() {
        for done in ALL {
            let of = |superblock| doubts(&superblock, Path::new("a b\n"), done).join("\n");
            for (found, reason, way_out) in [
                (
                    superblock(STATE_CLEAN, true, 8),
                    "only in its journal",
                    "`e2fsck -fp 'a b'$'\\n'`",
                ),
                (
                    superblock(0, false, 8),
                    "no journal has what is missing",
                    "`e2fsck -fy 'a b'$'\\n'`",
                ),
                (
                    superblock(STATE_CLEAN | STATE_ERRORS, false, 8),
                    "errors were found in it",
                    "`e2fsck -fy 'a b'$'\\n'`",
                ),
                (
                    superblock(STATE_CLEAN, true, 0),
                    "only in its journal",
                    "`e2fsck -fp -j DEVICE 'a b'$'\\n'`",
                ),
            ] {
                let told = of(found);
                assert!(told.starts_with("a b\\x0a: "), "{told}");
                assert!(told.contains(reason) && told.contains(way_out), "{told}");
                assert!(told.contains(done.word()), "{told}");
            }
            let told = of(superblock(0, true, 8));
            assert!(!told.contains("no journal"), "the journal has it: {told}");
            let both = of(superblock(STATE_ERRORS, false, 8));
            assert_eq!(both.lines().count(), 2);
        }
    }

    #[test]
    fn a_journal_elsewhere_matters_to_whoever_gets_the_file_without_it() {
        for done in ALL {
            let told = doubts(&superblock(STATE_CLEAN, false, 0), Path::new("a"), done);
            assert_eq!(told.len(), usize::from(done == Done::Pushed));
            assert!(told.iter().all(|told| told.contains("on another device")));
        }
    }
}
