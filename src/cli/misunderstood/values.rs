//! What is said of values: of those that are typed as an option would be, of those that stand where
//! the parser looks for none, and of those that are no text.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::error::ErrorKind;
use clap::{Arg, Command};

use crate::error::{escape_path, escape_text, quote};

/// The option that a word is, without a value behind an equals sign.
fn option_of<'a>(command: &'a Command, word: &OsStr) -> Option<&'a Arg> {
    let word = word.to_str()?;
    command.get_opts().find(|option| {
        let long = option.get_long().map(|long| format!("--{long}"));
        let short = option.get_short().map(|short| format!("-{short}"));
        [long, short].iter().flatten().any(|name| name == word)
    })
}

/// Whether a word is a number below zero, or begins as one.
fn is_negative(word: &OsStr) -> bool {
    matches!(word.as_bytes(), [b'-', b'0'..=b'9', ..])
}

/// What is wrong with a number below zero that the parser takes for an option: the same as where it
/// stands behind an equals sign, with the words of which it is said.
pub(super) fn of_negative(
    root: &Command,
    command: &Command,
    typed: &[OsString],
) -> Option<(clap::Error, Vec<OsString>)> {
    let mut joined: Vec<OsString> = Vec::new();
    for word in typed {
        match joined.last_mut() {
            Some(option) if is_negative(word) && option_of(command, option).is_some() => {
                option.push("=");
                option.push(word);
            }
            _ => joined.push(word.clone()),
        }
    }
    if joined.len() == typed.len() {
        return None;
    }
    let error = root.clone().try_get_matches_from(&joined).err()?;
    let is_of_value = matches!(
        error.kind(),
        ErrorKind::ValueValidation | ErrorKind::InvalidValue
    );
    is_of_value.then_some((error, joined))
}

/// The tip for a value that begins with a dash and is fine behind an equals sign; `argument` is what
/// the parser made nothing of.
pub(super) fn tip_for_negative(
    command: &Command,
    typed: &[OsString],
    argument: &str,
) -> Option<String> {
    if !is_negative(argument.as_ref()) {
        return None;
    }
    let pairs = typed.iter().zip(typed.iter().skip(1));
    let mut pairs =
        pairs.filter(|(option, word)| is_negative(word) && option_of(command, option).is_some());
    let (option, word) = pairs.next()?;
    Some(format!(
        "a value that begins with - stands behind an equals sign: {}={}",
        option.to_string_lossy(),
        quote(word.as_bytes())
    ))
}

/// The tip where an option's value stands behind a space that the parser looks for behind an equals
/// sign alone; `argument` is what it made nothing of.
pub(super) fn tip_for_equals(
    command: &Command,
    typed: &[OsString],
    argument: &str,
) -> Option<String> {
    let pairs = typed.iter().zip(typed.iter().skip(1));
    let mut wrong = None;
    for (word, value) in pairs {
        let Some(option) = option_of(command, word).filter(|one| one.is_require_equals_set())
        else {
            continue;
        };
        let name = word.to_string_lossy();
        let values = option.get_possible_values();
        if values.iter().any(|one| value == one.get_name()) {
            let value = value.to_string_lossy();
            return Some(format!(
                "the value of {name} stands behind an equals sign: {name}={value}"
            ));
        }
        if value == argument {
            let all = values
                .iter()
                .map(|one| format!("{name}={}", one.get_name()));
            let all: Vec<_> = all.collect();
            wrong = Some(format!(
                "the value of {name} stands behind an equals sign: {}",
                all.join(" or ")
            ));
        }
    }
    wrong.filter(|_| has_output(typed))
}

/// Whether it was said where the result goes.
pub(super) fn has_output(typed: &[OsString]) -> bool {
    typed.iter().any(|word| match word.as_bytes() {
        [b'-', b'-', name @ ..] => name == b"output" || name.starts_with(b"output="),
        [b'-', letters @ ..] => letters.contains(&b'o'),
        _ => false,
    })
}

/// What is told of text that is none, with the name of what it is given for: the parser says that there
/// is some.
pub(super) fn of_bytes(
    error: clap::Error,
    root: &Command,
    command: &Command,
    typed: &[OsString],
) -> clap::Error {
    let is_text = |typed: &[OsString]| {
        let parsed = root.clone().try_get_matches_from(typed);
        parsed
            .err()
            .is_none_or(|error| error.kind() != ErrorKind::InvalidUtf8)
    };
    let mut others = typed.to_vec();
    for (at, word) in typed.iter().enumerate().skip(1) {
        if word.to_str().is_some() {
            continue;
        }
        if let Some(one) = others.get_mut(at) {
            *one = word.to_string_lossy().into_owned().into();
        }
        if is_text(&others) {
            let before = typed.get(at - 1).map(OsString::as_os_str);
            return of_typed_bytes(command, before, word);
        }
    }
    let variables = command.get_opts().filter_map(|option| {
        let value = std::env::var_os(option.get_env()?)?;
        value.to_str().is_none().then_some((option, value))
    });
    match variables.last() {
        Some((option, value)) => of_variable(
            option,
            &escape_path(value.as_bytes()),
            Some("expected text in UTF-8"),
        )
        .with_cmd(command),
        None => error,
    }
}

