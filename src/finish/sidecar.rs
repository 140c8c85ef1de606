//! `OUTPUT.sha256`, as `sha256sum --check` reads it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, escape_path};
use crate::oci::Digest;
use crate::partial_file::PartialFile;
use crate::progress::Reporter;

/// Writes the line for `output`, under its own name in its own directory, not yet named.
///
/// # Errors
/// [`Error::Io`].
pub fn prepare(output: &Path, sha256: &Digest) -> Result<PartialFile> {
    let path = path_for(output);
    let partial = PartialFile::create(&path)?;
    let name = output.file_name().unwrap_or_default().as_bytes();
    partial
        .file()
        .write_all_at(&line(sha256.digest(), name), 0)
        .map_err(|error| Error::path("write", &path, error))?;
    Ok(partial)
}

/// Says that a sidecar which is there is not renewed. It is left: it may be what the output is to be
/// held against.
pub fn note_earlier(output: &Path, reporter: &dyn Reporter) {
    let path = path_for(output);
    if std::fs::symlink_metadata(&path).is_ok() {
        reporter.note(&format!(
            "{} was there before and is left as it is (--sha256 renews it)",
            escape_path(path.as_os_str().as_bytes())
        ));
    }
}

fn path_for(output: &Path) -> PathBuf {
    let mut path = OsString::from(output);
    path.push(".sha256");
    path.into()
}

/// sha256sum marks a line whose name it had to escape with a backslash.
fn line(hex: &str, name: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::new();
    for &byte in name {
        match byte {
            b'\\' => escaped.extend_from_slice(b"\\\\"),
            b'\n' => escaped.extend_from_slice(b"\\n"),
            b'\r' => escaped.extend_from_slice(b"\\r"),
            byte => escaped.push(byte),
        }
    }
    let mark: &[u8] = if escaped == name { b"" } else { b"\\" };
    [mark, hex.as_bytes(), b"  ", &escaped, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn sha256sum_itself_accepts_the_line_whatever_the_name() {
        for name in ["plain.img", "with space.img", "back\\slash\nline.img"] {
            let directory = tempfile::tempdir().unwrap();
            let output = directory.path().join(name);
            std::fs::write(&output, "content").unwrap();
            let hash = Command::new("sha256sum")
                .arg(&output)
                .output()
                .unwrap()
                .stdout;
            let hash = String::from_utf8_lossy(&hash);
            let hex = hash.trim_start_matches('\\').get(..64).unwrap();
            prepare(&output, &format!("sha256:{hex}").parse().unwrap())
                .unwrap()
                .persist()
                .unwrap();
            let check = |expected: bool| {
                let status = Command::new("sha256sum")
                    .args(["--check", "--status", "--strict"])
                    .arg(format!("{name}.sha256"))
                    .current_dir(directory.path())
                    .status()
                    .unwrap();
                assert_eq!(status.success(), expected, "{name}");
            };
            check(true);
            std::fs::write(&output, "other").unwrap();
            check(false);
        }
    }
}
