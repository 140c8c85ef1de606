//! A real terminal, 80 columns wide.

use std::fs;
use std::process::Command;

use super::support::archive::{Compression, TestImage, layer_tar};
use super::support::oracles::{program, skip};
use super::support::run::{LAYERPRESS, Press};

/// Runs a shell line on a terminal of its own and gives everything that was written to it.
fn on_terminal(press: &Press, line: &str) -> Option<String> {
    program("script")?;
    let record = press.root().join("record");
    let line = format!("stty cols 80 rows 24; {line}");
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--command", &line])
        .arg(&record);
    command.env("TERM", "xterm").env_remove("CI");
    let ended = press.run(&mut command);
    if ended.stderr.contains("failed to create pseudo-terminal") {
        skip("there are no pseudo-terminals");
        return None;
    }
    let record = fs::read_to_string(&record).unwrap();
    // script's own lines at the start and at the end.
    let lines = record
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("Script "));
    Some(lines.collect())
}

fn image() -> Press {
    let mut state = 1_u32;
    let mut noise = |bytes: usize| -> Vec<u8> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..bytes).map(|_| next()).collect()
    };
    let layers: Vec<_> = (0..3)
        .map(|number| layer_tar(&[(&format!("noise{number}"), &noise(8 << 20))]))
        .collect();
    let press = Press::new();
    let image = TestImage {
        compression: Compression::Gzip,
        ..TestImage::new(layers)
    };
    image.layout("v1").write_directory(&press.image());
    press
}

#[test]
fn a_terminal_gets_bars_that_fit_and_keeps_a_line_for_each_finished_task() {
    let press = image();
    let line = format!(
        "{LAYERPRESS} build {} -o {} --sha256",
        press.image().display(),
        press.output().display()
    );
    let Some(record) = on_terminal(&press, &line) else {
        return;
    };
    assert!(record.contains("%"), "{record}");
    assert!(record.contains("layer 1 of 3 sha256:"), "{record}");
    // What is drawn between two movements of the cursor is one line of the screen.
    let text = strip_escapes(&record);
    // A line that is full to the edge needs no end.
    for drawn in text
        .split(['\n', '\r'])
        .filter(|drawn| drawn.contains("% ") && drawn.contains('['))
    {
        let letters: Vec<_> = drawn.chars().collect();
        for line in letters.chunks(80) {
            let line: String = line.iter().collect();
            let is_task = [
                "layer ", "flatten ", "writing ", "seal ", "sha256 ", "e2fsck ",
            ]
            .iter()
            .any(|task| line.starts_with(task));
            assert!(is_task, "{line:?} in {drawn:?}");
        }
    }
    for stays in ["layer 3 of 3 sha256:", "e2fsck: clean", "sha256: computed"] {
        assert!(text.contains(stays), "no {stays}: {text}");
    }
    // Nothing is hidden that would have to be shown again, and the summary stands alone.
    assert!(!record.contains("\x1b[?25"), "{record}");
    let (_, summary) = record.rsplit_once('\x1b').unwrap();
    assert!(summary.contains("\nsha256 "), "{summary}");
    let quiet = on_terminal(&press, &format!("{line} -q")).unwrap();
    assert!(
        !quiet.contains("layer 1") && !quiet.contains("sha256"),
        "{quiet}"
    );
    let plain = on_terminal(&press, &format!("{line} --progress=plain")).unwrap();
    assert!(
        !plain.contains('\x1b') && plain.contains("layer 1 of 3"),
        "{plain}"
    );
}

#[test]
fn an_error_stands_on_a_line_of_its_own_without_remains_of_bars() {
    let press = image();
    let line = format!(
        "{LAYERPRESS} build {} -o {} --max-bytes=10000000",
        press.image().display(),
        press.output().display()
    );
    let Some(record) = on_terminal(&press, &line) else {
        return;
    };
    let text = strip_escapes(&record);
    let error = text.lines().find(|line| line.contains("error: ")).unwrap();
    let shown = error.rsplit('\r').find(|part| !part.is_empty()).unwrap();
    assert!(shown.starts_with("error: "), "{shown:?}");
    assert!(text.contains("--max-bytes"));
}

/// The text without the sequences that move the cursor or clear; those that move it up or down or
/// clear a line end a line.
fn strip_escapes(record: &str) -> String {
    let mut text = String::new();
    let mut letters = record.chars();
    while let Some(letter) = letters.next() {
        if letter != '\x1b' {
            text.push(letter);
            continue;
        }
        if letters.next() == Some('[') {
            let end = letters.find(|letter| letter.is_ascii_alphabetic());
            if matches!(end, Some('A' | 'B' | 'K')) {
                text.push('\r');
            }
        }
    }
    text
}
