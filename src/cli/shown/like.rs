//! What became of the wish to lay a filesystem out like an earlier one.

use std::os::unix::ffi::OsStrExt;

use serde::Serialize;

use super::text::{counted, thousands};
use crate::error::escape_path;
use crate::pipeline::{EarlierFile, Figures, Layout, Likeness, Tally};
use crate::units::{BLOCK_SIZE, ByteSize};

/// What of the tree stays where it was. The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownLike {
    path: String,
    sha256: String,
    /// `kept`, or `fresh` where size, inodes and journal are not the earlier one's.
    layout: &'static str,
    fresh_because: Option<String>,
    /// Names in the earlier one whose places could not be told.
    left_out_names: u64,
    #[serde(flatten)]
    figures: Figures,
}

impl ShownLike {
    /// Of a filesystem that was laid out like an earlier one.
    pub fn of(earlier: Option<&EarlierFile>, likeness: Option<&Likeness>) -> Option<Self> {
        let (earlier, Likeness { layout, figures }) = earlier.zip(likeness)?;
        let (layout, fresh_because) = match layout {
            Layout::Kept => ("kept", None),
            Layout::Fresh(why) => ("fresh", Some(why.to_string())),
        };
        Some(Self {
            path: escape_path(earlier.path.as_os_str().as_bytes()),
            sha256: earlier.sha256.clone(),
            layout,
            fresh_because,
            left_out_names: earlier.left_out,
            figures: *figures,
        })
    }

    /// As a row of a table.
    pub fn row(&self) -> (&'static str, String) {
        let Figures {
            kept,
            moved,
            new,
            split_files,
            ..
        } = self.figures;
        let tally = |tally: Tally, what: &str| {
            let bytes = ByteSize(tally.blocks * BLOCK_SIZE);
            format!("{} {what} ({bytes})", thousands(tally.inodes))
        };
        let mut text = format!(
            "{}\n{}, {}, {}, {} split",
            self.path,
            tally(kept, "kept"),
            tally(moved, "moved"),
            tally(new, "new"),
            counted(split_files, "file", "files"),
        );
        if let Some(why) = &self.fresh_because {
            text += &format!("\nin a size of its own: {why}");
        }
        if self.left_out_names > 0 {
            let names = counted(self.left_out_names, "name", "names");
            text += &format!("\n{names} there could not be read");
        }
        ("like", text)
    }

    /// Whether a filesystem that is like no other would be better, and why ([`Figures::fresh_pays`]).
    pub fn advice(&self) -> Option<String> {
        let figures = &self.figures;
        figures.fresh_pays().then(|| {
            format!(
                "a build without --like pays: the files would lie in {} runs of blocks and not in {}, for {} of {} blocks that would differ besides",
                thousands(figures.fresh_runs),
                thousands(figures.runs),
                thousands(figures.saved_blocks()),
                thousands(figures.blocks())
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::WhyFresh;

    fn shown(kept: u64, moved: u64, runs: u64, fresh_runs: u64) -> ShownLike {
        let tally = |blocks| Tally { inodes: 1, blocks };
        let figures = Figures {
            kept: tally(kept),
            moved: tally(moved),
            runs,
            fresh_runs,
            in_place_blocks: kept,
            ..Figures::default()
        };
        let earlier = EarlierFile::new("a b", "0".repeat(64), 2);
        let layout = Layout::Fresh(WhyFresh::Given);
        ShownLike::of(Some(&earlier), Some(&Likeness { layout, figures })).unwrap()
    }

    #[test]
    fn a_fresh_build_is_advised_with_what_it_gives_and_takes() {
        assert_eq!(shown(1000, 0, 1249, 1000).advice(), None);
        let advice = shown(1000, 9000, 1250, 1000).advice().unwrap();
        for words in [
            "in 1,000 runs of blocks and not in 1,250",
            "1,000 of 10,000 blocks",
        ] {
            assert!(advice.contains(words), "{advice}");
        }
    }

    #[test]
    fn a_row_tells_what_stays_and_why_not_all_does() {
        let (name, row) = shown(256, 1, 1, 1).row();
        assert_eq!(name, "like");
        for word in [
            "a b\n",
            "1 kept (1 MiB)",
            "1 moved",
            "0 new",
            "0 files split",
        ] {
            assert!(row.contains(word), "{row}");
        }
        assert!(row.contains("in a size of its own: another size"), "{row}");
        assert!(row.ends_with("2 names there could not be read"), "{row}");
    }
}
