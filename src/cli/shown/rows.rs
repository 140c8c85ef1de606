//! The forms of `ls`: lines with attributes, and columns of names.

use clap::Args;

use super::attributes::{layer_text, minute_text, mode_text};
use super::names::{Names, width};
use crate::listing::Kind;
use crate::look::Node;
use crate::pipeline::LayerName;
use crate::units::SECTOR_SIZE;

/// How names are shown.
#[derive(Debug, Clone, Copy, Args)]
pub struct Format {
    /// Mode, links, owner, size or device numbers, time in UTC, and where links lead
    #[arg(short)]
    pub long: bool,
    /// Sizes as in 1.5K
    #[arg(short = 'h', long)]
    pub human_readable: bool,
    /// Inode numbers
    #[arg(short, long)]
    pub inode: bool,
    /// Blocks taken, in units of 1 KiB
    #[arg(short, long)]
    pub size: bool,
    /// Users and groups as numbers, which they always are; with -l
    #[arg(short, long)]
    pub numeric_uid_gid: bool,
    /// A letter behind names: / for directories, @ links, * programs, | FIFOs, = sockets
    #[arg(short = 'F', long)]
    pub classify: bool,
    /// The layer of a container image that each name comes from: its number, 1 for the base, and the
    /// start of its digest
    #[arg(long)]
    pub layer: bool,
    /// One name a line [default: where standard output is no terminal]
    #[arg(short = '1')]
    pub one: bool,
    /// Print a JSON object for each name, with everything, one a line
    #[arg(long)]
    pub json: bool,
}

/// A name and what stands before it.
#[derive(Debug)]
pub struct Row {
    /// Cells before the name, with whether they stand to the right.
    cells: Vec<(String, bool)>,
    name: Vec<u8>,
}

impl Row {
    /// A row of the columns that `format` asks for.
    pub fn new(
        format: Format,
        names: Names,
        name: &[u8],
        node: &Node,
        (target, layer): (Option<&[u8]>, Option<&LayerName>),
    ) -> Self {
        let size = |bytes| {
            if format.human_readable {
                human(bytes)
            } else {
                bytes.to_string()
            }
        };
        let mut cells = Vec::new();
        if format.inode {
            // A node of a container image has none yet.
            let number = node.inode.as_ref().map(|_| node.number.to_string());
            cells.push((number.unwrap_or_else(|| "-".to_owned()), true));
        }
        if format.size {
            cells.push((taken(format, node.sectors), true));
        }
        if format.layer {
            let (number, digest) = layer_text(layer);
            cells.extend([(number, true), (digest, false)]);
        }
        if format.long {
            let amount = match node.device {
                Some((major, minor)) => format!("{major}, {minor}"),
                None => size(node.size_bytes),
            };
            cells.extend([
                (mode_text(node.kind, node.mode), false),
                (node.links.to_string(), true),
                (node.uid.to_string(), true),
                (node.gid.to_string(), true),
                (amount, true),
                (minute_text(node.mtime), false),
            ]);
        }
        let mut shown = names.show(name);
        match target {
            Some(target) if format.long => {
                shown.extend(b" -> ");
                shown.extend(names.show(target));
            }
            _ if format.classify => shown.extend(letter(node)),
            _ => {}
        }
        Self { cells, name: shown }
    }

    /// The row with its cells as wide as `widths` says.
    fn text(&self, widths: &[usize]) -> Vec<u8> {
        let mut text = Vec::new();
        for ((cell, to_the_right), width) in self.cells.iter().zip(widths) {
            let cell = if *to_the_right {
                format!("{cell:>width$} ")
            } else {
                format!("{cell:<width$} ")
            };
            text.extend(cell.into_bytes());
        }
        text.extend(&self.name);
        text
    }
}

/// What so many sectors take, as `format` has it: in KiB, or with a unit.
pub fn taken(format: Format, sectors: u64) -> String {
    match format.human_readable {
        true => human(sectors.saturating_mul(SECTOR_SIZE)),
        false => sectors.div_ceil(2).to_string(),
    }
}

