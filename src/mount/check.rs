//! e2fsck's word on an image before the kernel trusts it.

use std::ffi::OsStr;
use std::path::Path;

use crate::command::Program;
use crate::error::{Error, Result};
use crate::progress::{Phase, Reporter, Task};

/// e2fsck's exit statuses for trouble with running rather than with the filesystem: operational
/// error, usage error, cancelled, shared library error.
const NOT_ABOUT_THE_FILESYSTEM: i32 = 8 | 16 | 32 | 128;

/// Runs `e2fsck -fn` on `opened`, which errors call `name`, and expects it to find nothing.
/// `seconds` is what it is told the time is.
///
/// # Errors
/// [`Error::BadImage`] with what it found, [`Error::Tool`] when it could not run.
pub fn check(
    e2fsck: &Path,
    opened: &OsStr,
    name: &str,
    seconds: u64,
    reporter: &dyn Reporter,
) -> Result<()> {
    let meter = reporter.begin(Task::items(Phase::Prove, "e2fsck", None));
    let output = Program::new(e2fsck)
        .env("E2FSCK_CONFIG", None)
        .env("E2FSPROGS_UNDO_DIR", None)
        // A filesystem from the future of this machine is not damaged.
        .env("E2FSCK_TIME", Some(OsStr::new(&seconds.to_string())))
        .unsynced()
        .arg("-fn")
        .arg(opened)
        .output_limit(1 << 20)
        .run(reporter)?;
    let asked = [&output.stdout[..], &output.stderr[..]]
        .iter()
        .any(|text| asks(&String::from_utf8_lossy(text)));
    // An end by its output limit has no status, and said more than enough.
    let status = output.status.code().unwrap_or(if asked { 4 } else { 8 });
    if status == 0 && !asked {
        meter.finish("clean");
        return Ok(());
    }
    let found = output.tail().replace(&*opened.to_string_lossy(), name);
    if status & NOT_ABOUT_THE_FILESYSTEM != 0 && !asked {
        return Err(Error::Tool(format!(
            "e2fsck -fn {name} failed ({}):\n{found}",
            output.status
        )));
    }
    Err(Error::bad_image(format!(
        "damaged filesystem; e2fsck found:\n{found}\n\
         (`e2fsck -fy` may mend a copy; --trust mounts it as it is)"
    ))
    .in_image(name))
}

/// Whether e2fsck found something to mend. Wrong counts in a superblock are only asked about, and
/// the status stays 0; that an extent tree could be smaller is asked about, too, and is no damage.
fn asks(text: &str) -> bool {
    // A name with the words in it adds one to both.
    text.matches("? no").count() > text.matches("Optimize? no").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_an_extent_tree_could_be_smaller_is_no_damage() {
        let narrower = "Inode 12 extent tree (at level 2) could be narrower.  Optimize? no\n\n";
        let shorter = narrower.replace("narrower", "shorter");
        assert!(!asks(narrower) && !asks(&shorter) && !asks("a.img: clean\n"));
        let wrong = "Free blocks count wrong (7, counted=12).\nFix? no\n";
        assert!(asks(wrong) && asks(&format!("{narrower}{wrong}")));
        // A file may be called so; the question about it stays one.
        let named = "Entry 'Optimize? no' in / (2) has deleted/unused inode 12.  Clear? no\n";
        assert!(asks(named));
    }
}
