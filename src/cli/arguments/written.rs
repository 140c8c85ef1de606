//! Where something is written, and in which form.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::pipeline::Sha256File;

/// What is in the file with the SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sha256Form {
    /// A line with the output's name, as sha256sum writes it
    Line,
    /// 64 hexadecimal digits, without a line's end
    Raw,
}

impl From<Sha256Form> for Sha256File {
    fn from(form: Sha256Form) -> Self {
        match form {
            Sha256Form::Line => Self::Line,
            Sha256Form::Raw => Self::Raw,
        }
    }
}

/// The directory that an output is in, or that what has no name is made in.
pub fn directory_of(output: &Path) -> PathBuf {
    match output.parent() {
        _ if is_stream(output) => std::env::temp_dir(),
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether standard output is meant.
pub fn is_stream(output: &Path) -> bool {
    output == Path::new("-")
}
