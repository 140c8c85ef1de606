//! `layerpress export`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use crate::cli::arguments::{
    NO_HEADING, OutputArguments, ReadingArguments, directory_of, seconds_since_1970,
};
use crate::cli::progress;
use crate::cli::shown::schemas;
use crate::cli::shown::table::digest_columns;
use crate::cli::shown::text::{counted, printable, rfc3339};
use crate::cli::tell::{self, print_as};
use crate::error::{Error, Result, escape_path};
use crate::pipeline::{
    self, CREATED_BY, ExportBase, ExportRequest, ExportedImage, ImageTarget, LayerCompression,
};
use crate::units::ByteSize;

/// How it is typed: with all that an output can be it is longer than a terminal's line.
pub const USAGE: &str = "layerpress export [OPTIONS] --output <OUTPUT> <IMG>";

/// What is typed after `export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The filesystem image: any ext2, ext3 or ext4, also after a guest has written to it
    #[arg(value_name = "IMG", help_heading = NO_HEADING)]
    image: PathBuf,
    /// The image it was made of, as build takes it, or any other: its layers come first as they are
    /// stored, and one more has exactly what differs. Without one the whole filesystem is the only
    /// layer, and --platform says what it runs on
    #[arg(long, value_name = "IMAGE", help_heading = NO_HEADING)]
    base: Option<OsString>,
    /// Where the image goes: a layout, whose other images stay and of which one of the same name is
    /// replaced; an archive for docker load; a layout in an archive. - as FILE is standard output, as in
    /// docker-archive:-:NAME, which docker load shows as NAME; - alone is docker-archive:-, without a
    /// name. A path ends at the first colon, as with skopeo
    #[arg(
        short,
        long,
        value_name = "oci:DIR[:TAG]|docker-archive:FILE[:NAME]|oci-archive:FILE[:TAG]|-",
        help_heading = NO_HEADING
    )]
    output: OsString,
    /// Replace no file, and in a layout no image: one that is there is an error
    #[arg(long, help_heading = NO_HEADING)]
    no_clobber: bool,
    /// Compress the new layer, on as many processors as --jobs says and to the same bytes for any
    /// number: gzip[:1-9], zstd[:1-22], which docker reads from 23.0 on, or none [default: gzip:6]
    #[arg(
        long,
        value_name = "FORMAT[:LEVEL]",
        default_value_t,
        hide_default_value = true,
        help_heading = NO_HEADING
    )]
    compress: LayerCompression,
    /// Without --base: where the filesystem's start configuration is, as build's --config-file had it
    /// [default: /etc/image.json, if a build has put it there]
    #[arg(long, value_name = "PATH", conflicts_with = "base", help_heading = NO_HEADING)]
    config_file: Option<OsString>,
    /// Set a label in the image's configuration; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, help_heading = NO_HEADING)]
    label: Vec<(String, String)>,
    /// Set an annotation of the manifest; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, help_heading = NO_HEADING)]
    annotation: Vec<(String, String)>,
    /// What the image's history says of the new layer
    #[arg(long, value_name = "TEXT", default_value = CREATED_BY, help_heading = NO_HEADING)]
    created_by: String,
    /// Keep the file flags that chattr sets (immutable, append, nodump, ...); else they are counted,
    /// and none is kept
    #[arg(long, help_heading = NO_HEADING)]
    file_flags: bool,
    /// Seconds since 1970: the time of the image [default: that of the base or when the filesystem was
    /// written last, whichever is later]
    #[arg(
        long,
        env = "SOURCE_DATE_EPOCH",
        value_name = "SECONDS",
        value_parser = seconds_since_1970,
        allow_negative_numbers = true,
        help_heading = NO_HEADING
    )]
    source_date_epoch: Option<i64>,
    /// Print the summary as JSON
    #[arg(long, help_heading = NO_HEADING)]
    json: bool,
    #[command(flatten)]
    reading: ReadingArguments,
}

/// `KEY=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let pair = pair.ok_or("expected KEY=VALUE")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

