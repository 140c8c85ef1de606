//! `layerpress extract`.

use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::args::OutputArguments;
use super::progress;
use super::view::open;
use crate::error::{Error, escape_path};
use crate::extract::{ArchiveSink, DirectorySink, extract};
use crate::partial_file::PartialFile;
use crate::progress::{Meter, Unit};
use crate::view::{Follow, Found, View};
use crate::warnings::Warnings;

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
}

/// Takes a tree out of an image.
pub fn run(arguments: &ExtractArguments, output: &OutputArguments) -> anyhow::Result<()> {
    refuse_other_archives(&arguments.output)?;
    let view = open(&arguments.image)?;
    let found = view.lookup(arguments.path.as_bytes(), Follow::Always)?;
    let reporter = progress::reporter(output);
    let mut warnings = Warnings::default();
    let name = format!("extract {}", arguments.image.display());
    let meter = reporter.begin(&name, Unit::Bytes, None);
    let target = &arguments.output;
    if target == Path::new("-") {
        let stdout = io::stdout().lock();
        if stdout.is_terminal() {
            return Err(crate::Error::unsupported(
                "a tar is nothing for a terminal: -o FILE.tar writes it to a file",
            )
            .into());
        }
        // Not line by line.
        let mut writer = BufWriter::with_capacity(1 << 16, stdout);
        match archive(&view, found, &mut writer, &mut warnings, &*meter) {
            Err(crate::Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(());
            }
            written => written?,
        }
    } else if is_archive(target) {
        refuse_own_image(&arguments.image, target)?;
        let file = PartialFile::create(target)?;
        let mut writer = BufWriter::with_capacity(1 << 16, file.file());
        archive(&view, found, &mut writer, &mut warnings, &*meter)?;
        drop(writer);
        file.persist()?;
    } else {
        let mut sink = DirectorySink::new(target, arguments.force, &mut warnings)?;
        extract(&view, found, &mut sink, &*meter)?;
    }
    meter.finish("extracted");
    for warning in warnings.lines() {
        reporter.warn(&warning);
    }
    Ok(())
}

fn archive(
    view: &View,
    found: Found,
    output: &mut dyn Write,
    warnings: &mut Warnings,
    meter: &dyn Meter,
) -> crate::Result<()> {
    let mut sink = ArchiveSink::new(output, warnings);
    extract(view, found, &mut sink, meter)?;
    sink.finish()
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
fn refuse_other_archives(target: &Path) -> crate::Result<()> {
    if !has_ending(target, &OTHER_ENDINGS) || is_directory(target) {
        return Ok(());
    }
    let shown = escape_path(target.as_os_str().as_bytes());
    Err(Error::unsupported(format!(
        "{shown}: expected a directory or a name that ends with .tar; `-o - | gzip > {shown}` compresses a tar, `-o {shown}/` makes a directory"
    )))
}

/// An image may be called like a tar; it must not become one of its own contents.
fn refuse_own_image(image: &Path, target: &Path) -> crate::Result<()> {
    let identity = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    if identity(image).is_some() && identity(image) == identity(target) {
        return Err(Error::unsupported(format!(
            "{}: expected an output other than the image itself",
            escape_path(target.as_os_str().as_bytes())
        )));
    }
    Ok(())
}

fn has_ending(target: &Path, endings: &[&str]) -> bool {
    let ending = target.extension().map(|ending| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| endings.iter().any(|own| ending == **own))
}

fn is_directory(target: &Path) -> bool {
    target.as_os_str().as_bytes().ends_with(b"/") || target.is_dir()
}
