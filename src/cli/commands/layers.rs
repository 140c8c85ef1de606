//! `layerpress layers`.

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;

use clap::Args;
use serde::Serialize;

use crate::cli::arguments::{OutputArguments, ReadingArguments, whole};
use crate::cli::progress;
use crate::cli::shown::history::{self, ShownStep};
use crate::cli::shown::schemas;
use crate::cli::shown::text::{WIDTH, counted, printable, short, shortened, thousands};
use crate::cli::tell::{self, Voice, print_as};
use crate::error::{Result, escape_path};
use crate::oci::Digest;
use crate::pipeline::{self, LayerReport};
use crate::units::ByteSize;

/// What is typed after `layers`.
#[derive(Debug, Args)]
pub struct LayersArguments {
    /// A container image as build takes it
    #[arg(value_name = "IMAGE")]
    pub image: OsString,
    /// How many wasted files are told, the largest first
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = whole::<usize>)]
    pub top: usize,
    /// End with 1 where more is wasted than so much of all layers' files, as in 5%, or so many bytes,
    /// as in 20M
    #[arg(long, value_name = "PERCENT|SIZE")]
    pub max_wasted: Option<MaxWasted>,
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub reading: ReadingArguments,
}

/// How much may be wasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxWasted {
    /// Hundredths of a percent of all layers' files.
    Share(u64),
    /// So many bytes.
    Bytes(u64),
}

impl FromStr for MaxWasted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(number) = text.strip_suffix('%') else {
            return text.parse().map(|ByteSize(bytes)| Self::Bytes(bytes));
        };
        let expected =
            || format!("'{text}': expected a percentage from 0% to 100%, as in 5% or 2.5%");
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || part.len() > 2 {
            return Err(expected());
        }
        let digits = format!("{part:0<2}");
        let hundredths = whole
            .parse::<u64>()
            .ok()
            .zip(digits.parse::<u64>().ok())
            .and_then(|(whole, part)| whole.checked_mul(100)?.checked_add(part));
        match hundredths {
            Some(share) if share <= 10_000 => Ok(Self::Share(share)),
            _ => Err(expected()),
        }
    }
}

impl fmt::Display for MaxWasted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) if share % 100 == 0 => write!(f, "{} %", share / 100),
            Self::Share(share) => write!(f, "{}.{:02} %", share / 100, share % 100),
            Self::Bytes(bytes) => write!(f, "{}", ByteSize(*bytes)),
        }
    }
}

impl MaxWasted {
    fn allows(self, wasted_bytes: u64, file_bytes: u64) -> bool {
        match self {
            Self::Share(share) => {
                u128::from(wasted_bytes) * 10_000 <= u128::from(share) * u128::from(file_bytes)
            }
            Self::Bytes(bytes) => wasted_bytes <= bytes,
        }
    }
}

/// Tells what each layer does; whether no more is wasted than may be.
pub fn run(arguments: &LayersArguments, output: &OutputArguments) -> Result<bool> {
    let reporter = progress::looking(output);
    let request = arguments.reading.image(&arguments.image)?;
    let report = pipeline::layer_report(&request, &*reporter)?;
    for warning in &report.warnings {
        reporter.warn(warning);
    }
    let (wasted, all) = (report.wasted_bytes(), report.file_bytes());
    let max = arguments.max_wasted;
    let is_over = max.filter(|max| !max.allows(wasted, all));
    drop(reporter);
    let shown = Shown::of(&report, arguments.top);
    print_as(arguments.json, schemas::LAYERS, &shown, || shown.text())?;
    if let Some(max) = is_over {
        let text = format!(
            "{} of {} wasted: expected at most {max} (--max-wasted)",
            ByteSize(wasted),
            ByteSize(all)
        );
        // It is why the command ends with 1, which --quiet keeps no one from being told.
        match (output.quiet, Voice::of(output)) {
            (true, Voice::Words) => tell::line(&text),
            _ => progress::looking(output).warn(&text),
        }
    }
    Ok(is_over.is_none())
}

/// The names are those of the JSON form.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    reference: &'a str,
    image_id: Option<String>,
    manifest_digest: Option<String>,
    entries: u64,
    file_bytes: u64,
    wasted_bytes: u64,
    layer_count: usize,
    layers: Vec<ShownLayer>,
    wasted_files: Vec<ShownFile>,
    wasted_file_count: usize,
    warnings: &'a [String],
}