/// Writes a filesystem back as an image, and tells what was written.
pub fn run(arguments: &ExportArguments, output: &OutputArguments) -> Result<()> {
    let started = Instant::now();
    let target = ImageTarget::parse(&arguments.output)?;
    let stream = stream(arguments, &target)?;
    expect_place(&target)?;
    let reporter = progress::reporter(output);
    let request = request(arguments, &target)?;
    let exported = pipeline::export(&request, &target, stream, &*reporter)?;
    for warning in exported.warnings.lines() {
        reporter.warn(&warning);
    }
    drop(reporter);
    let seconds = started.elapsed().as_secs_f64();
    let summary = Summary::of(&request, &target, &exported, seconds);
    if output.quiet && !arguments.json {
        return Ok(());
    }
    if target.is_stream() {
        tell::line(&summary.table(tell::terminal_columns_for_errors()));
        return Ok(());
    }
    print_as(arguments.json, schemas::EXPORT, &summary, || {
        summary.table(tell::terminal_columns())
    })
}

/// What is made lies beside the output meanwhile: that there is no such place is the output's fault, and
/// not the work directory's.
fn expect_place(target: &ImageTarget) -> Result<()> {
    if target.is_stream() {
        return Ok(());
    }
    let beside = directory_of(target.path());
    let failed = |error| {
        let place = escape_path(beside.as_os_str().as_bytes());
        Error::io(format!("cannot create {target} in {place}"), error)
    };
    let there = std::fs::metadata(&beside).map_err(failed)?;
    if there.is_dir() {
        return Ok(());
    }
    Err(failed(std::io::ErrorKind::NotADirectory.into()))
}

fn stream(arguments: &ExportArguments, target: &ImageTarget) -> Result<Option<File>> {
    if !target.is_stream() {
        return Ok(None);
    }
    if arguments.json {
        return Err(Error::usage(
            "standard output: expected the image alone, found --json (without it the summary goes to standard error)",
        ));
    }
    if tell::has_terminal() {
        return Err(Error::unsupported(
            "an image is nothing for a terminal: -o docker-archive:FILE writes it to a file",
        ));
    }
    tell::content_file().map(Some)
}

fn request(arguments: &ExportArguments, target: &ImageTarget) -> Result<ExportRequest> {
    let reading = &arguments.reading;
    let beside = || match target.is_stream() {
        true => std::env::temp_dir(),
        false => directory_of(target.path()),
    };
    let work_dir = reading.work_dir.clone().unwrap_or_else(beside);
    let mut request = ExportRequest::new(&arguments.image, work_dir)
        .with_labels(arguments.label.iter().cloned().collect::<BTreeMap<_, _>>())
        .with_annotations(
            arguments
                .annotation
                .iter()
                .cloned()
                .collect::<BTreeMap<_, _>>(),
        )
        .with_created_by(arguments.created_by.clone())
        .with_compression(arguments.compress)
        .with_file_flags(arguments.file_flags)
        .with_no_clobber(arguments.no_clobber);
    request.jobs = reading.jobs.unwrap_or(request.jobs);
    request.created_seconds = arguments.source_date_epoch;
    let config_file = arguments.config_file.as_ref();
    request.config_file = config_file.map(|path| path.as_bytes().to_vec());
    match &arguments.base {
        Some(base) => request.base = Some(reading.image_beside(base, beside)?),
        None => request.platform.clone_from(&reading.platform),
    }
    Ok(request)
}

/// What was written, in numbers. The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct Summary {
    path: String,
    base: Option<ShownBase>,
    output: String,
    form: &'static str,
    name: Option<String>,
    image_id: String,
    manifest_digest: String,
    platform: String,
    created: String,
    config_file: Option<String>,
    layer_count: usize,
    /// Of all layers, each blob once.
    stored_bytes: u64,
    layer: ShownLayer,
    left_out: ShownLeftOut,
    warnings: Vec<String>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct ShownBase {
    reference: String,
    image_id: Option<String>,
    manifest_digest: Option<String>,
    layer_count: usize,
}

/// The new layer.
#[derive(Debug, Serialize)]
struct ShownLayer {
    index: usize,
    digest: String,
    diff_id: String,
    encoding: String,
    stored_bytes: u64,
    tar_bytes: u64,
    members: u64,
    whiteouts: u64,
    opaque_whiteouts: u64,
}

