//! Files beside the filesystem that tell of it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{FinishOptions, FinishedFilesystem};
use crate::compression::EncodingForm;
use crate::error::{Error, Result, escape_path};
use crate::oci::Digest;
use crate::progress::Reporter;

/// A file that is written for a filesystem and gets its name together with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sidecar {
    /// The file that it tells of.
    about: PathBuf,
    path: PathBuf,
    form: Form,
}

/// What is in `OUTPUT.sha256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sha256File {
    /// A line with the output's name, as `sha256sum --check` reads it.
    Line,
    /// 64 hexadecimal digits and nothing else, no line's end either.
    Raw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `OUTPUT.sha256`.
    Sha256(Sha256File),
    /// `OUTPUT.roothash`, for `NAME.raw` `NAME.roothash`: 64 hexadecimal digits and a newline.
    RootHash,
}

impl Form {
    fn path(self, about: &Path) -> PathBuf {
        match self {
            Self::Sha256(_) => with_ending(about, ".sha256"),
            // Where systemd looks for it (systemd.exec(5), `RootHash=`).
            Self::RootHash if about.extension().is_some_and(|own| own == "raw") => {
                about.with_extension("roothash")
            }
            Self::RootHash => with_ending(about, ".roothash"),
        }
    }
}

impl FinishOptions {
    /// What is written for `output` and what it is compressed to, in the order in which it is named.
    pub(super) fn sidecars(&self, output: &Path) -> Vec<Sidecar> {
        let kept = self.keeps_filesystem().then(|| output.to_owned());
        let compressed = self.compress.map(|compress| compress.path(output));
        let sha256 = self.sha256.map(Form::Sha256);
        let hashed = kept.into_iter().chain(compressed);
        let hashed = hashed.filter_map(|about| Some(Sidecar::new(&about, sha256?)));
        let root_hash = self.verity.as_ref();
        let root_hash = root_hash.map(|_| Sidecar::new(output, Form::RootHash));
        hashed.chain(root_hash).collect()
    }
}

impl FinishOptions {
    /// Whether `bytes` are what the file `path`, one that is written for `output`, would tell of
    /// whatever bytes.
    pub fn is_sidecar(&self, output: &Path, path: &Path, bytes: &[u8]) -> bool {
        let sidecars = self.sidecars(output);
        let sidecar = sidecars.iter().find(|sidecar| sidecar.path == path);
        sidecar.is_some_and(|sidecar| sidecar.has_form(bytes))
    }
}

impl Sidecar {
    fn new(about: &Path, form: Form) -> Self {
        Self {
            about: about.to_owned(),
            path: form.path(about),
            form,
        }
    }

    /// Where it goes, which need not be where the filesystem goes.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether bytes are what it could hold; of a checksum in either form.
    fn has_form(&self, bytes: &[u8]) -> bool {
        let start = usize::from(bytes.starts_with(b"\\"));
        let digits = bytes.get(start..start + 64).unwrap_or_default();
        let Some(digits) = std::str::from_utf8(digits).ok().filter(|digits| {
            let mut bytes = digits.bytes();
            digits.len() == 64 && bytes.all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        }) else {
            return false;
        };
        let name = self.about.file_name().unwrap_or_default();
        match self.form {
            Form::Sha256(_) => bytes == digits.as_bytes() || bytes == line(digits, name.as_bytes()),
            Form::RootHash => bytes == format!("{digits}\n").as_bytes(),
        }
    }

    /// What is in it.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where what it tells is not known.
    pub(super) fn content(&self, made: &FinishedFilesystem) -> Result<Vec<u8>> {
        match self.form {
            Form::Sha256(form) => sha256_file(form, made.sha256_of(&self.about), &self.about),
            Form::RootHash => root_hash_line(made),
        }
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(ending);
    path.into()
}

/// Says that a file which is there and belongs to an earlier output is not renewed. It is left: it may
/// be what the output is to be held against.
pub(super) fn note_earlier(
    finished: &FinishedFilesystem,
    options: &FinishOptions,
    reporter: &dyn Reporter,
) {
    let output = &finished.path;
    let written = options.files(output);
    let sha256 = |path| (Form::Sha256(Sha256File::Line).path(path), "--sha256");
    let mut earlier = vec![
        (output.clone(), "a build without --compress-only"),
        sha256(output),
        (Form::RootHash.path(output), "--verity"),
    ];
    for (form, option) in [
        (EncodingForm::Gzip, "--compress gzip"),
        (EncodingForm::Zstd, "--compress zstd"),
    ] {
        earlier.push((with_ending(output, form.ending()), option));
    }
    if let Some(compressed) = &finished.compressed {
        earlier.push(sha256(&compressed.path));
    }
    for (path, option) in earlier {
        if !written.contains(&path) && std::fs::symlink_metadata(&path).is_ok() {
            reporter.note(&format!(
                "{} was there before and is left as it is ({option} renews it)",
                escape_path(path.as_os_str().as_bytes()),
            ));
        }
    }
}

fn root_hash_line(made: &FinishedFilesystem) -> Result<Vec<u8>> {
    let verity = made.verity.as_ref();
    let verity = verity.ok_or_else(|| Error::Mismatch("no hash tree was made".to_owned()))?;
    Ok(format!("{}\n", verity.root_hash).into_bytes())
}

/// What tells the hash of `output`, under its own name, as from its own directory.
fn sha256_file(form: Sha256File, sha256: Option<&Digest>, output: &Path) -> Result<Vec<u8>> {
    let sha256 = sha256.ok_or_else(|| Error::Mismatch("the output was not hashed".to_owned()))?;
    let name = output.file_name().unwrap_or_default();
    Ok(match form {
        Sha256File::Line => line(sha256.digest(), name.as_bytes()),
        Sha256File::Raw => sha256.digest().as_bytes().to_vec(),
    })
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
    fn a_root_hash_is_where_systemd_looks_for_it() {
        for (output, expected) in [
            ("a/fs.img", "a/fs.img.roothash"),
            ("a/fs.raw", "a/fs.roothash"),
            ("a.raw/fs.v1.raw", "a.raw/fs.v1.roothash"),
            ("a.raw/fs", "a.raw/fs.roothash"),
            (".raw", ".raw.roothash"),
            ("fs.RAW", "fs.RAW.roothash"),
        ] {
            assert_eq!(Form::RootHash.path(Path::new(output)), Path::new(expected));
        }
        let sha256 = Form::Sha256(Sha256File::Line).path(Path::new("fs.raw"));
        assert_eq!(sha256, Path::new("fs.raw.sha256"));
    }

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
                compressed: None,
                verity: None,
                file_bytes: 7,
                host_bytes: 0,
                files: Vec::new(),
            };
            let sidecar = Sidecar::new(&output, Form::Sha256(Sha256File::Line));
            let content = sidecar.content(&made).unwrap();
            assert!(sidecar.has_form(&content) && sidecar.has_form(hex.as_bytes()));
            let other = Sidecar::new(Path::new("other"), Form::Sha256(Sha256File::Line));
            assert!(!other.has_form(&content) && !sidecar.has_form(b"precious"));
            std::fs::write(sidecar.path(), content).unwrap();
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