/// What GNU puts behind a name.
fn letter(node: &Node) -> &'static [u8] {
    match node.kind {
        Kind::Directory => b"/",
        Kind::Symlink => b"@",
        Kind::Fifo => b"|",
        Kind::Socket => b"=",
        Kind::Regular if node.mode & 0o111 != 0 => b"*",
        _ => b"",
    }
}

/// A size in at most four places, rounded up as GNU does.
fn human(bytes: u64) -> String {
    if bytes < 1024 {
        return bytes.to_string();
    }
    let mut unit = 1_u128;
    for letter in "KMGTPE".chars() {
        unit *= 1024;
        let tenths = (u128::from(bytes) * 10).div_ceil(unit);
        if tenths < 100 {
            return format!("{}.{}{letter}", tenths / 10, tenths % 10);
        }
        let whole = u128::from(bytes).div_ceil(unit);
        if whole < 1024 || letter == 'E' {
            return format!("{whole}{letter}");
        }
    }
    bytes.to_string()
}

fn cell_widths(rows: &[Row]) -> Vec<usize> {
    let count = rows.first().map_or(0, |row| row.cells.len());
    let width_of = |index: usize| {
        let widths = rows.iter().filter_map(|row| row.cells.get(index));
        widths.map(|(cell, _)| cell.len()).max().unwrap_or(0)
    };
    (0..count).map(width_of).collect()
}

/// A line for each name.
pub fn long(rows: &[Row]) -> Vec<u8> {
    let widths = cell_widths(rows);
    let mut text = Vec::new();
    for row in rows {
        text.extend(row.text(&widths));
        text.push(b'\n');
    }
    text
}

/// Names in as many columns as fit into `columns`, read downwards; `None` for one.
pub fn columns(rows: &[Row], columns: Option<usize>) -> Vec<u8> {
    let Some(available) = columns else {
        return long(rows);
    };
    let cells = cell_widths(rows);
    let texts: Vec<_> = rows.iter().map(|row| row.text(&cells)).collect();
    let widths: Vec<_> = texts.iter().map(|text| width(text)).collect();
    let gap = 2;
    let fits = |height: usize| {
        let columns = widths.chunks(height);
        let sum: usize = columns
            .map(|column| column.iter().max().unwrap_or(&0) + gap)
            .sum();
        sum <= available + gap
    };
    // Each column takes a character and a gap at least.
    let least = texts.len().div_ceil(available / (gap + 1) + 1).max(1);
    let height = (least..texts.len())
        .find(|height| fits(*height))
        .unwrap_or(texts.len())
        .max(1);
    let column_widths: Vec<usize> = widths
        .chunks(height)
        .map(|column| column.iter().max().unwrap_or(&0) + gap)
        .collect();
    let mut text = Vec::new();
    for line in 0..height.min(texts.len()) {
        let indices: Vec<_> = (line..texts.len()).step_by(height).collect();
        for (column, index) in indices.iter().enumerate() {
            text.extend(&texts[*index]);
            if column + 1 < indices.len() {
                let padding = column_widths[column] - widths[*index];
                text.extend(std::iter::repeat_n(b' ', padding));
            }
        }
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(names: &[&str]) -> Vec<Row> {
        let row = |name: &&str| Row {
            cells: Vec::new(),
            name: name.as_bytes().to_vec(),
        };
        names.iter().map(row).collect()
    }

    #[test]
    fn names_fill_as_many_columns_as_fit() {
        let rows = rows(&["a", "bbbb", "cc", "d", "e"]);
        let shown = |width| String::from_utf8(columns(&rows, width)).unwrap();
        assert_eq!(shown(Some(80)), "a  bbbb  cc  d  e\n");
        assert_eq!(shown(Some(17)), "a  bbbb  cc  d  e\n");
        assert_eq!(shown(Some(16)), "a     cc  e\nbbbb  d\n");
        assert_eq!(shown(Some(3)), "a\nbbbb\ncc\nd\ne\n");
        assert_eq!(shown(None), "a\nbbbb\ncc\nd\ne\n");
        assert!(columns(&[], Some(80)).is_empty());
    }

    #[test]
    fn sizes_are_rounded_up_to_what_holds_them() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1025, "1.1K"),
            (10 * 1024, "10K"),
            (10 * 1024 - 1, "10K"),
            (1 << 20, "1.0M"),
            ((1 << 20) - 1, "1.0M"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