#[derive(Debug, Serialize)]
struct ShownLeftOut {
    lost_found: bool,
    sockets: u64,
}

impl ShownBase {
    fn of(base: &ExportBase) -> Self {
        let text = |digest: &Option<_>| digest.as_ref().map(ToString::to_string);
        Self {
            reference: base.reference.clone(),
            image_id: text(&base.config_digest),
            manifest_digest: text(&base.manifest_digest),
            layer_count: base.layer_count,
        }
    }
}

impl Summary {
    fn of(
        request: &ExportRequest,
        target: &ImageTarget,
        image: &ExportedImage,
        seconds: f64,
    ) -> Self {
        let ExportedImage {
            exported, layer, ..
        } = image;
        let shown = |path: &std::path::Path| escape_path(path.as_os_str().as_bytes());
        Self {
            path: shown(&request.image),
            base: image.base.as_ref().map(ShownBase::of),
            output: shown(target.path()),
            form: target.form().transport(),
            name: target.name().map(str::to_owned),
            image_id: image.config_digest.to_string(),
            manifest_digest: image.manifest_digest.to_string(),
            platform: image.platform.to_string(),
            created: rfc3339(image.created),
            config_file: image.config_file.clone(),
            layer_count: image.layer_count,
            stored_bytes: image.stored_bytes,
            layer: ShownLayer {
                index: image.layer_count,
                digest: layer.blob.digest.to_string(),
                diff_id: layer.diff_id.to_string(),
                encoding: request.compression.to_string(),
                stored_bytes: layer.blob.size_bytes,
                tar_bytes: layer.tar_bytes,
                members: exported.entries + exported.whiteouts + exported.opaque,
                whiteouts: exported.whiteouts,
                opaque_whiteouts: exported.opaque,
            },
            left_out: ShownLeftOut {
                lost_found: exported.left_out_lost_found,
                sockets: exported.left_out_sockets,
            },
            warnings: image.warnings.lines().collect(),
            seconds,
        }
    }

    fn table(&self, terminal: Option<usize>) -> String {
        let mut rows = vec![("from", format!("{} ({})", self.path, self.platform))];
        if let Some(base) = &self.base {
            let layers = counted(base.layer_count as u64, "layer", "layers");
            rows.push(("base", printable(&format!("{} ({layers})", base.reference))));
        }
        rows.extend(self.config_file.clone().map(|path| ("config", path)));
        rows.extend([
            ("layer", self.layer.text()),
            ("", self.layer.digest.clone()),
        ]);
        let left_out = self.left_out.text();
        rows.extend(left_out.map(|text| ("left out", text)));
        let name = self.name.as_ref();
        let name = name.map_or_else(String::new, |name| format!(":{name}"));
        let size = ByteSize(self.stored_bytes);
        rows.extend([
            ("image ID", self.image_id.clone()),
            ("manifest", self.manifest_digest.clone()),
            ("created", self.created.clone()),
            (
                "output",
                format!("{}:{}{name} ({size} of layers)", self.form, self.output),
            ),
            ("time", format!("{:.2} s", self.seconds)),
        ]);
        digest_columns(&rows, terminal)
    }
}

impl ShownLayer {
    fn text(&self) -> String {
        let hidden = self.whiteouts + self.opaque_whiteouts;
        let what = match self.members {
            0 => "empty: nothing differs".to_owned(),
            members => format!(
                "{}, {}",
                counted(members - hidden, "entry", "entries"),
                counted(hidden, "whiteout", "whiteouts")
            ),
        };
        let (stored, tar) = (ByteSize(self.stored_bytes), ByteSize(self.tar_bytes));
        format!("{what}; {stored} ({}) of {tar}", self.encoding)
    }
}

impl ShownLeftOut {
    fn text(&self) -> Option<String> {
        let sockets = counted(self.sockets, "socket", "sockets");
        let all = [
            self.lost_found.then(|| "an empty lost+found".to_owned()),
            (self.sockets > 0).then_some(sockets),
        ];
        let all: Vec<_> = all.into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}
