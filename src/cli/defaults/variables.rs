//! Defaults in the environment.

use crate::cli::arguments::{variable, variables_with};
use crate::error::shown;

use super::Defaults;
use super::keys::{KEYS, PREFIX, unknown, variable_of};

/// Those of this project's own tests and scripts, which the program has nothing to do with.
const OF_TESTS: [&str; 4] = ["REQUIRE", "GOLDEN", "STACK", "E2FSPROGS"];
const OF_TESTS_BEGIN: [&str; 2] = ["TEST_", "FUZZ_"];

/// Takes what is set, and warns of what nobody reads; `options` are all that the program has. An
/// empty one is none.
pub(super) fn read(found: &mut Defaults, options: &[String]) {
    for (key, _) in KEYS {
        if let Some(value) = variable(&variable_of(key)) {
            found.add(key, value, variable_of(key));
        }
    }
    let names = variables_with(PREFIX);
    found
        .warnings
        .extend(names.iter().filter_map(|name| stranger(name, options)));
}

/// What is said of a variable that nobody reads.
fn stranger(name: &str, options: &[String]) -> Option<String> {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    let is_of_tests =
        OF_TESTS.contains(&rest) || OF_TESTS_BEGIN.iter().any(|begin| rest.starts_with(begin));
    if is_of_tests || KEYS.iter().any(|(key, _)| variable_of(key) == name) {
        return None;
    }
    let key = rest.to_lowercase().replace('_', "-");
    let said = unknown(&key, options, variable_of);
    Some(format!(
        "{} is no variable of layerpress: {said}",
        shown(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_nobody_reads_is_told_with_the_nearest_and_those_of_tests_are_left_alone() {
        let options = ["mke2fs".to_owned(), "max-entries".to_owned()];
        let said = |name: &str| stranger(name, &options);
        for (key, _) in KEYS {
            assert_eq!(said(&variable_of(key)), None);
        }
        for name in [
            "LAYERPRESS_REQUIRE",
            "LAYERPRESS_GOLDEN",
            "LAYERPRESS_FUZZ_SECONDS",
            "LAYERPRESS_TEST_IMG",
        ] {
            assert_eq!(said(name), None);
        }
        for (name, words) in [
            ("LAYERPRESS_JOB", "the nearest is LAYERPRESS_JOBS"),
            ("LAYERPRESS_jobs", "the nearest is LAYERPRESS_JOBS"),
            ("LAYERPRESS_CACHEDIR", "the nearest is LAYERPRESS_CACHE_DIR"),
            ("LAYERPRESS_MKE2FS", "--mke2fs has no default but"),
            ("LAYERPRESS_MAX_ENTRIES", "--max-entries has no default but"),
            (
                "LAYERPRESS_COLOUR",
                "expected one of LAYERPRESS_CACHE_DIR, ",
            ),
            ("LAYERPRESS_", "expected one of LAYERPRESS_CACHE_DIR, "),
        ] {
            let text = said(name).unwrap();
            assert!(text.starts_with(name) && text.contains(words), "{text}");
        }
    }
}
