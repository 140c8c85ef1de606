//! The files that were written.

use std::os::unix::ffi::OsStrExt;

use serde::Serialize;

use crate::error::escape_path;
use crate::pipeline::FinishedFile;
use crate::units::ByteSize;

/// A file that was written. The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownFile {
    path: String,
    size_bytes: u64,
    /// Known of small ones, and where what is larger was hashed.
    sha256: Option<String>,
}

impl ShownFile {
    /// All that were written, the output first.
    pub fn all(files: &[FinishedFile]) -> Vec<Self> {
        let of = |file: &FinishedFile| Self {
            path: file.path.display().to_string(),
            size_bytes: file.size_bytes,
            sha256: file
                .sha256
                .as_ref()
                .map(|sha256| sha256.digest().to_owned()),
        };
        files.iter().map(of).collect()
    }
}

/// A row with the files beside those that are told already; none where there are none.
pub fn beside(files: &[ShownFile], told: &[&str]) -> Option<(&'static str, String)> {
    let beside = files.iter().filter(|file| !told.contains(&&*file.path));
    let lines: Vec<_> = beside
        .map(|file| {
            let path = escape_path(std::ffi::OsStr::new(&file.path).as_bytes());
            format!("{path} ({})", ByteSize(file.size_bytes))
        })
        .collect();
    (!lines.is_empty()).then(|| ("beside", lines.join("\n")))
}