fn of_typed_bytes(command: &Command, before: Option<&OsStr>, word: &OsStr) -> clap::Error {
    let mut parts = word.as_bytes().splitn(2, |byte| *byte == b'=');
    let name = OsString::from_vec(parts.next().unwrap_or_default().to_vec());
    let (option, value) = match (option_of(command, &name), parts.next()) {
        (Some(option), Some(value)) => (Some(option), value),
        _ => (
            before.and_then(|before| option_of(command, before)),
            word.as_bytes(),
        ),
    };
    let of = option.map_or(String::new(), |option| format!(" for '{option}'"));
    let value = escape_path(value);
    let text = format!("invalid value '{value}'{of}: expected text in UTF-8\n");
    clap::Error::raw(ErrorKind::ValueValidation, escape_text(&text)).with_cmd(command)
}

/// A value that nobody typed is told as the variable's that it comes from.
pub(super) fn of_variable(option: &Arg, value: &str, why: Option<&str>) -> clap::Error {
    let variable = option.get_env().unwrap_or_default().to_string_lossy();
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let text = format!(
        "invalid value '{value}' in the environment variable {variable} (it stands for '{option}'){why}\n"
    );
    clap::Error::raw(ErrorKind::ValueValidation, escape_text(&text))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{said, said_of};
    use super::*;
    use crate::cli::command_line::command;

    #[test]
    fn a_number_below_zero_is_told_what_is_wanted_whether_a_space_is_before_it_or_an_equals_sign() {
        let mut form = command();
        form.build();
        let mut seen = 0;
        for below in form.get_subcommands() {
            for option in below.get_opts().filter(|one| !one.is_require_equals_set()) {
                let name = format!("--{}", option.get_long().unwrap());
                for number in ["-1", "-5M", "-1%"] {
                    let typed = [below.get_name(), &name, number, "a", "docker://b", "-oc"];
                    let behind = format!("{name}={number}");
                    let joined = [below.get_name(), &behind, "a", "docker://b", "-oc"];
                    let (typed, joined) = (said(&typed), said(&joined));
                    let Some(said) = &joined else {
                        continue;
                    };
                    if said.contains("invalid value") {
                        assert_eq!(typed, joined, "{behind}");
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen > 100, "{seen}");
        let fine = said(&["build", "a", "--label", "-5"]).unwrap();
        assert!(fine.contains("equals sign: --label=-5"), "{fine}");
    }

    #[test]
    fn a_value_that_must_stand_behind_an_equals_sign_is_told_so() {
        for (words, expected) in [
            (
                &["build", "a", "-o", "x", "--tls-verify", "false"][..],
                "--tls-verify=false",
            ),
            (
                &["build", "a", "--tls-verify", "false"],
                "--tls-verify=false",
            ),
            (
                &["build", "--tls-verify", "false", "a"],
                "--tls-verify=false",
            ),
            (
                &["build", "a", "--sha256", "raw", "-o", "x"],
                "--sha256=raw",
            ),
            (
                &["pull", "a", "-ox", "--tls-verify", "true"],
                "--tls-verify=true",
            ),
            (
                &["build", "a", "-o", "x", "--sha256", "hex"],
                "--sha256=line or --sha256=raw",
            ),
        ] {
            let said = said(words).unwrap();
            assert!(said.contains(&format!("equals sign: {expected}")), "{said}");
            assert!(!said.contains("is said by -o"), "{said}");
        }
        let said = |words: &[&str]| said(words).unwrap();
        assert!(said(&["build", "a", "--sha256", "x.img"]).contains("-o x.img"));
        for output in [
            &["-o", "x"][..],
            &["-ox"],
            &["--output=x"],
            &["--output", "x"],
        ] {
            let said = said(&[&["build", "a", "b"], output].concat());
            assert!(!said.contains("is said by -o"), "{said}");
        }
    }

    #[test]
    fn what_is_no_text_is_told_with_the_option_that_it_is_given_for() {
        let bytes = |text: &[u8]| OsString::from_vec(text.to_vec());
        for (option, value) in [
            (&b"--size=\xff"[..], None),
            (b"--size", Some(&b"\xff"[..])),
            (b"--jobs=\xff", None),
        ] {
            // A file is called so; it is none of the parser's business.
            let words = [&b"build"[..], b"a", b"-o", b"\xfe", option];
            let words = words.into_iter().chain(value).map(bytes).collect();
            let said = said_of(words).unwrap();
            let name = String::from_utf8_lossy(&option[..4]).into_owned();
            assert!(said.contains(&format!("for '{name}")), "{said}");
            assert!(
                said.contains("UTF-8") && !said.contains("more arguments"),
                "{said}"
            );
        }
    }
}
