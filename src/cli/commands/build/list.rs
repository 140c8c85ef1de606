//! `--list`: a line for each image.
//!
//! `IMAGE`, a tab, `OUTPUT` and, behind another tab, options for this image alone in a shell's words.
//! Empty lines and those that begin with `#` are nobody's; a line may end as on Windows.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, escape_path};

/// No list is longer, in bytes: some hundred thousand images.
const MAX_LIST_BYTES: u64 = 16 << 20;

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The list and the line's number in it, counted from 1: for errors.
    pub place: String,
    pub reference: OsString,
    pub output: PathBuf,
    pub options: Vec<OsString>,
}

/// Reads a list.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Unsupported`] with the first line that is none, and
/// for a list without lines.
pub fn read(path: &Path) -> Result<Vec<Line>> {
    let (name, bytes) = if path == Path::new("-") {
        let name = "standard input".to_owned();
        let cannot_read = |error| Error::io("cannot read standard input", error);
        let bytes = read_all(&mut io::stdin().lock()).map_err(cannot_read)?;
        (name, bytes)
    } else {
        let open = || read_all(&mut File::open(path)?);
        let bytes = open().map_err(|error| Error::path("read", path, error))?;
        (escape_path(path.as_os_str().as_bytes()), bytes)
    };
    if bytes.len() as u64 > MAX_LIST_BYTES {
        return Err(Error::unsupported(format!(
            "{name}: expected a list of at most {MAX_LIST_BYTES} bytes, found a longer one"
        )));
    }
    let lines = parse(&name, &bytes)?;
    if lines.is_empty() {
        return Err(Error::unsupported(format!(
            "{name}: expected an image a line, found none"
        )));
    }
    Ok(lines)
}

fn read_all(file: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_LIST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(name: &str, bytes: &[u8]) -> Result<Vec<Line>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    lines
        .filter_map(|(number, line)| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let is_nobodys = line.starts_with(b"#") || line.trim_ascii().is_empty();
            (!is_nobodys).then(|| parse_line(format!("{name}:{number}"), line))
        })
        .collect()
}

fn parse_line(place: String, line: &[u8]) -> Result<Line> {
    let refused = |why: &str| {
        Error::unsupported(format!(
            "{place}: expected an image, a tab and an output, and perhaps a tab and options, found {why}"
        ))
    };
    if line.contains(&0) {
        return Err(refused("a zero byte"));
    }
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
    let (reference, output, options) = match fields[..] {
        [_] => return Err(refused("no tab")),
        [reference, output] => (reference, output, &b""[..]),
        [reference, output, options] => (reference, output, options),
        _ => return Err(refused(&format!("{} tabs", fields.len() - 1))),
    };
    for (field, what) in [(reference, "image"), (output, "output")] {
        if field.is_empty() {
            return Err(refused(&format!("an empty {what}")));
        }
        if field.trim_ascii() != field {
            return Err(refused(&format!("white space around the {what}")));
        }
    }
    if reference == b"-" || reference.ends_with(b":-") {
        return Err(refused(
            "standard input as the image, of which there is one for all",
        ));
    }
    let words = shlex::bytes::split(options).ok_or_else(|| {
        refused("options with a quotation that has no end, or a backslash at their end")
    })?;
    Ok(Line {
        place,
        reference: OsStr::from_bytes(reference).to_owned(),
        output: OsStr::from_bytes(output).into(),
        options: words.into_iter().map(OsString::from_vec).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize, reference: &str, output: &str, options: &[&str]) -> Line {
        Line {
            place: format!("l:{number}"),
            reference: reference.into(),
            output: output.into(),
            options: options.iter().map(OsString::from).collect(),
        }
    }

    #[test]
    fn lines_of_any_system_are_read_and_comments_and_empty_ones_are_counted_but_nobodys() {
        let text = b"\xef\xbb\xbf# all\r\na\tb\r\n\r\n \t \n#x\ty\noci:c d\te f\t--fs ext4 --label 'a b'\nx\ty\t";
        let expected = [
            line(2, "a", "b", &[]),
            line(6, "oci:c d", "e f", &["--fs", "ext4", "--label", "a b"]),
            line(7, "x", "y", &[]),
        ];
        assert_eq!(parse("l", text).unwrap(), expected);
        let raw = parse("l", b"\xff\t\xfe\n").unwrap();
        assert_eq!(raw[0].reference.as_bytes(), b"\xff");
        assert_eq!(raw[0].output.as_os_str().as_bytes(), b"\xfe");
    }

    #[test]
    fn a_line_that_is_none_is_named_with_what_is_wrong() {
        for (text, expected) in [
            (
                &b"a\tb\nc"[..],
                "l:2: expected an image, a tab and an output, and perhaps a tab and options, found no tab",
            ),
            (b"a\tb\0", "found a zero byte"),
            (b"\tb", "found an empty image"),
            (b"a\t", "found an empty output"),
            (b"a\t\t--verify", "found an empty output"),
            (b"a \tb", "found white space around the image"),
            (b"a\t b", "found white space around the output"),
            (b"a\tb\tc\td", "found 3 tabs"),
            (b"a\tb\t--label 'x", "found options with a quotation"),
            (b"-\tb", "found standard input"),
            (b"docker-archive:-\tb", "found standard input"),
        ] {
            let error = parse("l", text).unwrap_err();
            assert_eq!(error.exit_code(), 5);
            let error = error.to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
