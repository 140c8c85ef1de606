//! `layerpress extract`.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::arguments::OutputArguments;
use crate::cli::tell::{self, Voice};
use crate::cli::{hold, progress};
use crate::error::{Error, Result, escape_path};
use crate::pipeline::{self, ExtractRequest, Extracted, Target};

/// What is typed after `extract`.
#[derive(Debug, Args)]
pub struct ExtractArguments {
    /// The filesystem image
    #[arg(value_name = "IMG")]
    image: PathBuf,
    /// What to take out of it: of a directory all that is in it, of anything else that alone
    #[arg(value_name = "PATH", default_value = "/")]
    path: OsString,
    /// Where it goes: a directory, a tar when the name ends in .tar, or - for a tar on standard
    /// output
    #[arg(short, long, value_name = "DIR|FILE.tar|-")]
    output: PathBuf,
    /// Write into a directory that has something in it, and replace what has the same name
    #[arg(long)]
    force: bool,
    /// Keep the file flags that chattr sets (immutable, append, nodump, ...); else they are counted,
    /// and none is kept. In a directory some of them need root
    #[arg(long)]
    file_flags: bool,
}

/// Takes a tree out of an image.
pub fn run(arguments: &ExtractArguments, output: &OutputArguments) -> Result<u8> {
    let path = &arguments.output;
    refuse_other_archives(path)?;
    let reporter = progress::reporter(output);
    let request = ExtractRequest::new(&arguments.image)
        .with_path(arguments.path.as_bytes().to_vec())
        .with_file_flags(arguments.file_flags);
    let extract = |target| pipeline::extract(&request, target, &*reporter);
    // A signal ends a directory between two pieces, so that what was made can be taken away.
    let mut held = None;
    let extracted = if path == Path::new("-") {
        if tell::has_terminal() {
            return Err(Error::unsupported(
                "a tar is nothing for a terminal: -o FILE.tar writes it to a file",
            ));
        }
        match extract(Target::Writer(&mut tell::content())) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(0);
            }
            extracted => extracted?,
        }
    } else if is_archive(path) {
        extract(Target::Archive(path))?
    } else {
        held = Some(hold::hold());
        extract(Target::Directory {
            path,
            replaces: arguments.force,
            is_cancelled: &|| hold::received().is_some(),
        })?
    };
    let signal = hold::received();
    drop(held);
    match extracted {
        Extracted::Whole(warnings) => {
            for warning in warnings.lines() {
                reporter.warn(&warning);
            }
            Ok(0)
        }
        Extracted::Cancelled { is_undone } => {
            drop(reporter);
            let left = if is_undone {
                "nothing is left behind".to_owned()
            } else {
                let path = escape_path(path.as_os_str().as_bytes());
                format!("what was extracted until then is in {path}")
            };
            let code = 128 + signal.unwrap_or_default();
            Voice::of(output).error(&format!("interrupted; {left}"), code);
            Ok(u8::try_from(code).unwrap_or(u8::MAX))
        }
    }
}

/// Endings of archives and compressed files, none of which is written.
const OTHER_ENDINGS: [&str; 22] = [
    "7z", "br", "bz2", "cpio", "gz", "img", "iso", "lz", "lz4", "lzma", "sqfs", "squashfs", "tbz",
    "tbz2", "tgz", "tlz", "txz", "tzst", "xz", "z", "zip", "zst",
];

/// Whether a tar is meant; a directory that is there stays one whatever its name.
fn is_archive(target: &Path) -> bool {
    has_ending(target, &["tar"]) && !is_directory(target)
}

/// Refuses a name that means a file of another kind: a directory called so is nobody's wish.
fn refuse_other_archives(target: &Path) -> Result<()> {
    if !has_ending(target, &OTHER_ENDINGS) || is_directory(target) {
        return Ok(());
    }
    let shown = escape_path(target.as_os_str().as_bytes());
    Err(Error::unsupported(format!(
        "{shown}: expected a directory or a name that ends with .tar; `-o - | gzip > {shown}` compresses a tar, `-o {shown}/` makes a directory"
    )))
}

fn has_ending(target: &Path, endings: &[&str]) -> bool {
    let ending = target.extension().map(|ending| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| endings.iter().any(|own| ending == **own))
}

fn is_directory(target: &Path) -> bool {
    target.as_os_str().as_bytes().ends_with(b"/") || target.is_dir()
}
