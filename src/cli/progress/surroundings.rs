//! What the environment says of whoever reads standard error.

use std::ffi::OsString;

use super::letters::Letters;

/// The variables that say which letters there are; the first that is set says it.
const LOCALE: [&str; 3] = ["LC_ALL", "LC_CTYPE", "LANG"];

/// Which letters a terminal is promised to show, by the locale, of which none is C.
pub fn letters(variable: impl Fn(&str) -> Option<OsString>) -> Letters {
    let locale = LOCALE.into_iter().find_map(variable);
    let locale = locale.unwrap_or_default().to_string_lossy().to_uppercase();
    let (_, codeset) = locale.split_once('.').unwrap_or_default();
    let codeset = codeset.split('@').next().unwrap_or_default();
    match codeset {
        "UTF-8" | "UTF8" => Letters::Unicode,
        _ => Letters::Ascii,
    }
}

/// Whether what is drawn on a terminal would be read as a log: a CI system's, or one that moves no
/// cursor.
pub fn is_log(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let says_no = |value: &OsString| ["0", "false"].iter().any(|no| value == no);
    let is_ci = variable("CI").is_some_and(|value| !says_no(&value));
    is_ci || variable("TERM").is_some_and(|value| value == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + use<'a> {
        |name| {
            let found = set.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| OsString::from(value))
        }
    }

    #[test]
    fn the_first_of_the_locales_variables_says_which_letters_there_are() {
        for set in [
            &[("LANG", "en_US.UTF-8")][..],
            &[("LC_CTYPE", "C.utf8"), ("LANG", "C")],
            &[("LC_ALL", "de_DE.UTF-8@euro"), ("LC_CTYPE", "C")],
        ] {
            assert_eq!(letters(variables(set)), Letters::Unicode, "{set:?}");
        }
        for set in [
            &[][..],
            &[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")],
            &[("LC_ALL", "POSIX"), ("LC_CTYPE", "C.UTF-8")],
            &[("LANG", "de_DE.ISO-8859-1")],
            &[("LANG", "de_DE")],
        ] {
            assert_eq!(letters(variables(set)), Letters::Ascii, "{set:?}");
        }
    }

    #[test]
    fn a_ci_system_and_a_terminal_without_a_cursor_read_logs() {
        for (set, expected) in [
            (&[("CI", "true"), ("TERM", "xterm")][..], true),
            (&[("CI", "1")], true),
            (&[("TERM", "dumb")], true),
            (&[("CI", "false"), ("TERM", "xterm")], false),
            (&[("CI", "0")], false),
            (&[], false),
        ] {
            assert_eq!(is_log(variables(set)), expected, "{set:?}");
        }
    }
}
