//! e2fsprogs' own judgement of the filesystem.

use crate::command::{Output, Program};
use crate::error::{Error, Result};
use crate::progress::{Phase, Reporter, Task};

/// e2fsck's exit status for errors that it left, as `-n` makes it.
const ERRORS_LEFT: i32 = 4;

/// Runs e2fsck and expects it to have nothing to say.
///
/// # Errors
/// [`Error::Mismatch`] with what it found, [`Error::Tool`] when it could not run.
pub fn check(e2fsck: Program, reporter: &dyn Reporter) -> Result<()> {
    let meter = reporter.begin(Task::items(Phase::Prove, "e2fsck", None));
    let line = e2fsck.line();
    let output = e2fsck.run(reporter)?;
    match output.status.code() {
        Some(0) if !declined_a_fix(&output) => {
            meter.finish("clean");
            Ok(())
        }
        Some(code) if code == 0 || code & ERRORS_LEFT != 0 => Err(Error::Mismatch(format!(
            "{line}: expected a clean filesystem, found:\n{}",
            output.tail()
        ))),
        _ => Err(Error::Tool(format!(
            "{line} failed ({}):\n{}",
            output.status,
            output.tail()
        ))),
    }
}

/// Whether e2fsck offered to mend something. Of wrong counts in the superblock it says only this,
/// and still ends with 0.
fn declined_a_fix(output: &Output) -> bool {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).contains("? no")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use std::path::Path;

    fn said(code: u8) -> Result<()> {
        let script = format!("echo found something; exit {code}");
        check(
            Program::new(Path::new("/bin/sh")).args(["-c", &script]),
            &Silent,
        )
    }

    #[test]
    fn only_a_clean_filesystem_passes() {
        assert!(said(0).is_ok());
        let error = said(4).unwrap_err();
        assert!(matches!(error, Error::Mismatch(_)));
        assert!(error.to_string().contains("found something"), "{error}");
        // 8 is an operational error, 1 means that something was corrected, which -n rules out.
        assert!(matches!(said(8), Err(Error::Tool(_))));
        assert!(matches!(said(1), Err(Error::Tool(_))));
    }

    #[test]
    fn a_damaged_filesystem_does_not_pass() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("damaged.img");
        let e2fsprogs = |name: &str| Program::new(&crate::command::find(name, None).unwrap());
        e2fsprogs("mke2fs")
            .args(["-q", "-t", "ext3"])
            .arg(&path)
            .arg("16M")
            .run_to_success(&Silent)
            .unwrap();
        let check_image = || {
            let e2fsck = e2fsprogs("e2fsck").args(["-f", "-n"]);
            check(e2fsck.arg(&path), &Silent)
        };
        check_image().unwrap();
        let miscount = e2fsprogs("debugfs").args(["-w", "-R", "ssv free_blocks_count 7"]);
        let whole = std::fs::read(&path).unwrap();
        miscount.arg(&path).run_to_success(&Silent).unwrap();
        assert!(matches!(check_image(), Err(Error::Mismatch(_))));
        std::fs::write(&path, whole).unwrap();
        let clear = e2fsprogs("debugfs")
            .args(["-w", "-R", "freeb 20"])
            .arg(&path);
        clear.run_to_success(&Silent).unwrap();
        assert!(matches!(check_image(), Err(Error::Mismatch(_))));
    }
}
