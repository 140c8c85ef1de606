//! GNU tar's listing and Python's tarfile, as lines. Both programs must be there.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::{Line, Parts};

fn output_of(command: &mut Command, tar: &[u8]) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(tar).unwrap();
    let output = command.arg(file.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        let kept = file.into_temp_path().keep().unwrap();
        panic!("{command:?} on {}: {said}", kept.display());
    }
    output.stdout
}

/// Lines of `tar -tv`, and the bytes of all files in a row from `tar -xO`.
pub fn gnu_tar(tar: &[u8]) -> Vec<Line> {
    let run = |options: &[&str]| {
        let mut command = Command::new("tar");
        command
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .args(options)
            .arg("-f");
        output_of(&mut command, tar)
    };
    let listing = run(&["-tv", "--full-time", "--numeric-owner", "--quoting-style=c"]);
    let contents = run(&["-xO"]);
    let mut rest = &contents[..];
    let lines = String::from_utf8(listing).unwrap();
    let lines = lines
        .lines()
        .map(|line| gnu_line(line, &mut rest))
        .collect();
    assert!(rest.is_empty(), "{} bytes of no file", rest.len());
    lines
}

fn gnu_line(line: &str, contents: &mut &[u8]) -> Line {
    let mut words = line.split_ascii_whitespace();
    let mut word = || words.next().unwrap();
    let (letters, owner, what, date, clock) = (word(), word(), word(), word(), word());
    let names = &line[line.find('"').unwrap()..];
    let (path, after) = unquoted(names);
    let target = after.find('"').map(|at| unquoted(&after[at..]).0);
    let numbers = |text: &str, by: char| -> Vec<i64> {
        text.split(by).map(|text| text.parse().unwrap()).collect()
    };
    let owner = numbers(owner, '/');
    // A contiguous file is one like any other.
    let kind = letters.replace('C', "-").chars().next().unwrap();
    let device = match kind {
        'c' | 'b' => numbers(what, ','),
        _ => vec![0, 0],
    };
    let content = (kind == '-').then(|| {
        let length = contents.len().min(what.parse().unwrap());
        let (content, rest) = contents.split_at(length);
        *contents = rest;
        content.to_vec()
    });
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let clock = numbers(clock, ':');
    let (sign, date) = date.strip_prefix('-').map_or((1, date), |date| (-1, date));
    let date = numbers(date, '-');
    let seconds = days(sign * date[0], date[1], date[2]) * 86_400
        + clock[0] * 3600
        + clock[1] * 60
        + clock[2];
    Parts {
        kind,
        mode: permissions(letters.as_bytes()),
        owner: (owner[0], owner[1]),
        mtime: (seconds, format!("{fraction:0<9}").parse().unwrap()),
        path: &path,
        target: &target.unwrap_or_default(),
        device: (device[0] as u64, device[1] as u64),
        content,
    }
    .line()
}

fn permissions(letters: &[u8]) -> u64 {
    let plain = letters[1..10].iter().fold(0, |bits, letter| {
        bits << 1 | u64::from(!matches!(letter, b'-' | b'S' | b'T'))
    });
    let special = [3, 6, 9].iter().fold(0, |bits, at| {
        bits << 1
            | u64::from(
                letters[*at].eq_ignore_ascii_case(&b's')
                    || letters[*at].eq_ignore_ascii_case(&b't'),
            )
    });
    special << 9 | plain
}

/// Days from 1970 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let of_years = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    of_years + (153 * month + 2) / 5 + day - 719_469
}

/// A name in quotes as C has them, and what follows it.
fn unquoted(text: &str) -> (Vec<u8>, &str) {
    let mut name = Vec::new();
    let mut at = 1;
    let bytes = text.as_bytes();
    loop {
        match bytes[at] {
            b'"' => return (name, &text[at + 1..]),
            b'\\' => {
                let escaped = bytes[at + 1];
                at += 2;
                name.push(match escaped {
                    b'0'..=b'3' => {
                        at += 2;
                        u8::from_str_radix(&text[at - 3..at], 8).unwrap()
                    }
                    b'n' => b'\n',
                    other => other,
                });
            }
            byte => {
                name.push(byte);
                at += 1;
            }
        }
    }
}

const SCRIPT: &str = r#"
import os, sys, tarfile
letters = {tarfile.LNKTYPE: "h", tarfile.SYMTYPE: "l", tarfile.CHRTYPE: "c", tarfile.BLKTYPE: "b",
           tarfile.DIRTYPE: "d", tarfile.FIFOTYPE: "p"}
hexadecimal = lambda name: os.fsencode(name).hex()
with tarfile.open(sys.argv[1], "r:", errorlevel=2, encoding="utf-8", errors="surrogateescape") as tar:
    for member in tar:
        kind = letters.get(member.type, "-")
        content = tar.extractfile(member).read().hex() if kind == "-" else ""
        print(kind, member.mode & 0o7777, member.uid, member.gid, int(member.mtime * 1000),
              hexadecimal(member.name), member.devmajor, member.devminor,
              "t" + hexadecimal(member.linkname), "c" + content)
"#;

pub fn python(tar: &[u8]) -> Vec<Line> {
    let output = output_of(
        Command::new("python3")
            .args(["-c", SCRIPT])
            .current_dir(Path::new("/")),
        tar,
    );
    let bytes = |text: &str| -> Vec<u8> {
        let digits = text
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).unwrap());
        digits
            .map(|pair| u8::from_str_radix(pair, 16).unwrap())
            .collect()
    };
    let text = String::from_utf8(output).unwrap();
    let line = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<i64>().unwrap();
        let milliseconds = number(4);
        Parts {
            kind: words[0].chars().next().unwrap(),
            mode: number(1) as u64,
            owner: (number(2), number(3)),
            mtime: (
                milliseconds.div_euclid(1000),
                milliseconds.rem_euclid(1000) as u32 * 1_000_000,
            ),
            path: &bytes(words[5]),
            target: &bytes(&words[8][1..]),
            device: (number(6) as u64, number(7) as u64),
            content: Some(bytes(&words[9][1..])),
        }
        .line()
    };
    text.lines().map(line).collect()
}
