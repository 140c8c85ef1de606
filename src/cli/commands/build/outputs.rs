//! In which forms an output and its sidecars are written.

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
