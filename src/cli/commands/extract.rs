//! `layerpress extract`.

use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::cli::arguments::OutputArguments;
use crate::cli::opened::open;
use crate::cli::tell::Voice;
use crate::cli::{hold, progress};
use crate::error::{Error, escape_path};
use crate::extract::{ArchiveSink, DirectorySink, extract, extract_until, stored_bytes};
use crate::host_space;
use crate::partial_file::PartialFile;
use crate::progress::{Meter, Unit};
use crate::units::ByteSize;
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
pub fn run(arguments: &ExtractArguments, output: &OutputArguments) -> anyhow::Result<ExitCode> {
    refuse_other_archives(&arguments.output)?;
    let view = open(&arguments.image)?;
    let found = view.lookup(arguments.path.as_bytes(), Follow::Always)?;
    let reporter = progress::reporter(output);
    let mut warnings = Warnings::default();
    let name = format!("extract {}", arguments.image.display());
    let meter = reporter.begin(&name, Unit::Bytes, None);
    let target = &arguments.output;
    let start = found.clone();
    let explained = |error| {
        let needed = stored_bytes(&view, start.clone());
        host_space::explained(error, target, Some(ByteSize(needed)))
    };
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
                return Ok(ExitCode::SUCCESS);
            }
            written => written?,
        }
    } else if is_archive(target) {
        refuse_own_image(&arguments.image, target)?;
        let file = PartialFile::create(target)?;
        let mut writer = BufWriter::with_capacity(1 << 16, file.file());
        let written = archive(&view, found, &mut writer, &mut warnings, &*meter);
        // What is left in the buffer of a tar that failed is nothing to be written.
        let (_, _) = writer.into_parts();
        if let Err(error) = written {
            drop(file);
            return Err(explained(error).into());
        }
        file.persist()?;
    } else {
        // A signal ends the work between two pieces, so that what was made can be taken away.
        let held = hold::hold();
        let mut sink = DirectorySink::new(target, arguments.force, &mut warnings)?;
        if let Ok(image) = std::fs::metadata(&arguments.image) {
            sink = sink.sparing(&image);
        }
        let is_cancelled = || hold::received().is_some();
        let done = extract_until(&view, found, &mut sink, &*meter, &is_cancelled);
        if let Err(error) = done {
            drop(meter);
            let is_undone = sink.undo();
            let signal = hold::received();
            drop((held, reporter));
            return failed(error, signal, is_undone, target, explained, output);
        }
    }
    meter.finish("extracted");
    for warning in warnings.lines() {
        reporter.warn(&warning);
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells why a tree is not in its directory, and what of it is.
fn failed(
    error: crate::Error,
    signal: Option<i32>,
    is_undone: bool,
    target: &Path,
    explained: impl Fn(crate::Error) -> crate::Error,
    output: &OutputArguments,
) -> anyhow::Result<ExitCode> {
    let left = escape_path(target.as_os_str().as_bytes());
    let Some(signal) = signal else {
        let error = explained(error);
        return Err(if is_undone {
            error
        } else {
            error.with_more(&format!("; what was extracted until then is in {left}"))
        }
        .into());
    };
    let text = if is_undone {
        "interrupted; nothing is left behind".to_owned()
    } else {
        format!("interrupted; what was extracted until then is in {left}")
    };
    let code = 128 + signal;
    Voice::of(output).error(&text, code);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
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
