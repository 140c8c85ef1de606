//! How an image's containers start, for people.

use crate::cli::shown::text::printable;
use crate::oci::RuntimeConfig;

/// A row for each part; those that say nothing are empty.
pub fn rows(runtime: &RuntimeConfig) -> [(&'static str, String); 9] {
    fn lines<'a>(values: impl IntoIterator<Item = &'a String>) -> String {
        let lines: Vec<_> = values.into_iter().map(|value| printable(value)).collect();
        lines.join("\n")
    }
    let words = |words: &[String]| match words {
        [] => String::new(),
        words => {
            printable(&serde_json::to_string(words).unwrap_or_default()).replace("\",\"", "\", \"")
        }
    };
    let labels: Vec<_> = runtime
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or_default()))
        .collect();
    [
        ("user", printable(&runtime.user)),
        ("workdir", printable(&runtime.working_dir)),
        ("entrypoint", words(&runtime.entrypoint)),
        ("cmd", words(&runtime.cmd)),
        ("env", lines(&runtime.env)),
        ("ports", lines(&runtime.exposed_ports)),
        ("volumes", lines(&runtime.volumes)),
        (
            "stop signal",
            printable(runtime.stop_signal.as_deref().unwrap_or_default()),
        ),
        ("labels", lines(&labels)),
    ]
}