#[derive(Debug, Serialize)]
struct ShownLayer {
    /// From 1, the base.
    index: usize,
    diff_id: String,
    digest: Option<String>,
    stored_bytes: u64,
    uncompressed_bytes: u64,
    members: u64,
    file_bytes: u64,
    added_entries: u64,
    changed_entries: u64,
    hidden_entries: u64,
    hidden_bytes: u64,
    wasted_bytes: u64,
    created_by: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownFile {
    path: String,
    size_bytes: u64,
    layer: u32,
    hidden_by: u32,
}

impl<'a> Shown<'a> {
    fn of(report: &'a LayerReport, top: usize) -> Self {
        let image = &report.image;
        let steps = history::steps(&image.config, image.layers.len());
        let text = |digest: &Option<Digest>| digest.as_ref().map(ToString::to_string);
        let layers = (1..).zip(image.layers.iter().zip(&report.layers));
        let layers = layers.map(|(index, (stored, layer))| ShownLayer {
            index,
            diff_id: layer.diff_id.to_string(),
            digest: text(&stored.digest),
            stored_bytes: stored.stored.length_bytes(),
            uncompressed_bytes: layer.tar_bytes,
            members: layer.members,
            file_bytes: layer.file_bytes,
            added_entries: layer.tally.added,
            changed_entries: layer.tally.changed,
            hidden_entries: layer.tally.hidden,
            hidden_bytes: layer.tally.hidden_bytes,
            wasted_bytes: layer.wasted_bytes,
            created_by: steps
                .iter()
                .find(|step| step.layer == Some(index))
                .and_then(ShownStep::command)
                .map(str::to_owned),
        });
        let files = report.wasted.iter().take(top);
        Self {
            reference: &image.reference,
            image_id: text(&image.config_digest),
            manifest_digest: text(&image.manifest_digest),
            entries: report.entries,
            file_bytes: report.file_bytes(),
            wasted_bytes: report.wasted_bytes(),
            layer_count: report.layers.len(),
            layers: layers.collect(),
            wasted_files: files
                .map(|file| ShownFile {
                    path: format!("/{}", escape_path(&file.path)),
                    size_bytes: file.bytes,
                    layer: file.layer,
                    hidden_by: file.hidden_by,
                })
                .collect(),
            wasted_file_count: report.wasted.len(),
            warnings: &report.warnings,
        }
    }

    /// A line for each layer, the sum, and the largest of what no one sees.
    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |cells: [&str; 7], behind: &str| {
            let [number, files, added, changed, hidden, wasted, digest] = cells;
            let start = format!(
                "{number:>3} {files:>9} {added:>7} {changed:>7} {hidden:>7} {wasted:>9} {digest:<12} "
            );
            let room = WIDTH.saturating_sub(start.chars().count());
            text.push_str(format!("{start}{}", shortened(behind, room)).trim_end());
            text.push('\n');
        };
        line(
            [
                "#", "files", "added", "changed", "hidden", "wasted", "digest",
            ],
            "created by",
        );
        for layer in &self.layers {
            line(
                [
                    &layer.index.to_string(),
                    &ByteSize(layer.file_bytes).to_string(),
                    &thousands(layer.added_entries),
                    &thousands(layer.changed_entries),
                    &thousands(layer.hidden_entries),
                    &ByteSize(layer.wasted_bytes).to_string(),
                    short(layer.digest.as_deref().unwrap_or(&layer.diff_id)),
                ],
                layer.created_by.as_deref().unwrap_or_default(),
            );
        }
        let tenths = u128::from(self.wasted_bytes) * 1000 / u128::from(self.file_bytes.max(1));
        text.push_str(&format!(
            "\nwasted, in files that no one sees any more: {} of {}, {}.{} %\n",
            ByteSize(self.wasted_bytes),
            ByteSize(self.file_bytes),
            tenths / 10,
            tenths % 10
        ));
        if !self.wasted_files.is_empty() {
            text.push_str("\n    bytes  layer  hidden by  largest wasted files\n");
        }
        for file in &self.wasted_files {
            let size = ByteSize(file.size_bytes).to_string();
            let (layer, hidden_by) = (file.layer, file.hidden_by);
            text.push_str(&format!(
                "{size:>9}  {layer:>5}  {hidden_by:>9}  {}\n",
                printable(&file.path)
            ));
        }
        match self.wasted_file_count - self.wasted_files.len() {
            0 => {}
            all if self.wasted_files.is_empty() => {
                let files = counted(all as u64, "file", "files");
                text.push_str(&format!("in {files} (--top N shows the largest)\n"));
            }
            more => text.push_str(&format!("and {more} more (--top N shows more)\n")),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_wasted_is_a_share_or_a_size() {
        let parsed = |text: &str| text.parse::<MaxWasted>();
        assert_eq!(parsed("5%"), Ok(MaxWasted::Share(500)));
        assert_eq!(parsed("2.5%"), Ok(MaxWasted::Share(250)));
        assert_eq!(parsed("0.05%"), Ok(MaxWasted::Share(5)));
        assert_eq!(parsed("100%"), Ok(MaxWasted::Share(10_000)));
        assert_eq!(parsed("20M"), Ok(MaxWasted::Bytes(20 << 20)));
        for text in [
            "%", "101%", "-1%", "1.%", ".5%", "1.234%", "5 %", "x", "1e1%",
        ] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn exactly_so_much_may_be_wasted_and_no_byte_more() {
        let five = MaxWasted::Share(500);
        assert!(five.allows(5, 100) && !five.allows(6, 100) && !five.allows(5, 99));
        assert!(five.allows(0, 0) && MaxWasted::Share(0).allows(0, 7));
        assert!(!MaxWasted::Share(0).allows(1, u64::MAX));
        assert!(MaxWasted::Share(10_000).allows(u64::MAX, u64::MAX));
        assert!(MaxWasted::Bytes(7).allows(7, 7) && !MaxWasted::Bytes(7).allows(8, 8));
    }
}
