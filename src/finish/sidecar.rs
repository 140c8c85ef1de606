//! Files beside the filesystem that tell of it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{FinishOptions, FinishedFilesystem};
use crate::error::{Error, Result, escape_path};
use crate::oci::Digest;
use crate::partial_file::PartialFile;
use crate::progress::Reporter;

/// A file that is written for a filesystem and gets its name together with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sidecar {
    path: PathBuf,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `OUTPUT.sha256`, as `sha256sum --check` reads it.
    Sha256,
    /// `OUTPUT.roothash`: 64 hexadecimal digits and a newline.
    RootHash,
}

impl Form {
    const ALL: [Self; 2] = [Self::Sha256, Self::RootHash];

    fn ending(self) -> &'static str {
        match self {
            Self::Sha256 => ".sha256",
            Self::RootHash => ".roothash",
        }
    }

    /// The option that writes it.
    fn option(self) -> &'static str {
        match self {
            Self::Sha256 => "--sha256",
            Self::RootHash => "--verity",
        }
    }
}

impl FinishOptions {
    /// What is written for `output`, in the order in which it is named.
    pub(super) fn sidecars(&self, output: &Path) -> Vec<Sidecar> {
        let is_wanted = |form: &Form| match form {
            Form::Sha256 => self.sha256,
            Form::RootHash => self.verity.is_some(),
        };
        let wanted = Form::ALL.into_iter().filter(is_wanted);
        wanted.map(|form| Sidecar::new(output, form)).collect()
    }
}

impl Sidecar {
    fn new(output: &Path, form: Form) -> Self {
        let mut path = OsString::from(output);
        path.push(form.ending());
        Self {
            path: path.into(),
            form,
        }
    }

    /// Where it goes, which need not be where the filesystem goes.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes it, not yet named.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn prepare(&self, made: &FinishedFilesystem) -> Result<PartialFile> {
        let content = match self.form {
            Form::Sha256 => sha256_line(made.sha256.as_ref(), &made.path)?,
            Form::RootHash => root_hash_line(made)?,
        };
        let partial = PartialFile::create(&self.path)?;
        partial
            .file()
            .write_all_at(&content, 0)
            .map_err(|error| Error::path("write", &self.path, error))?;
        Ok(partial)
    }
}

/// Says that a sidecar which is there is not renewed. It is left: it may be what the output is to be
/// held against.
pub(super) fn note_earlier(output: &Path, renewed: &[Sidecar], reporter: &dyn Reporter) {
    for form in Form::ALL {
        let sidecar = Sidecar::new(output, form);
        if !renewed.contains(&sidecar) && std::fs::symlink_metadata(&sidecar.path).is_ok() {
            reporter.note(&format!(
                "{} was there before and is left as it is ({} renews it)",
                escape_path(sidecar.path.as_os_str().as_bytes()),
                form.option()
            ));
        }
    }
}

fn root_hash_line(made: &FinishedFilesystem) -> Result<Vec<u8>> {
    let verity = made.verity.as_ref();
    let verity = verity.ok_or_else(|| Error::Mismatch("no hash tree was made".to_owned()))?;
    Ok(format!("{}\n", verity.root_hash).into_bytes())
}

/// The line for `output` under its own name, as from its own directory.
fn sha256_line(sha256: Option<&Digest>, output: &Path) -> Result<Vec<u8>> {
    let sha256 = sha256.ok_or_else(|| Error::Mismatch("the output was not hashed".to_owned()))?;
    let name = output.file_name().unwrap_or_default();
    Ok(line(sha256.digest(), name.as_bytes()))
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
            let made = FinishedFilesystem {
                path: output.clone(),
                sha256: Some(format!("sha256:{hex}").parse().unwrap()),
                verity: None,
                file_bytes: 7,
                host_bytes: 0,
            };
            let sidecar = Sidecar::new(&output, Form::Sha256);
            sidecar.prepare(&made).unwrap().persist().unwrap();
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
